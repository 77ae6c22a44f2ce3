"""A generic layer, as the chapter draws it (section 14.3), and the forms of it that PyTorch's modes need.

    x_out = f(x_in, θ)                                   (14.1)
    g_in  = g_out L^x            [*x_in]                 (14.10)
    dJ/dθ = g_out L^θ            [*θ]                    (14.8)

Parameters are inputs like any other: a `Module` owns them, a `Layer` is handed them. A layer is stated once:

    forward(*inputs)                     x_out
    remember(needs, inputs, x_out)       what L is evaluated at: as little as the gradients that are needed take
    backward(needs, g, *remembered)      g_out L, one for each input; None where `needs` says so
    jvp(tangents, *inputs)               L applied from the right, what forward mode asks for
    backward_once                        `backward` again, in fewer passes over memory, where a layer is used so much
                                         that it pays: for when nobody differentiates what comes back

`backward` and `jvp` are written with layers, so they have a `backward` and a `jvp` too, of every order (14.6.5).
Remember inputs or constants (a mask): what is computed on the way carries no derivative of its own.

Of complex numbers autograd wants g L* (L* the conjugate), and of what is real the real part. Both are seen to here: a
layer states L, and need not ask which of its tensors are complex.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import Function, forward_ad

from .levels import Held, forward_mode, in_func_vmap, jvp_level, let_go, primal, unwrapped, within
from .recorder import AT_WORK, recorder
from .shape import ShapeError, misfit, the_call

_transformed = torch._C._are_functorch_transforms_active
_autocasting = torch._C._is_any_autocast_enabled
_grad_enabled = torch.is_grad_enabled
_compiling = torch.compiler.is_compiling
_in_a_mode = torch._C._is_torch_function_mode_enabled


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
    ...         return (mul(g, mul(mul(x, x), 3)),)
    """

    #: What autocast does to the inputs: "lower" casts to its dtype, "float32" casts up, "widest" to the widest given.
    autocast: ClassVar[str | None] = None
    #: The letters in which an error repeats the call, e.g. {"x": "... N", "W": "M N"}; in the order of the inputs.
    letters: ClassVar[dict[str, str]] = {}
    #: What an error calls the layer, where it is not the name of the class.
    title: ClassVar[str | None] = None
    #: Whether x_out is a tuple; then g is one too.
    many: ClassVar[bool] = False

    #: Whether x_out may lie in x_in's memory, and be written into: then x_in changes as it does.
    view: ClassVar[bool] = False

    #: Whether `backward` gives g L* by itself, as chapter14's own layers do. Else it is handed g*, and (g* L)* = g L*.
    conjugates: ClassVar[bool] = False

    #: L(*remembered), where it has a closed form: [|x_out| x |input|] for each tensor input, else None.
    L: ClassVar[Callable[..., tuple[Tensor | None, ...]] | None] = None

    #: `backward` in plain torch operations, which may write into what they made themselves; None where there is none.
    #: The plain backward pass uses it: where no graph of it is wanted, no tangent, no vmap, and g is real.
    backward_once: ClassVar[Callable[..., tuple] | None] = None

    #: What is computed in float32 where the inputs are float16 or bfloat16, and rounded once, as PyTorch's kernels do:
    #: "derivatives", or "all", which is x_out too, for a `forward` that is more than one kernel; None: nothing.
    opmath: ClassVar[str | None] = None

    #: torch.func's rule for vmap, (info, in_dims, *inputs) → x_out and its batch axes; None: all is run inside vmap.
    vmap: ClassVar[Callable[..., tuple[Any, Any]] | None] = None

    of: ClassVar[Callable[..., Any]]
    back: ClassVar[Callable[..., tuple]]  # `backward`, and g L* of it
    #: The same layer for float16 and bfloat16, once it was called with one of them.
    low: ClassVar[type[Layer]]
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
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0] and "conjugates" not in vars(cls):
            cls.conjugates = True
        if cls.forward is not Layer.forward:
            cls.back = staticmethod(_conjugated(cls, cls.backward))
            cls.eager, cls.func, cls.compiled = _forms(cls)
            cls.of = staticmethod(_dispatcher(cls))


