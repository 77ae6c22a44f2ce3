"""The check of complex inputs: they give the right derivatives, or raise an error that names the layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

from .case import Case, Draw, inputs_requiring_grad, requires_grad
from .diagnosis import diagnosed
from .unsupported import forward_mode


def complex_inputs(case: Case) -> None:
    """With complex inputs, x_out, g_in, the second derivative and the forward mode equal PyTorch's.

    Tried with all inputs complex, and with one of them. Where the derivatives differ from PyTorch's, or PyTorch has
    none, finite differences decide. A layer may refuse complex inputs with an error that names it.
    """
    forward = forward_mode(case)
    for of_complex in _with_complex(case):
        inputs = of_complex.draw(2)
        ours, native = (_results(f, inputs, forward) for f in (case.ours, case.reference))
        if isinstance(ours, Exception):
            _assert_refused_by_name(case, ours, native)
        elif isinstance(native, Exception) or not _close(ours, native):
            with diagnosed(of_complex):
                gradcheck(case.ours, inputs, check_forward_ad=forward, fast_mode=True)
            with diagnosed(of_complex, order=2):
                gradgradcheck(case.ours, inputs, check_fwd_over_rev=forward, fast_mode=True)


def _close(ours: Sequence, native: Sequence) -> bool:
    assert_close(ours[0], native[0], equal_nan=True)
    try:
        assert_close(ours, native, equal_nan=True)
    except AssertionError:
        return False
    return True


def _with_complex(case: Case) -> Iterator[Case]:
    """The case with all inputs complex that require a gradient; then, if these are two or three, with one each."""
    which = [i for i, t in enumerate(case.draw(2)) if requires_grad(t)]
    for chosen in [which, *([i] for i in which if 1 < len(which) <= 3)]:
        yield replace(case, inputs=partial(_drawn_complex, case.inputs, chosen))


def _drawn_complex(inputs: Callable, chosen: Sequence[int], draw: Draw, n: int) -> tuple:
    return tuple(_to_complex(t) if i in chosen else t for i, t in enumerate(inputs(draw, n)))


def _to_complex(t: Tensor) -> Tensor:
    angles = torch.linspace(-1, 1, t.numel() + 1, dtype=t.dtype, device=t.device)[:-1].view(t.shape)
    return torch.polar(t.detach().abs(), angles + torch.pi * (t < 0)).requires_grad_()


def _results(f: Callable, inputs: tuple, forward: bool) -> Any:
    """x_out, its tangent in forward mode, g_in, and the gradients of g_in; or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about imaginary parts that are discarded
        try:
            x_out = _outputs(f(*inputs))
            if not any(t.requires_grad for t in x_out):
                return [x_out]
            g_in = _backward(x_out, inputs)
            return [x_out, _tangents(f, inputs) if forward else [], g_in, _backward(g_in, inputs)]
        except Exception as error:
            return error


def _outputs(x_out: Any) -> Sequence[Tensor]:
    return x_out if isinstance(x_out, (tuple, list)) else [x_out]


def _backward(x_out: Sequence[Tensor], inputs: tuple) -> Sequence[Tensor]:
    leaves, x_out = inputs_requiring_grad(inputs), [t for t in x_out if t.requires_grad]
    if not x_out:
        return [torch.zeros_like(t) for t in leaves]
    g_out = [_gradient(t) for t in x_out]
    return torch.autograd.grad(x_out, leaves, g_out, create_graph=True, allow_unused=True, materialize_grads=True)


def _gradient(x_out: Tensor) -> Tensor:
    g = torch.linspace(-1, 1, x_out.numel(), dtype=torch.float64, device=x_out.device).view(x_out.shape)
    return torch.complex(g, 0.5 - g) if x_out.is_complex() else g


def _tangents(f: Callable, inputs: tuple) -> list[Tensor]:
    with forward_ad.dual_level():
        duals = (forward_ad.make_dual(t, _gradient(t)) if requires_grad(t) else t for t in inputs)
        parts = map(forward_ad.unpack_dual, _outputs(f(*duals)))
        return [torch.zeros_like(t.primal) if t.tangent is None else t.tangent for t in parts]


def _assert_refused_by_name(case: Case, ours: Exception, native: Any) -> None:
    if isinstance(native, Exception):
        assert not isinstance(ours, (AttributeError, AssertionError)), f"internal error with complex inputs: {ours!r}"
        return
    name = str(case).split(",")[0]
    named = isinstance(ours, (TypeError, NotImplementedError)) and name in str(ours) and "complex" in str(ours)
    assert named, f"PyTorch accepts complex inputs; this layer raises {ours!r}"
