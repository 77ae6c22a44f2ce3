"""The amplitude spectrum of photographs: A(k), the mean of |S[k]|, with S as rfft2 computes it.

assets/spectrum.safetensors holds it for small photographs, in coefficients of COLOURS, at frequencies from 0 to half a
cycle per pixel along each axis; scripts/measure_spectrum.py measured it. It falls off roughly as 1 / |k|, whatever the
size of the pictures: so |k| A(k) is interpolated between the measured frequencies, for pictures of any size.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from ...layers.resample.warp import warp
from ...layers.spectral.image_fft import rfft2
from ...models.load import ASSETS
from .colour import COLOURS, to_components

SPECTRUM = ASSETS / "spectrum.safetensors"


def frequencies(H: int, W: int) -> Tensor:
    """|k| [H, W//2 + 1], in cycles along the longer side; 1 for the mean, which has no frequency."""
    y, x = torch.fft.fftfreq(H, dtype=torch.float64), torch.fft.rfftfreq(W, dtype=torch.float64)
    return (torch.hypot(y[:, None], x) * max(H, W)).clamp(min=1)


def measure_amplitudes(x: Tensor) -> Tensor:
    """The sum of A over photographs x [B, 3, N, N], with entries from -1 to 1 and an even N → [3, N//2 + 1, N//2 + 1].

    Photographs may be mirrored, so frequencies of one direction and of its mirror image share an entry.
    """
    S = torch.view_as_complex(rfft2(to_components(x))).abs().sum(0)
    n = S.shape[-1]
    return (S[:, :n] + S.flip(1).roll(1, 1)[:, :n]) / 2


def save_spectrum(A: Tensor, path: str | Path, about: dict[str, str]) -> None:
    from safetensors.torch import save_file

    save_file({"spectrum": A.float().contiguous()}, path, about)


def natural_amplitudes(x: Tensor, path: Path = SPECTRUM) -> Tensor:
    """A [C, H, W//2 + 1] for pictures of the size of x [B, C, H, W]: coefficients of COLOURS, or one grey channel.

    Raises:
        ValueError: x has neither three channels nor one; or `save_spectrum` did not write the file.
    """
    if x.shape[1] not in (1, 3):
        raise ValueError(f"the spectrum of photographs has three channels or one; the picture has {x.shape[1]}.")
    return _natural(x.shape[1], x.shape[2], x.shape[3], path, x.dtype, x.device)


@functools.lru_cache(maxsize=8)
def _natural(C: int, H: int, W: int, path: Path, dtype: torch.dtype, device: torch.device) -> Tensor:
    A = _read(path)
    N = 2 * (A.shape[-1] - 1)
    even = A * frequencies(N, N)[: A.shape[-1]]
    even[:, 0, 0] = (even[:, 0, 1] + even[:, 1, 0]) / 2  # A[:, 0, 0], the mean, has no frequency
    y, x = torch.fft.fftfreq(H, dtype=torch.float64).abs() * N, torch.fft.rfftfreq(W, dtype=torch.float64) * N
    A_out = warp(even[None], torch.stack(torch.meshgrid(y, x, indexing="ij"), -1)[None])[0]
    A_out = A_out / frequencies(H, W) * max(H, W) / N
    A_out[:, 0, 0] = A[:, 0, 0] * (H * W) ** 0.5 / N
    if C == 1:
        A_out = A_out[:1] * COLOURS[:, 0].mean()
    return A_out.to(device, dtype)


def _read(path: Path) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor("spectrum").double()
    except SafetensorError as error:
        raise ValueError(f"{path} is not a spectrum that scripts/measure_spectrum.py wrote: {error}") from error
