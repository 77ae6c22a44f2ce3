"""Norms and dropout by hand, as torch itself calls them, and in the place of their input."""

import pytest
import torch
from torch.nn import functional as N
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.by_hand import by_hand

CALLS = {
    "layer_norm": lambda x, w, b: torch.layer_norm(x, (5,)),
    "rms_norm": lambda x, w, b: torch.rms_norm(x, (5,)),
    "group_norm": lambda x, w, b: torch.group_norm(x, 2, w, b),
    "batch_norm": lambda x, w, b: torch.batch_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
    "instance_norm": lambda x, w, b: torch.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, False),
    "dropout": lambda x, w, b: torch.dropout(x, 0.3, True),
    "dropout_": lambda x, w, b: torch.dropout_(x.clone(), 0.3, True),
    "alpha_dropout": lambda x, w, b: torch.alpha_dropout(x, 0.3, train=True),
    "feature_dropout": lambda x, w, b: torch.feature_dropout(x, 0.3, True),
    "feature_alpha_dropout": lambda x, w, b: torch.feature_alpha_dropout(x, 0.3, True),
}


@pytest.mark.parametrize("name", CALLS)
def test_torch_functions_by_hand(name):
    torch.manual_seed(0)
    inputs = torch.randn(4, 6, 5, dtype=torch.float64), *torch.rand(2, 6, dtype=torch.float64)
    results = []
    for mode in (by_hand(), torch.enable_grad()):
        leaves = [t.clone().requires_grad_() for t in inputs]
        torch.manual_seed(1)
        with mode:
            x_out = CALLS[name](*leaves)
        g_in = torch.autograd.grad(x_out.square().sum(), leaves, allow_unused=True)
        results.append([x_out, *(g for g in g_in if g is not None)])
    assert_close(*results)
    with by_hand() as mode:
        CALLS[name](*leaves)
    assert not {n for n in mode.native if "clone" not in n}


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_one_image_with_any_layout_of_g(training):
    """PyTorch's own is wrong there where g is channels-last with a batch stride of 1, so finite differences judge."""
    torch.manual_seed(0)
    x, dx, g = (torch.randn(1, 3, 4, 4, dtype=torch.float64) for _ in range(3))
    mean, variance = torch.randn(3).double(), torch.rand(3).double() + 0.5
    last = g.contiguous(memory_format=torch.channels_last)
    last = last.as_strided(last.shape, (1, *last.stride()[1:]))

    def f(x):
        return F.batch_norm(x, mean.clone(), variance.clone(), training=training)

    x.requires_grad_()
    (g_in,) = torch.autograd.grad(f(x), x, last)
    step = 1e-6 * dx
    numerical = (g * (f(x + step) - f(x - step))).sum() / 2e-6
    torch.testing.assert_close((g_in * dx).sum(), numerical, rtol=1e-6, atol=1e-8)


FAR = {
    "batch_norm": lambda ns, x, w, b: ns.batch_norm(x, None, None, w, b, training=True),
    "instance_norm": lambda ns, x, w, b: ns.instance_norm(x, weight=w, bias=b),
    "group_norm": lambda ns, x, w, b: ns.group_norm(x, 4, w, b),
    "layer_norm": lambda ns, x, w, b: ns.layer_norm(x, x.shape[-2:]),
    "rms_norm": lambda ns, x, w, b: ns.rms_norm(x, x.shape[-2:]),
}


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (10, 1), (1000, 1), (1000, 1e-3), (30000, 100)])
@pytest.mark.parametrize("name", FAR)
def test_float32_gradient_far_from_0_is_as_exact_as_torchs(name, offset, scale):
    """PyTorch sums some of them in double precision."""
    torch.manual_seed(0)
    x, g = torch.randn(4, 8, 8, 8) * scale + offset, torch.randn(4, 8, 8, 8)
    w, b = torch.randn(2, 8)

    def gradients(ns, dtype):
        leaves = [t.to(dtype, copy=True).requires_grad_() for t in (x, w, b)]
        return torch.autograd.grad(FAR[name](ns, *leaves), leaves, g.to(dtype), allow_unused=True)

    true, native, ours = (
        gradients(ns, dtype) for ns, dtype in ((N, torch.float64), (N, torch.float32), (F, torch.float32))
    )
    for t, n, o in zip(true, native, ours, strict=True):
        if t is not None:
            error, at_most = (((m - t).abs().max() / t.abs().max()).item() for m in (o, n))
            assert error <= max(2 * at_most, 1e-6)


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (10, 1), (1000, 1), (30000, 100), (0, 1e25)])
def test_batch_norm_of_a_large_tensor_is_as_exact_as_torchs(offset, scale, learns):
    """It is computed in plain operations, or by PyTorch's kernel where squares overflow in float32."""
    torch.manual_seed(0)
    x, w, b = torch.randn(4, 33, 64, 64) * scale + offset, torch.randn(33), torch.randn(33)

    def of(ns, dtype):
        running = torch.randn(33, generator=torch.Generator().manual_seed(1)).to(dtype), torch.ones(33, dtype=dtype)
        wb = [t.to(dtype) if learns else None for t in (w, b)]
        return ns.batch_norm(x.to(dtype), *running, *wb, training=True, momentum=0.2), *running

    for true, native, ours in zip(of(N, torch.float64), of(N, torch.float32), of(F, torch.float32), strict=True):
        error, at_most = (((m - true).abs().max() / true.abs().max()).item() for m in (ours, native))
        assert error <= max(2 * at_most, 1e-6) if scale < 1e20 else torch.equal(ours, native)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 1)])
def test_batch_norm_with_a_noncontiguous_weight(shape, training):
    """PyTorch's backward pass reads what lies between the weight's entries, docs/native_faults.md."""
    torch.manual_seed(0)
    x, g = torch.randn(2, *shape, dtype=torch.float64)
    memory = torch.randn(14, dtype=torch.float64)

    def g_in(weight):
        leaf = x.clone().requires_grad_()
        x_out = F.batch_norm(leaf, torch.zeros(7).double(), torch.ones(7).double(), weight, training=training)
        return torch.autograd.grad(x_out, leaf, g)

    assert_close(g_in(memory[::2]), g_in(memory[::2].contiguous()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ["group_norm", "layer_norm", "instance_norm"])
def test_gradient_of_few_values_is_not_rounding_noise(name, dtype):
    """PyTorch's is up to a hundred times too large, or NaN, docs/native_faults.md."""
    torch.manual_seed(0)
    x, g = torch.randn(2, 5, 3, 2, dtype=torch.float64).to(dtype)
    how = {"group_norm": (3,), "layer_norm": ([2],), "instance_norm": ()}[name]
    gradients = []
    for ns, to in ((F, dtype), (N, torch.float64)):
        leaf = x.to(to).requires_grad_()
        gradients += torch.autograd.grad(getattr(ns, name)(leaf, *how), leaf, g.to(to))
    assert_close(gradients[0].double(), gradients[1], rtol=2 * torch.finfo(dtype).eps, atol=1e-4)
    one = torch.randn(5, 1, dtype=dtype, requires_grad=True)
    assert not torch.autograd.grad(F.group_norm(one, 1).sum(), one)[0].any()
