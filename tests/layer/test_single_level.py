"""A layer inside grad and jvp, where it is called in another way than PyTorch calls an autograd function."""

import pytest
import torch
from torch._functorch.autograd_function import custom_function_call
from torch.func import grad, jvp, vmap
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from chapter14 import Layer
from chapter14.functional import mul, softmax
from chapter14.layer.single_level import single_level

X = torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3)


class Same(Layer):
    """x_out = x_in, of which `forward` returns the tensor itself.  L is the identity."""

    @staticmethod
    def forward(x, n):
        return (x, n) if n else x

    @staticmethod
    def remember(needs, inputs, x_out):
        return ()

    @staticmethod
    def backward(needs, g):
        return g, None


def test_an_output_that_is_the_input_is_a_tensor_of_its_own():
    def f(x):
        y = Same.of(x, 0)
        assert y is not x
        return mul(y, y).sum()

    assert_close(grad(f)(X), 2 * X)
    assert_close(vmap(grad(f))(X), 2 * X)
    assert_close(single_level(Same.func)(X, 3)[0], X) and single_level(Same.func)(X, 3)[1] == 3


def test_parameters_outside_keep_their_graph():
    W = X.clone().requires_grad_()
    g = grad(lambda x: mul(x, W).sum())(X)
    assert_close(torch.autograd.grad(g.square().sum(), W)[0], 2 * W.detach())


def test_a_tensor_that_left_its_level():
    left = []
    grad(lambda x: (left.append(mul(x, 2.0)), x.sum())[1])(X)
    assert_close(grad(lambda x: mul(x, left[0]).sum())(X), 2 * X)
    assert_close(jvp(lambda x: mul(x, left[0]), (X,), (X,))[1], 2 * X * X)


@pytest.mark.parametrize("level", [grad, lambda f: lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]])
def test_modes_see_the_call(level):
    seen = []

    class Functions(TorchFunctionMode):
        def __torch_function__(self, f, types, args=(), kwargs=None):
            seen.append(f)
            return f(*args, **(kwargs or {}))

    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, f, types, args=(), kwargs=None):
            seen.append(f)
            return f(*args, **(kwargs or {}))

    def f(x):
        return softmax(x, -1)[..., 0].sum()

    expected = level(f)(X)
    with Functions():
        assert_close(level(f)(X), expected)
    assert custom_function_call in seen
    with Operations():
        assert_close(level(f)(X), expected)
    assert torch.ops.aten._softmax.default in seen


def test_a_class_of_tensors():
    class Named(torch.Tensor):
        pass

    assert_close(grad(lambda x: mul(x, X.as_subclass(Named)).sum())(X).as_subclass(torch.Tensor), X)
