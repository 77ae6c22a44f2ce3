"""grid_sample in low precision, whose numbers do not reach as far as an image has pixels."""

import pytest
import torch

import chapter14.functional as F


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_identity_grid_is_exact(dtype, mode):
    u = torch.linspace(-1, 1, 33)  # sixteenths, exact in bfloat16; of whole numbers that has those up to 256, of 1089
    grid = torch.stack(torch.meshgrid(u, u, indexing="xy"), -1)[None].to(dtype)
    x, g_out = torch.randn(2, 1, 2, 33, 33).to(dtype).unbind()
    x.requires_grad_()
    x_out = F.grid_sample(x, grid, mode, align_corners=True)
    (g_in,) = torch.autograd.grad(x_out, x, g_out)
    assert torch.equal(x_out, x) and torch.equal(g_in, g_out)
