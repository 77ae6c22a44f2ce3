"""A generic layer, as the chapter draws it (section 14.3).

    x_out = f(x_in, θ)                                   (14.1)
    g_in  = g_out L^x            [*x_in]                 (14.10)
    dJ/dθ = g_out L^θ            [*θ]                    (14.8)

Parameters are inputs like any other: a `Module` owns them, a `Layer` is given them. A layer is defined by:

    forward(*inputs)                     x_out
    remember(needs, inputs, x_out)       what L is evaluated at: as little as the needed gradients take
    backward(needs, g, *remembered)      g_out L, one for each input; None where `needs` is False
    jvp(tangents, *inputs)               L applied from the right, for forward mode
    backward_once                        optional: `backward` in plain torch operations, with fewer passes over memory
                                         or fewer calls, used where the gradient is not differentiated again
    fused                                optional: another layer, in place of this one under torch.compile

`backward` and `jvp` are written with layers, so they have a `backward` and a `jvp` too, of every order (14.6.5).
Remember inputs or constants (a mask): an intermediate result that is remembered has no derivative.

For complex numbers autograd's gradient is g L* (L* the conjugate), and its real part for a real input. Both are done
here: a layer states L and need not check which of its tensors are complex.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from .compiled import compiled_form
from .dispatch import dispatcher
from .eager import eager_form
from .node import Node
from .torch_func import func_form


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x [*] → [*] in `dtype`, as a layer; the gradient is in x's own."""
    return x if x.dtype == dtype else Cast.of(x, dtype, x.dtype)


class Layer:
    """The base of every layer. Subclass it, state the four functions, call it with `of`.

    >>> class Cube(Layer):
    ...     @staticmethod
    ...     def forward(x):
    ...         return x**3
    ...     @staticmethod
    ...     def backward(needs, g, x):
    ...         return (mul(g, mul(mul(x, x), 3)),)
    """

    #: (*inputs) → x_out, a static method.
    forward: ClassVar[Any]

    #: What autocast does to the inputs: "lower" casts to its dtype, "float32" casts up, "widest" to the widest given.
    autocast: ClassVar[str | None] = None
    #: The letters in which an error repeats the call, e.g. {"x": "... N", "W": "M N"}; in the order of the inputs.
    letters: ClassVar[dict[str, str]] = {}
    #: What an error calls the layer, where it is not the name of the class.
    title: ClassVar[str | None] = None
    #: Whether x_out is a tuple; then g is one too.
    many: ClassVar[bool] = False

    #: Whether x_out may share x_in's memory, and be written into: then x_in changes with it.
    view: ClassVar[bool] = False

    #: Whether `backward` returns g L* itself, as chapter14's own layers do. If not, it is given g*, and (g* L)* = g L*.
    conjugates: ClassVar[bool] = False

    #: L(*remembered), where it has a closed form: [|x_out| x |input|] for each tensor input, else None.
    L: ClassVar[Callable[..., tuple[Tensor | None, ...]] | None] = None

    #: `backward` in plain torch operations, which may write into their own tensors. It exists for speed: each layer
    #: called in `backward` is a call and a pass over memory. It is used where the backward pass needs no graph, tangent
    #: or vmap, and g is real.
    backward_once: ClassVar[Callable[..., tuple] | None] = None

    #: Whether `chapter14.fuse` compiles `backward`: many passes over memory, no product of matrices, one x_out.
    fusible: ClassVar[bool] = False

    #: For torch.compile: the same layer, which remembers more, lest the compiler computes it twice or copies it. An
    #: intermediate result that it remembers is a further output, x_out[1:], and so has a derivative.
    fused: ClassVar[type[Layer] | None] = None

    #: What is computed in float32 where the inputs are float16 or bfloat16, and rounded once, as PyTorch's kernels do:
    #: "derivatives", or "all", which is x_out too, for a `forward` that is more than one kernel; None: nothing.
    opmath: ClassVar[str | None] = None

    #: torch.func's rule for vmap, (info, in_dims, *inputs) → x_out and its batch axes; None: vmap runs all methods.
    vmap: ClassVar[Callable[..., tuple[Any, Any]] | None] = None

    #: The function of the layer: (*inputs) → x_out, with the derivatives above in every mode of PyTorch.
    of: ClassVar[Callable[..., Any]]
    #: `backward` and `backward_once` of g L*.
    vjp: ClassVar[Callable[..., tuple]]
    vjp_once: ClassVar[Callable[..., tuple] | None]
    #: The same layer for float16 and bfloat16, once it was called with one of them.
    low: ClassVar[type[Layer]]
    #: The forms that PyTorch's modes need.
    eager: ClassVar[type[Node]]
    func: ClassVar[type[Node]]
    compiled: ClassVar[type[Node]]
    #: For those forms, whose files come before this one.
    cast: ClassVar[Callable[[Tensor, torch.dtype], Tensor]] = staticmethod(cast)

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return tuple(inputs)

    @staticmethod
    def backward(needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        raise NotImplementedError

    @staticmethod
    def jvp(tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        raise NotImplementedError

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0] and "conjugates" not in vars(cls):
            cls.conjugates = True
        if hasattr(cls, "forward"):
            cls.vjp = staticmethod(cls.backward if cls.conjugates else _conjugated(cls.backward))
            once = cls.backward_once
            cls.vjp_once = once and staticmethod(once if cls.conjugates else _conjugated(once))
            cls.eager = eager_form(cls, cls.vjp, cls.vjp_once)
            cls.func, cls.compiled = func_form(cls), compiled_form(cls)
            cls.of = staticmethod(dispatcher(cls))


def _conjugated(backward: Callable[..., tuple]) -> Callable[..., tuple]:
    def vjp(needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        g = tuple(map(conj, g)) if type(g) is tuple else conj(g)
        return tuple(None if t is None else conj(t) for t in backward(needs, g, *remembered))

    return vjp


class LinearMap(Layer):
    """A layer that is linear in its first input and has no other that could want a gradient.

    Then L does not depend on x_in, nothing is remembered but x_in's shape, forward mode is the layer itself, and what
    remains to be stated is `transpose`: g_out L^x, as another layer.
    """

    conjugates = False

    @staticmethod
    def transpose(g: Tensor, shape: torch.Size, /, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return (inputs[0].shape, *inputs[1:])

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        return cls.transpose(g, *remembered), *[None] * (len(remembered) - 1)

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        return cls.of(tangents[0], *inputs[1:])


class Cast(LinearMap):
    """x_out = x_in in another dtype. L is the identity; g_out is cast back. A complex x_in becomes its real part."""

    @staticmethod
    def forward(x, dtype, back):
        if x.is_complex() and not dtype.is_complex:
            return x.real.to(dtype, copy=True)
        return x.to(dtype)

    @staticmethod
    def transpose(g, shape, dtype, back):
        return cast(g, back)

    @staticmethod
    def jvp(tangents, x, dtype, back):
        return cast(tangents[0], dtype)


class Conjugate(LinearMap):
    title = "conj"

    @staticmethod
    def forward(x):
        return x.conj().clone()  # which vmap knows, unlike conj_physical

    @staticmethod
    def transpose(g, shape):
        return conj(g)


def conj(x: Tensor) -> Tensor:
    """The complex conjugate of x, as `torch.conj_physical`; x itself where it is real."""
    return Conjugate.of(x) if x.is_complex() else x


def real(x: Tensor) -> Tensor:
    """The real part of x; x itself where it is real."""
    return cast(x, x.real.dtype) if x.is_complex() else x  # Dynamo does not trace `dtype.to_real`
