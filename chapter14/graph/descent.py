"""Backpropagation to the data (section 14.9): J(x_0, y, θ) is one block, and data and parameters are inputs alike.

θ   <- θ - η (dJ/dθ)^T            learning
x_0 <- x_0 - η (dJ/dx_0)^T        what the network responds to
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor


def descend(
    J: Callable[..., Tensor], inputs: Mapping[str, Tensor], wrt: str, eta: float, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Gradient descent on one of J's inputs, whichever `wrt` names, with the others held.

    `inputs` are J's arguments by name: descend(J, {"x0": x0, "y": y, "theta": theta}, wrt="x0", ...). Yields, for each
    step, J before it and the input after it, a new tensor; nothing that was given is written to.

    Raises:
        ValueError: `wrt` is none of the inputs, or J is not a single number.
    """
    if wrt not in inputs:
        raise ValueError(f"descend: wrt is one of {', '.join(inputs)}; it was given {wrt!r}.")
    return _steps(J, {name: x.detach() for name, x in inputs.items()}, wrt, eta, steps)


def _steps(
    J: Callable[..., Tensor], held: dict[str, Tensor], wrt: str, eta: float, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    for _ in range(steps):
        with torch.enable_grad():
            v = held[wrt].requires_grad_()
            cost = J(**held)
        if cost.shape != ():
            raise ValueError(f"descend: J is a single number, []; it gave {list(cost.shape)}.")
        (g,) = torch.autograd.grad(cost, v)
        held[wrt] = v.detach() - eta * g  # (14.9)
        yield cost.detach(), held[wrt]
