"""`fuse`: the gradients are those of the layers without it; and compiled code computes them."""

import functools
import threading
import warnings

import pytest
import torch
from torch import Tensor

import chapter14
import chapter14.functional as F
from chapter14.layer import fuse as module
from chapter14.layers.core.arithmetic import scale, times
from chapter14.layers.pointwise.pointwise import PointwiseLayer

pytest.importorskip("torch._dynamo")

w, b = torch.linspace(0.5, 2, 6), torch.linspace(-1, 1, 6)

FUSED = {
    "layer_norm": lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b),
    "rms_norm": lambda x, w, b: F.rms_norm(x, x.shape[-1:], w),
    "batch_norm": lambda x, w, b: F.batch_norm(x.mT, None, None, w, b, True),
    "group_norm": lambda x, w, b: F.group_norm(x.mT, 2, w, b),
    "softmax": lambda x, w, b: F.softmax(x, -1),
    "gelu": lambda x, w, b: F.gelu(x),
    "gelu, tanh": lambda x, w, b: F.gelu(x, approximate="tanh"),
    "silu": lambda x, w, b: F.silu(x),
    "mish": lambda x, w, b: F.mish(x),
    "hardswish": lambda x, w, b: F.hardswish(x),
    "softplus": lambda x, w, b: F.softplus(x),
    "glu": lambda x, w, b: F.glu(x, -1),
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing is compiled yet, and small tensors are too."""
    module.fused.cache_clear()
    module._warn.cache_clear()
    monkeypatch.setattr(module, "SMALL", 1)
    yield
    module.fused.cache_clear()
    assert not module.SWITCH.on


@pytest.fixture
def traced(monkeypatch):
    """The derivatives are traced as for a kernel, and then run as plain operations, which takes less time."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))


def graphs() -> int:
    """How many graphs Dynamo has captured."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def sample(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(14)
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


def gradients(f, x: Tensor, fuse: bool, autocast: bool = False) -> list[Tensor]:
    """x_out, and the gradients of x and of the parameters, in x's dtype."""
    inputs = [t.detach().to(x.dtype).requires_grad_() for t in (w, b)]
    x = x.detach().requires_grad_()
    with chapter14.fuse(fuse), torch.autocast("cpu", enabled=autocast):
        x_out = f(x, *inputs)
    g = torch.linspace(-1, 1, x_out.numel(), dtype=x_out.dtype).reshape(x_out.shape)
    gs = torch.autograd.grad(x_out, [x, *inputs], g, allow_unused=True)
    return [x_out.detach(), *(t for t in gs if t is not None)]


def assert_same(f, x: Tensor, **how) -> None:
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 2e-2}[x.dtype]
    expected = gradients(f, x, fuse=False, **how)
    for g, e in zip(gradients(f, x, fuse=True, **how), expected, strict=True):
        assert g.dtype == e.dtype
        torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance * (e.abs().max().item() if e.numel() else 0))


def cubed(x: Tensor) -> Tensor:
    return Cubed.of(x)


class Cubed(PointwiseLayer):
    """It notes each call of its plain rule."""

    fusible = True
    plain: list[int] = []

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def h_prime(x):
        return scale(times(x, x), 3)

    @staticmethod
    def backward_once(needs, g, x):
        Cubed.plain.append(x.numel())
        return (g * 3 * x * x,)


@pytest.fixture
def plain_calls():
    Cubed.plain.clear()
    return Cubed.plain


def one_gradient(x: Tensor, f=cubed) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


def test_it_is_a_switch_and_a_context_manager():
    assert not module.SWITCH.on
    with chapter14.fuse():
        assert module.SWITCH.on
        with chapter14.fuse(False):
            assert not module.SWITCH.on
        assert module.SWITCH.on
    assert not module.SWITCH.on
    chapter14.fuse()
    assert module.SWITCH.on
    chapter14.fuse(False)
    assert not module.SWITCH.on


def test_an_error_inside_restores_the_switch():
    with pytest.raises(KeyError), chapter14.fuse():
        raise KeyError
    assert not module.SWITCH.on


def test_a_block_can_be_entered_again():
    block = chapter14.fuse()
    for _ in range(2):
        with block:
            assert module.SWITCH.on
        assert not module.SWITCH.on


