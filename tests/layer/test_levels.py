"""torch.func's levels and the older vmap: second derivatives by each way of having many g of one x."""

import re
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.autograd import grad
from torch.func import hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.testing import assert_close

from chapter14 import Layer, convert
from chapter14.checking.case import float_outputs, inputs_requiring_grad, outputs_requiring_grad
from chapter14.functional import mul

from ..table import CASES

pytestmark = pytest.mark.slow

#: One of each function's.
EACH = list({re.split(r"\W", str(case))[0]: case for case in reversed(CASES)}.values())
#: Those whose inputs are tuples with names, among others: how a kernel slides, a window, an image is read.
NAMED = "conv unfold fold avg_pool lp_pool interpolate upsample grid_sample affine_grid layer_norm".split()


def ways(case):
    inputs = case.draw()
    x_out = outputs_requiring_grad(case.ours, inputs)
    return inputs_requiring_grad(inputs), x_out, [torch.randn(2, *t.shape, dtype=t.dtype) for t in x_out]


def again(g_in, x):
    """What comes back to x from all that came back."""
    found = [g for g in g_in if g is not None and g.requires_grad]
    if not found:
        return []
    R = [torch.linspace(-1, 1, g.numel(), dtype=g.dtype).view(g.shape) for g in found]
    back = grad(found, x, R, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(x, back, strict=True)]


@pytest.mark.parametrize("case", EACH, ids=str)
def test_is_grads_batched_with_create_graph(case):
    x, x_out, G = ways(case)
    if not x_out:
        pytest.skip("it has no gradient")
    each = [grad(x_out, x, g, create_graph=True, allow_unused=True) for g in zip(*G, strict=True)]
    one_by_one = [None if g[0] is None else torch.stack(g) for g in zip(*each, strict=True)]
    at_once = grad(x_out, x, G, is_grads_batched=True, create_graph=True, allow_unused=True)
    for a, b in zip(at_once, one_by_one, strict=True):
        assert_close(a, b)
    assert_close(again(at_once, x), again(one_by_one, x))


@pytest.mark.parametrize("case", [c for c in EACH if str(c).startswith(tuple(NAMED))], ids=str)
def test_jvp_over_vmap_of_vjp(case):
    inputs = case.draw()
    i = next(i for i, t in enumerate(inputs) if isinstance(t, torch.Tensor) and t.requires_grad)
    x, dx = inputs[i].detach(), torch.randn_like(inputs[i])

    def f(x):
        return float_outputs(case.ours(*inputs[:i], x, *inputs[i + 1 :]))[0].square()

    G = torch.randn(2, *f(x).shape, dtype=x.dtype)
    along = jvp(lambda x: vmap(vjp(f, x)[1])(G)[0], (x,), (dx,))[1]
    one_by_one = [jvp(lambda x, g=g: vjp(f, x)[1](g)[0], (x,), (dx,))[1] for g in G]
    assert_close(along, torch.stack(one_by_one))


def models():
    convolutions = nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2, 1), nn.Flatten(), nn.Linear(2, 3), nn.Sigmoid()
    return nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()).double(), nn.Sequential(*convolutions).double()


def test_hessian_of_convolutions():
    _, model = models()
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    assert_close(hessian(convert(model))(x), hessian(model)(x))
    assert_close(jacrev(jacfwd(convert(model)))(x), hessian(model)(x))


@pytest.mark.parametrize("vmapped", [False, True])
def test_is_grads_batched_three_times(vmapped):
    model, _ = models()
    found = []
    for f in (convert(model), model):
        torch.manual_seed(14)
        x = torch.randn(5, 2, 4, dtype=torch.float64, requires_grad=True)
        y = vmap(f, 1, 1)(x) if vmapped else f(x)
        for _ in range(3):
            (y,) = grad(y, x, torch.randn(3, *y.shape, dtype=y.dtype), is_grads_batched=True, create_graph=True)
        found.append([y, *grad(y.square().sum(), f.parameters())])
    assert_close(*found)


class Power(NamedTuple):
    p: int
    c: float


class Powers(Layer):
    """x_out = c x^p.  L^x = diag c p x^(p - 1), said by a tuple with names, a list and a dict."""

    @staticmethod
    def forward(x, power, p, c):
        assert type(power) is Power and p == [power.p] and c == {"c": power.c}
        return power.c * x**power.p

    @staticmethod
    def backward(needs, g, x, power: Any, p, c):
        return mul(g, Powers.of(x, Power(power.p - 1, power.c * power.p), [power.p - 1], {"c": power.c * power.p})), *(
            None for _ in range(3)
        )

    @staticmethod
    def jvp(tangents, x, power, p, c):
        return mul(mul(tangents[0], Powers.of(x, Power(power.p - 1, power.c), [power.p - 1], {"c": power.c})), power.p)


def test_constants_of_any_kind():
    x = torch.randn(3, dtype=torch.float64)
    f = lambda x: Powers.of(x, Power(4, 0.5), [4], {"c": 0.5})  # noqa: E731
    assert_close(jacrev(f)(x), torch.diag(2 * x**3))
    assert_close(jacfwd(f)(x), torch.diag(2 * x**3))
    assert_close(hessian(lambda x: f(x).sum())(x), torch.diag(6 * x**2))


def test_nested_is_grads_batched_raises():
    model, _ = models()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    y, older = convert(model)(x), torch._vmap_internals._vmap
    back = lambda g: grad(y, x, g, create_graph=True)[0]  # noqa: E731
    with pytest.raises(NotImplementedError, match="is_grads_batched inside is_grads_batched"):
        older(older(back))(torch.randn(2, 3, *y.shape, dtype=y.dtype))
