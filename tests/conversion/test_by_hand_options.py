"""What no twin takes runs natively under by_hand() and in a converted model, counted: options, layouts, classes."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as native
from torch import Tensor, nn
from torch.masked import masked_tensor
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
from chapter14 import by_hand
from chapter14.layer.accepted_tensors import NotDense

W = torch.randn(4, 4, generator=torch.Generator().manual_seed(14), dtype=torch.float64)
BASE = torch.linspace(-1, 1.1, 12, dtype=torch.float64).reshape(3, 4)
INDEX = torch.tensor([[0, 1, 1, 2]])

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyTorch's, that these layouts and classes are prototypes


def derived(f, x, block=None):
    torch.manual_seed(0)
    with block or nullcontext():
        x_out = f(x)
    x_out = x_out if isinstance(x_out, Tensor) else x_out[0]
    if not (x.requires_grad and x_out.requires_grad):
        return x_out, None
    return x_out, torch.autograd.grad(x_out, x, torch.ones_like(x_out))[0]


OPTIONS = {
    "sparse gradients": lambda x: native.embedding(INDEX, x, sparse=True),
    "sparse gradients of bags": lambda x: native.embedding_bag(INDEX, x, sparse=True, mode="sum"),
    "scatter_reduce prod": lambda x: x.scatter_reduce(0, INDEX, x.exp(), "prod"),
    "scatter_reduce_ prod": lambda x: (x * 1).scatter_reduce_(0, INDEX, x.exp(), "prod"),
    "NumPy's words": lambda x: torch.linalg.vecdot(x=x, y=x, axis=0) + torch.add(x1=x, x2=1)[0],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_option_without_a_twin(name):
    x = BASE.clone().requires_grad_()
    expected = derived(OPTIONS[name], x)
    block = by_hand()
    x_out, g = derived(OPTIONS[name], x, block)
    assert_close((x_out, g), expected)
    assert block.native and chapter14.audit(x_out).native
    with pytest.raises(NotImplementedError, match="has no hand-written twin"):
        derived(OPTIONS[name], x, by_hand(strict=True))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: torch.exp(input=x, out=None),
        lambda x: torch.sum(input=x, axis=0, keepdims=True),
        lambda x: native.avg_pool2d(x[None], 2, []),
        lambda x: native.avg_pool1d(x, 2, stride=()),
        lambda x: torch.hinge_embedding_loss(x, torch.ones(3, 4)),
        lambda x: torch.kl_div(x, W[:3].softmax(1)),
        lambda x: torch.binary_cross_entropy_with_logits(x, W[:3].sigmoid()),
        lambda x: torch.fill(x, 2.0),
    ],
)
def test_forms_of_a_call_by_hand(f):
    x = BASE.clone().requires_grad_()
    assert_close(derived(f, x, by_hand(strict=True)), derived(f, x))


@pytest.mark.parametrize(
    "f",
    [
        lambda i: torch.addmv(i[0], i, i[0], beta=0.2, alpha=0.6),
        lambda i: i.scatter_reduce(0, INDEX[:, :3], i, "mean", include_self=False),
        lambda i: torch.zeros(1, dtype=torch.int64).addbmm_(i[None], i[None]),
    ],
)
def test_integers(f):
    i = torch.arange(9).reshape(3, 3)
    with by_hand():
        assert_close(f(i), f(i))
        ours = f(i)
    assert_close(ours, f(i))


class Plain(Tensor):
    pass


class Said(Tensor):
    """It computes in its own way: exp is twice as much."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        x_out = super().__torch_function__(func, types, args, kwargs or {})
        return x_out * 2 if func is torch.exp else x_out


class Weight(nn.Parameter):
    pass


def distributed():
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    if not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()
        torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=store)
    return distribute_tensor(BASE.clone(), init_device_mesh("cpu", (1,)), [Shard(0)]).requires_grad_()


@pytest.fixture(autouse=True, scope="module")
def no_process_group_is_left():
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def two_tensor():
    from torch.testing._internal import two_tensor

    return two_tensor


#: Tensors that no layer takes.
OTHERS = {
    "jagged": lambda: torch.nested.nested_tensor([BASE[:2], BASE], layout=torch.jagged, requires_grad=True),
    "nested": lambda: torch.nested.nested_tensor([BASE[:2], BASE], requires_grad=True),
    "sparse": lambda: BASE.relu().to_sparse().requires_grad_(),
    "sparse rows": lambda: BASE.relu().to_sparse_csr().requires_grad_(),
    "mkldnn": lambda: BASE.float().to_mkldnn(),
    "quantized": lambda: torch.quantize_per_tensor(BASE.float(), 0.1, 0, torch.qint8),
    "masked": lambda: masked_tensor(BASE.clone(), BASE > 0, requires_grad=True),
    "of a class with a function of its own": lambda: BASE.clone().as_subclass(Said).requires_grad_(),
    "of a class that dispatches": lambda: two_tensor().TwoTensor(BASE.clone(), BASE + 1).requires_grad_(),
    "distributed": distributed,
}

#: And such as behave as a tensor.
ALIKE = {
    "of a plain class": lambda: BASE.clone().as_subclass(Plain).requires_grad_(),
    "a buffer": lambda: nn.Buffer(BASE.clone()).requires_grad_(),
    "of a class of parameters": lambda: Weight(BASE.clone()),
}

