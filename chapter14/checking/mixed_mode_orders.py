"""The fourteen mixed-mode orders: every nesting of forward mode (f) and reverse mode (r) of length 1 to 3.

Along a line x + t v through the inputs, J(t) is a number, and each letter differentiates it once more: rf is the second
derivative by reverse over forward. All orders of one length have the same value, computed in different ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jvp

from .case import float_outputs, requires_grad

ORDERS = ["".join(letters) for n in (1, 2, 3) for letters in itertools.product("fr", repeat=n)]


def wrong_orders(f: Callable, composite: Callable, inputs: tuple, rtol: float = 1e-8) -> list[str]:
    """The orders at which f raises, or differs from `composite`, the same function made of plain operations."""
    wrong = []
    for order in ORDERS:
        ours, plain = (_along_a_line(g, inputs) for g in (f, composite))
        for letter in reversed(order):
            ours, plain = _differentiated(letter, ours), _differentiated(letter, plain)
        zero = torch.zeros((), dtype=torch.float64, device=next(t.device for t in inputs if requires_grad(t)))
        expected = plain(zero)
        try:
            right = torch.allclose(ours(zero), expected, rtol=rtol)
        except Exception as error:
            wrong.append(f"{order} ({type(error).__name__}: {str(error).splitlines()[0]})")
            continue
        if not right:
            wrong.append(order)
    return wrong


def _differentiated(letter: str, J: Callable) -> Callable:
    if letter == "r":
        return grad(J)
    return lambda t: jvp(J, (t,), (torch.ones_like(t),))[1]


def _along_a_line(f: Callable, inputs: tuple) -> Callable[[Tensor], Tensor]:
    """J(t) = <c, h + h³> with h = f(x + t v). The cube gives a linear f derivatives of all three orders."""
    rng = torch.Generator().manual_seed(15)
    v = [torch.randn(x.shape, generator=rng, dtype=x.dtype).to(x.device) if requires_grad(x) else None for x in inputs]
    x = [x.detach() if requires_grad(x) else x for x in inputs]

    def J(t: Tensor) -> Tensor:
        total = t * 0
        x_out = f(*(a if b is None else a + t * b for a, b in zip(x, v, strict=True)))
        for i, h in enumerate(float_outputs(x_out)):
            c = torch.linspace(-1, 1 + i, h.numel(), dtype=h.dtype, device=h.device).view(h.shape)
            total = total + (c * (h + h * h * h)).sum()
        return total

    return J
