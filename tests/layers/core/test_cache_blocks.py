"""Large tensors go back block by block: the same, however small a block is."""

import pytest
import torch
from torch.testing import assert_close

import chapter14.functional as F
import chapter14.layers.core.cache_blocks
from chapter14.checking.case import forward_and_backward

from ...table import CASES

IN_BLOCKS = (
    "gelu mish hardswish softplus elu softmax softmin layer_norm rms_norm group_norm instance_norm batch_norm".split()
)


@pytest.mark.parametrize("case", [case for case in CASES if str(case).split(",")[0] in IN_BLOCKS], ids=str)
def test_block_by_block(case, monkeypatch):
    at_once = forward_and_backward(case.ours, case.draw(7))
    monkeypatch.setattr(chapter14.layers.core.cache_blocks, "BLOCK", 10)
    assert_close(forward_and_backward(case.ours, case.draw(7)), at_once)


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_norm_in_blocks(layout, offset, monkeypatch):
    """As PyTorch's in float64, where the mean is large too; blocks of two channels, or of a few rows."""
    draw = torch.Generator().manual_seed(14)
    x, g = (torch.randn(3, 5, 4, 7, generator=draw).contiguous(memory_format=layout) for _ in range(2))
    x, w, b = (x + offset).requires_grad_(), torch.rand(5, requires_grad=True), torch.rand(5, requires_grad=True)
    exact = [t.detach().double().requires_grad_() for t in (x, w, b)]
    expected = torch.autograd.grad(
        torch.nn.functional.batch_norm(exact[0], None, None, *exact[1:], True), exact, g.double()
    )
    monkeypatch.setattr(chapter14.layers.core.cache_blocks, "BLOCK", 200)
    found = torch.autograd.grad(F.batch_norm(x, None, None, w, b, True), (x, w, b), g)
    assert found[0].is_contiguous(memory_format=layout)
    for t, e in zip(found, expected, strict=True):
        assert_close(t.double(), e, rtol=1e-4, atol=1e-5)