class LinearMap(Layer):
    """A layer that is linear in its first input and has no other that could want a gradient.

    Then L does not depend on x_in, nothing is remembered but x_in's shape, forward mode is the layer itself, and all
    that there is to say is `transpose`: g_out L^x, as another layer.
    """

    conjugates = False

    @staticmethod
    def transpose(g: Tensor, shape: torch.Size, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return (inputs[0].shape, *inputs[1:])

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        return cls.transpose(g, *remembered), *[None] * (len(remembered) - 1)

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        return cls.of(tangents[0], *inputs[1:])


def layer_of(node: Any) -> type[Layer] | None:
    """The layer that left this node in a backward graph; None where none did."""
    return getattr(getattr(type(node), "_forward_cls", None), "layer", None)


# The forms. Plain eager mode wants `ctx` first: with `setup_context`, each call binds a signature, which is as slow as
# the layer. torch.func wants `setup_context`. torch.compile wants it too, and refuses whatever has a `jvp`.


def _keep(ctx: Any, values: Sequence[Any]) -> None:
    """Tensors where autograd guards them (and notices when one is written over), the rest on `ctx`."""
    for value in values:
        if value is not None and not isinstance(value, Tensor):
            ctx.save_for_backward(*[v if isinstance(v, Tensor) else None for v in values])
            ctx.constants = [None if isinstance(v, Tensor) else v for v in values]
            return
    ctx.save_for_backward(*values)
    ctx.constants = None


def _note_reals(ctx: Any, inputs: Sequence[Any]) -> None:
    """Of a complex x_out: which inputs are real, and so have real gradients."""
    ctx.reals = [isinstance(x, Tensor) and not x.is_complex() for x in inputs]


def _real_parts(g_in: tuple, reals: Sequence[bool]) -> tuple:
    return tuple(real(g) if is_real and g is not None else g for g, is_real in zip(g_in, reals, strict=True))


def kept(ctx: Any) -> Sequence[Any]:
    """What the layer remembered, at its node."""
    if ctx.constants is None:
        return ctx.saved_tensors
    return [c if t is None else t for t, c in zip(ctx.saved_tensors, ctx.constants, strict=True)]


def _differentiated(gs: Sequence[Tensor]) -> bool:
    """Whether somebody can differentiate, trace or batch what is computed from g now."""
    return (
        _grad_enabled()
        or forward_ad._current_level >= 0
        or _transformed()
        or _compiling()
        or functorch.is_legacy_batchedtensor(gs[0])
    )


def _of_its_own(x_out: Tensor, inputs: Sequence[Any]) -> Tensor:
    """x_out, without the name of a view of what `forward` made on its way: autograd would refuse to write into it."""
    bases = [x if x._base is None else x._base for x in inputs if isinstance(x, Tensor)]
    return x_out if any(x_out._base is base for base in bases) else x_out.data


def _conjugated(cls: type[Layer], rule: Callable[..., tuple]) -> Callable[..., tuple]:
    if cls.conjugates:
        return rule

    def back(needs, g, *remembered):
        g = tuple(map(conj, g)) if cls.many else conj(g)
        return tuple(None if t is None else conj(t) for t in rule(needs, g, *remembered))

    return back


def _forms(cls: type[Layer]) -> tuple[type[Node], type[Node], type[Node]]:
    forward, remember, backward, many = cls.forward, cls.remember, cls.back, cls.many
    once, view = cls.backward_once and _conjugated(cls, cls.backward_once), cls.view

    def go_back(ctx, *gs):
        if _grad_enabled() and any(map(functorch.is_legacy_batchedtensor, gs)):
            return in_func_vmap(lambda *gs: go_back(ctx, *gs), gs)
        g = gs if many else gs[0]
        is_complex = gs[0].is_complex()
        rule = backward if once is None or is_complex or _differentiated(gs) else once
        if _autocasting():
            with torch._C._DisableAutocast():
                g_in = rule(ctx.needs_input_grad, g, *kept(ctx))
        else:
            g_in = rule(ctx.needs_input_grad, g, *kept(ctx))
        return _real_parts(g_in, ctx.reals) if is_complex else g_in

    def go_back_in_a_graph(ctx, *gs):
        g = gs if many else gs[0]
        with torch.autocast(gs[0].device.type, enabled=False):
            g_in = backward(ctx.needs_input_grad, g, *kept(ctx))
        return _real_parts(g_in, ctx.reals) if gs[0].is_complex() else g_in

    def go_back_through_levels(ctx, *gs):
        if _grad_enabled() and any(functorch.is_legacy_batchedtensor(within(g)) for g in gs):
            return in_func_vmap(lambda *gs: go_back_through_levels(ctx, *gs), gs)
        g = gs if many else gs[0]
        with torch._C._DisableAutocast():
            g_in = backward(ctx.needs_input_grad, g, *kept(ctx)[: ctx.remembered])
        return _real_parts(g_in, ctx.reals) if gs[0].is_complex() else g_in

    def ctx_first(ctx, *inputs):
        if _autocasting():
            with torch._C._DisableAutocast():
                x_out = forward(*inputs)
        else:
            x_out = forward(*inputs)
        if not (view or many) and x_out._base is not None:
            x_out = _of_its_own(x_out, inputs)
        _keep(ctx, remember(ctx.needs_input_grad, inputs, x_out))
        if (x_out[0] if many else x_out).is_complex():
            _note_reals(ctx, inputs)
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*[t if isinstance(t, Tensor) else None for t in inputs])
            ctx.inputs = [None if isinstance(t, Tensor) else t for t in inputs]
            ctx.dtype = None if many else x_out.dtype
            with forward_ad._set_fwd_grad_enabled(True):
                ctx.moved = [isinstance(t, Tensor) and forward_ad.unpack_dual(t).tangent is not None for t in inputs]
        if many:
            _mark(ctx, x_out)
        return x_out

    def push_forward(ctx, *tangents):
        """Plain forward mode: autograd hands the dual numbers themselves to `jvp`."""
        inputs = [
            c if t is None else forward_ad.unpack_dual(t).primal
            for t, c in zip(ctx.saved_tensors, ctx.inputs, strict=True)
        ]
        ctx.inputs = None
        moved = [t if is_moved else None for t, is_moved in zip(tangents, ctx.moved, strict=True)]
        return tangent(ctx, cls.jvp(moved, *inputs))  # not zeros, which autograd hands on: times infinity these are NaN

    def tangent(ctx, dx_out):
        return dx_out if many else cast(dx_out, ctx.dtype)

    def without_ctx(*inputs):
        with torch._C._DisableAutocast():
            x_out = forward(*map(let_go, inputs))
        if isinstance(x_out, Tensor) and x_out._is_zerotensor():
            x_out = torch.zeros_like(x_out)  # a zero without memory, from a zero tangent, cannot have a tangent itself
        return x_out

    def setup(ctx, inputs, x_out):
        _keep(ctx, remember(ctx.needs_input_grad, inputs, x_out))
        if (x_out[0] if many else x_out).is_complex():
            _note_reals(ctx, inputs)
        _mark(ctx, x_out)

    def setup_with_jvp(ctx, inputs, x_out):
        inputs = tuple(map(let_go, inputs))
        ctx.dtype = None if many else x_out.dtype
        if (x_out[0] if many else x_out).is_complex():
            _note_reals(ctx, inputs)
        remembered = remember(ctx.needs_input_grad, inputs, x_out)
        if not forward_mode():
            _keep(ctx, remembered)
            ctx.remembered = len(remembered)
        else:  # vmap keeps one list of batch axes for both ways, so both ways have one list of tensors
            _keep(ctx, (*remembered, *inputs))
            ctx.save_for_forward(*[t if isinstance(t, Tensor) else None for t in (*remembered, *inputs)])
            ctx.remembered = len(remembered)
        _mark(ctx, x_out)

    def push_forward_through_levels(ctx, *tangents):
        """torch.func: drop this level's tangent from what was kept, and let outer levels see through the rule."""
        level = jvp_level()
        inputs = [primal(t, level) for t in kept(ctx)[ctx.remembered :]]
        with forward_ad._set_fwd_grad_enabled(True):
            return tangent(ctx, cls.jvp(tangents, *inputs))

    def form(**methods):
        rules = {name: staticmethod(method) for name, method in methods.items()}
        name = cls.__name__
        return type(name, (Node,), {**rules, "layer": cls, "__module__": cls.__module__})

    eager = form(forward=ctx_first, backward=go_back, jvp=push_forward)
    func = form(
        forward=without_ctx,
        setup_context=setup_with_jvp,
        backward=go_back_through_levels,
        jvp=push_forward_through_levels,
    )
    compiled = form(forward=forward, setup_context=setup, backward=go_back_in_a_graph)
    func.generate_vmap_rule = compiled.generate_vmap_rule = True
    if cls.vmap is not None:
        of_many = cls.vmap
        func.generate_vmap_rule = False
        func.vmap = staticmethod(lambda info, in_dims, *inputs: of_many(info, in_dims, *map(let_go, inputs)))
    return eager, func, compiled


