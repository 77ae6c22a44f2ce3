"""Determinants of matrices A [..., N, N].

    det        x_out = det A               [...]          g_in = g_out C
    cofactor   C = det(A) A^-T             [..., N, N]    g_in = D(g_out)
    slogdet    sign det A and log |det A|  [...] twice    g_in = g_out A^-T, of the logarithm

(Giles 2008, 2.2.4.) det A is a polynomial in A's entries, so C and D, its second derivatives, also exist where A is
singular. With A = U S V^T and P_ik the product of all s but s_i and s_k,

    D(B) = det(U V^T) U E V^T,    E_ii = sum_k P_ik B'_kk,    E_ik = -P_ik B'_ki,    B' = U^T B V

and D(B) det A = <C, B> C - C B^T C. D's derivative follows from that equation. It divides by det A, so the third
derivative, unlike the first two, needs a regular A.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ...layer.shape import check_real, check_shapes
from ..core.arithmetic import added, minus, plus, sum_along, times
from ..core.arrange import reshape, transpose
from ..core.index import masked_fill
from ..core.view import unsqueeze
from ..linear.matmul import MatMul
from ..pointwise.transcendental import reciprocal
from .inverse import inverse


class Det(Layer):
    forward = staticmethod(torch.linalg.det)

    @staticmethod
    def backward(needs, g, A):
        return (times(_as_matrix(g), Cofactor.of(A)),)

    @staticmethod
    def jvp(tangents, A):
        return _as_number(_inner(Cofactor.of(A), tangents[0]))


class Cofactor(Layer):
    @staticmethod
    def forward(A):
        """det(A) A^-T from one LU. A pivot of 0 is replaced by a rounding error, as C is continuous."""
        LU, pivots, _ = torch.linalg.lu_factor_ex(A)
        U = LU.diagonal(dim1=-2, dim2=-1)
        rounding = native.pad(U.detach().abs(), (1, 0)).amax(-1, keepdim=True) * torch.finfo(A.dtype).eps
        pivot = torch.where(U == 0, rounding.clamp(min=torch.finfo(A.dtype).tiny), U)
        LU = LU - torch.diag_embed(U) + torch.diag_embed(pivot)
        swaps = pivots != torch.arange(1, A.shape[-1] + 1, device=A.device, dtype=pivots.dtype)
        det = pivot.prod(-1) * (1 - 2 * (swaps.sum(-1) % 2)).to(A.dtype)
        I = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape)
        return torch.linalg.lu_solve(LU, pivots, I, adjoint=True) * det[..., None, None]

    @staticmethod
    def backward(needs, g, A):
        return (SecondOfDet.of(A, g),)

    @staticmethod
    def jvp(tangents, A):
        return SecondOfDet.of(A, tangents[0])


class SecondOfDet(Layer):
    """D(B). It is linear in B, and its own transpose."""

    @staticmethod
    def forward(A, B):
        U, s, Vh = torch.linalg.svd(A)
        B, P = U.mT @ B @ Vh.mT, _without_two(s)
        diagonal = (P @ B.diagonal(dim1=-2, dim2=-1)[..., None])[..., 0]
        E = torch.diag_embed(diagonal) - P * B.mT
        return torch.linalg.det(U @ Vh)[..., None, None] * (U @ E @ Vh)

    @staticmethod
    def backward(needs, g, A, B):
        return _third(A, B, g) if needs[0] else None, SecondOfDet.of(A, g) if needs[1] else None

    @staticmethod
    def jvp(tangents, A, B):
        dA, dB = tangents
        return added(None if dA is None else _third(A, B, dA), None if dB is None else SecondOfDet.of(A, dB))


def _without_two(s: Tensor) -> Tensor:
    """P [..., N, N]: for i < k, the product of those before i, between i and k, and after k; 0 on the diagonal."""
    later = torch.ones(s.shape[-1], s.shape[-1], dtype=torch.bool, device=s.device).triu(1)
    between = _before(torch.where(later, s[..., None, :], 1))
    P = (_before(s)[..., :, None] * between * _before(s.flip(-1)).flip(-1)[..., None, :]).triu(1)
    return P + P.mT


def _before(s: Tensor) -> Tensor:
    """For each entry, the product of those before it."""
    return native.pad(s, (1, 0), value=1).cumprod(-1)[..., :-1]


def _third(A: Tensor, B: Tensor, G: Tensor) -> Tensor:
    """The derivative of <D(B), G>, from D(B) det A = <C, B> C - C B^T C."""
    C, D = Cofactor.of(A), SecondOfDet.of(A, G)
    there = plus(times(_inner(D, B), C), times(_inner(C, B), D))
    Bt = transpose(B)
    turned = plus(MatMul.of(MatMul.of(D, Bt), C), MatMul.of(MatMul.of(C, Bt), D))
    rest = times(_inner(C, G), SecondOfDet.of(A, B))
    return times(minus(minus(there, turned), rest), _as_matrix(reciprocal(Det.of(A))))


class SLogDet(Layer):
    many = True

    @staticmethod
    def forward(A):
        return tuple(torch.linalg.slogdet(A))

    @staticmethod
    def backward(needs, g, A):
        return (times(_as_matrix(g[1]), transpose(inverse(A))),)

    @staticmethod
    def jvp(tangents, A):
        d_log = _as_number(_inner(transpose(inverse(A)), tangents[0]))
        return torch.zeros_like(d_log), d_log


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> [..., 1, 1]."""
    return sum_along(times(a, b), (-2, -1))


def _as_number(x: Tensor) -> Tensor:
    return reshape(x, x.shape[:-2])


def _as_matrix(g: Tensor) -> Tensor:
    return unsqueeze(unsqueeze(g, -1), -1)


def det(A: Tensor) -> Tensor:
    """A [..., N, N] → [...], as `torch.linalg.det`."""
    check_real("det", A=A)
    check_shapes("det", A=(A, "... N N"))
    return Det.of(A)


def slogdet(A: Tensor) -> tuple[Tensor, Tensor]:
    """A [..., N, N] → the sign of its determinant, without gradient, and the log of its absolute value, each [...].

    As `torch.linalg.slogdet`.
    """
    check_real("slogdet", A=A)
    check_shapes("slogdet", A=(A, "... N N"))
    return SLogDet.of(A)


def logdet(input: Tensor) -> Tensor:
    """input [..., N, N] → the logarithm of its determinant, NaN where it is negative, as `torch.logdet`."""
    sign, log = slogdet(input)
    return masked_fill(log, sign == -1, torch.nan)
