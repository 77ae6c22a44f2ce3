"""Short-time Fourier transforms, of frames of a signal, each times a window; and the inverse.

    stft    X[k, t] = s sum_p w[p] x[t hop + p] exp(-2πi k p / n_fft)        [B, L] → [B, N, T], with w padded to n_fft
    istft   x[p] = sum_t w[p - t hop] y_t[p - t hop] / sum_t w²[p - t hop]   y_t: the inverse transform of X[:, t]

(Griffin & Lim 1984.) Both are chains of layers: pad, windows, times, fft; and for the inverse the transpose of windows,
which sums the frames where they overlap. The window has a gradient too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.modes import compiling
from ...layer.shape import in_words
from ..core.arithmetic import times
from ..core.arrange import narrow, pad, reshape, transpose
from ..core.branch import branch, broadcast_to
from ..core.complex import view_as_real
from ..core.merge import of_one_dtype
from ..core.repeat import OverlapAdd, WindowsAlong
from ..pointwise.transcendental import reciprocal
from .fft import REAL, as_complex, fft, irfft, rfft


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """input [B, L] or [L] → [B, N, T], of N frequencies and T frames, as `torch.stft`.

    Raises:
        RuntimeError: the sizes do not fit, or return_complex is missing.
    """
    hop, w = _sizes("stft", n_fft, hop_length, win_length, window)
    of_complex = input.is_complex() or (window is not None and window.is_complex())
    onesided = not of_complex if onesided is None else onesided
    if return_complex is None and not of_complex:
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs.")
    if not (input.is_floating_point() or input.is_complex()) or input.ndim not in (1, 2):
        raise RuntimeError(f"stft: it expects a signal [L] or [B, L]; it was given input {in_words(input)}.")
    if onesided and of_complex:
        raise RuntimeError("stft: onesided=True needs a real signal and a real window.")
    if center and align_to_window is not None:
        raise RuntimeError("stft: align_to_window is for center=False.")
    x = reshape(input, (-1, input.shape[-1])) if input.ndim == 2 else reshape(input, (1, -1))
    if center:
        x = reshape(pad(reshape(x, (1, *x.shape)), [n_fft // 2] * 2, pad_mode), (x.shape[0], -1))
    elif align_to_window:
        x = pad(x, [(n_fft - w) // 2] * 2)
    if n_fft > x.shape[-1]:
        raise RuntimeError(f"stft: n_fft={n_fft} is longer than the signal of {x.shape[-1]}.")
    frames = WindowsAlong.of(x, 1, n_fft, hop)
    if window is not None:
        frames = times(*_in_one_dtype(frames, _centred(window, n_fft)))
    norm = "ortho" if normalized else "backward"
    x_out = transpose(rfft(frames, (2,), norm) if onesided else fft(as_complex(frames), (2,), norm))
    x_out = reshape(x_out, x_out.shape[2 - input.ndim :]) if input.ndim == 1 else x_out
    return x_out if return_complex is None or return_complex else view_as_real(x_out)


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """input [B, N, T] or [N, T] → the signal [B, L] or [L], as `torch.istft`.

    Raises:
        RuntimeError: the sizes do not fit, or somewhere the sum of the windows is 0.
    """
    hop, w = _sizes("istft", n_fft, hop_length, win_length, window)
    if not input.is_complex() or input.ndim not in (2, 3) or not input.numel():
        raise RuntimeError(f"istft: it expects complex frames [N, T] or [B, N, T]; it was given {in_words(input)}.")
    N, T = input.shape[-2:]
    onesided = n_fft != N if onesided is None else onesided
    if N != (n_fft // 2 + 1 if onesided else n_fft) or hop > w:
        raise RuntimeError(f"istft: n_fft={n_fft}, onesided={onesided}, hop_length={hop} do not fit {N} frequencies.")
    if (return_complex and onesided) or (not return_complex and window is not None and window.is_complex()):
        raise RuntimeError("istft: a complex signal needs onesided=False, and a complex window return_complex=True.")
    X, norm = transpose(reshape(input, (-1, N, T))), "ortho" if normalized else "backward"
    if return_complex:
        frames = fft(X, (2,), norm, inverse=True)
    else:
        frames = irfft(narrow(X, 2, 0, n_fft // 2 + 1), (2,), norm, n_fft)
    if window is None:
        window = torch.ones(w, dtype=REAL[frames.dtype], device=frames.device)
    w_out, *same = branch(_centred(window, n_fft), 3)
    long = n_fft + hop * (T - 1)
    start = n_fft // 2 if center else 0
    end = long - start if length is None else min(start + length, long)
    signal, weight = (
        narrow(OverlapAdd.of(y, (y.shape[0], long), 1, n_fft, hop), 1, start, end - start)
        for y in (times(*_in_one_dtype(frames, w_out)), broadcast_to(times(*same), (1, T, n_fft)))
    )
    if not compiling() and bool((weight.detach().abs() < 1e-11).any()):
        raise RuntimeError("istft: somewhere in the signal, the sum of the windows is 0.")
    signal, weight = _in_one_dtype(signal, weight)
    signal = times(signal, reciprocal(weight))
    if length is not None and start + length > long:
        signal = pad(signal, [0, start + length - long])
    return reshape(signal, signal.shape[3 - input.ndim :]) if input.ndim == 2 else signal


def _sizes(name: str, n_fft: int, hop: int | None, w: int | None, window: Tensor | None) -> tuple[int, int]:
    """The distance between frames, and the length of the window."""
    hop, w = n_fft // 4 if hop is None else hop, n_fft if w is None else w
    if n_fft <= 0 or hop <= 0 or not 0 < w <= n_fft or (window is not None and window.shape != (w,)):
        given = f"n_fft={n_fft}, hop_length={hop}, win_length={w}, window {in_words(window)}"
        raise RuntimeError(f"{name}: it expects 0 < hop_length, 0 < win_length <= n_fft, window [win_length]; {given}.")
    return hop, w


def _centred(window: Tensor, n_fft: int) -> Tensor:
    """The window, centred in n_fft entries, with zeros around it."""
    before = (n_fft - window.shape[0]) // 2
    return pad(window, [before, n_fft - window.shape[0] - before])


def _in_one_dtype(*tensors: Tensor) -> Sequence[Tensor]:
    """The tensors in one dtype; all complex if one is."""
    if any(x.is_complex() for x in tensors):
        tensors = tuple(map(as_complex, tensors))
    return of_one_dtype(tensors)