def _mark(ctx: Any, x_out: Any) -> None:
    """Integer outputs (the indices of a maximum) have no gradient."""
    if type(x_out) is tuple:
        ctx.mark_non_differentiable(*[t for t in x_out if not t.is_floating_point() and not t.is_complex()])


def _dispatcher(cls: type[Layer]) -> Callable[..., Any]:
    forward, func, compiled, autocast, opmath = cls.forward, cls.func, cls.compiled, cls.autocast, cls.opmath
    eager = super(Function, cls.eager).apply  # type: ignore[misc]  # Function.apply looks at the signature on every call; this does not
    name = cls.title or cls.__name__.lower()
    if cls.view:
        eager = _a_view_to_write_into(eager)

    def of(*inputs):
        if _compiling():
            if autocast:
                inputs = as_autocast(autocast, inputs)
            if opmath and _is_low(inputs):  # the compiler itself decides what is kept
                return _rounded(cls, of(*map(_up, inputs)), inputs)
            # Second order through a Function that was captured inside torch.func is silently wrong: plain operations.
            if _transformed() or not _wanted(inputs):
                return forward(*inputs)
            return compiled.apply(*_distinct(inputs))
        try:
            if autocast and _autocasting():
                inputs = as_autocast(autocast, inputs)
            if opmath and _is_low(inputs):
                return _in_low_precision(cls).of(*inputs)
            if AT_WORK and (listening := recorder()) is not None:
                return listening.layer(cls, inputs)
            if _in_a_mode() and passes_by(inputs):
                with torch._C.DisableTorchFunction():
                    return of(*inputs)
            for x in inputs:
                if isinstance(x, Tensor) and (type(x) not in _PLAIN or x.layout is not _strided):
                    check_dense(name, x)
            if _transformed():
                x_out = func.apply(*[Held(x) if isinstance(x, tuple | list | dict) else x for x in inputs])
                return _read(cls, inputs, x_out) if cls.view else x_out
            if _grad_enabled():
                for x in inputs:
                    if isinstance(x, Tensor) and x.requires_grad:
                        return eager(*inputs)
            if forward_ad._current_level >= 0:
                return eager(*inputs)
            return forward(*inputs)
        except RuntimeError as error:
            for x in inputs:
                if isinstance(x, Tensor):
                    check_dense(name, x)
            if type(error) is not RuntimeError:
                raise
            raise _explained(cls, inputs, error) from error

    of.__name__ = of.__qualname__ = cls.__name__
    of.layer = cls  # type: ignore[attr-defined]
    return of


