"""The check of low precision: float16 and bfloat16 are accumulated as PyTorch accumulates them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .case import Case, DoesNotApply, asks, there_and_back

#: x is drawn, times the first and plus the second: tiny, ordinary, where x² leaves float16, and far from its spread.
SCALES = (1e-3, 0), (1, 0), (100, 0), (300, 0), (1, 1000)
ULPS = 4


def half_precision(case: Case) -> None:
    """In float16 and bfloat16, x_out and g_in are as near to the truth as PyTorch's.

    The truth is PyTorch's in float64, of the same rounded inputs. Ours may be three times as far from it as PyTorch's,
    and a few units in the last place more, so that it does not count which way a single rounding went.
    """
    like, compared = case.like, 0
    for dtype in (torch.float16, torch.bfloat16):
        for name, inputs in _scaled(case, dtype):
            try:
                native = there_and_back(like, inputs)
            except RuntimeError:  # there is no kernel for this dtype
                continue
            truth = there_and_back(like, _in(torch.float64, inputs))
            found = there_and_back(case.ours, _in(dtype, inputs))
            for i, (a, b, t) in enumerate(zip(found, native, truth, strict=True)):
                _compare(f"{dtype}, x {name}, tensor {i}", a, b, t)
                compared += 1
    if not compared:
        raise DoesNotApply("PyTorch does not take float16 or bfloat16")


def _scaled(case: Case, dtype: torch.dtype) -> Iterator[tuple[str, tuple]]:
    """Inputs in a dtype: all that ask for a gradient are scaled; and then only the first of them."""
    drawn = case.draw()
    wanted = [i for i, t in enumerate(drawn) if asks(t)]
    for scale, offset in SCALES:
        for which in (wanted, wanted[:1]) if len(wanted) > 1 else (wanted,):
            moved = (t.detach() * scale + offset if i in which else t for i, t in enumerate(drawn))
            inputs = tuple(m.requires_grad_(asks(t)) if isinstance(t, Tensor) else t for m, t in zip(moved, drawn))
            yield f"* {scale} + {offset}" + (" alone" if which != wanted else ""), _in(dtype, inputs)


def _in(dtype: torch.dtype, inputs: tuple) -> tuple:
    """Fresh inputs, the floating-point tensors in a dtype."""
    floats = (isinstance(t, Tensor) and t.is_floating_point() for t in inputs)
    return tuple(
        t.detach().to(dtype, copy=True).requires_grad_(asks(t)) if f else t for t, f in zip(inputs, floats, strict=True)
    )


def _compare(where: str, ours: Tensor, native: Tensor, truth: Tensor) -> None:
    assert ours.dtype == native.dtype, f"{where}: {ours.dtype}, and PyTorch's is {native.dtype}"
    ulp = torch.finfo(native.dtype)
    a, b, t = ours.double(), native.double(), truth.double()
    same = torch.where(t.isnan(), b.isnan(), b == t) & ~t.isfinite()
    assert torch.equal(a[same].nan_to_num(7), b[same].nan_to_num(7)), f"{where}: {a} where PyTorch has {b}"
    there = t.isfinite() & b.isfinite()
    a, b, t = a[there], b[there], t[there]
    assert a.isfinite().all(), f"{where}: {a}, where PyTorch has {b}"
    room = ULPS * (ulp.eps * t.norm() + ulp.smallest_normal * ulp.eps * t.numel() ** 0.5)
    mine, theirs = (a - t).norm(), (b - t).norm()
    assert mine <= 3 * theirs + room, f"{where}: ours is {mine / t.norm()} from the truth, PyTorch's {theirs / t.norm()}"
