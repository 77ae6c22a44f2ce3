"""Systems of linear equations, as torch.linalg calls them."""

from __future__ import annotations

from torch import Tensor

from ...layers.arrange import reshape, transpose
from ...layers.inverse import inverse
from ...layers.inverse import solve as _solve
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