def passes_by(inputs: Sequence[Any]) -> bool:
    """Whether the one torch function mode at work lets layers be, and no input has a torch function of its own.

    `by_hand` would hear of each operation, and of each shape that is asked for, and do nothing.
    """
    mode = torch._C._get_function_stack_at(0)
    alone = torch._C._len_torch_function_stack() == 1 and getattr(mode, "lets_layers_be", False) and not AT_WORK
    return alone and all(type(x) in _PLAIN or not isinstance(x, Tensor) for x in inputs)


_PLAIN = Tensor, torch.nn.Parameter
_strided = torch.strided


class NotDense(NotImplementedError):
    """A tensor that has entries of its own sort or storage, which no layer takes."""


def all_dense(*tensors: Any) -> bool:
    try:
        for x in tensors:
            if isinstance(x, Tensor):
                check_dense("", x)
    except NotDense:
        return False
    return True


def check_dense(layer: str, x: Tensor) -> None:
    """
    Raises:
        NotDense: x is sparse, nested or quantized, or of a class that computes in its own way, as DTensor.
    """
    if type(x) not in _PLAIN and not _is_plain_class(type(x)):
        raise NotDense(f"{layer}: it takes dense tensors; it was given a {type(x).__name__}.")
    if x.layout is not torch.strided or x.is_nested or x.is_quantized:
        what = "nested" if x.is_nested else "quantized" if x.is_quantized else str(x.layout)
        raise NotDense(f"{layer}: it takes dense tensors; it was given one that is {what}.")


