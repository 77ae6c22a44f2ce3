"""What a diagnosis says: of mistakes that people make, each by its name; of right layers, nothing."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.autograd import Function

from chapter14.checking.case import Case
from chapter14.checking.diagnosis import HYPOTHESES, SECOND_ORDER, Finding, sentences, wrong_gradients


def made(like, backward):
    """A Function that computes `like`; its backward is given g, x_out and the inputs."""

    class Made(Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return like(*inputs)

        @staticmethod
        def backward(ctx, g):
            inputs = ctx.saved_tensors
            return backward(g, like(*inputs), *inputs)

    return Made.apply


def shapes(*per_input):
    """Draws the inputs: "n" stands for the batch."""
    return lambda draw, n: tuple(draw(*[n if s == "n" else s for s in shape]) for shape in per_input)


def positive(*per_input):
    drawn = shapes(*per_input)
    return lambda draw, n: tuple(t.detach().exp().requires_grad_() for t in drawn(draw, n))


def complex_pair(draw, n):
    return tuple(torch.complex(draw(n, 4).detach(), draw(n, 4).detach()).requires_grad_() for _ in range(2))


@dataclass
class Mistake:
    name: str
    inputs: str
    like: object
    backward: object
    draw: object
    input: str
    says: str
    order: int = 1

    def case(self, backward):
        return Case(made(self.like, backward), self.like, self.draw, title=self.name, names=self.inputs.split())


X, XW = shapes(("n", 4)), shapes(("n", 4), ("n", 4))
LINEAR = shapes(("n", 4), (4, 4), (4,))


def square(x):
    return x * x


def squared_error(x, y):
    """Summed over the entries of a datapoint, averaged over the datapoints."""
    return (x - y).square().sum(-1).mean(0)


def standardized(x):
    centred = x - x.mean(-1, keepdim=True)
    return centred * centred.square().mean(-1, keepdim=True).rsqrt()


def standardized_backward(g, y, x, mean=True, scale=True):
    r = (x - x.mean(-1, keepdim=True)).square().mean(-1, keepdim=True).rsqrt()
    if scale:
        g = g - y * (g * y).mean(-1, keepdim=True)
    g = r * g
    return (g - g.mean(-1, keepdim=True) if mean else g,)


def softmax_over_batch(g, y):
    return (y * (g - (g * y).sum(0)),)


def from_the_end(g, dim):
    return g.flip(dim).cumsum(dim).flip(dim)


MISTAKES = [
    Mistake("bias not summed", "x W b", nn.functional.linear, lambda g, y, x, W, b: (g @ W, g.T @ x, g), LINEAR,
            "b", "is not summed over axis 0, where b branches (14.46)"),
    Mistake("dW transposed", "x W b", nn.functional.linear, lambda g, y, x, W, b: (g @ W, x.T @ g, g.sum(0)), LINEAR,
            "W", "is transposed: it equals the right one when its axes are swapped (14.29)"),
    Mistake("dW transposed, not square", "x W", nn.functional.linear, lambda g, y, x, W: (g @ W, x.T @ g),
            shapes(("n", 4), (5, 4)), "W", "is transposed"),
    Mistake("dW of each datapoint", "x W", lambda x, W: x @ W,
            lambda g, y, x, W: (g @ W.T, x.mT @ g), shapes(("n", 2, 4), (4, 5)), "W", "is not summed over axis 0"),
    Mistake("W not transposed", "x W", lambda x, W: x @ W, lambda g, y, x, W: (g @ W, x.T @ g),
            shapes(("n", 4), (4, 4)), "x", "is L g_out, and should be g_out L (14.10)"),
    Mistake("mean over the batch forgotten", "x y", squared_error,
            lambda g, _, x, y: (2 * g * (x - y), -2 * g * (x - y)), XW, "x", "times the size of the batch"),
    Mistake("averaged for summed", "x w", lambda x, w: x * w, lambda g, y, x, w: (g * w, (g * x).mean(0)),
            shapes(("n", 4), (4,)), "w", "divided by the size of the batch"),
    Mistake("mean over the entries forgotten", "x", lambda x: x.square().mean(), lambda g, y, x: (2 * g * x,), X,
            "x", "times the number of entries of x"),
    Mistake("divided by the batch only", "x", lambda x: x.square().mean(), lambda g, y, x: (2 * g * x / len(x),), X,
            "x", "times the size of axis 1 of x"),
    Mistake("sign of a difference", "a b", torch.sub, lambda g, y, a, b: (g, g), XW, "b", "has the wrong sign"),
    Mistake("2 of a square", "x", square, lambda g, y, x: (g * x,), X, "x", "is 0.5 times the right one"),
    Mistake("inner constant", "x", lambda x: (3 * x).sin(), lambda g, y, x: (g * (3 * x).cos(),), X,
            "x", "is 0.333333 times the right one"),
    Mistake("relu, other side", "x", torch.relu, lambda g, y, x: (g * (x < 0),), X,
            "x", "has the mask of the other side"),
    Mistake("relu without mask", "x", torch.relu, lambda g, y, x: (g,), X, "x", "is g_out itself"),
    Mistake("0 / 0", "x", torch.relu, lambda g, y, x: (g * y / y,), X, "x", "is NaN or infinite where it should be"),
    Mistake("slopes exchanged", "x", lambda x: nn.functional.leaky_relu(x, 0.1),
            lambda g, y, x: (torch.where(x > 0, 0.1 * g, g),), X, "x", "is right at -x"),
    Mistake("tanh by x", "x", torch.tanh, lambda g, y, x: (g * (1 - x * x),), X, "x", "reads x in the place of x_out"),
    Mistake("square by x_out", "x", square, lambda g, y, x: (2 * g * y,), X, "x", "reads x_out in the place of x"),
    Mistake("factors not exchanged", "x w", torch.mul, lambda g, y, x, w: (g * x, g * w), XW,
            "x", "is what dJ/dw should be"),
    Mistake("another input", "a b", lambda a, b: a * b.exp(), lambda g, y, a, b: (g * a.exp(), g * a * b.exp()), XW,
            "a", "reads a in the place of b"),
    Mistake("order of the results", "a b", lambda a, b: a - 2 * b, lambda g, y, a, b: (-2 * g, g), XW,
            "a", "is what dJ/db should be"),
    Mistake("g forgotten", "x", square, lambda g, y, x: (2 * x,), X, "x", "ignores g_out"),
    Mistake("g twice", "x", square, lambda g, y, x: (2 * x * g * g,), X, "x", "is multiplied by g_out twice"),
    Mistake("value for derivative", "x", torch.sin, lambda g, y, x: (g * y,), X, "x", "is g_out times x_out"),
    Mistake("log", "x", torch.log, lambda g, y, x: (g * x,), positive(("n", 4)), "x", "is g_out divided by"),
    Mistake("derivative twice", "x", torch.sin, lambda g, y, x: (g * x.cos() ** 2,), X, "x", "factor h'(x) twice"),
    Mistake("first datapoint", "x w", torch.mul, lambda g, y, x, w: (g * w, (g * x)[0]), shapes(("n", 4), (4,)),
            "w", "is that of the first datapoint alone"),
    Mistake("g of the first datapoint", "x", square, lambda g, y, x: (2 * g[0] * x,), X,
            "x", "reads g_out of the first datapoint for all of them"),
    Mistake("dx summed", "x w", torch.mul, lambda g, y, x, w: ((g * w).sum(0), (g * x).sum(0)), shapes(("n", 4), (4,)),
            "x", "is summed over axis 0, and should not be"),
    Mistake("dx averaged", "x w", torch.mul,
            lambda g, y, x, w: ((g * w).mean(0).expand_as(x), (g * x).sum(0)), shapes(("n", 4), (4,)),
            "x", "is averaged over axis 0, and should not be"),
    Mistake("flip", "x", lambda x: x.flip(1), lambda g, y, x: (g,), X, "x", "is in reversed order along axis 1"),
    Mistake("shift", "x", lambda x: x.roll(1, 1), lambda g, y, x: (g,), X,
            "x", "is shifted by 1 along axis 1"),
    Mistake("running sum", "x", lambda x: x.cumsum(1), lambda g, y, x: (g.cumsum(1),), X,
            "x", "applies L from the other side"),
    Mistake("other axis", "x", lambda x: x.cumsum(1), lambda g, y, x: (from_the_end(g, 0),), X,
            "x", "works along the wrong axis"),
    Mistake("softmax, sum over the batch", "x", lambda x: x.softmax(-1),
            lambda g, y, x: softmax_over_batch(g, y), X,
            "x", "has its sum over axis 0, and x_out is a softmax over axis 1"),
    Mistake("log_softmax, sum over the batch", "x", lambda x: x.log_softmax(-1),
            lambda g, y, x: (g - y.exp() * g.sum(0),), X,
            "x", "has its sum over axis 0, and x_out is a softmax over axis 1"),
    Mistake("softmax, over the batch", "x", lambda x: x.softmax(-1),
            lambda g, y, x: softmax_over_batch(g, x.softmax(0)), X,
            "x", "works along the wrong axis: it is right when axes 0 and 1 are swapped"),
    Mistake("softmax, diagonal", "x", lambda x: x.softmax(-1), lambda g, y, x: (g * y * (1 - y),), X,
            "x", "has the diagonal of L only"),
    Mistake("product rule", "x", lambda x: x * x.sin(), lambda g, y, x: (g * x.sin(),), X,
            "x", "lacks a term: it equals the right one without what comes back through `sin`"),
    Mistake("mean as a constant", "x", standardized, lambda g, y, x: standardized_backward(g, y, x, mean=False), X,
            "x", "lacks a term: it equals the right one without what comes back through `mean`"),
    Mistake("variance as a constant", "x", standardized, lambda g, y, x: standardized_backward(g, y, x, scale=False), X,
            "x", "lacks a term"),
    Mistake("inner derivative", "x", lambda x: x.pow(2).sin(), lambda g, y, x: (g * x.pow(2).cos(),), X,
            "x", "without the derivative of `pow`"),
    Mistake("not returned", "x w", torch.mul, lambda g, y, x, w: (g * w, None), XW, "w", "is zero"),
    Mistake("clipped", "x", square, lambda g, y, x: ((2 * g * x).clamp(-0.5, 0.5),), X, "x", "is clipped"),
    Mistake("float32", "x", torch.sin, lambda g, y, x: (g * (x.float() + 4).sub(4).double().cos(),), X,
            "x", "is right to about 7 digits"),
    Mistake("|g|", "x", square, lambda g, y, x: (2 * x * g.abs(),), X, "x", "is not linear in g_out"),
    Mistake("half of abs", "x", torch.abs, lambda g, y, x: (torch.where(x < 0, -2 * g, g),), X,
            "x", "is wrong exactly where x < 0"),
    Mistake("not conjugated", "x w", torch.mul, lambda g, y, x, w: (g * w, g * x), complex_pair,
            "x", "should be g L*"),
    Mistake("detached", "x", torch.sigmoid, lambda g, y, x: (g * y.detach() * (1 - y.detach()),), X,
            "x", "is zero: `backward` computes with a result that is detached", order=2),
    Mistake("no graph", "x", square, lambda g, y, x: (2 * (g * x).detach(),), X,
            "x", "is missing: `backward` computes without a graph", order=2),
    Mistake("half detached", "x", lambda x: x * x.sin(), lambda g, y, x: (g * (x.sin() + x * x.detach().cos()),), X,
            "x", "lacks a term", order=2),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_each_mistake_is_named(mistake):
    found = wrong_gradients(mistake.case(mistake.backward), mistake.order)
    quantity = "dJ/d" if mistake.order == 1 else "the second derivative by "
    assert mistake.says in {f.gradient: f.words for f in found}[quantity + mistake.input]


def test_each_hypothesis_names_a_mistake():
    named = {f.hypothesis for m in MISTAKES for f in wrong_gradients(m.case(m.backward), m.order)}
    assert {h.name for h in [*HYPOTHESES, *SECOND_ORDER]} <= named


def row(name, like, backward, draw):
    return pytest.param(Case(made(like, backward), like, draw, title=name), id=name)


def softmax_backward(g, y, x):
    return (y * (g - (g * y).sum(-1, keepdim=True)),)


def rms_backward(g, y, x, w):
    r = x.square().mean(-1, keepdim=True).rsqrt()
    h = g * w
    return r * (h - x * r * r * (h * x).mean(-1, keepdim=True)), (g * x * r).sum(0)


RIGHT = [
    row("linear", nn.functional.linear, lambda g, y, x, W, b: (g @ W, g.T @ x, g.sum(0)), LINEAR),
    row("matmul", torch.matmul, lambda g, y, x, W: (g @ W.T, x.T @ g), shapes(("n", 4), (4, 5))),
    row("matmul of batches", torch.matmul, lambda g, y, a, b: (g @ b.mT, a.mT @ g), shapes(("n", 2, 4), ("n", 4, 3))),
    row("outer", torch.outer, lambda g, y, a, b: (g @ b, g.T @ a), shapes(("n",), (4,))),
    row("mul", torch.mul, lambda g, y, x, w: (g * w, (g * x).sum(0)), shapes(("n", 4), (4,))),
    row("div", torch.div, lambda g, y, a, b: (g / b, -g * y / b), positive(("n", 4), ("n", 4))),
    row("sub", torch.sub, lambda g, y, a, b: (g, -g), XW),
    row("square", square, lambda g, y, x: (2 * g * x,), X),
    row("sin", torch.sin, lambda g, y, x: (g * x.cos(),), X),
    row("exp", torch.exp, lambda g, y, x: (g * y,), X),
    row("log", torch.log, lambda g, y, x: (g / x,), positive(("n", 4))),
    row("sqrt", torch.sqrt, lambda g, y, x: (g / (2 * y),), positive(("n", 4))),
    row("relu", torch.relu, lambda g, y, x: (g * (x > 0),), X),
    row("tanh", torch.tanh, lambda g, y, x: (g * (1 - y * y),), X),
    row("sigmoid", torch.sigmoid, lambda g, y, x: (g * y * (1 - y),), X),
    row("silu", nn.functional.silu, lambda g, y, x: (g * x.sigmoid() * (1 + x - y),), X),
    row("softmax", lambda x: x.softmax(-1), softmax_backward, X),
    row("log_softmax", lambda x: x.log_softmax(-1), lambda g, y, x: (g - y.exp() * g.sum(-1, keepdim=True),), X),
    row("logsumexp", lambda x: x.logsumexp(-1), lambda g, y, x: (g[:, None] * x.softmax(-1),), X),
    row("mean", torch.mean, lambda g, y, x: (g.expand_as(x) / x.numel(),), X),
    row("sum of squares", lambda x: x.square().sum(), lambda g, y, x: (2 * g * x,), X),
    row("squared error", squared_error,
        lambda g, y, a, b: (2 * g * (a - b) / len(a), 2 * g * (b - a) / len(a)), XW),
    row("max of two", torch.maximum, lambda g, y, a, b: (g * (a > b), g * (a < b)), XW),
    row("standardized", standardized, standardized_backward, X),
    row("rms norm", lambda x, w: x * x.square().mean(-1, keepdim=True).rsqrt() * w, rms_backward,
        shapes(("n", 4), (4,))),
    row("cumsum", lambda x: x.cumsum(1), lambda g, y, x: (from_the_end(g, 1),), X),
    row("flip", lambda x: x.flip(1), lambda g, y, x: (g.flip(1),), X),
    row("transpose", lambda x: x.T, lambda g, y, x: (g.T,), X),
    row("complex mul", torch.mul, lambda g, y, a, b: (g * b.conj(), g * a.conj()), complex_pair),
]  # fmt: skip


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("case", RIGHT)
def test_nothing_is_said_of_a_right_one(case, order):
    assert wrong_gradients(case, order) == []
    without_reference = Case(case.ours, None, case.inputs)
    assert case.draw()[0].is_complex() or wrong_gradients(without_reference, order) == []


def test_without_a_reference_finite_differences_decide():
    mistake = next(m for m in MISTAKES if m.name == "dW transposed")
    case = Case(made(mistake.like, mistake.backward), None, mistake.draw, names=("x", "W", "b"))
    assert [(f.gradient, f.hypothesis) for f in wrong_gradients(case)] == [("dJ/dW", "transposed")]


def test_what_no_hypothesis_explains_is_said_in_numbers():
    case = Case(made(torch.sin, lambda g, y, x: (g * (x.cos() + 0.1 * x),)), torch.sin, X, names=("x",))
    (found,) = wrong_gradients(case)
    assert found.hypothesis is None and sentences([found]).startswith("dJ/dx is wrong: at [")


def test_what_is_true_of_several_gradients_is_said_once():
    found = [Finding("dJ/dx", None, "is wrong"), Finding("dJ/dy", None, "is zero"), Finding("dJ/dz", None, "is wrong")]
    assert sentences(found) == "dJ/dx is wrong; likewise dJ/dz; dJ/dy is zero"
