"""What `backward` returns is checked before autograd sums and casts it."""

import re

import pytest
import torch
from torch.autograd import Function
from torch.testing import assert_close

from chapter14.checking.raw_backward import functions_of, misfits_of_raw_gradients, recorded
from chapter14.checking.subject import make_case


class Affine(Function):
    """x w + b, with w and b [4] for each x [n, 4]."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x * w + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, (g * x).sum(0), g.sum(0)


class BiasNotSummed(Affine):
    @staticmethod
    def backward(ctx, g):
        return *Affine.backward(ctx, g)[:2], g


class OneMissing(Affine):
    @staticmethod
    def backward(ctx, g):
        return Affine.backward(ctx, g)[:2]


class TrailingNone(Affine):
    """PyTorch's documentation allows it."""

    @staticmethod
    def backward(ctx, g):
        return *Affine.backward(ctx, g), None


class InFloat32(Affine):
    @staticmethod
    def backward(ctx, g):
        g_x, g_w, g_b = Affine.backward(ctx, g)
        return g_x.float(), g_w, g_b


class TooSmall(Affine):
    @staticmethod
    def backward(ctx, g):
        return Affine.backward(ctx, g)[0].sum(0), *Affine.backward(ctx, g)[1:]


class AsVjp(Affine):
    """`vjp` is another name of `backward`."""

    backward = Function.backward

    @staticmethod
    def vjp(ctx, g):
        return *Affine.backward(ctx, g)[:2], g


def inputs(draw, n):
    return draw(n, 4), draw(4), draw(4)


def misfits(function):
    wrong = misfits_of_raw_gradients(make_case(function, inputs), torch.float64)
    return [*wrong.shapes, *wrong.dtypes]


@pytest.mark.parametrize(
    "function, message",
    [
        (
            BiasNotSummed,
            r"dJ/db is not summed over axis 0, where b branches \(14.46\): its shape is \[3, 4\], and b is",
        ),
        (AsVjp, "dJ/db is not summed over axis 0"),
        (OneMissing, "backward returns 2 gradients for 3 inputs"),
        (InFloat32, "dJ/dx is torch.float32, and x is torch.float64"),
        (TooSmall, r"dJ/dx does not fit: its shape is \[4\], and x is \[3, 4\]"),
    ],
)
def test_what_autograd_would_tidy_is_said(function, message):
    before = dict(vars(function))
    assert re.match(message, "; ".join(misfits(function)))
    assert before == dict(vars(function))


@pytest.mark.parametrize("function", [Affine, TrailingNone, Affine.apply])
def test_a_right_function_passes(function):
    assert misfits(function) == []


def test_a_function_inside_of_others_is_found():
    def f(x, w, b):
        return BiasNotSummed.apply(x.sin(), w.exp(), b).square()

    assert misfits(f)[0].startswith("dJ/db is not summed over axis 0")


def test_a_recorded_backward_returns_what_it_returned():
    x, w, b = torch.randn(3, 4, requires_grad=True), torch.randn(4), torch.randn(4, requires_grad=True)
    x_out = Affine.apply(x, w, b)
    with recorded(functions_of([x_out])) as calls:
        x_out.sum().backward()
    (call,) = calls
    assert [i for i, *_ in call.inputs] == [0, 2] and [tuple(m.shape) for _, m, _ in call.inputs] == [(3, 4), (4,)]
    assert_close(call.returned[0], x.grad)