@functools.cache
def _is_plain_class(cls: type[Tensor]) -> bool:
    """Whether a tensor of this class computes as one of `Tensor`. PyTorch's own, FakeTensor, stand for such a one."""
    traced = cls.__module__.startswith("torch._subclasses")
    return traced or (has_default_torch_function(cls) and cls.__torch_dispatch__ is Tensor.__torch_dispatch__)


_DEFAULT: Any = Tensor.__torch_function__.__func__  # type: ignore[attr-defined]


def has_default_torch_function(cls: type) -> bool:
    f: Any = cls.__torch_function__  # type: ignore[attr-defined]
    return f is torch._C._disabled_torch_function_impl or getattr(f, "__func__", f) is _DEFAULT


_set_creation_meta, _OWN = torch._C._autograd._set_creation_meta, torch._C._autograd.CreationMeta.DEFAULT


def _a_view_to_write_into(eager: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Autograd takes it for a view like its own: it knows by itself what L is once the memory is written into."""

    def of(*inputs):
        x_out = eager(*inputs)
        if x_out._is_view():
            _set_creation_meta(x_out, _OWN)
        return x_out

    return of


def is_plain(*inputs: Any) -> bool:
    """Whether nobody but autograd, if anybody, looks at what is computed: no transform, compiler or recorder."""
    watched = _compiling() or _transformed() or forward_ad._current_level >= 0 or (AT_WORK and recorder() is not None)
    return not watched and not any(isinstance(x, Tensor) and functorch.is_legacy_batchedtensor(x) for x in inputs)


def _wanted(inputs: Sequence[Any]) -> bool:
    return torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)


def _distinct(inputs: Sequence[Any]) -> list[Any]:
    """Dynamo wants no tensor twice: the second is another view of the first."""
    distinct: list[Any] = []
    for x in inputs:
        distinct.append(x.view_as(x) if isinstance(x, Tensor) and any(x is y for y in distinct) else x)
    return distinct


def _explained(cls: type[Layer], inputs: Sequence[Any], error: RuntimeError) -> RuntimeError:
    name = cls.title or cls.__name__.lower()
    call = the_call(name, cls.letters, inputs)
    if wrong := misfit(cls.letters, inputs):
        return ShapeError(f"{name}: {wrong} does not fit. {call}")
    return ShapeError(f"{name}: {error} {call}") if call else error


# autocast

autocasting = _autocasting


class Cast(LinearMap):
    """x_out = x_in in another dtype. L is the identity; g_out is cast back. What is real has the real part."""

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
        return x.conj().clone()  # of which vmap knows; not of conj_physical

    @staticmethod
    def transpose(g, shape):
        return conj(g)


def conj(x: Tensor) -> Tensor:
    """The complex conjugate of x, as `torch.conj_physical`; x itself where it is real."""
    return Conjugate.of(x) if x.is_complex() else x


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x [*] → [*] in `dtype`, with a gradient in x's own."""
    return x if x.dtype == dtype else Cast.of(x, dtype, x.dtype)


def real(x: Tensor) -> Tensor:
    """The real part of x; x itself where it is real."""
    return cast(x, x.real.dtype) if x.is_complex() else x  # Dynamo does not trace `dtype.to_real`


def as_autocast(policy: str, inputs: tuple) -> tuple:
    """The inputs as autocast wants them, cast before `apply`: then the cast is a layer too, and g has x's own dtype."""
    floats = [t for t in inputs if isinstance(t, Tensor) and t.is_floating_point() and t.dtype != torch.float64]
    if not floats or not torch.is_autocast_enabled(floats[0].device.type):
        return inputs
    if policy == "lower":
        dtype = torch.get_autocast_dtype(floats[0].device.type)
    elif policy == "float32":
        dtype = torch.float32
    else:
        dtype = functools.reduce(torch.promote_types, [t.dtype for t in floats])
    chosen = {id(t) for t in floats}
    return tuple(cast(t, dtype) if id(t) in chosen else t for t in inputs)


# Low precision. What is remembered stays in it, so that it costs what it cost; g and what is remembered are cast up
# where L is computed, by a layer, so that all of this has derivatives too.

_LOW = frozenset((torch.float16, torch.bfloat16))


def _is_low(inputs: Sequence[Any]) -> bool:
    """Whether the first tensor of real numbers is in low precision: the others follow it."""
    for x in inputs:
        if isinstance(x, Tensor) and x.is_floating_point():
            return x.dtype in _LOW
    return False


def in_dtype_of(cls: type[Layer], inputs: Sequence[Any]) -> type[Layer]:
    """The form of a layer that computes such inputs: for who calls `forward`, `remember` and `backward` by himself."""
    return _in_low_precision(cls) if cls.opmath and _is_low(inputs) else cls


def _up(x: Any) -> Any:
    if type(x) is tuple:
        return tuple(map(_up, x))
    return cast(x, torch.float32) if isinstance(x, Tensor) and x.dtype in _LOW else x


def _dtype_out(cls: type[Layer], inputs: Sequence[Any]) -> torch.dtype:
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor) and x.is_floating_point()]
    return functools.reduce(torch.promote_types, dtypes) if cls.autocast == "widest" else dtypes[0]


