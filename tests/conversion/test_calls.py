"""torch's calls by hand: what they take, what they return, and what they leave native."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from chapter14.conversion.by_hand import NotByHand, by_hand
from chapter14.conversion.calls.operands import result_type


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(14), dtype=torch.float64, requires_grad=True)


def in_place(x):
    y = x * 1
    y += 1.5
    y.clamp_(-1, 1.2).sub_(x).div_(3)
    y **= 2
    return y.exp_().mul_(x).sin_().addcmul_(x, x, value=2).lerp_(x, 0.3).tanh_().square_().cumsum_(0).sqrt_()


def in_new_memory(x):
    y = (((x * 1 + 1.5).clamp(-1, 1.2) - x) / 3) ** 2
    return (y.exp() * x).sin().addcmul(x, x, value=2).lerp(x, 0.3).tanh().square().cumsum(0).sqrt()


def by_hand_of(f):
    def call(*inputs):
        with by_hand(strict=True):
            return f(*inputs)

    return call


def test_in_place_forms_keep_their_saved_tensors():
    results = []
    for f in (by_hand_of(in_place), in_new_memory):
        x = drawn(3, 4)
        x_out = f(x)
        (once,) = grad(x_out.sum(), x, create_graph=True)
        results.append((x_out, once, grad(once.square().sum(), x)[0]))
    assert_close(*results)


def test_in_place_forms_in_torch_func():
    x = drawn(3).detach()
    ours, like = (torch.func.hessian(lambda x, f=f: f(x).sum())(x) for f in (by_hand_of(in_place), in_new_memory))
    assert_close(ours, like)


CALLS = {
    "axis": lambda x: x.mean(axis=1, keepdims=True),
    "a mask": lambda x: x * (x > 0) + (x.detach() > 0) * x,
    "whole numbers": lambda x: x * torch.arange(4) + True,
    "numbers first": lambda x: 2 - x + 2 / x + 2**x,
    "another dtype": lambda x: x.float().type_as(x) + x.type("torch.FloatTensor") + x.to(torch.float32, copy=True),
    "unbiased": lambda x: x.std(1, False) + x.var(1, unbiased=True) + torch.var_mean(x, 1)[1],
    "named": lambda x: x.max(1).values + x.sort(descending=True).values.mean(1),
    "smallest and largest": lambda x: torch.aminmax(x).max,
    "of two": lambda x: torch.max(x, -x) + torch.where(x > 0, x, 0) + x.where(x < 0, 2.0),
    "written in Python": lambda x: (
        x.norm(dim=1) + torch.norm(x) + sum(y.sum(1) for y in x.split(2, 1)) + x.pow(2).sum(1)
    ),
    "of matrices": lambda x: (
        torch.linalg.slogdet(x[:, :3]).logabsdet
        + torch.linalg.svd(x, False).S
        + torch.linalg.qr(x).R.sum(1)
        + torch.linalg.inv_ex(x[:, :3]).inverse.sum(1)
    ),
    "norms of matrices": lambda x: torch.linalg.matrix_norm(x, "nuc") + torch.linalg.norm(x, 2, (1, 0), keepdim=True),
    "steps": lambda x: x.round() + x.div(2, rounding_mode="floor") + x.fmod(0.7),
}


@pytest.mark.parametrize("f", CALLS.values(), ids=CALLS)
def test_calls(f):
    results = []
    for g in (by_hand_of(f), f):
        x = drawn(3, 4)
        x_out = g(x)
        results.append((x_out, *grad(x_out.sum(), x)))
    assert_close(*results)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_calls_compiled(name):
    torch._dynamo.reset()
    results = []
    for f in (torch.compile(by_hand_of(CALLS[name]), fullgraph=True, backend="aot_eager"), CALLS[name]):
        x = drawn(3, 4)
        x_out = f(x)
        results.append((x_out, *grad(x_out.sum(), x)))
    assert_close(*results)


def test_named_tuples():
    A = drawn(3, 3)
    with by_hand(strict=True):
        for f in (torch.linalg.slogdet, torch.linalg.eigh, torch.linalg.svd, torch.linalg.qr, torch.linalg.inv_ex,
                  torch.linalg.cholesky_ex, torch.slogdet, torch.svd):  # fmt: skip
            assert type(f(A)) is type(f(A.detach()))
        assert type(torch.triangular_solve(A, A)) is torch.return_types.triangular_solve
        assert type(drawn(3).max(0)) is torch.return_types.max
        assert type(drawn(3).topk(1)) is torch.return_types.topk


def test_native_complex_calls_are_counted():
    with by_hand() as mode:
        z = (drawn(3) * 1j).abs() + drawn(3, 3) * 1j
        torch.corrcoef(z)
    assert mode.native == {"_VariableFunctionsClass.corrcoef": 1}
    with pytest.raises(NotByHand), by_hand(strict=True):
        torch.corrcoef(drawn(3, 3) * 1j)


@pytest.mark.parametrize("f", [torch.sum, torch.cumsum, torch.prod, torch.cumprod], ids=lambda f: f.__name__)
def test_dtype_argument(f):
    with by_hand(strict=True):
        for dtype in (torch.int32, torch.int64, torch.float32):
            assert f(drawn(3).detach(), 0, dtype=dtype).dtype == dtype


def test_no_needless_copies():
    x = drawn(3)
    with by_hand(strict=True):
        assert x.double() is x and x.contiguous() is x and x.to("cpu") is x


DTYPES = (torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64)
OPERANDS = [*(torch.ones(shape, dtype=dtype) for shape in ((), (2,)) for dtype in DTYPES), True, 2, 2.5]


def test_result_type():
    wrong = [(a, b) for a in OPERANDS for b in OPERANDS if result_type(a, b) != torch.result_type(a, b)]
    assert not wrong


SHAPES_IN_GROUPS = [((6, 8), (3, 8, 16)), ((8, 8), (8, 16)), ((3, 8, 16), (16, 8)), ((3, 8, 16), (3, 16, 8))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shapes", SHAPES_IN_GROUPS, ids=str)
def test_grouped_mm(shapes, dtype):
    results = []
    for f in (by_hand_of(torch._grouped_mm), torch._grouped_mm):
        a, b = (drawn(*shape).detach().to(dtype).requires_grad_() for shape in shapes)
        n = a.shape[0 if b.ndim == 3 else -1] if a.ndim == 2 else b.shape[-1]
        offs = None if a.ndim == b.ndim == 3 else torch.tensor([2, 2, n], dtype=torch.int32)
        x_out = f(a, b, offs)
        results.append((x_out, *grad(x_out, (a, b), x_out.detach().cos())))
    assert_close(*results)


def test_grouped_mm_rows_outside_every_group():
    a, b = drawn(6, 4), drawn(3, 4, 2)
    with by_hand(strict=True):
        x_out = torch._grouped_mm(a, b, offs=torch.tensor([1, 3, 4], dtype=torch.int32))
    (g_in,) = grad(x_out.sum(), a)
    assert not x_out[4:].any() and not g_in[4:].any() and g_in[:4].all()


@pytest.mark.parametrize(
    "ends", [[2, 2, 7], [4, 2, 6], [-1, 2, 6], [2, 6]], ids=["too far", "out of order", "negative", "too few"]
)
def test_grouped_mm_invalid_offsets(ends):
    with pytest.raises(ValueError, match="grouped_mm"), by_hand(strict=True):
        torch._grouped_mm(drawn(6, 4), drawn(3, 4, 2), offs=torch.tensor(ends, dtype=torch.int32))


@pytest.mark.filterwarnings("ignore:torch.triangular_solve", "ignore:index_reduce")
def test_matrix_functions_by_keyword():
    A = (drawn(3, 3).detach() + 4 * torch.eye(3)).requires_grad_()
    calls = (
        *(lambda f=f: f(A=A) for f in (torch.linalg.det, torch.linalg.inv, torch.linalg.qr, torch.linalg.svdvals)),
        *(
            lambda f=f: f(input=A)
            for f in (torch.det, torch.inverse, torch.matrix_exp, torch.linalg.eigh, torch.logdet)
        ),
        *(lambda f=f: f(input=A) for f in (torch.linalg.eigvalsh, torch.linalg.pinv, torch.pinverse, torch.svd)),
        *(lambda f=f: f(input=A @ A.mT) for f in (torch.linalg.cholesky, torch.linalg.cholesky_ex)),
        lambda: torch.linalg.solve_triangular(input=A, B=A, upper=True),
        lambda: torch.cholesky_solve(input=A, input2=A),
        lambda: torch.cholesky_inverse(input=A),
        lambda: torch.triangular_solve(input=A, A=A),
        lambda: torch.linalg.matrix_power(input=A, n=2),
        lambda: torch.linalg.tensorsolve(input=A, other=A[0]),
        lambda: torch.linalg.tensorinv(input=A, ind=1),
        lambda: torch.index_reduce(input=A, dim=0, index=torch.tensor([0]), source=A[:1], reduce="amax"),
    )
    for call in calls:
        assert_close(by_hand_of(call)(), call())
