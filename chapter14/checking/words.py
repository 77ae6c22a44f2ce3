"""The fourteen words: every nesting of forward mode (f) and reverse mode (r) of length 1 to 3.

Along a line x + t v through the inputs, J(t) is a number, and each letter differentiates it once more: rf is the second
derivative by reverse over forward. All words of one length are the same number, by different ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jvp

from .case import asks, outputs

WORDS = ["".join(word) for n in (1, 2, 3) for word in itertools.product("fr", repeat=n)]


def _step(letter: str, J: Callable) -> Callable:
    if letter == "r":
        return grad(J)
    return lambda t: jvp(J, (t,), (torch.ones_like(t),))[1]


def _along(f: Callable, inputs: tuple) -> Callable[[Tensor], Tensor]:
    """J(t) = <c, h + h³> with h = f(x + t v): the cube, so that a linear f has derivatives of all three orders too."""
    rng = torch.Generator().manual_seed(15)
    v = [torch.randn(x.shape, generator=rng, dtype=x.dtype) if asks(x) else None for x in inputs]
    x = [x.detach() if asks(x) else x for x in inputs]

    def J(t: Tensor) -> Tensor:
        total = t * 0
        x_out = f(*(a if b is None else a + t * b for a, b in zip(x, v, strict=True)))
        for i, h in enumerate(outputs(x_out)):
            c = torch.linspace(-1, 1 + i, h.numel(), dtype=h.dtype).view(h.shape)
            total = total + (c * (h + h * h * h)).sum()
        return total

    return J


def wrong_words(f: Callable, composite: Callable, inputs: tuple) -> list[str]:
    """The words in which f differs from the same function out of plain operations, or raises."""
    wrong = []
    for word in WORDS:
        ours, plain = (_along(g, inputs) for g in (f, composite))
        for letter in reversed(word):
            ours, plain = _step(letter, ours), _step(letter, plain)
        zero = torch.zeros((), dtype=torch.float64)
        expected = plain(zero)
        try:
            right = torch.allclose(ours(zero), expected, rtol=1e-8)
        except Exception as error:
            wrong.append(f"{word} ({type(error).__name__}: {str(error).splitlines()[0]})")
            continue
        if not right:
            wrong.append(word)
    return wrong
