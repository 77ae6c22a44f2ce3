"""torch.fft: axes by number or all, cut or padded to a size, real or complex."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...layer import cast
from ...layers.core.arrange import pad, roll
from ...layers.core.complex import conj
from ...layers.spectral.fft import TURNED, as_complex, fft, irfft, rfft
from ...layers.spectral.stft import istft, stft
from ...shape import several
from ..table import stands_for

Sizes = Sequence[int] | None
Dims = int | Sequence[int] | None


def _dims(x: Tensor, s: Sizes, dim: Dims) -> tuple[int, ...]:
    if dim is None:
        dim = range(-len(s), 0) if s is not None else range(x.ndim)
    dims = several(dim)
    if not all(-x.ndim <= d < x.ndim for d in dims):
        raise IndexError(f"fft: it has no axis {dim}; it was given a tensor of {x.ndim} axes.")
    dims = tuple(d % x.ndim for d in dims)
    if len({*dims}) < len(dims) or (s is not None and len(s) != len(dims)):
        raise RuntimeError(f"fft: dim is of axes that differ, and s has one size for each; it was given {s}, {dim}.")
    return dims


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() or x.is_complex() else cast(x, torch.get_default_dtype())


def _resized(x: Tensor, s: Sizes, dims: Sequence[int]) -> Tensor:
    """Each axis cut, or padded with zeros, to its size; -1 is the size that it has."""
    for n, d in zip(s or [-1] * len(dims), dims, strict=True):
        if n not in (-1, x.shape[d]):
            if n < 1:
                raise RuntimeError(f"fft: a size is 1 or more; it was given {tuple(s or ())}.")
            x = pad(x, [0, 0] * (x.ndim - 1 - d) + [0, n - x.shape[d]])
    return x


def _fftn(x: Tensor, s: Sizes, dim: Dims, norm: str | None, inverse: bool) -> Tensor:
    dims = _dims(x, s, dim)
    x = _resized(as_complex(_floating(x)), s, dims)
    return fft(x, dims, norm or "backward", inverse) if dims else x


def _rfftn(x: Tensor, s: Sizes, dim: Dims, norm: str | None) -> Tensor:
    dims = _dims(x, s, dim)
    if x.is_complex() or not dims:
        raise RuntimeError(f"rfft: it expects a real tensor and an axis; it was given {x.dtype}, dim={dim}.")
    return rfft(_resized(_floating(x), s, dims), dims, norm or "backward")


def _irfftn(x: Tensor, s: Sizes, dim: Dims, norm: str | None) -> Tensor:
    dims = _dims(x, s, dim)
    if not dims:
        raise RuntimeError(f"irfft: it expects an axis; it was given dim={dim}.")
    n = s[-1] if s is not None and s[-1] != -1 else 2 * (x.shape[dims[-1]] - 1)
    if n < 1:
        raise RuntimeError(f"irfft: a size is 1 or more; it was given {n}.")
    x = _resized(as_complex(_floating(x)), None if s is None else [*s[:-1], n // 2 + 1], dims)
    return irfft(_resized(x, [n // 2 + 1], dims[-1:]), dims, norm or "backward", n)


def _turned(norm: str | None) -> str:
    return TURNED[norm or "backward"]


def _register(name: str, f: Callable[[Tensor, Sizes, Dims, str | None], Tensor]) -> None:
    """f as torch.fft has it three times: along one axis, along two, and along any."""

    @stands_for(f"fft.{name}")
    def along_one(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
        return f(input, None if n is None else [n], dim, norm)

    @stands_for(f"fft.{name}2")
    def along_two(input: Tensor, s: Sizes = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
        return f(input, s, dim, norm)

    @stands_for(f"fft.{name}n")
    def along_any(input: Tensor, s: Sizes = None, dim: Dims = None, norm: str | None = None) -> Tensor:
        return f(input, s, dim, norm)


_register("fft", lambda x, s, dim, norm: _fftn(x, s, dim, norm, False))
_register("ifft", lambda x, s, dim, norm: _fftn(x, s, dim, norm, True))
_register("rfft", _rfftn)
_register("irfft", _irfftn)
_register("hfft", lambda x, s, dim, norm: _irfftn(conj(x), s, dim, _turned(norm)))
_register("ihfft", lambda x, s, dim, norm: conj(_rfftn(x, s, dim, _turned(norm))))


@stands_for("fft.fftshift")
def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    dims = _dims(input, None, dim)
    return roll(input, [input.shape[d] // 2 for d in dims], dims)


@stands_for("fft.ifftshift")
def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    dims = _dims(input, None, dim)
    return roll(input, [-(input.shape[d] // 2) for d in dims], dims)


stands_for("stft")(stft)
stands_for("istft")(istft)
