"""Complex numbers. PyTorch's g of a complex x is the gradient by Re x plus i times that by Im x.

x_out = L x_in        g_in = L^H g_out, the conjugate transpose, where L is complex
conj  x_out = x*      g_in = g_out*
"""

from __future__ import annotations

from torch import Tensor

from ..layer import LinearMap


class Conj(LinearMap):
    @staticmethod
    def forward(x):
        return x.conj()

    @staticmethod
    def transpose(g, shape):
        return conj(g)


def conj(x: Tensor) -> Tensor:
    """The complex conjugate, as `torch.conj`; a real x as it is."""
    return Conj.of(x) if x.is_complex() else x
