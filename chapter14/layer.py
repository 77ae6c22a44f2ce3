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
    ...         return (times(g, times(x, x) * 3),)
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

    #: L(*remembered), where it has a closed form: [|x_out| x |input|] for each tensor input, else None.
    L: ClassVar[Callable[..., tuple[Tensor | None, ...]] | None] = None

    #: `backward` in plain torch operations, which may write into what they made themselves; None where there is none.
    #: The usual way back takes it: where no graph of it is wanted, no tangent, no vmap.
    backward_once: ClassVar[Callable[..., tuple] | None] = None

    #: torch.func's rule for vmap, (info, in_dims, *inputs) → x_out and its batch axes; None: all is run inside vmap.
    vmap: ClassVar[Callable[..., tuple[Any, Any]] | None] = None

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
        if cls.forward is not Layer.forward:
            cls.eager, cls.func, cls.compiled = _forms(cls)
            cls.of = staticmethod(_dispatcher(cls))


class LinearMap(Layer):
    """A layer that is linear in its first input and has no other that could want a gradient.

    Then L does not depend on x_in, nothing is remembered but x_in's shape, forward mode is the layer itself, and all
    that there is to say is `transpose`: g_out L^x, as another layer.
    """

    @staticmethod
    def transpose(g: Tensor, shape: torch.Size, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return (inputs[0].shape, *inputs[1:])

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        shape, *constants = remembered
        return cls.transpose(g, shape, *constants), *(None for _ in constants)

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


def _forms(cls: type[Layer]) -> tuple[type[Node], type[Node], type[Node]]:
    forward, remember, backward, many = cls.forward, cls.remember, cls.backward, cls.many
    once, view = cls.backward_once, cls.view

    def go_back(ctx, *gs):
        if _grad_enabled() and any(map(functorch.is_legacy_batchedtensor, gs)):
            return in_func_vmap(lambda *gs: go_back(ctx, *gs), gs)
        g = gs if many else gs[0]
        rule = backward if once is None or _differentiated(gs) else once
        if _autocasting():
            with torch._C._DisableAutocast():
                return rule(ctx.needs_input_grad, g, *kept(ctx))
        return rule(ctx.needs_input_grad, g, *kept(ctx))

    def go_back_in_a_graph(ctx, *gs):
        g = gs if many else gs[0]
        with torch.autocast(gs[0].device.type, enabled=False):
            return backward(ctx.needs_input_grad, g, *kept(ctx))

    def go_back_through_levels(ctx, *gs):
        if _grad_enabled() and any(functorch.is_legacy_batchedtensor(within(g)) for g in gs):
            return in_func_vmap(lambda *gs: go_back_through_levels(ctx, *gs), gs)
        g = gs if many else gs[0]
        with torch._C._DisableAutocast():
            return backward(ctx.needs_input_grad, g, *kept(ctx)[: ctx.remembered])

    def ctx_first(ctx, *inputs):
        if _autocasting():
            with torch._C._DisableAutocast():
                x_out = forward(*inputs)
        else:
            x_out = forward(*inputs)
        if not (view or many) and x_out._base is not None:
            x_out = _of_its_own(x_out, inputs)
        _keep(ctx, remember(ctx.needs_input_grad, inputs, x_out))
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*[t if isinstance(t, Tensor) else None for t in inputs])
            ctx.inputs = [None if isinstance(t, Tensor) else t for t in inputs]
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
        return cls.jvp(tangents, *inputs)

    def without_ctx(*inputs):
        with torch._C._DisableAutocast():
            x_out = forward(*map(let_go, inputs))
        if isinstance(x_out, Tensor) and x_out._is_zerotensor():
            x_out = torch.zeros_like(x_out)  # a zero without memory, from a zero tangent, cannot have a tangent itself
        return x_out

    def setup(ctx, inputs, x_out):
        _keep(ctx, remember(ctx.needs_input_grad, inputs, x_out))
        _mark(ctx, x_out)

    def setup_with_jvp(ctx, inputs, x_out):
        inputs = tuple(map(let_go, inputs))
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
            return cls.jvp(tangents, *inputs)

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
    forward, func, compiled, autocast = cls.forward, cls.func, cls.compiled, cls.autocast
    eager = super(Function, cls.eager).apply  # type: ignore[misc]  # Function.apply looks at the signature on every call; this does not
    name = cls.title or cls.__name__.lower()
    if cls.view:
        eager = _a_view_to_write_into(eager)

    def of(*inputs):
        if _compiling():
            if autocast:
                inputs = as_autocast(autocast, inputs)
            # Second order through a Function that was captured inside torch.func is silently wrong: plain operations.
            if _transformed() or not _wanted(inputs):
                return forward(*inputs)
            return compiled.apply(*_distinct(inputs))
        try:
            if autocast and _autocasting():
                inputs = as_autocast(autocast, inputs)
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
    """x_out = x_in in another dtype. L is the identity; g_out is cast back."""

    @staticmethod
    def forward(x, dtype, back):
        return x.to(dtype)

    @staticmethod
    def transpose(g, shape, dtype, back):
        return cast(g, back)

    @staticmethod
    def jvp(tangents, x, dtype, back):
        return cast(tangents[0], dtype)


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x [*] → [*] in `dtype`, with a gradient in x's own."""
    return x if x.dtype == dtype else Cast.of(x, dtype, x.dtype)


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


# in torch.func


def _read(layer: type[Layer], inputs: Sequence[Any], x_out: Tensor) -> Tensor:
    """To autograd, x_out is no view there. So it says itself whose memory it reads, and how."""
    if torch._C._is_alias_of(unwrapped(x_out), unwrapped(inputs[0])):  # type: ignore[attr-defined]
        x_out.read_from = (inputs[0], layer, inputs[1:], inputs[0]._version)  # type: ignore[attr-defined]
    return x_out


def read_from(x: Tensor) -> tuple[Tensor, type[Layer], Sequence[Any], int] | None:
    """Inside torch.func: whose memory x reads, by which layer, with what other inputs, since when. None: its own."""
    return getattr(x, "read_from", None) if _transformed() else None
