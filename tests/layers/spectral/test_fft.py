"""torch.fft by hand: what it is, and what comes back, for transforms of complex and of real tensors."""

import pytest
import torch
from torch.testing import assert_close

from chapter14.conversion.by_hand import by_hand

X = torch.randn(2, 4, 5, dtype=torch.complex128, generator=torch.Generator().manual_seed(14))
CALLS = {
    "fft": lambda x: torch.fft.fft(x, 6, 1, "ortho"),
    "ifft2": lambda x: torch.fft.ifft2(x),
    "rfftn": lambda x: torch.fft.rfftn(x.real, (3, 6), norm="forward"),
    "irfft2, even": lambda x: torch.fft.irfft2(x),
    "irfft, odd": lambda x: torch.fft.irfft(x, 9),
    "hfft": lambda x: torch.fft.hfft(x, norm="ortho"),
    "ihfft": lambda x: torch.fft.ihfft(x.real, 7),
    "fftshift": lambda x: torch.fft.fftshift(x),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_torch_fft(call):
    native, ours = [X.clone().requires_grad_() for _ in range(2)]
    expected = call(native)
    g = torch.linspace(-1, 1, expected.numel(), dtype=expected.dtype).view(expected.shape) * (1 + 2j)
    g = g if expected.is_complex() else g.real
    with by_hand():
        x_out = call(ours)
    assert_close(x_out, expected)
    assert_close(torch.autograd.grad(x_out, ours, g), torch.autograd.grad(expected, native, g))
