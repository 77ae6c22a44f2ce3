"""Complex and whole-number inputs, drawn by chance: `chapter14.functional` and `by_hand` beside PyTorch.

Of each call: x_out and its dtype, g_in, what that has for g_in, and forward mode; or that both refuse.
"""

import random
import warnings

import pytest
import torch
from torch.autograd import forward_ad
from torch.testing import assert_close

import chapter14.functional as F
from chapter14 import by_hand

pytestmark = pytest.mark.slow

Z, X, I = torch.complex128, torch.float64, torch.int64
KINDS = [Z, Z, Z, torch.complex64, X, torch.float32, I, torch.uint8, torch.bool]
NUMBERS = [2, -1.5, 0.5 + 1j, 3.0, True]


class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rng = torch.Generator().manual_seed(seed)

    def one(self, *options):
        return self.random.choice(options)

    def shape(self, least=0, most=3):
        return [self.one(1, 2, 3) for _ in range(self.random.randint(least, most))]

    def tensor(self, shape, dtype=None):
        dtype = dtype or self.one(*KINDS)
        t = torch.randn(shape, generator=self.rng, dtype=Z if dtype.is_complex else X)
        if not dtype.is_complex and not dtype.is_floating_point:
            t = (t * 3).abs() + 1
        t = t.to(dtype)
        if t.ndim > 1 and self.one(True, False):
            t = t.mT.contiguous().mT
        return t.requires_grad_(t.is_floating_point() or t.is_complex())

    def pair(self):
        shape = self.shape()
        a, b = self.tensor(shape), self.tensor(shape[self.random.randint(0, len(shape)) :])
        return (a, b) if self.one(True, False) else (b, a)


def unary(f):
    return lambda draw: (f, (draw.tensor(draw.shape()),))


def binary(f):
    return lambda draw: (f, draw.pair())


def with_number(f):
    def make(draw):
        c = draw.one(*NUMBERS)
        return lambda x: f(x, c), (draw.tensor(draw.shape()),)

    return make


def along(f):
    def make(draw):
        x = draw.tensor(draw.shape(1))
        dim = draw.random.randrange(-x.ndim, x.ndim)
        return lambda x: f(x, dim), (x,)

    return make


def written(f):
    """f, which writes into a copy of its first input."""

    def make(draw):
        shape = draw.shape(1)
        a, b = draw.tensor(shape, draw.one(Z, Z, X)), draw.tensor(shape[1:])
        return lambda a, b: f(a * 1, b), (a, b)

    return make


def rows(x, b):
    x[0] = b
    return x


NATIVE = torch.nn.functional
ELEMENTWISE = (
    "abs acos acosh asin asinh atan atanh cos cosh exp exp2 expm1 log log10 log1p log2 neg reciprocal rsqrt sgn "
    "sigmoid sin sinc sinh sqrt square tan tanh angle real imag conj positive erf i0 lgamma"
).split()
BINARY = "add sub mul div pow logaddexp atan2 hypot xlogy dot outer".split()
BY_HAND = {
    **{name: unary(getattr(torch, name)) for name in ELEMENTWISE},
    **{name: binary(getattr(torch, name)) for name in BINARY},
    **{f"{name} number": with_number(getattr(torch, name)) for name in "add sub mul div pow float_power".split()},
    "number sub": with_number(lambda x, c: c - x),
    "number div": with_number(lambda x, c: c / x),
    "number pow": with_number(lambda x, c: c**x),
    **{name: along(getattr(torch, name)) for name in "sum mean prod var std cumsum cumprod logsumexp".split()},
    "logcumsumexp": along(torch.logcumsumexp),
    "norm": along(lambda x, dim: torch.linalg.vector_norm(x, 2, dim)),
    "norm 3": along(lambda x, dim: torch.linalg.vector_norm(x, 3, dim)),
    "diff": along(lambda x, dim: x.diff(dim=dim)),
    "where": binary(lambda a, b: torch.where(b.detach().abs() > 0.5, a, b)),
    "addcmul": binary(lambda a, b: torch.addcmul(a, a, b, value=2)),
    "addcdiv": binary(lambda a, b: torch.addcdiv(a, b, a, value=2)),
    "lerp": binary(lambda a, b: torch.lerp(a, b, 0.3)),
    "polar": binary(torch.polar),
    "complex": binary(torch.complex),
    "to complex": unary(lambda x: x.to(Z) * (1 + 2j)),
    "to real": unary(lambda x: x.to(X)),
    "add_": written(lambda a, b: a.add_(b)),
    "mul_": written(lambda a, b: a.mul_(b)),
    "div_": written(lambda a, b: a.div_(b)),
    "sub_": written(lambda a, b: a.sub_(b, alpha=2)),
    "copy_": written(lambda a, b: a.copy_(b)),
    "setitem": written(rows),
    "exp_": written(lambda a, b: a.exp_()),
    "abs_": written(lambda a, b: a.abs_()),
    "mul_ of a view": written(lambda a, b: (a[0].mul_(b), a * a)[1]),
    "mul_ of the real part": written(lambda a, b: (torch.real(a).mul_(2), a * a)[1]),
    "mul_ of an imaginary part": written(lambda a, b: (a[:1].imag.mul_(b), a * a)[1]),
    "mul_ of pairs": written(lambda a, b: (torch.view_as_real(a).mul_(3), a * a)[1]),
    "mul_ of complex pairs": written(
        lambda a, b: (a := torch.stack([a, a * a], -1), torch.view_as_complex(a).mul_(1j), a * a)[2]
    ),
    "l1_loss": binary(NATIVE.l1_loss),
    "mse_loss": binary(NATIVE.mse_loss),
    "normalize": along(lambda x, dim: NATIVE.normalize(x, 2, dim)),
    "softmax": along(lambda x, dim: NATIVE.softmax(x, dim)),
    **{name: unary(getattr(NATIVE, name)) for name in "softsign tanhshrink silu logsigmoid gelu".split()},
    "rms_norm": unary(lambda x: NATIVE.rms_norm(x, x.shape[-1:])),
    "pairwise_distance": binary(NATIVE.pairwise_distance),
}


