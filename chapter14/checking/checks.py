"""What every layer is held to. A check takes a `Case`, and raises where the layer falls short, saying how."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad, grad, gradcheck, gradgradcheck
from torch.func import vmap
from torch.testing import assert_close

from ..layer import Node
from .case import Case, DoesNotApply, a_gradient, outputs, there_and_back, wanted
from .words import wrong_words


def agrees_forward(case: Case) -> None:
    """x_out is PyTorch's, in those of three precisions that it has."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        try:
            expected = case.like(*case.draw(dtype=dtype))
        except NotImplementedError:
            continue
        assert_close(case.ours(*case.draw(dtype=dtype)), expected)


def agrees_backward(case: Case) -> None:
    """g_in is PyTorch's."""
    assert_close(there_and_back(case.ours, case.draw()), there_and_back(case.like, case.draw()))


def gradients(case: Case) -> None:
    """L is what finite differences say, from the left, from the right, and for many g_out at once."""
    gradcheck(case.ours, case.draw(2), check_forward_ad=True, check_batched_grad=True)


def gradients_of_gradients(case: Case) -> None:
    """So is the L of the way back."""
    gradgradcheck(case.ours, case.draw(2), check_fwd_over_rev=True, check_batched_grad=True)


def closed(case: Case) -> None:
    """The way back is made of layers alone, and its own way back too (section 14.6.5)."""
    inputs = case.draw()
    once = _back(outputs(case.ours(*inputs)), inputs)
    _made_of_layers(once)
    if once := [g for g in once if g.requires_grad]:
        # x comes to its layer and to those of the way back: where these meet again, autograd adds, as (14.46) does.
        _made_of_layers(_back(once, inputs), "AddBackward0")


def _back(x_out: list[Tensor], inputs: tuple) -> list[Tensor]:
    ways = [t for t in x_out if t.requires_grad]
    g_out = [a_gradient(t).requires_grad_() for t in ways]
    return [g for g in grad(ways, wanted(inputs), g_out, create_graph=True, allow_unused=True) if g is not None]


def _made_of_layers(tensors: list[Tensor], *allowed: str) -> None:
    ahead, seen = [t.grad_fn for t in tensors], set()
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        ours = issubclass(getattr(type(node), "_forward_cls", type(None)), Node)
        name = node.name().removeprefix("torch::autograd::")
        assert ours or name in ("AccumulateGrad", *allowed), f"{name} is on the way back, and is no layer"
        ahead += [before for before, _ in node.next_functions]


def forward_mode(case: Case) -> None:
    """L applied from the right, by dual numbers, is PyTorch's."""

    def tangents(f: Callable) -> list[Tensor]:
        with forward_ad.dual_level():
            inputs = (forward_ad.make_dual(t, t.cos()) if t is not None and _asks(t) else t for t in case.draw())
            return [forward_ad.unpack_dual(t).tangent for t in outputs(f(*inputs))]

    assert_close(tangents(case.ours), tangents(case.like))


def _asks(t: Any) -> bool:
    return isinstance(t, Tensor) and t.requires_grad


def words(case: Case) -> None:
    """Every nesting of forward and reverse mode, of length 1 to 3, in torch.func."""
    wrong = wrong_words(case.ours, case.composite or case.like, case.draw(2))
    assert not wrong, f"wrong in {', '.join(wrong)} (f forward, r reverse; the first letter is the outermost)"


def per_datapoint(case: Case) -> None:
    """The gradients of the datapoints, one by one, add up to those of the batch (14.11)."""
    inputs, dims = case.draw(), case.in_dims
    which = tuple(i for i, t in enumerate(inputs) if _asks(t))
    if all(dims[i] is None for i in which):
        raise DoesNotApply("there is no batch")

    def J(f: Callable) -> Callable:
        return lambda *inputs: sum(t.square().sum() for t in outputs(f(*inputs)))

    one_by_one = vmap(torch.func.grad(J(case.ours), which), dims)(*inputs)
    batch = grad(J(case.like)(*inputs), wanted(inputs))
    for i, g, expected in zip(which, one_by_one, batch, strict=True):
        assert_close(g.sum(0) if dims[i] is None else g.movedim(0, dims[i]), expected)


