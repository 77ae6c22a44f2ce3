"""Check of complex inputs: right, or refused in words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

from .case import Case, asks, wanted


def complex_numbers(case: Case) -> None:
    """Of complex inputs, all or one, x_out is PyTorch's, and so are g_in, what that has for g_in, and forward mode;
    where they are not, or PyTorch has none, finite differences decide. Or the inputs are refused in words."""
    for inputs in _with_complex(case.draw(2)):
        ours, native = _of(case.ours, inputs), _of(case.like, inputs)
        if isinstance(ours, Exception):
            _refused_in_words(case, ours, native)
        elif isinstance(native, Exception) or not _close(ours, native):
            gradcheck(case.ours, inputs, check_forward_ad=True, fast_mode=True)
            gradgradcheck(case.ours, inputs, check_fwd_over_rev=True, fast_mode=True)


def _close(ours: Sequence, native: Sequence) -> bool:
    assert_close(ours[0], native[0], equal_nan=True)
    try:
        assert_close(ours, native, equal_nan=True)
    except AssertionError:
        return False
    return True


def _with_complex(inputs: tuple) -> Iterator[tuple]:
    """The inputs with each tensor that asks made complex; then, where there are two or three of these, with one."""
    which = [i for i, t in enumerate(inputs) if asks(t)]
    for turned in [which, *([i] for i in which if 1 < len(which) <= 3)]:
        yield tuple(_turned(t) if i in turned else t for i, t in enumerate(inputs))


def _turned(t: Tensor) -> Tensor:
    angles = torch.linspace(-1, 1, t.numel() + 1, dtype=t.dtype)[:-1].view(t.shape)
    return torch.polar(t.detach().abs(), angles + torch.pi * (t < 0)).requires_grad_()


def _of(f: Callable, inputs: tuple) -> Any:
    """x_out, its tangent, g_in, and what g_in has for g_in; or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an imaginary part that is dropped
        try:
            x_out = _outputs(f(*inputs))
            if not any(t.requires_grad for t in x_out):
                return [x_out]
            g_in = _back(x_out, inputs)
            return [x_out, _tangents(f, inputs), g_in, _back(g_in, inputs)]
        except Exception as error:
            return error


def _outputs(x_out: Any) -> Sequence[Tensor]:
    return x_out if isinstance(x_out, (tuple, list)) else [x_out]


def _back(x_out: Sequence[Tensor], inputs: tuple) -> list[Tensor]:
    asking, ways = wanted(inputs), [t for t in x_out if t.requires_grad]
    if not ways:
        return [torch.zeros_like(t) for t in asking]
    g_in = torch.autograd.grad(ways, asking, [_gradient(t) for t in ways], create_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(asking, g_in, strict=True)]


def _gradient(x_out: Tensor) -> Tensor:
    g = torch.linspace(-1, 1, x_out.numel(), dtype=torch.float64).view(x_out.shape)
    return torch.complex(g, 0.5 - g) if x_out.is_complex() else g


def _tangents(f: Callable, inputs: tuple) -> list[Tensor]:
    with forward_ad.dual_level():
        duals = (forward_ad.make_dual(t, _gradient(t)) if asks(t) else t for t in inputs)
        parts = map(forward_ad.unpack_dual, _outputs(f(*duals)))
        return [torch.zeros_like(t.primal) if t.tangent is None else t.tangent for t in parts]


def _refused_in_words(case: Case, ours: Exception, native: Any) -> None:
    if isinstance(native, Exception):
        assert not isinstance(ours, (AttributeError, AssertionError)), f"of complex numbers it breaks: {ours!r}"
        return
    name = str(case).split(",")[0]
    named = isinstance(ours, (TypeError, NotImplementedError)) and name in str(ours) and "complex" in str(ours)
    assert named, f"PyTorch takes complex numbers, and this raises {ours!r}"
