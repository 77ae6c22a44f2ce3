"""The gradient of a large kernel of each channel, which is computed as a convolution."""

import pytest
import torch
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.layers.convolution import convolution


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel, padding", [((5, 5), 2), ((7, 4), (0, 3)), ((2, 6), 1)])
def test_as_exact_as_torchs(kernel, padding, dilation, stride, layout, monkeypatch):
    by_channel, calls = convolution._correlate_by_channel, []
    monkeypatch.setattr(convolution, "_correlate_by_channel", lambda *args: calls.append(args) or by_channel(*args))
    draw = torch.Generator().manual_seed(14)
    x = torch.randn(2, 6, 17, 20, generator=draw).contiguous(memory_format=layout)
    W = torch.randn(6, 1, *kernel, generator=draw).requires_grad_()
    how = stride, padding, dilation, 6
    x_out = F.conv2d(x, W, None, *how)
    g = torch.randn(x_out.shape, generator=draw).contiguous(memory_format=layout)
    exact = W.detach().double().requires_grad_()
    expected = torch.autograd.grad(torch.nn.functional.conv2d(x.double(), exact, None, *how), exact, g.double())
    found = torch.autograd.grad(x_out, W, g)
    assert len(calls) == torch.backends.mkldnn.is_available()
    assert_close(found[0].double(), expected[0], rtol=1e-5, atol=1e-4)
