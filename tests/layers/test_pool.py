"""Pooling beyond the table: what g holds stays in its window, and PyTorch's other names for the same."""

import pytest
import torch
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.audit import audit
from chapter14.conversion.by_hand import by_hand


@pytest.mark.parametrize(
    "name, arguments", [("avg_pool2d", (3, 2, 1)), ("avg_pool2d", (2,)), ("adaptive_avg_pool2d", (4,))]
)
def test_nan_gradient_stays_in_its_window(name, arguments):
    g_in = []
    for where in (F, native):
        x = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        x_out = getattr(where, name)(x, *arguments)
        g = torch.ones_like(x_out)
        g[0, 1, 1] = torch.nan
        g_in += torch.autograd.grad(x_out, x, g)
    assert g_in[0].isnan().any() and not g_in[0].isnan().all()
    assert_close(*g_in, equal_nan=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.max_pool1d(x, 2),
        lambda x: torch.max_pool1d_with_indices(x, 2)[0],
        lambda x: torch.adaptive_max_pool1d(x, 2)[0],
        lambda x: torch.adaptive_avg_pool1d(x, 2),
        lambda x: torch.avg_pool1d(x, 2),
        lambda x: torch.max_pool2d(x, 2),
        lambda x: native.max_pool2d(x, 2, return_indices=True)[0],
        lambda x: native.adaptive_max_pool2d(x, 2, return_indices=True)[0],
        lambda x: native.fractional_max_pool2d(x, 2, 2, return_indices=True)[0],
        lambda x: torch.nn.LPPool2d(2, 2)(x),
        lambda x: native.max_unpool1d(*native.max_pool1d(x, 2, return_indices=True), 2),
    ],
)
def test_torch_nn_modules_run_by_hand(call):
    x = torch.randn(2, 4, 4, requires_grad=True)
    torch.manual_seed(2)
    with by_hand(strict=True):
        x_out = call(x)
    torch.manual_seed(2)
    assert_close(x_out, call(x))
    assert "MaxPool" in audit(x_out).by_hand or "AvgPool" in audit(x_out).by_hand
