"""Transforms of signals, frame by frame."""

import torch

import chapter14.functional as F
from chapter14.layer.base import cast
from chapter14.layers.core.complex import view_as_complex, view_as_real

from .declare import case

OF_NO_ACCOUNT = {
    "nan_inputs": "the imaginary parts that are of no account are NaN as well; PyTorch leaves them 0",
}
OF_COMPLEX = {
    "per_datapoint_gradients": "PyTorch has no batching rule for conj_physical, and warns that it is slow",
    "memory_at_most_native": "the factor of complex frames is saved as complex numbers, of which half are 0",
}


def signals(draw, n):
    return draw(n, 9), draw(4)


def frames(draw, n, frequencies=3):
    """Complex numbers by their parts, and a window that is nowhere near 0."""
    return draw(n, frequencies, 4, 2), (draw(4).detach().cos() + 2).requires_grad_()


def two_sided(draw, n):
    return frames(draw, n, 4)


def spectrum(stft, as_parts, **options):
    return lambda x, w: as_parts(stft(x, 4, 2, window=w, return_complex=True, **options))


def signal(istft, as_complex, as_parts, **options):
    def call(X, w):
        X = cast(X, torch.float32) if X.dtype == torch.bfloat16 else X  # of which there are no complex numbers
        x_out = istft(as_complex(X), 4, 2, window=w, **options)
        return as_parts(x_out) if x_out.is_complex() else x_out

    return call


def both(inputs, **options):
    ours = signal(F.istft, view_as_complex, view_as_real, **options)
    return ours, signal(torch.istft, torch.view_as_complex, torch.view_as_real, **options), inputs


TWO_SIDED = {"center": False, "normalized": True, "onesided": False}
CASES = [
    case("stft", spectrum(F.stft, view_as_real), spectrum(torch.stft, torch.view_as_real), signals),
    case("stft", spectrum(F.stft, view_as_real, **TWO_SIDED), spectrum(torch.stft, torch.view_as_real, **TWO_SIDED),
         signals, title="two-sided"),
    case("istft", *both(frames), skip=OF_NO_ACCOUNT),
    case("istft", *both(two_sided, normalized=True, length=5, return_complex=True), title="complex", skip=OF_COMPLEX),
]  # fmt: skip
