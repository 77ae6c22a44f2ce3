"""The check of low precision: float16 and bfloat16 are accumulated as PyTorch accumulates them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, DoesNotApply, asks, there_and_back

#: What is drawn, times the first and plus the second: tiny; ordinary; where x² leaves float16; far from its spread.
SCALES = (1e-3, 0), (1, 0), (100, 0), (300, 0), (1, 1000)

#: Datapoints: so many that a sum over them leaves float16 where their mean does not.
DATAPOINTS = 24

#: How much further than three times PyTorch's distance ours may be from the truth, in units in the last place. Where a
#: layer is one kernel, PyTorch rounds once, and may be exact by chance; where it is several operations, each rounds by
#: half a unit, and in another order than here. Of seven seeds no layer needs more than 3.
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
                _compare(f"{dtype}, {name}, tensor {i}", a.detach(), b.detach(), t.detach())
                compared += 1
    if not compared:
        raise DoesNotApply("PyTorch does not take float16 or bfloat16")


def _scaled(case: Case, dtype: torch.dtype) -> Iterator[tuple[str, tuple]]:
    """Inputs in a dtype, the data scaled, all of it and then the first alone. Parameters, without a batch, stay."""
    drawn, dims = case.draw(DATAPOINTS), case.in_dims
    wanted = [i for i, t in enumerate(drawn) if asks(t)]
    data = [i for i in wanted if dims[i] is not None] or wanted
    for scale, offset in SCALES:
        for which in {tuple(data), (data[0],)}:
            moved = (_moved(t, scale, offset) if i in which else t for i, t in enumerate(drawn))
            yield f"{scale} x + {offset}, {len(which)} of {len(data)}", _in(dtype, tuple(moved))


def _moved(t: Tensor, scale: float, offset: float) -> Tensor:
    return (t.detach() * scale + offset).requires_grad_()


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
    there = t.isfinite() & b.isfinite()
    a, b, t = a[there], b[there], t[there]
    assert a.isfinite().all(), f"{where}: {a}, where PyTorch has {b}"
    room = ULPS * (ulp.eps * t.norm() + ulp.smallest_normal * ulp.eps * t.numel() ** 0.5)
    mine, theirs, size = (a - t).norm(), (b - t).norm(), t.norm()
    assert mine <= 3 * theirs + room, f"{where}: of {size}, ours is {mine} from the truth, PyTorch's {theirs}"
