"""The check of low precision: float16 and bfloat16 results are as accurate as PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, NotApplicable, forward_and_backward, requires_grad

#: What the drawn inputs are multiplied by, and what is added: tiny; ordinary; where x² overflows float16; a mean far
#: larger than the standard deviation.
SCALES = (1e-3, 0), (1, 0), (100, 0), (300, 0), (1, 1000)

#: Datapoints: enough that a sum over them overflows float16 where their mean does not.
DATAPOINTS = 24

#: How many units in the last place our error may exceed three times PyTorch's. Where a layer is one kernel, PyTorch
#: rounds once, and may be exact by chance; where it is several operations, each rounds by half a unit, in another order
#: than here. With seven seeds, no layer needs more than 3.
ULPS = 4


def half_precision_accuracy(case: Case) -> None:
    """In float16 and bfloat16, x_out and g_in are as accurate as PyTorch's.

    Errors are measured against PyTorch's result in float64, for the same rounded inputs. Our error may be three times
    PyTorch's plus a few units in the last place, so that the direction of a single rounding does not matter.
    """
    reference, compared = case.reference, 0
    for dtype in (torch.float16, torch.bfloat16):
        for name, inputs in _scaled(case, dtype):
            try:
                native = forward_and_backward(reference, inputs)
            except RuntimeError:  # there is no kernel for this dtype
                continue
            exact = forward_and_backward(reference, _in_dtype(torch.float64, inputs))
            ours = forward_and_backward(case.ours, _in_dtype(dtype, inputs))
            for i, (a, b, t) in enumerate(zip(ours, native, exact, strict=True)):
                _compare(f"{dtype}, {name}, tensor {i}", a.detach(), b.detach(), t.detach())
                compared += 1
    if not compared:
        raise NotApplicable("PyTorch does not take float16 or bfloat16")


def _scaled(case: Case, dtype: torch.dtype) -> Iterator[tuple[str, tuple]]:
    """Inputs in a dtype, with all data scaled, then only the first. Parameters, which have no batch, are not scaled."""
    drawn, dims = case.draw(DATAPOINTS), case.in_dims
    with_grad = [i for i, t in enumerate(drawn) if requires_grad(t)]
    data = [i for i in with_grad if dims[i] is not None] or with_grad
    for scale, offset in SCALES:
        for which in {tuple(data), (data[0],)}:
            inputs = (t.detach() * scale + offset if i in which else t for i, t in enumerate(drawn))
            name = f"{scale} x + {offset}, {len(which)} of {len(data)}"
            yield (
                name,
                tuple(_cast(dtype, t, i in with_grad) if isinstance(t, Tensor) else t for i, t in enumerate(inputs)),
            )


def _in_dtype(dtype: torch.dtype, inputs: tuple) -> tuple:
    return tuple(_cast(dtype, t, t.requires_grad) if isinstance(t, Tensor) else t for t in inputs)


def _cast(dtype: torch.dtype, t: Tensor, requires_grad: bool) -> Tensor:
    """A new leaf in this dtype; t itself if it is not floating-point."""
    return t.detach().to(dtype, copy=True).requires_grad_(requires_grad) if t.is_floating_point() else t


def _compare(where: str, ours: Tensor, native: Tensor, exact: Tensor) -> None:
    assert ours.dtype == native.dtype, f"{where}: the dtype is {ours.dtype}, and PyTorch's is {native.dtype}"
    precision = torch.finfo(native.dtype)
    a, b, t = ours.double(), native.double(), exact.double()
    finite = t.isfinite() & b.isfinite()
    a, b, t = a[finite], b[finite], t[finite]
    assert a.isfinite().all(), f"{where}: {a}, where PyTorch has {b}"
    tolerance = ULPS * (precision.eps * t.norm() + precision.smallest_normal * precision.eps * t.numel() ** 0.5)
    error, native_error = (a - t).norm(), (b - t).norm()
    assert error <= 3 * native_error + tolerance, (
        f"{where}: the error is {error}, PyTorch's {native_error}, of a tensor whose norm is {t.norm()}"
    )