def compiles(case: Case) -> None:
    """torch.compile takes it whole, and x_out and g_in stay the same."""
    torch._dynamo.reset()
    compiled = torch.compile(case.ours, fullgraph=True, backend="aot_eager")
    assert_close(there_and_back(compiled, case.draw()), there_and_back(case.ours, case.draw()))


def autocasts(case: Case) -> None:
    """Under autocast the dtypes are PyTorch's, and the values nearly."""
    with torch.autocast("cpu", torch.bfloat16):
        ours, native = (there_and_back(f, case.draw(dtype=torch.float32)) for f in (case.ours, case.like))
    assert_close(ours, native, rtol=3e-2, atol=3e-2)


def strides(case: Case) -> None:
    """How inputs and g_out lie in memory makes no difference."""
    straight = there_and_back(case.ours, case.draw())
    apart = tuple(_apart(t) if _asks(t) and t.ndim else t for t in case.draw())
    assert_close(there_and_back(case.ours, apart), straight)
    inputs = case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    ones = [torch.ones_like(t) for t in x_out]
    spread = [torch.ones((), dtype=t.dtype).expand(t.shape) for t in x_out]
    by_ones, by_spread = (grad(x_out, wanted(inputs), g, retain_graph=True, allow_unused=True) for g in (ones, spread))
    assert_close([g for g in by_spread if g is not None], [g for g in by_ones if g is not None])


def _apart(t: Tensor) -> Tensor:
    return t.detach().repeat_interleave(2, -1)[..., ::2].requires_grad_()


def empty_batch(case: Case) -> None:
    """A batch of none is a batch."""
    try:
        expected = there_and_back(case.like, case.draw(n=0))
    except Exception as error:
        raise DoesNotApply("PyTorch does not take an empty batch") from error
    assert_close(there_and_back(case.ours, case.draw(n=0)), expected, equal_nan=True)


def not_a_number(case: Case) -> None:
    """A NaN goes as far as PyTorch lets it, both ways."""
    for i, t in enumerate(case.draw()):
        if _asks(t) and t.numel():
            ours, native = (there_and_back(f, _with_nan(case.draw(), i)) for f in (case.ours, case.like))
            assert_close(ours, native, equal_nan=True)


def _with_nan(inputs: tuple, i: int) -> tuple:
    t = inputs[i].detach().clone()
    t.view(-1)[0] = torch.nan
    return (*inputs[:i], t.requires_grad_(), *inputs[i + 1 :])


def whole_numbers(case: Case) -> None:
    """Integers are taken where PyTorch takes them, and refused where it refuses them."""
    inputs = [(t.detach() * 3).long() if _asks(t) else t for t in case.draw()]
    _accepts_alike(case, inputs)


def wrong_shapes(case: Case) -> None:
    """Inputs that do not fit are refused where PyTorch refuses them."""
    for i, t in enumerate(case.draw()):
        if _asks(t) and t.ndim:
            inputs = list(case.draw())
            for wrong in (t.detach()[..., :-1], t.detach()[0], t.detach()[None]):
                _accepts_alike(case, [*inputs[:i], wrong, *inputs[i + 1 :]])


def _accepts_alike(case: Case, inputs: list) -> None:
    given = ", ".join(f"{list(t.shape)} {t.dtype}" for t in inputs if isinstance(t, Tensor))
    results: list[Any] = []
    for f in (case.ours, case.like):
        try:
            results.append(_results(f(*inputs)))
        except Exception as error:
            results.append(error)
    ours, native = results
    if isinstance(native, Exception):
        assert isinstance(ours, Exception), f"given {given}, PyTorch raises {type(native).__name__}, and this does not"
        assert not isinstance(ours, AttributeError | AssertionError), f"given {given}, it breaks: {ours!r}"
    elif isinstance(ours, Exception):
        raise AssertionError(f"given {given}, PyTorch does it, and this raises {ours!r}")
    else:
        assert_close(ours, native, equal_nan=True)