def test_it_holds_for_one_thread():
    found = []
    with chapter14.fuse():
        thread = threading.Thread(target=lambda: found.append(module.SWITCH.on))
        thread.start()
        thread.join()
    assert found == [False]


def test_small_tensors_run_as_without_it(monkeypatch, plain_calls):
    monkeypatch.setattr(module, "SMALL", 2**16)
    with chapter14.fuse():
        one_gradient(sample(5))
    assert plain_calls == [5]


def test_without_a_compiler_it_warns_once_and_falls_back(monkeypatch, plain_calls):
    def no_compiler(*args, **kwargs):
        raise RuntimeError("no compiler\nis here")

    monkeypatch.setattr(torch, "compile", no_compiler)
    with chapter14.fuse():
        with pytest.warns(UserWarning, match="fuse: .* no compiler$"):
            g = one_gradient(sample(5))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one_gradient(sample(6))
            one_gradient(sample(4, 6), F.gelu)
    torch.testing.assert_close(g, 3 * sample(5) ** 2)
    assert plain_calls == [5, 6]


def test_an_error_of_the_rule_itself_is_raised(monkeypatch):
    with chapter14.fuse(), pytest.raises(RuntimeError, match="modified by an inplace operation"):
        x = sample(5).requires_grad_()
        u = scale(x, 1)
        x_out = cubed(u)
        u.detach().mul_(2)
        x_out.sum().backward()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
