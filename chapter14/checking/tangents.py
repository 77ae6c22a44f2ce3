"""Forward mode: the tangents of x_out, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .case import Case, float_outputs, requires_grad


def tangents(f: Callable, inputs: tuple, only: int | None = None) -> list[Tensor | None]:
    """The tangents of x_out, where the tangent of each input, or of one only, is its cosine."""
    with forward_ad.dual_level():
        duals = (
            forward_ad.make_dual(t, t.cos()) if requires_grad(t) and only in (None, i) else t
            for i, t in enumerate(inputs)
        )
        return [forward_ad.unpack_dual(t).tangent for t in float_outputs(f(*duals))]


def by_differences(f: Callable, inputs: tuple, only: int, step: float = 1e-6) -> list[Tensor]:
    """The same of one input by central differences."""
    with torch.no_grad():
        x = inputs[only]
        ends = [float_outputs(f(*inputs[:only], x + h * x.cos(), *inputs[only + 1 :])) for h in (step, -step)]
        return [(ahead - behind) / (2 * step) for ahead, behind in zip(*ends, strict=True)]


def wrong_tangents(case: Case) -> list[str]:
    """For each input by which the derivative in forward mode is wrong, what is wrong with it."""
    inputs, found = case.draw(), []
    for i, name in enumerate(case.names_of(inputs)):
        if requires_grad(inputs[i]):
            pairs = zip(tangents(case.ours, inputs, i), by_differences(case.ours, inputs, i), strict=True)
            found += [
                f"jvp: the tangent by {name} {words}" for ours, right in pairs if (words := _difference(ours, right))
            ]
    return found


def _difference(ours: Tensor | None, right: Tensor) -> str | None:
    """What is wrong with a tangent; None: nothing."""
    ours = torch.zeros_like(right) if ours is None else ours
    if ours.shape != right.shape:
        return f"does not fit: its shape is {list(ours.shape)}, and x_out is {list(right.shape)}"
    scale = right.abs().max() if right.numel() else torch.zeros(())
    if torch.allclose(ours, right, rtol=1e-5, atol=1e-6 * float(scale)):
        return None
    if not ours.any():
        return "is zero"
    k = int(right.abs().argmax())
    c = ours.flatten()[k] / right.flatten()[k]
    if torch.allclose(ours, c * right, rtol=1e-5, atol=1e-6 * float(scale)):
        return "has the wrong sign" if abs(c + 1) < 1e-5 else f"is {float(c):.6g} times the right one"
    k = int((ours - right).abs().argmax())
    return f"is wrong: an entry is {float(ours.flatten()[k]):.6g}, and should be {float(right.flatten()[k]):.6g}"


@contextmanager
def diagnosed_tangents(case: Case) -> Iterator[None]:
    """An error inside of the block says what is wrong with the tangents, where they are wrong."""
    try:
        yield
    except (AssertionError, RuntimeError) as error:
        try:
            found = wrong_tangents(case)
        except Exception:  # of the layer, which is `error` already
            raise error from None
        if not found:
            raise
        raise AssertionError("; ".join(found)) from error
