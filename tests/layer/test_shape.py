"""What a user reads when the call is wrong: it repeats the call, in the layer's letters, and nothing is lost."""

import pytest
import torch

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.layer.shape import ShapeError
from chapter14.layers.core.arithmetic import mean_along


def ones(*shape, **options):
    return torch.ones(*shape, **options)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.linear(ones(3, 4), ones(5, 6)),
         r"linear: W does not fit. It expects x [..., N], W [M, N]; it was given x [3, 4], W [5, 6]."),
        (lambda: F.linear(ones(3, 4), ones(5, 4), ones(6)), "b does not fit"),
        (lambda: F.matmul(ones(3, 4), ones(5, 2)), "a [..., M, K], b [..., K, N]; it was given a [3, 4], b [5, 2]"),
        (lambda: F.add(ones(3), ones(4)), "it was given a [3], b [4]"),
        (lambda: F.linear(ones(3, 4), ones(5, 4, dtype=torch.float64)), "W [5, 4] float64"),
        (lambda: F.conv2d(ones(1, 3, 8, 8), ones(4, 2, 3, 3)), "it was given x [1, 3, 8, 8]"),
        (lambda: F.conv2d(ones(8, 8), ones(4, 2, 3, 3)), "conv2d: x does not fit"),
        (lambda: F.layer_norm(ones(3, 4), (5,)), "layer_norm: it expects input [..., 5]"),
        (lambda: F.batch_norm(ones(3, 4), ones(5), ones(5)), "running_mean [5]"),
        (lambda: F.cross_entropy(ones(3, 4), torch.zeros(2, dtype=torch.long)), "target [2] int64"),
        (lambda: F.l2_loss(ones(3, 4), ones(4)), "y_hat and y have one shape; it was given y_hat [3, 4], y [4]"),
        (lambda: F.merge(ones(3, 4), ones(2, 5)), "merge: x_in do not fit"),
        (lambda: F.split(ones(5), [1, 2]), "sizes [1, 2] do not add up to axis 0 of x. It was given x [5]"),
        (lambda: F.add_n(ones(3), ones(4)), "add_n: the terms do not fit"),
        (lambda: F.scaled_dot_product_attention(ones(1, 2, 4), ones(1, 3, 5), ones(1, 3, 4)), "q [1, 2, 4]"),
    ],
)  # fmt: skip
def test_mismatched_shapes(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert message in str(caught.value)
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, ValueError)  # whichever one expects


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: F.dropout(ones(3), p=2), ValueError, "p is a probability; it was given p=2"),
        (lambda: F.relu(ones(3), at_zero=0.5), ValueError, "at_zero is 1, as in the chapter, or 0"),
        (lambda: F.branch(ones(3), 0), ValueError, "n is the number of branches"),
        (lambda: F.merge(), ValueError, "it was given none"),
        (lambda: F.l2_loss(ones(3), ones(3), reduction="median"), ValueError, "it was given 'median'"),
        (lambda: F.batch_norm(ones(1, 4), None, None, training=True), ValueError, "more than one value a channel"),
        (lambda: F.batch_norm(ones(2, 4), None, None), ValueError, "running_mean and running_var, which are None"),
        (lambda: F.pad(ones(1, 3), (4, 0), "reflect"), ShapeError, "pads an axis of 3 by 2 at most"),
        (lambda: F.pad(ones(1, 3), (4, 0), "mirror"), NotImplementedError, "it was given 'mirror'"),
        (lambda: F.embedding(torch.tensor([0]), ones(3, 2), sparse=True), NotImplementedError, "sparse=True"),
        (lambda: mean_along(torch.arange(3), 0), RuntimeError, "mean_along: it expects floating-point tensors"),
        (lambda: F.cross_entropy(ones(2, 3), torch.tensor([0, 1]), ones(3, requires_grad=True)), RuntimeError,
         "weight is a constant"),
        (lambda: F.split(ones(3), 1, dim=4), IndexError, "there is no axis 4 in [3]"),
        (lambda: chapter14.jacobian(lambda x: "no", ones(3)), TypeError, "jacobian: f returns floating-point tensors"),
    ],
)  # fmt: skip
def test_invalid_arguments(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("function", [F.relu, F.sigmoid, F.softmax, F.gelu, F.tanh], ids=lambda f: f.__name__)
def test_0_d_tensors(function):
    options = {"dim": 0} if function is F.softmax else {}
    x = torch.tensor(0.3, requires_grad=True)
    native = getattr(torch.nn.functional, function.__name__, torch.tanh)
    torch.testing.assert_close(function(x, **options), native(x, **options))
    g = torch.autograd.grad(function(x, **options), x)[0]
    assert g.shape == () and torch.isfinite(g)


def test_gradient_of_elu_at_nan_is_nan_at_every_size():
    for n in (1, 3, 64):
        x = torch.full((n,), torch.nan, requires_grad=True)
        assert torch.autograd.grad(F.elu(x).sum(), x)[0].isnan().all()


def test_integers_cannot_require_gradients():
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        torch.ones(3, dtype=torch.long).requires_grad_()
    assert F.relu(torch.tensor([-1, 2])).tolist() == [0, 2]


def test_error_leaves_the_module_unchanged():
    layer = nn.BatchNorm1d(4)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    with pytest.raises(ShapeError):
        layer(ones(3, 5))
    with pytest.raises(ValueError):
        layer(ones(1, 4))
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_overwritten_input_raises():
    """As with native layers: autograd guards what was remembered."""
    x, W = torch.randn(3, 4), torch.randn(5, 4, requires_grad=True)
    J = F.linear(x, W).sum()
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        J.backward()
