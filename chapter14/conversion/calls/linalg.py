"""Systems of linear equations, and the cross product, as torch.linalg calls them."""

from __future__ import annotations

from torch import Tensor

from ...layers.arithmetic import minus, times
from ...layers.arrange import reshape, roll, transpose
from ...layers.inverse import inverse
from ...layers.inverse import solve as _solve
from ...shape import ShapeError, in_words
from ..table import stands_for


@stands_for("inverse", "linalg.inv")
def inv(A: Tensor) -> Tensor:
    return inverse(A)


@stands_for("linalg.solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """B is of vectors where it has A's axes but the last, else of matrices; with left=False it is x A = B."""
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        x_out = solve(A, reshape(B, (*B.shape, 1)))
        return reshape(x_out, x_out.shape[:-1])
    if not left:
        return transpose(solve(transpose(A), transpose(B)))
    more = A.ndim - B.ndim
    A, B = reshape(A, (*[1] * -more, *A.shape)), reshape(B, (*[1] * more, *B.shape))
    return _solve(A, B)


@stands_for("linalg.cross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Entry k is a[k+1] b[k+2] - a[k+2] b[k+1], the axis taken as a ring."""
    if input.ndim != other.ndim or not (input.shape[dim] == other.shape[dim] == 3):
        raise ShapeError(
            f"cross: it expects as many axes, and 3 entries along dim={dim}; it was given input "
            f"{in_words(input)}, other {in_words(other)}."
        )
    a, b = ([roll(x, -k, dim) for k in (1, 2)] for x in (input, other))
    return minus(times(a[0], b[1]), times(a[1], b[0]))


@stands_for("cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Without a dim: the first axis that has 3 entries."""
    if dim is None:
        if 3 not in input.shape:
            raise ShapeError(f"cross: no axis has 3 entries; it was given input {in_words(input)}.")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)