FUNCTIONS = {
    **{name: (unary, getattr(torch, name)) for name in ELEMENTWISE if hasattr(F, name)},
    **{name: (binary, getattr(torch, name)) for name in "divide atan2 hypot logaddexp xlogy".split()},
    "absolute": (unary, torch.abs),
    "xlog1py": (binary, torch.special.xlog1py),
    "pow": (binary, torch.pow),
    **{name: (along, getattr(torch, name)) for name in "cumsum cumprod logcumsumexp logsumexp prod".split()},
    "sum": (along, torch.sum),
    "mean": (along, torch.mean),
    "nan_to_num": (unary, torch.nan_to_num),
    "l1_loss": (binary, NATIVE.l1_loss),
    "linear": (binary, NATIVE.linear),
}
SEEDS = 5


def of(f, inputs):
    """x_out, then g_in, its g_in and the tangent of x_out; or in the place of either, the error."""
    try:
        x_out = f(*inputs)
    except Exception as error:
        return error, None
    try:
        g_in = gradients(x_out, inputs)
        again = gradients(sum((g.conj() * g).real.sum().double() for g in g_in), inputs) if g_in else []
        return x_out.detach(), [g.detach() for g in (*g_in, *again, *tangent(f, inputs))]
    except Exception as error:
        return x_out.detach(), error


def tangent(f, inputs):
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(t, gradient(t)) if t.requires_grad else t for t in inputs]
        x_out, dx_out = forward_ad.unpack_dual(f(*duals))
        return [torch.zeros_like(x_out) if dx_out is None else dx_out]


def gradients(x_out, inputs):
    wanted = [t for t in inputs if t.requires_grad]
    if not x_out.requires_grad:
        return [torch.zeros_like(t) for t in wanted]
    g = torch.autograd.grad(x_out, wanted, gradient(x_out), create_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, g, strict=True)]


def gradient(t):
    g = torch.linspace(0.5, 1.5, t.numel(), dtype=X).view(t.shape)
    return torch.complex(g, 1 - 2 * g).to(t.dtype) if t.is_complex() else g.to(t.dtype)


def compare(name, f, native_f, inputs):
    (ours, our_slopes), (native, slopes) = of(f, inputs), of(native_f, inputs)
    said = f"{name} of {[(str(t.dtype)[6:], list(t.shape)) for t in inputs]}"
    tolerance = {"rtol": 1e-3, "atol": 1e-3} if any(t.dtype not in (Z, X) for t in inputs) else {}

    def same(a, b):
        assert_close(a, b, equal_nan=True, msg=lambda text: f"{said}: {text}", **tolerance)

    if isinstance(native, Exception):
        refused = isinstance(ours, Exception) or NO_DERIVATIVE in str(native)
        assert refused, f"{said}: native says {native}, and ours nothing"
        return
    assert not isinstance(ours, Exception), f"{said}: {ours!r}"
    same(ours, native)
    if isinstance(slopes, Exception) or at_fault(name, native, inputs) == "all":
        return  # `complex_numbers` holds ours to finite differences
    assert not isinstance(our_slopes, Exception), f"{said}: {our_slopes!r}"
    if at_fault(name, native, inputs) == "forward mode":
        our_slopes, slopes = our_slopes[:-1], slopes[:-1]
    same(our_slopes, slopes)


NO_DERIVATIVE = "does not support automatic differentiation"


def at_fault(name, x_out, inputs):
    """What PyTorch does wrong there: docs/native_faults.md."""
    if "atan2" in name and any(t.dtype == torch.uint8 for t in inputs):
        return "all"
    real = any(t.requires_grad and not t.is_complex() for t in inputs)
    return "forward mode" if x_out.is_complex() and real else ""


@pytest.mark.parametrize("name", BY_HAND)
def test_complex_and_integer_inputs_by_hand_equal_native(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(SEEDS):
            f, inputs = BY_HAND[name](Draw(seed))
            compare(f"{name}, seed {seed}", in_our_hands(f), f, inputs)


def in_our_hands(f):
    def call(*inputs):
        with by_hand():
            return f(*inputs)

    return call


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_and_integer_inputs_to_functions_equal_native(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind, native_name = FUNCTIONS[name]
        for seed in range(SEEDS):
            (f, inputs), (native, _) = (kind(g)(Draw(seed)) for g in (getattr(F, name), native_name))
            compare(f"F.{name}, seed {seed}", f, native, inputs)
