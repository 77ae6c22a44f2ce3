"""What breaks leaves nothing behind: no mode, no hook, no cast, and the model as it was."""

from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, grad
from torch.overrides import _get_current_function_mode_stack as modes
from torch.testing import assert_close
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack as dispatch_modes

from chapter14 import audit, by_hand, convert
from chapter14.conversion import convert as conversion

from ..interrupt import interrupted_at

pytestmark = pytest.mark.slow


class Net(torch.nn.Module):
    """Layers, a function, and what is written in place."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(inplace=True))
        self.out = torch.nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.out(torch.tanh(self.body(x)))
        y += 1
        return y.mul_(2).sin_()


def net() -> Net:
    torch.manual_seed(14)
    return Net().double().eval()


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(14), dtype=torch.float64).requires_grad_()


def process() -> list:
    """What is global, or the thread's."""
    return [
        modes(), dispatch_modes(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"),
        torch.is_autocast_cache_enabled(), forward_ad._current_level, torch.get_default_dtype(),
        torch._C._autograd._top_saved_tensors_default_hooks(False), torch._C._functorch.peek_interpreter_stack(),
    ]  # fmt: skip


def of_model(model: torch.nn.Module) -> list:
    return [(type(m), {k: _copied(v) for k, v in vars(m).items()}) for m in model.modules()]


def _copied(x):
    return {k: t if t is None else t.clone() for k, t in x.items()} if type(x) is dict and _of_tensors(x) else x


def _of_tensors(x):
    return all(t is None or isinstance(t, Tensor) for t in x.values())


@contextmanager
def all_as_it_was(model):
    before, there = process(), of_model(model)
    yield
    assert process() == before
    for (cls, held), (cls_before, held_before) in zip(of_model(model), there, strict=True):
        assert cls is cls_before and held.keys() == held_before.keys()
        for name, x in held_before.items():
            if type(x) is dict and _of_tensors(x):
                assert_close(held[name], x, rtol=0, atol=0)
            else:
                assert held[name] == x


def raises(error):
    def hook(*_):
        raise error

    return hook


def in_a_layer(model, x, error):
    handle = model.body[1].register_forward_hook(raises(error))
    try:
        model(x)
    finally:
        handle.remove()


def in_a_function(model, x, error):
    x.__class__ = type("Breaking", (Tensor,), {"__torch_function__": classmethod(raises(error))})
    model(x)


def in_place(model, x, error):
    """Where hooks are at work that keep what is written over apart."""
    with torch.autograd.graph.saved_tensors_hooks(raises(error), lambda t: t):
        model(x)


def on_the_way_back(model, x, error):
    x_out = model(x)
    x.register_hook(raises(error))
    grad(x_out.sum(), [x, *model.parameters()])


def on_the_second_way_back(model, x, error):
    (g,) = grad(model(x).sum(), x, create_graph=True)
    model.out.weight.register_hook(raises(error))
    try:
        grad(g.square().sum(), list(model.parameters()), allow_unused=True)
    finally:
        model.out.weight._backward_hooks.clear()


def in_dual_numbers(model, x, error):
    with forward_ad.dual_level():
        in_a_layer(model, forward_ad.make_dual(x, x), error)


def in_low_precision(model, x, error):
    with torch.autocast("cpu", torch.bfloat16):
        on_the_way_back(model, x, error)


BREAKS = [
    in_a_layer, in_a_function, in_place, on_the_way_back, on_the_second_way_back, in_dual_numbers, in_low_precision
]  # fmt: skip


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("broken", BREAKS, ids=lambda f: f.__name__)
def test_interrupted_pass(broken, error):
    model = convert(net())
    with all_as_it_was(model), pytest.raises(error, match="broken off"):
        broken(model, drawn(5, 4), error("broken off"))
    native = net()
    with all_as_it_was(native), pytest.raises(error, match="broken off"), by_hand():
        broken(native, drawn(5, 4), error("broken off"))
    x = drawn(5, 4)
    assert_close(grad(model(x).sum(), x), grad(net()(x).sum(), x))  # and it goes on
    assert audit(model(x)).fraction == 1 and audit(native(x)).fraction == 0


def of_convert(code) -> bool:
    return code.co_filename == conversion.__file__


@pytest.mark.parametrize("inplace", [True, False], ids=["in place", "a copy"])
def test_convert_interrupted_anywhere(inplace):
    model, line, interrupted = net(), 0, True
    while interrupted:
        line += 1
        before, classes = process(), [type(m) for m in model.modules()]
        interrupted = interrupted_at(line, lambda: convert(model, inplace), of_convert)
        assert process() == before
        assert ([type(m) for m in model.modules()] == classes) == (interrupted or not inplace), line
    assert line > 20
    assert_close(*(m(drawn(5, 4)) for m in (model, net())))
