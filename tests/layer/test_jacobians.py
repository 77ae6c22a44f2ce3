"""L written out: closed forms against rows found one by one, and what a wrong call says."""

import pytest
import torch
from torch.testing import assert_close

import chapter14.functional as F
from chapter14 import jacobian, nn
from chapter14.layer import jacobians
from chapter14.layer.jacobians import slow_backward
from chapter14.layer.shape import ShapeError

from ..test_chapter import differences, draw


def by_differences(f, inputs):
    def vector(k):
        def of(x):
            x_out = f(*inputs[:k], x, *inputs[k + 1 :])
            return torch.cat([x.flatten() for x in (x_out if isinstance(x_out, tuple) else [x_out])]).detach()

        return of

    return [differences(vector(k), x) for k, x in enumerate(inputs)]


CLOSED = {
    "linear": (F.linear, draw(3), draw(2, 3), draw(2)),
    "linear without b": (F.linear, draw(3), draw(2, 3)),
    "linear over a batch": (F.linear, draw(4, 3), draw(2, 3), draw(2)),
    "linear of one tensor": (lambda x: F.linear(x, x), draw(3, 3)),
    "linear, inputs exchanged": (lambda b, W, x: F.linear(x, W, b), draw(2), draw(2, 3), draw(3)),
    "relu": (F.relu, draw(2, 3)),
    "leaky_relu": (F.leaky_relu, draw(2, 3)),
    "sigmoid": (F.sigmoid, draw(2, 3)),
    "gelu": (F.gelu, draw(2, 3)),
    "l2_loss": (F.l2_loss, draw(3), draw(3, seed=1)),
    "l2_loss over a batch": (F.l2_loss, draw(4, 3), draw(4, 3, seed=1)),
    "l2_loss, each": (lambda a, b: F.l2_loss(a, b, reduction="none"), draw(4, 3), draw(4, 3, seed=1)),
    "merge": (F.merge, draw(2), draw(3)),
    "merge along rows": (lambda a, b: F.merge(a, b, dim=0), draw(2, 2), draw(1, 2)),
    "branch": (lambda x: F.branch(x, 3), draw(2, 2)),
}
ROW_BY_ROW = {
    "split": (lambda x: F.split(x, [1, 2]), draw(3)),
    "two layers": (lambda x: F.tanh(F.tanh(x)), draw(3)),
    "one way of branch": (lambda x: F.branch(x)[1], draw(3)),
    "pieces of two shapes": (lambda a, b: F.merge(a, b, dim=None), draw(2, 2), draw(3)),
    "W is no input": (lambda x: F.linear(x, draw(2, 3)), draw(3)),
    "x itself": (lambda x: x, draw(3)),
    "not of x": (lambda x: draw(2), draw(3)),
    "native": (torch.sin, draw(3)),
}


@pytest.mark.parametrize("f, inputs", [(f, inputs) for f, *inputs in CLOSED.values()], ids=CLOSED)
def test_closed_forms_are_used_and_right(f, inputs, monkeypatch):
    monkeypatch.setattr(jacobians, "_row_by_row", None)
    assert_close(list(jacobian(f, *inputs)), by_differences(f, inputs), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("f, inputs", [(f, inputs) for f, *inputs in ROW_BY_ROW.values()], ids=ROW_BY_ROW)
def test_row_by_row_equals_differences(f, inputs):
    assert_close(list(jacobian(f, *inputs)), by_differences(f, inputs), rtol=1e-7, atol=1e-8)


def test_no_L_of_integers_and_module_parameters():
    table, index = draw(5, 3), torch.tensor([4, 0])
    (L,) = jacobian(F.embedding, index, table)
    assert L.shape == (6, 15) and L.sum() == 6
    (L,) = jacobian(nn.Linear(3, 2).double(), draw(3))
    assert L.shape == (2, 3)


def test_L_without_requires_grad():
    with torch.no_grad():
        Ls = jacobian(F.linear, draw(3), draw(2, 3))
    assert not any(L.requires_grad for L in Ls)


def test_L_does_not_share_memory_with_W():
    W = draw(2, 3)
    jacobian(F.linear, draw(3), W)[0].zero_()
    assert W.all()


def test_slow_backward_over_a_batch():
    x, W, b, g = draw(4, 3), draw(2, 3, seed=1), draw(2, seed=2), draw(4, 2, seed=3)
    assert_close(slow_backward(F.linear, g, x, W, b), (g @ W, g.T @ x, g.sum(0)))


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: jacobian(F.relu, 3), ValueError, "none of the inputs is a floating-point tensor"),
        (lambda: jacobian(lambda x: x > 0, draw(3)), TypeError, r"it returned \[3\] bool"),
        (lambda: jacobian(lambda x: x.shape, draw(3)), TypeError, "it returned 3"),
        (lambda: slow_backward(F.relu, draw(4), draw(3)), ShapeError, "x_out has 3 entries; g was given 4"),
    ],
)
def test_invalid_calls(call, error, says):
    with pytest.raises(error, match=says):
        call()