class TestTraced:
    @pytest.mark.parametrize("name", FUSED)
    def test_gradients(self, name):
        before = graphs()
        assert_same(FUSED[name], sample(4, 5, 6))
        first = graphs()
        assert first > before
        assert_same(FUSED[name], sample(3, 7, 6))
        assert graphs() == first  # one graph for all shapes

    @pytest.mark.parametrize("name", ["layer_norm", "gelu", "softmax"])
    def test_empty_and_strided_tensors(self, name):
        assert_same(FUSED[name], sample(0, 5, 6))
        assert_same(FUSED[name], sample(5, 4, 6).transpose(0, 1))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("name", ["layer_norm", "gelu"])
    def test_dtypes(self, name, dtype):
        assert_same(FUSED[name], sample(4, 6, dtype=dtype))

    @pytest.mark.parametrize("name", ["layer_norm", "gelu"])
    def test_autocast(self, name):
        assert_same(lambda x, w, b: FUSED[name](F.linear(x, torch.eye(6)), w, b), sample(4, 6, dtype=torch.float32),
                    autocast=True)  # fmt: skip

    @pytest.mark.parametrize("name", ["layer_norm", "gelu"])
    def test_second_order_is_by_hand(self, name):
        def second(fuse: bool) -> tuple[Tensor, dict[str, int]]:
            x = sample(4, 6).requires_grad_()
            with chapter14.fuse(fuse):
                x_out = FUSED[name](x, w.double(), b.double())
            assert chapter14.audit(x_out).fraction == 1
            (g,) = torch.autograd.grad(F.l2_loss(x_out, torch.zeros_like(x_out)), x, create_graph=True)
            return torch.autograd.grad(g.square().sum(), x)[0], chapter14.audit(g).native

        (fused, native), (expected, native_before) = second(True), second(False)
        torch.testing.assert_close(fused, expected)
        assert native == native_before

    @pytest.mark.parametrize("name", ["layer_norm", "gelu"])
    def test_batched_gradients(self, name):
        f = functools.partial(FUSED[name], w=w.double(), b=b.double())

        def rows(fuse: bool) -> Tensor:
            x = sample(2, 6).requires_grad_()
            with chapter14.fuse(fuse):
                x_out = f(x)
            (g,) = torch.autograd.grad(x_out, x, torch.eye(12).view(12, 2, 6).double(), is_grads_batched=True)
            return g

        torch.testing.assert_close(rows(True), rows(False))
        with chapter14.fuse():
            fused = torch.func.vmap(torch.func.grad(lambda x: f(x).square().sum()))(sample(3, 2, 6))
        torch.testing.assert_close(
            fused, torch.func.vmap(torch.func.grad(lambda x: f(x).square().sum()))(sample(3, 2, 6))
        )

    def test_forward_mode(self):
        with chapter14.fuse():
            y, t = torch.func.jvp(F.gelu, (sample(6),), (torch.ones(6).double(),))
        torch.testing.assert_close((y, t), torch.func.jvp(F.gelu, (sample(6),), (torch.ones(6).double(),)))

    def test_it_has_no_effect_inside_torch_compile(self, plain_calls):
        compiled = torch.compile(lambda x: F.gelu(x), fullgraph=True)
        with chapter14.fuse():
            g = one_gradient(sample(3, 4), compiled)
        torch.testing.assert_close(g, one_gradient(sample(3, 4), F.gelu))

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_checkpoint(self, reentrant):
        def f(x: Tensor) -> Tensor:
            return F.gelu(F.layer_norm(x, (6,), w.double(), b.double()))

        x = sample(4, 6).requires_grad_()
        with chapter14.fuse():
            x_out = torch.utils.checkpoint.checkpoint(f, x, use_reentrant=reentrant)
        x_out.sum().backward()  # computes f again, where fuse is off
        torch.testing.assert_close(x.grad, one_gradient(sample(4, 6), f))

    def test_modes_observe_the_plain_rule(self, plain_calls):
        class Mode(torch.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                return func(*args, **(kwargs or {}))

        with chapter14.fuse(), Mode():
            one_gradient(sample(5))
        assert plain_calls == [5]

    def test_inside_by_hand(self, plain_calls):
        with chapter14.fuse(), chapter14.by_hand():
            g = one_gradient(sample(5))
        torch.testing.assert_close(g, 3 * sample(5) ** 2)
        assert not plain_calls

    def test_complex_and_meta_tensors(self):
        with chapter14.fuse():
            z = torch.complex(sample(5, 6), sample(5, 6)).requires_grad_()
            x_out = F.rms_norm(z, (6,))
            x_out.real.sum().backward()
            meta = torch.empty(5, 6, device="meta", requires_grad=True)
            F.layer_norm(meta, (6,)).sum().backward()
        assert z.grad is not None and meta.grad.shape == (5, 6)

    def test_threads(self):
        """Each backward pass runs in its own thread, as those of a GPU do in the engine's."""
        found = {}

        def work(i: int) -> None:
            found[i] = gradients(FUSED["layer_norm"], sample(4 + i, 6), fuse=True)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for i, gs in found.items():
            torch.testing.assert_close(gs, gradients(FUSED["layer_norm"], sample(4 + i, 6), fuse=False))
        assert len(found) == 4

    def test_recompilation_ends_at_the_limit(self, plain_calls):
        limit = torch._dynamo.config.recompile_limit
        before = graphs()
        with chapter14.fuse(), torch._dynamo.config.patch(recompile_limit=3):
            for axes in range(1, 7):
                one_gradient(sample(*range(2, 2 + axes)))
        assert torch._dynamo.config.recompile_limit == limit
        assert 1 <= graphs() - before <= 3
        assert 3 <= len(plain_calls) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer_norm", "gelu"])
def test_compiled_kernels_compute_the_gradients(name, monkeypatch):
    calls = []
    compile_ = torch.compile

    def counting(f, **how):
        compiled = compile_(f, **how)
        return lambda *args: (calls.append(name), compiled(*args))[1]

    monkeypatch.setattr(torch, "compile", counting)
    before = graphs()
    for shape in ((40, 50, 6), (30, 70, 6)):
        assert_same(FUSED[name], sample(*shape))
    assert graphs() == before + 1
    assert len(calls) == 2


@pytest.mark.slow
def test_no_working_compiler(plain_calls):
    from torch._inductor import config
    from torch._inductor.utils import fresh_cache

    missing = config.patch({"cpp.cxx": ("no-such-compiler",)})  # monkeypatch would delete the option at its end
    with missing, fresh_cache(), chapter14.fuse(), pytest.warns(UserWarning, match="fuse: .*no-such-compiler"):
        g = one_gradient(sample(5))
    torch.testing.assert_close(g, 3 * sample(5) ** 2)
    assert plain_calls == [5]
