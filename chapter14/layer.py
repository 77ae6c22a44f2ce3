"""A generic layer, as the chapter draws it (section 14.3), and the forms of it that PyTorch's modes need.

    x_out = f(x_in, θ)                                   (14.1)
    g_in  = g_out L^x            [*x_in]                 (14.10)
    dJ/dθ = g_out L^θ            [*θ]                    (14.8)

Parameters are inputs like any other: a `Module` owns them, a `Layer` is handed them. A layer is stated once:

    forward(*inputs)                     x_out
    remember(needs, inputs, x_out)       what L is evaluated at: as little as the gradients that are needed take
    backward(needs, g, *remembered)      g_out L, one for each input; None where `needs` says so
    jvp(tangents, *inputs)               L applied from the right, what forward mode asks for

`backward` and `jvp` are written with layers, so they have a `backward` and a `jvp` too, of every order (14.6.5).
Remember inputs or constants (a mask): what is computed on the way carries no derivative of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import Function, forward_ad

_transformed = torch._C._are_functorch_transforms_active
_autocasting = torch._C._is_any_autocast_enabled
_grad_enabled = torch.is_grad_enabled
_compiling = torch.compiler.is_compiling


class Node(Function):
    """What a layer leaves in the backward graph. `layer` is the `Layer` that it came from."""

    layer: ClassVar[type[Layer]]


class Layer:
    """The base of every layer. Subclass it, state the four functions, call it with `of`.

    >>> class Cube(Layer):
    ...     @staticmethod
    ...     def forward(x):
    ...         return x**3
    ...     @staticmethod
    ...     def backward(needs, g, x):
    ...         return (times(g, times(x, x) * 3),)
    """

    #: What autocast does to the inputs: "lower" casts to its dtype, "float32" casts up, "widest" to the widest given.
    autocast: ClassVar[str | None] = None
    #: The letters in which an error repeats the call, e.g. {"x": "... N", "W": "M N"}; in the order of the inputs.
    letters: ClassVar[dict[str, str]] = {}

    of: ClassVar[Callable[..., Any]]
    eager: ClassVar[type[Node]]
    func: ClassVar[type[Node]]
    compiled: ClassVar[type[Node]]

    @staticmethod
    def forward(*inputs: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return tuple(inputs)

    @staticmethod
    def backward(needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        raise NotImplementedError

    @staticmethod
    def jvp(tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        raise NotImplementedError

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls) or cls.forward is not Layer.forward:
            cls.eager, cls.func, cls.compiled = _forms(cls)
            cls.of = staticmethod(_dispatcher(cls))
