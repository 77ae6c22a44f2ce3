"""Parts of tensors inside by_hand(): read by any key, and written into, what changes is what changes natively."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.audit import audit
from chapter14.conversion.by_hand import by_hand
from chapter14.layers.core.complex import conj, view_as_complex, view_as_real


def given() -> Tensor:
    return torch.linspace(-1, 1, 60, dtype=torch.float64).reshape(3, 4, 5).requires_grad_()


def gradient(f):
    x = given()
    x_out = f(x)
    return x_out, torch.autograd.grad(x_out, x, torch.arange(x_out.numel()).reshape(x_out.shape).to(x_out).cos())[0]


def same(f):
    """By hand as natively, and all of it by hand."""
    native = gradient(f)
    with by_hand(strict=True):
        ours = gradient(f)
    assert_close(ours, native)
    assert audit(ours[0]).native == {}


ROWS, MASK = torch.tensor([2, 0, -1]), torch.tensor([True, False, True])
BEHIND = torch.tensor([[0, 3, 0], [1, 1, -4]])

KEYS = [
    1, -1, slice(None, None, 2), None, ..., (..., 0), (slice(1, 3), None, -1), (0, ..., slice(None, 4, 3)), (),
    ROWS, [0, 2, 2], MASK, [True, False, True], torch.tensor(2), True, False, BEHIND % 3,
    (slice(None), BEHIND), (ROWS, slice(None), ROWS), (ROWS, BEHIND), (0, BEHIND, ROWS), (MASK, ..., 2),
    (..., ROWS), (None, ROWS, None), (slice(1, 3), ROWS[:2], None, slice(None, None, 2)), (True, ROWS),
    torch.arange(12).reshape(3, 4) % 3 == 0, (..., torch.arange(20).reshape(4, 5) % 3 == 0), torch.zeros(3, 4, 5) > 0,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reading_by_index(key):
    same(lambda x: x[key])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_writing_by_index(key):
    def one(x):
        y = x + 1
        y[key] = x[0, 0, 0]
        return y

    def many(x):
        y = torch.zeros(3, 4, 5, dtype=x.dtype)
        y[key] = x[key]
        return y + x

    same(one)
    same(many)


def test_writing_a_number_by_index():
    for key in KEYS:

        def number(x, key=key):
            y = x + 1
            y[key] = 3
            return y

        same(number)


def test_writing_a_value_with_extra_axes_of_one():
    def f(x):
        y = x + 1
        y[0] = x[None, 1]
        y[:, ROWS[:2]] = x[None, :, :2]
        return y

    same(f)


def flat(x):
    y = x + 1
    v = y.view(-1)
    v.add_(1)
    v += x.reshape(-1)
    return v


def base_of_a_view(x):
    y = x + 1
    y.view(-1).add_(x.reshape(-1))
    y[:, 0].add_(x[:, 1])
    return y


def view_of_a_base(x):
    y = x + 1
    v = y.transpose(0, 1)
    y.add_(x)
    return v + 1


def view_of_a_view(x):
    y = x + 1
    v = y.permute(2, 0, 1)[1:]
    w = y.reshape(12, 5)
    v.mT.add_(x.permute(2, 1, 0)[1:])
    return w + 1


def constant_base(x):
    y = torch.zeros(60, dtype=x.dtype)
    v = y.view(3, 4, 5)
    v.copy_(x)
    v[0].zero_()
    return y


def base_within_a_larger(x):
    y = torch.zeros(70, dtype=x.dtype)[10:].detach()
    v = y.view(3, 4, 5)
    v.copy_(x)
    y[:20].add_(x[0].reshape(-1))
    return y


#: Axes of 0, 1 and 2, and what is written there.
SHAPES = [(1, 3), (2, 1), (1, 1), (0, 2), (2, 0), (1, 2, 1), (1,), ()]
AT = [
    0, -1, slice(None), slice(None, None, 2), slice(1, None), None, ..., (0, 0), (slice(None), 0), (..., None, 0),
    (slice(0, 1), slice(None, None, 2)), torch.tensor([0]), [0], True, False, (slice(None), torch.tensor([0])),
]  # fmt: skip


def add(y, key, x):
    y[key] += 1
    y[key] -= x[key].cos()


def scale(y, key, x):
    y[key] *= x[key] + 2
    y[key] /= 2


def power(y, key, x):
    y.transpose(0, -1)[..., 0] += 1
    y[key] **= 2


def assign(y, key, x):
    y[key] = x[key].sin()
    y[key] = y[key]


def views(y, key, x):
    v = y[key].unsqueeze(0)
    v[0].add_(x[key], alpha=2)
    v *= 2
    v.view(-1).clamp_(-1, 3)


def fill(y, key, x):
    v = y[key]
    v.masked_fill_(v.detach() > 0, 0.5)
    y.index_fill_(0, torch.tensor([0]), 2.0)
    y[key].copy_(x[key])
    y[key].zero_()
    y[key] += x[key]


def written_at(write, key, shape, mode):
    """x_out, the gradient, and the gradient of |g|²; None where it is refused."""
    n = torch.Size(shape).numel()
    x = torch.linspace(-1, 1, 4, dtype=torch.float64)[:n].reshape(shape).requires_grad_()
    try:
        with mode():
            y = x * 1
            write(y, key, x)
            J = (y * y.exp()).sum()
    except (RuntimeError, IndexError):
        return None
    (g,) = torch.autograd.grad(J, x, create_graph=True)
    return y, g, *(torch.autograd.grad(g.square().sum(), x) if g.requires_grad else [torch.zeros_like(x)])


@pytest.mark.parametrize("write", [add, scale, power, assign, views, fill], ids=lambda f: f.__name__)
def test_writing_by_index_in_axes_of_any_size(write):
    done = 0
    for shape in SHAPES:
        for key in AT:
            if (native := written_at(write, key, shape, nullcontext)) is not None:
                assert_close(written_at(write, key, shape, lambda: by_hand(strict=True)), native)
                done += 1
    assert done > 50


def loop(x):
    y = x + 1
    for i in range(3):
        y[i].add_(x[i])
        y[i, :2] = y[i, 2:]
    return y


def spread_out(x):
    y = x + 1
    v = y[:1].expand(3, 4, 5)
    y.add_(x)
    return v + x


def not_contiguous(x):
    y = (x + 1).transpose(0, 2)
    y[0] = 1
    y += x.transpose(0, 2)
    v = y[1]
    v.zero_()
    return y + 1


def turned(x):
    y = x + 1
    y.unsqueeze_(0).transpose_(1, 2)
    y += 1
    return y.squeeze_()


def unsafe_pieces(x):
    a, b = (x + 1).unsafe_chunk(2, 1)
    a.add_(b)
    return a + b


def masked(x):
    y = x + 1
    y.view(-1).masked_fill_(y.detach().reshape(-1).cos() > 0.5, 2.0)
    y.index_fill_(0, ROWS[:1], 5.0)
    y.index_add_(1, ROWS[:2], x[:, :2])
    return y


@pytest.mark.parametrize(
    "f",
    [
        flat, base_of_a_view, view_of_a_base, view_of_a_view, constant_base, base_within_a_larger, loop, spread_out,
        not_contiguous, turned, unsafe_pieces, masked,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_writing_into_views(f):
    same(f)
    assert_close(*(tangent(f, mode) for mode in (by_hand, nullcontext)))


def tangent(f, mode):
    with forward_ad.dual_level(), mode():
        x = given()
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, x.detach().cos()))).tangent


def test_current_view_is_not_replaced():
    x = given()
    v = x[:, 1:]  # natively
    with by_hand():
        x_out = v.reshape(-1) + 1
    assert torch.autograd.grad(x_out.sum(), v)[0].shape == v.shape


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda x: (x + 1).chunk(2, 1)[0].add_(1), "is a view and is being modified inplace"),
        (lambda x: next(iter(x + 1)).add_(1), "is a view and is being modified inplace"),
        (lambda x: x.add_(1), "a leaf Variable that requires grad"),
        (lambda x: x[0].add_(1), "a leaf Variable that requires grad"),
        (lambda x: (x + 1)[:1].expand(3, 4, 5).add_(1), "unsupported operation"),
    ],
)
def test_autograds_errors_are_raised(f, message):
    for mode in (by_hand, torch.enable_grad):
        with mode(), pytest.raises(RuntimeError, match=message):
            f(given())


def test_views_written_into_by_pytorch():
    """A view by hand is one to autograd too: outside by_hand() it may be written into, and the gradient is right."""

    def f(reshape, x):
        y = x * 2
        reshape(y, (-1,)).mul_(3)
        return y

    by_us, native = (gradient(lambda x, g=g: f(g, x)) for g in (F.reshape, torch.reshape))
    assert_close(by_us, native)


def test_complex_numbers_and_their_parts():
    x = torch.randn(3, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(14)).requires_grad_()
    for f in (view_as_real, conj, lambda x: view_as_complex(view_as_real(x)[..., 0:2])):
        assert gradcheck(f, x, check_forward_ad=True) and gradgradcheck(f, x)

    def parts(x):
        a, b = x.real, x.imag
        return torch.cat([torch.complex(a, b), torch.view_as_complex(torch.stack([b, a], -1)), x.conj(), x.H.mH.mT.T])

    g = torch.arange(48).reshape(12, 4).to(x)
    native = torch.autograd.grad(parts(x), x, g)
    with by_hand(strict=True):
        x_out = parts(x)
    assert_close(x_out, parts(x))
    assert_close(torch.autograd.grad(x_out, x, g), native)


def test_transposes_are_properties():
    x = torch.randn(2, 3, requires_grad=True)
    with by_hand(strict=True):
        for y in (x.T, x.mT, x.H, x.mH, x.t(), x.adjoint()):
            assert audit(y).fraction == 1 and torch.equal(y, x.detach().mT)


def written(x):
    y = x + 1
    early = y.transpose(0, 1)
    y[0] = x[1]
    v = y.view(-1)
    v.add_(x.reshape(-1))
    y[:, torch.tensor([0, 2])] = 2.0
    z = torch.cat([early + v.reshape(4, 3), y.T + 1], 1)
    return F.sum_to_size(F.mul(z, F.mul(z, z)), ())


@pytest.mark.parametrize(
    "transform",
    [
        torch.func.grad,
        lambda f: lambda x: torch.func.vmap(torch.func.grad(f))(torch.stack([x, x + 1])),
        lambda f: lambda x: torch.func.jvp(f, (x,), (x.cos(),))[1],
        lambda f: torch.func.jacrev(torch.func.jacrev(f)),
    ],
    ids=["grad", "vmap of grad", "jvp", "jacrev of jacrev"],
)
def test_writing_inside_torch_func(transform):
    x = given().detach()[:, :, 0]
    native = transform(written)(x)
    with by_hand():
        assert_close(transform(written)(x), native)
