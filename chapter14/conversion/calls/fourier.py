"""torch.fft, torch.stft and torch.istft: along some axes or all, cut or padded to a size, real or complex."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...layer.base import cast
from ...layer.shape import several
from ...layers.core.arrange import pad, roll
from ...layers.core.complex import conj
from ...layers.spectral.fft import TURNED, as_complex, fft, irfft, rfft
from ...layers.spectral.stft import istft, stft
from .operands import Calls

Sizes = Sequence[int] | None
Dims = int | Sequence[int] | None


def _dims(x: Tensor, s: Sizes, dim: Dims) -> tuple[int, ...]:
    if dim is None:
        dim = range(-len(s), 0) if s is not None else range(x.ndim)
    dims = several(dim)
    if not all(-x.ndim <= d < x.ndim for d in dims):
        raise IndexError(f"fft: there is no axis {dim} in a tensor of {x.ndim} axes.")
    dims = tuple(d % x.ndim for d in dims)
    if len({*dims}) < len(dims) or (s is not None and len(s) != len(dims)):
        raise RuntimeError(f"fft: it expects different axes in dim, and a size in s for each; given s={s}, dim={dim}.")
    return dims


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() or x.is_complex() else cast(x, torch.get_default_dtype())


def _resized(x: Tensor, s: Sizes, dims: Sequence[int]) -> Tensor:
    """x, with each axis cut or padded with zeros to its size; -1 keeps the size."""
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


def _forms(name: str, f: Callable[[Tensor, Sizes, Dims, str | None], Tensor]) -> Calls:
    """The three forms of f in torch.fft: along one axis, along two, along any."""
    return {
        f"fft.{name}": lambda input, n=None, dim=-1, norm=None: f(input, None if n is None else [n], dim, norm),
        f"fft.{name}2": lambda input, s=None, dim=(-2, -1), norm=None: f(input, s, dim, norm),
        f"fft.{name}n": lambda input, s=None, dim=None, norm=None: f(input, s, dim, norm),
    }


def _shift(name: str, sign: int) -> Calls:
    def call(input: Tensor, dim: Dims = None) -> Tensor:
        dims = _dims(input, None, dim)
        return roll(input, [sign * (input.shape[d] // 2) for d in dims], dims)

    return {f"fft.{name}": call}


CALLS = (
    _forms("fft", lambda x, s, dim, norm: _fftn(x, s, dim, norm, False))
    | _forms("ifft", lambda x, s, dim, norm: _fftn(x, s, dim, norm, True))
    | _forms("rfft", _rfftn)
    | _forms("irfft", _irfftn)
    | _forms("hfft", lambda x, s, dim, norm: _irfftn(conj(x), s, dim, _turned(norm)))
    | _forms("ihfft", lambda x, s, dim, norm: conj(_rfftn(x, s, dim, _turned(norm))))
    | _shift("fftshift", 1)
    | _shift("ifftshift", -1)
    | {"stft": stft, "istft": istft}
)
