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


class Complex(LinearMap):
    @staticmethod
    def forward(x):
        return x.to(x.dtype.to_complex())

    @staticmethod
    def transpose(g, shape):
        return real_part(g)


class RealPart(LinearMap):
    @staticmethod
    def forward(x):
        return x.real.clone()

    @staticmethod
    def transpose(g, shape):
        return as_complex(g)


def as_complex(x: Tensor) -> Tensor:
    """A real x as complex numbers, whose gradient is the real part of theirs; a complex x as it is."""
    return x if x.is_complex() else Complex.of(x)


def real_part(x: Tensor) -> Tensor:
    """The real part; a real x as it is."""
    return RealPart.of(x) if x.is_complex() else x