CALLS = {
    "relu": native.relu, "gelu": native.gelu, "silu": native.silu, "exp": torch.exp, "abs": torch.abs,
    "softmax": lambda x: native.softmax(x, -1), "layer_norm": lambda x: native.layer_norm(x, (4,)),
    "dropout": native.dropout, "linear": lambda x: native.linear(x, W.to(x.dtype)), "matmul": lambda x: x @ W,
    "matmul, second": lambda x: W[:3, :3] @ x, "einsum": lambda x: torch.einsum("ij,jk->ik", x, W),
    "a number": lambda x: 1 - x * 2, "twice": lambda x: x * x + x, "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(1),
    "max": lambda x: x.max(1), "norm": lambda x: x.norm(), "loss": lambda x: native.mse_loss(x, x * 2),
    "key": lambda x: x[:, 1:], "first": lambda x: x[0], "t": lambda x: x.t(), "reshape": lambda x: x.reshape(-1),
    "cat": lambda x: torch.cat([x, x]), "split": lambda x: x.split(1), "where": lambda x: torch.where(x > 0, x, 0.0),
    "in place": lambda x: (x * 1).mul_(2).add_(x), "sparse sum": lambda x: torch.sparse.sum(x),
}  # fmt: skip


def dense(x):
    """What it says, as tensors to compare."""
    if x is None or type(x) is Tensor and x.layout is torch.strided and not (x.is_nested or x.is_quantized):
        return x
    if isinstance(x, two_tensor().TwoTensor):
        return torch.stack([x.a, x.b])
    if hasattr(x, "get_mask"):
        return x.get_data() * x.get_mask()
    if hasattr(x, "full_tensor"):
        return x.full_tensor()
    if x.is_nested:
        return x.values() if x.layout is torch.jagged else torch.cat([t.reshape(-1) for t in x.unbind()])
    return (
        x.dequantize() if x.is_quantized else x.to_dense() if x.layout is not torch.strided else x.as_subclass(Tensor)
    )


def same(f, make, block):
    """Whether native does it; then ours does the same, of the same class and layout."""
    try:
        x_out, g = derived(f, make())
    except Exception:
        return None
    ours, ours_g = derived(f, make(), block)
    assert type(ours) is type(x_out) and ours.layout is x_out.layout
    assert type(ours_g) is type(g) and (g is None or ours_g.layout is g.layout)
    assert_close(dense(ours), dense(x_out), equal_nan=True)
    assert_close(dense(ours_g), dense(g), equal_nan=True) if g is not None else None
    return ours


@pytest.mark.parametrize("name", OTHERS)
def test_unsupported_tensor_types(name):
    done = 0
    for f in CALLS.values():
        block = by_hand()
        ours = same(f, OTHERS[name], block)
        if ours is not None:
            done += 1
            assert bool(block.native) == ours.requires_grad
    assert done > 4


@pytest.mark.parametrize("name", ALIKE)
def test_supported_tensor_types(name):
    for f in CALLS.values():
        same(f, ALIKE[name], by_hand(strict=True))


MODULES = nn.Linear(4, 2), nn.ReLU(), nn.LayerNorm(4), nn.GELU(), nn.Softmax(-1), nn.Dropout(), nn.Sigmoid()


@pytest.mark.parametrize("name", OTHERS)
def test_unsupported_tensor_types_in_a_converted_module(name):
    done = 0
    for module in MODULES:
        module.to(torch.float32 if name in ("quantized", "mkldnn") else torch.float64)
        try:
            x_out, g = derived(module, OTHERS[name]())
        except Exception:  # natively too
            continue
        ours, ours_g = derived(chapter14.convert(module), OTHERS[name]())
        assert type(ours) is type(x_out) and type(ours_g) is type(g)
        assert_close(dense(ours), dense(x_out), equal_nan=True)
        assert_close(dense(ours_g), dense(g), equal_nan=True) if g is not None else None
        done += 1
    assert done


def test_sparse_gradients_of_a_converted_model():
    i = torch.tensor([1, 2, 2])
    for module in (nn.Embedding(10, 3, sparse=True), nn.EmbeddingBag(10, 3, sparse=True, mode="sum")):
        model = nn.Sequential(module, nn.Linear(3, 2))
        ours = chapter14.convert(model)
        for m in (model, ours):
            m(i if module._get_name() == "Embedding" else i[None]).sum().backward()
        assert ours[0].weight.grad.is_sparse
        assert_close(ours[0].weight.grad.to_dense(), model[0].weight.grad.to_dense())


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "quantized"])
def test_layers_reject_unsupported_tensor_types(name):
    for f in (F.exp, F.relu, F.branch, lambda x: F.linear(x, W.to(x.dtype)), lambda x: F.mul(x, x)):
        with pytest.raises(NotDense, match="it takes dense tensors; it was given"):
            f(OTHERS[name]())


def test_relu_rejects_a_jagged_tensor():
    with pytest.raises(NotDense):
        chapter14.nn.ReLU()(OTHERS["jagged"]())


def test_unknown_options_raise_as_native():
    x = BASE.clone().requires_grad_()
    for f in (lambda: torch.exp(x, wrong=1), lambda: x.sum(0, 1, 2, 3), lambda: native.relu(x, at_zero=1)):
        for block in (nullcontext(), by_hand()):
            with pytest.raises(TypeError), block:
                f()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.complex128])
@pytest.mark.parametrize("shape", [(2, 4, 2), (1, 2, 4, 4)])
def test_errors_inside_a_function_equal_natives(shape, dtype):
    x = torch.ones(shape).to(dtype)
    with pytest.raises(NotImplementedError, match="adaptive_avg_pool2d"), by_hand():
        torch.nn.functional.interpolate(x, scale_factor=2, mode="area")


@pytest.mark.parametrize("median", [torch.median, torch.nanmedian])
def test_median_of_an_expanded_tensor(median):
    for i in range(20):
        x = torch.tensor([[0.5 + i]]).bfloat16().expand(1, 3)
        with by_hand():
            assert median(x, 1).values.item() == median(x).item() == 0.5 + i
