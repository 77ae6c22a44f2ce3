"""The fourteen mixed-mode orders: every nesting of forward mode (f) and reverse mode (r) of length 1 to 3.

Along a line x + t v through the inputs, J(t) is a number, and each letter differentiates it once more: rf is the second
derivative by reverse over forward. All orders of one length have the same value, computed in different ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, jvp

from .case import float_outputs, inputs_requiring_grad, requires_grad

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
    """J(t) = <c, h + h³> with h = f(x + t v). The cube gives a linear f derivatives of all three orders.

    Where PyTorch adds or multiplies a constant tensor in forward mode, its tangent is a ZeroTensor, for which it works
    out shape and dtype in Python, in most of a millisecond. So J's own constants are in products of matrices only.
    """
    rng = torch.Generator().manual_seed(15)
    v = [torch.randn(x.shape, generator=rng, dtype=x.dtype).to(x.device) for x in inputs if requires_grad(x)]
    x = inputs_requiring_grad(inputs)
    line = torch.stack([torch.cat([t.detach().flatten() for t in ts]) for ts in (x, v)], 1)

    def J(t: Tensor) -> Tensor:
        at = (line @ F.pad(t.to(line.dtype).view(1), (1, 0), value=1.0)).split([a.numel() for a in x])  # x + t v
        each = (part.view(a.shape).to(a.dtype, copy=True) for part, a in zip(at, x, strict=True))
        x_out = f(*(next(each) if requires_grad(a) else a for a in inputs))
        products = []
        for i, h in enumerate(float_outputs(x_out)):
            c = torch.linspace(-1, 1 + i, h.numel(), dtype=h.dtype, device=h.device)
            products.append(c[None] @ (h + h * h * h).flatten())
        return torch.cat(products).sum()

    return J
