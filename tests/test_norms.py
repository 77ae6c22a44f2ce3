"""Norms and dropout by hand, as torch itself calls them, and in the place of their input."""

import pytest
import torch
from torch.testing import assert_close

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
def test_by_hand_as_torch_calls_them(name):
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
