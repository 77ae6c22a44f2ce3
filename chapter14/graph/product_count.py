"""The trick of backpropagation (section 14.2): reuse of computation, counted.

    dJ/dθ_1 = dJ/dx_L  dx_L/dx_{L-1} ... dx_3/dx_2  dx_2/dx_1  dx_1/dθ_1        (14.2)
    dJ/dθ_2 = dJ/dx_L  dx_L/dx_{L-1} ... dx_3/dx_2  dx_2/dθ_2                   (14.3)

Both begin with the same product, which is g_2: multiplied out once it serves both, and so on down the chain. With all
x_l and θ_l of size n, a row is multiplied by an [n x n] matrix L (L + 1) / 2 times without reuse, 2 L - 1 with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class Multiplier:
    """Multiplies rows by matrices, and counts the multiplications of two numbers that this takes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, row: Tensor, matrix: Tensor) -> Tensor:
        self.count += matrix.numel()
        return row @ matrix


def without_reuse(g_L: Tensor, L_x: Sequence[Tensor], L_theta: Sequence[Tensor]) -> tuple[list[Tensor], int]:
    """dJ/dθ_l for l = 1, ..., L, each by its own chain rule, (14.2) and (14.3); and how many multiplications that took.

    g_L is dJ/dx_L [|x_L|]. L_x[l - 1] is dx_l/dx_{l-1} [|x_l| x |x_{l-1}|]; L_theta[l - 1], dx_l/dθ_l [|x_l| x |θ_l|].
    """
    times, gradients = Multiplier(), []
    for l in range(1, len(L_x) + 1):
        product = g_L
        for k in range(len(L_x), l, -1):
            product = times(product, L_x[k - 1])
        gradients.append(times(product, L_theta[l - 1]))
    return gradients, times.count


def with_reuse(g_L: Tensor, L_x: Sequence[Tensor], L_theta: Sequence[Tensor]) -> tuple[list[Tensor], int]:
    """The same by g_{l-1} = g_l L_l^x (14.10), as in Algorithm 14.1; g_0, the gradient of the data, is left out."""
    times, gradients, g = Multiplier(), [], g_L
    for l in range(len(L_x), 0, -1):
        gradients.append(times(g, L_theta[l - 1]))
        if l > 1:
            g = times(g, L_x[l - 1])
    return gradients[::-1], times.count
