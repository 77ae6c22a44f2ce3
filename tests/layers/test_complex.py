"""Complex tensors: through functions, modules, `by_hand`, `convert`, `freeze`, graphs and forward mode."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
import chapter14.nn as ours
from chapter14 import by_hand

from ..small_layers import Product

Z = torch.complex128


def drawn(*shape, dtype=Z, seed=14):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=dtype, generator=rng).requires_grad_()


def slopes(f, *inputs):
    """g_in of a real number that depends on both parts of x_out."""
    x_out = f(*inputs)
    return torch.autograd.grad((x_out * (1 + 0.5j)).imag.sum() + x_out.abs().square().sum(), inputs)


ARITHMETIC = {
    "operators": lambda a, b: (a + b * 2 - 1j) / (b - a * (0.5 + 1j)) + (-a) ** 2 + 2**b + b**a + (1 + 1j) / a - 1 / b,
    "methods": lambda a, b: a.mul(b).add(a, alpha=2j).div(b + 3).sub(1).pow(3).exp().neg().reciprocal() * b.conj(),
    "in place": lambda a, b: (a * 1).mul_(b).add_(1j).div_(b).sub_(a, alpha=2).exp_(),
    "parts": lambda a, b: torch.polar(a.abs(), b.angle()) + torch.complex(a.real, b.imag) * a.sgn(),
    "sums": lambda a, b: a.sum() * b.mean(0) + a.prod(-1, keepdim=True) + b.cumprod(0) + a.std(0) * b.norm(),
    "casts": lambda a, b: (a.to(torch.complex64).to(Z) + b.real.to(Z)) * b.clone().contiguous(),
    "choices": lambda a, b: torch.where(a.real > 0, a, b * 2).index_select(0, torch.tensor([0, 2])),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_complex_arithmetic_is_by_hand_and_equals_native(name):
    f, inputs = ARITHMETIC[name], (drawn(3, 4), drawn(3, 4, seed=15))
    with by_hand() as mode:
        ours = slopes(f, *inputs)
    assert_close(ours, slopes(f, *inputs))
    assert not mode.native


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64], ids=str)
def test_real_operand_has_a_real_gradient(dtype):
    z, other = drawn(2, 3), drawn(3, dtype=dtype) if dtype.is_floating_point else torch.tensor(2)
    inputs = (z, other) if other.requires_grad else (z,)

    def f(*inputs):
        y = inputs[-1] if other.requires_grad else other
        return z * y + y / z - y + z**y

    with by_hand() as mode:
        g = slopes(f, *inputs)
    assert [t.dtype for t in g] == [t.dtype for t in inputs] and not mode.native
    assert_close(g, slopes(f, *inputs), rtol=1e-6, atol=1e-6)


def test_real_gradient_in_every_mode_of_autograd():
    """In plain autograd, torch.func, torch.compile, and forward mode: a layer need not ask."""
    x, z = drawn(4, dtype=torch.float64).detach(), drawn(4).detach()

    def J(times):
        return lambda x: times(x, z).abs().square().sum()

    expected = 2 * x * z.abs().square()
    assert_close(torch.func.grad(J(F.mul))(x), expected)
    assert_close(torch.func.vmap(torch.func.grad(lambda x, z: F.mul(x, z).abs().square()))(x, z), expected)
    x.requires_grad_()
    for times in (F.mul, torch.compile(F.mul, backend="aot_eager")):
        assert_close(torch.autograd.grad(J(times)(x), x), (expected.detach(),))
    with forward_ad.dual_level():
        d = forward_ad.unpack_dual(F.absolute(forward_ad.make_dual(z, 1j * z)))
        assert_close(d.tangent, torch.zeros(4, dtype=torch.float64))


def test_layer_that_states_L_is_conjugated():
    class Square(chapter14.Layer):
        """|x|²: dx_out is the real part of 2 x* dx."""

        @staticmethod
        def forward(x):
            return x.abs().square()

        @staticmethod
        def backward(needs, g, x):
            return (F.mul(g, F.mul(F.conj(x), 2)),)

    x, w = drawn(3, dtype=torch.float64), drawn(3)
    for a, b in ((x, w), (w, x), (w, drawn(3, seed=15))):
        assert_close(slopes(Product.of, a, b), slopes(torch.mul, a, b))
        assert_close(
            *[torch.func.grad(lambda a, b=b, f=f: f(a, b).abs().sum())(a.detach()) for f in (Product.of, torch.mul)]
        )
    assert_close(torch.autograd.grad(Square.of(w).sum(), w), (2 * w.detach(),))
    assert torch.autograd.gradgradcheck(Product.of, (w, drawn(3, seed=15)))


MODULES = {
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4, dtype=Z), nn.Tanh(), nn.Linear(4, 2, dtype=Z)), (5, 3)),
    "conv": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, dtype=Z), nn.Sigmoid(), nn.ConvTranspose2d(3, 2, 2, dtype=Z)),
             (1, 2, 5, 5)),
    "rms_norm": (lambda: nn.Sequential(nn.Linear(3, 4, dtype=Z), nn.RMSNorm(4, dtype=Z), nn.Softsign()), (5, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_modules_converted_and_frozen(name):
    torch.manual_seed(14)
    model, x = MODULES[name][0](), drawn(*MODULES[name][1])
    converted = chapter14.convert(model)
    x_out = converted(x)
    assert chapter14.audit(x_out).fraction == 1
    g = torch.ones_like(x_out) * (1 - 2j)
    expected = torch.autograd.grad(model(x), [x, *model.parameters()], g)
    assert_close(torch.autograd.grad(x_out, [x, *converted.parameters()], g), expected)
    frozen = chapter14.freeze(model.eval())
    assert_close(torch.autograd.grad(frozen(x), x, g), expected[:1])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_recurrent_modules(name):
    torch.manual_seed(14)
    model, x = getattr(nn, name)(3, 4, 2, dtype=Z), drawn(5, 2, 3)
    converted = chapter14.convert(model)
    ours, native = (slopes(lambda *inputs, m=m: m(inputs[0])[0], x, *m.parameters()) for m in (converted, model))
    assert_close(ours, native)


def test_forward_backward_gives_a_real_parameter_a_real_gradient():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(drawn(4, dtype=torch.float64).detach())

        def forward(self, z):
            return F.mul(self.w, F.exp(z))

    class Loss(nn.Module):
        def forward(self, y_hat, y):
            return F.sum(F.square(F.absolute(F.sub(y_hat, y))))

    model, z, y = Model(), drawn(4), drawn(4, seed=15).detach()
    _, gradients, g_0 = chapter14.forward_backward(model, Loss())(z.detach(), y)
    expected = torch.autograd.grad(Loss()(model(z), y), [model.w, z])
    assert_close((gradients["w"], g_0), expected)


def test_functions_without_a_complex_form_raise():
    z = drawn(2, 3, 4)
    refused = [
        lambda: F.scaled_dot_product_attention(z, z, z),
        lambda: F.nan_to_num(z),
        lambda: F.kl_div(z, z, reduction="sum"),
        lambda: F.soft_margin_loss(z, z),
        lambda: chapter14.Chain([ours.Linear(4, 2, dtype=Z)], F.l1_loss).forward(z[0].detach(), z[0, :, :2]),
    ]
    for call in refused:
        with pytest.raises(NotImplementedError, match=r"^\w+: it takes real numbers, and no complex ones; it was"):
            call()
    with pytest.raises(TypeError, match="rms_norm: a complex weight is for complex input"):
        F.rms_norm(z.real, (4,), z[0, 0])
    with pytest.raises(TypeError, match="conv1d: a complex bias needs a complex weight"):
        F.conv1d(z.real, z.real[:, :3], z[0, 0, :2], padding="same")


@pytest.mark.parametrize("write", [
    lambda z: z.real.mul_(3), lambda z: z[1:].imag.add_(z.real[:1]), lambda z: torch.view_as_real(z)[..., 0].exp_(),
    lambda z: z.real.copy_(z.imag), lambda z: torch.view_as_real(z).neg_(),
])  # fmt: skip
def test_writing_into_the_real_or_imaginary_part(write):
    def f(z):
        z = z * 1
        write(z)
        return z * z

    z = drawn(3, 2)
    with by_hand() as mode:
        ours = (f(z), *slopes(f, z))
    assert_close(ours, (f(z), *slopes(f, z)))
    assert not mode.native


def test_writing_into_view_as_complex():
    def f(x):
        x = x * 1
        torch.view_as_complex(x)[0].mul_(2j)
        return x * x

    x = drawn(3, 4, 2, dtype=torch.float64)
    with by_hand():
        ours = torch.autograd.grad(f(x).sum(), x)
    assert_close(ours, torch.autograd.grad(f(x).sum(), x))


def test_in_place_forms_reject_a_change_of_dtype():
    x, z = drawn(3, dtype=torch.float64), drawn(3)
    with by_hand():
        with pytest.raises(RuntimeError, match="can't be cast to the desired output type"):
            (x * 1).mul_(z)
        with pytest.raises(RuntimeError, match="In-place abs is not supported for complex"):
            (z * 1).abs_()


@pytest.mark.parametrize("name", "sqrt log acos asin acosh atanh acosh log1p rsqrt".split())
def test_branch_cuts(name):
    """The derivative is that of the branch which the function takes, on either side of the real and imaginary axes."""
    z = torch.tensor([complex(a, b) for a in (-2, -0.5, -0.0, 0.0, 0.5, 2) for b in (-2, -0.5, -0.0, 0.0, 0.5, 2)])
    z = z[z != 0].to(Z).requires_grad_()
    ours, native = (torch.autograd.grad(f(z).real.sum(), z)[0] for f in (getattr(F, name), getattr(torch, name)))
    assert_close(ours, native)


def test_minus_infinity_has_an_imaginary_part():
    z = torch.tensor([complex(math.inf, 1), complex(0, -math.inf)], dtype=Z).requires_grad_()
    with by_hand():
        x_out = -z
    assert_close(x_out.detach(), -z.detach())


# Whole numbers


def test_atan2_of_bytes_does_not_overflow():
    """PyTorch's gradient is of 200² + 100² in a byte: docs/native_faults.md."""
    a, b = torch.tensor([200], dtype=torch.uint8), torch.tensor([100.0], dtype=torch.float64, requires_grad=True)
    expected = torch.tensor([-200 / (200.0**2 + 100**2)], dtype=torch.float64)
    assert_close(torch.autograd.grad(F.atan2(a, b), b), (expected,))
    with by_hand():
        x_out = torch.atan2(a, b)
    assert_close(torch.autograd.grad(x_out, b), (expected,))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool, torch.float32, torch.complex64])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scan_of_a_0_d_tensor(name, dtype):
    x = torch.tensor(1, dtype=dtype)
    x_out = getattr(F, name)(x, -1)
    assert x_out.dtype == getattr(torch, name)(x, 0).dtype and x_out.data_ptr() != x.data_ptr()
    with pytest.raises(IndexError):
        getattr(F, name)(x, 1)


def test_empty_vector_counts_for_the_dtype_of_cat():
    x, none = torch.arange(3), drawn(0, dtype=torch.float32)
    with by_hand():
        x_out = torch.cat([x[:, None], none], 1)
    assert x_out.dtype == torch.float32 and x_out.requires_grad
    assert_close(torch.autograd.grad(x_out.sum(), none), (torch.zeros(0),))


def test_logaddexp2_of_large_numbers():
    x = torch.tensor([1000.0, 3.0], requires_grad=True)
    with by_hand():
        x_out = torch.logaddexp2(x, x * 1)
    assert_close(x_out.detach(), torch.tensor([1001.0, 4.0]))
    assert_close(torch.autograd.grad(x_out.sum(), x), (torch.ones(2),))


def test_forward_mode_skips_operands_without_a_tangent():
    """Not 0 times infinity."""
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0])
    with forward_ad.dual_level():
        moved = forward_ad.unpack_dual(F.divide(forward_ad.make_dual(a, torch.ones(2)), b)).tangent
    assert_close(moved, torch.tensor([math.inf, 0.5]))