def _results(x_out: Any) -> list[Tensor]:
    return list(x_out) if isinstance(x_out, tuple | list) else [x_out]


def remembers(case: Case) -> None:
    """Going back twice is going back the same way: what is remembered is not written over."""
    inputs = case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    g_out = [a_gradient(t) for t in x_out]
    once, twice = (grad(x_out, wanted(inputs), g_out, retain_graph=True, allow_unused=True) for _ in range(2))
    assert_close([g for g in once if g is not None], [g for g in twice if g is not None], rtol=0, atol=0)


def writes_nothing(case: Case) -> None:
    """Inputs and g_out are somebody else's: neither is written into."""
    inputs, before = case.draw(), case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    g_out = [a_gradient(t) for t in x_out]
    grad(x_out, wanted(inputs), g_out, allow_unused=True)
    assert_close(wanted(inputs), wanted(before), rtol=0, atol=0)
    assert_close(g_out, [a_gradient(t) for t in x_out], rtol=0, atol=0)


def thrifty(case: Case) -> None:
    """An input that wants no gradient costs none: no gradient is made for it."""
    for i, inputs in _one_wanted(case):
        x_out = next((t for t in outputs(case.ours(*inputs)) if t.requires_grad), None)
        if x_out is not None and issubclass(getattr(type(x_out.grad_fn), "_forward_cls", type(None)), Node):
            gs = x_out.grad_fn.apply(  # type: ignore[union-attr]
                *[torch.ones_like(t) for t in outputs(case.ours(*inputs))]
            )
            made = sum(g is not None for g in (gs if isinstance(gs, tuple) else (gs,)))
            used = sum(before is not None for before, _ in x_out.grad_fn.next_functions)  # type: ignore[union-attr]
            assert made <= used, f"only input {i} wants a gradient; {made} are made, and {used} are used"


def lean(case: Case) -> None:
    """It remembers no more than PyTorch does, whichever one input wants a gradient."""
    for i, inputs in _one_wanted(case, n=8):
        ours, native = (remembered_bytes(f, inputs) for f in (case.ours, case.like))
        assert ours <= native, (
            f"where only input {i} wants a gradient, {ours} bytes are remembered; PyTorch's: {native}"
        )


def _one_wanted(case: Case, n: int = 3) -> Iterator[tuple[int, tuple]]:
    for i, t in enumerate(case.draw(n)):
        if _asks(t):
            yield i, tuple(s.detach() if _asks(s) and j != i else s for j, s in enumerate(case.draw(n)))


def remembered_bytes(f: Callable, inputs: tuple) -> int:
    """What the forward pass keeps for the way back, each memory once."""
    kept: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        x_out = f(*inputs)  # held until the bytes are counted, so that no memory is counted for another
    del x_out
    return sum(kept.values())


def module(case: Case) -> None:
    """Our module takes PyTorch's state, prints alike, copies, and computes alike."""
    if not case.module:
        raise DoesNotApply("it has no module")
    make_ours, make_native, arguments = case.module
    ours, native = make_ours(*arguments), make_native(*arguments)
    ours.load_state_dict(native.state_dict())
    assert isinstance(ours, make_native) and repr(ours) == repr(native)
    x = case.draw(dtype=torch.float32)
    inputs = x[: max(1, sum(isinstance(t, Tensor) for t in x) - len(list(native.parameters())))]
    results = []
    for f in (copy.deepcopy(ours), native):
        torch.manual_seed(14)
        results.append(f(*inputs))
    assert_close(*results)


def on_cuda(case: Case) -> None:
    """x_out and g_in are PyTorch's on a GPU too."""
    if not torch.cuda.is_available():
        raise DoesNotApply("there is no GPU here")
    ours, native = (there_and_back(f, case.draw(device="cuda")) for f in (case.ours, case.like))
    assert_close(ours, native)


CHECKS = [
    agrees_forward, agrees_backward, gradients, gradients_of_gradients, closed, forward_mode, words, per_datapoint,
    compiles, autocasts, strides, empty_batch, not_a_number, whole_numbers, wrong_shapes, remembers, writes_nothing,
    thrifty, lean, module, on_cuda,
]  # fmt: skip