def _rounded(cls: type[Layer], x_out: Any, inputs: Sequence[Any]) -> Any:
    """x_out, or its tangent, in the dtype that x_out has."""
    dtype = _dtype_out(cls, inputs)
    return tuple(cast(t, dtype) for t in x_out) if cls.many else cast(x_out, dtype)


def _in_low_precision(cls: type[Layer]) -> type[Layer]:
    if "low" not in vars(cls):
        cls.low = _low_form(cls)
    return cls.low


def _low_form(cls: type[Layer]) -> type[Layer]:
    """`cls` of float16 or bfloat16: computed in float32, and each gradient rounded once, to the dtype of its input."""
    once: Any = cls.backward_once
    closed_form: Any = cls.L

    def forward(*inputs):
        x_out = cls.forward(*[x.float() if isinstance(x, Tensor) and x.dtype in _LOW else x for x in inputs])
        dtype = _dtype_out(cls, inputs)
        return tuple(t.to(dtype) for t in x_out) if cls.many else x_out.to(dtype)

    def remember(needs, inputs, x_out):
        dtypes = tuple(x.dtype if isinstance(x, Tensor) else None for x in inputs)
        return dtypes, *cls.remember(needs, inputs, x_out)

    def backward(needs, g, dtypes, *remembered):
        return _each(cls.backward(needs, _up(g), *map(_up, remembered)), dtypes)

    def backward_once(needs, g, dtypes, *remembered):
        return _each(once(needs, _up(g), *map(_up, remembered)), dtypes)

    def jvp(tangents, *inputs):
        return _rounded(cls, cls.jvp(_up(tangents), *map(_up, inputs)), inputs)

    def L(dtypes, *remembered):
        return closed_form(*map(_up, remembered))

    rules: dict[str, Any] = {"remember": remember, "backward": backward, "jvp": jvp}
    rules["forward"] = forward if cls.opmath == "all" else cls.forward
    rules |= {} if once is None else {"backward_once": backward_once}
    rules |= {} if closed_form is None else {"L": L}
    body = {name: staticmethod(rule) for name, rule in rules.items()}
    return type(cls.__name__, (cls,), {**body, "opmath": None, "__module__": cls.__module__})


def _each(g_in: Sequence[Tensor | None], dtypes: Sequence[Any]) -> tuple:
    return tuple(g if g is None else cast(g, dtype) for g, dtype in zip(g_in, dtypes, strict=True))


# in torch.func


def _read(layer: type[Layer], inputs: Sequence[Any], x_out: Tensor) -> Tensor:
    """To autograd, x_out is no view there. So it says itself whose memory it reads, and how."""
    if torch._C._is_alias_of(unwrapped(x_out), unwrapped(inputs[0])):  # type: ignore[attr-defined]
        x_out.read_from = (inputs[0], layer, inputs[1:], inputs[0]._version)  # type: ignore[attr-defined]
    return x_out


def read_from(x: Tensor) -> tuple[Tensor, type[Layer], Sequence[Any], int] | None:
    """Inside torch.func: whose memory x reads, by which layer, with what other inputs, since when. None: its own."""
    return getattr(x, "read_from", None) if _transformed() else None
