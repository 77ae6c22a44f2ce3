"""by_hand(): every torch call inside goes to its twin, in any unmodified model.

PyTorch passes each call of its functions, methods and operators to the active torch function mode. `ByHand` looks it up
in TWINS. A PyTorch function that is written in Python and has no twin is opened: it runs with the mode on, so that its
own calls are looked up too.
"""

from __future__ import annotations

import re
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx
from torch._C import _autograd as autograd
from torch._C import _get_function_stack_at, _len_torch_function_stack
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode
from torch.utils._pytree import tree_leaves

from ..layer.accepted_tensors import check_dense, has_default_torch_function
from ..layer.recorder import AT_WORK, recorder
from ..layers.core.inplace import current
from .inplace import Hooks, top_hooks
from .twins import TWINS

_transformed = torch._C._are_functorch_transforms_active


class NotByHand(NotImplementedError):
    """A call has no hand-written twin, and `strict` is True."""


class ByHand(TorchFunctionMode):
    """`native` counts the differentiable calls that ran natively, by name, except those that torch.compile traces."""

    #: Calls inside layers are not intercepted.
    ignores_layers = True

    def __init__(self, strict: bool = False):
        super().__init__()
        self.strict = strict
        self.native: dict[str, int] = {}
        self.blocks = 0  # number of open blocks that share this mode
        self.outer_hooks: Hooks | None = None  # set before the first block

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if not _differentiated() or _is_traced(types):  # mostly inside a layer
            return func(*args, **kwargs)
        if compiling := torch.compiler.is_compiling():
            twin, opened = _numbered(_number_of_twin(func)), _numbered(_number_of_opened(func))
        else:
            if not self.blocks:  # the last block ended where the mode could not be removed, such as on another thread
                return func(*args, **kwargs)
            if (hooks := top_hooks()) is not None:
                _unpack_by_hand(hooks, self.outer_hooks)
            twin, opened = TWINS.get(func), OPENED.get(func)
        if kwargs and "out" in kwargs and kwargs["out"] is None:
            kwargs = {name: x for name, x in kwargs.items() if name != "out"}
        if not (kwargs and "out" in kwargs) and (not types or all(map(has_default_torch_function, types))):
            if twin is not None:
                x_out = _by_twin(twin, types, args, kwargs, compiling)
                if x_out is not NotImplemented:
                    return x_out
            if opened is not None:
                with self:
                    return opened(*args, **kwargs)
        if compiling or (AT_WORK and recorder() is not None):  # a recorder sees each call itself
            return func(*args, **kwargs)
        before = _nodes(args) if func in _WRITES else ()
        x_out = func(*args, **kwargs)
        if func is torch.autograd.grad:  # its graph has the nodes of the forward pass
            return x_out
        if _made_a_node(x_out, (args, kwargs)) or any(t.grad_fn is not node for t, node in before):
            name = getattr(func, "__qualname__", repr(func))
            if self.strict:
                raise NotByHand(f"by_hand: {name} has no hand-written twin, and strict is True.")
            self.native[name] = self.native.get(name, 0) + 1
        return x_out


class ByHandBlock(AbstractContextManager):
    """A `with` block. Blocks open at the same time on one thread share a mode, which stays until the last one ends."""

    def __init__(self, strict: bool):
        self.strict = strict
        self.native: dict[str, int] = {}  # that of the mode, once the block is entered
        self.modes: list[ByHand] = []  # one for each entry, on any thread

    def __enter__(self) -> ByHand:
        mode = at_work()
        if mode is None or (self.strict and not mode.strict):
            mode = ByHand(self.strict)
            mode.outer_hooks = top_hooks()
            _push_mode(mode)
        mode.blocks += 1
        self.native = mode.native
        self.modes.append(mode)
        return mode

    def __exit__(self, *error: Any) -> None:
        modes = [*self.modes]  # another thread may append to it
        here = _get_current_function_mode_stack() if len(modes) > 1 else modes
        mode = next((mode for mode in reversed(modes) if mode in here), modes[-1])
        self.modes.remove(mode)
        mode.blocks -= 1
        if not mode.blocks and not _remove(mode) and error[0] is not GeneratorExit:
            warnings.warn(
                "by_hand: the block ended on another thread, or another mode inside it removed its mode: "
                "calls in it may have run natively, without being counted.",
                stacklevel=2,
            )


def _remove(mode: ByHand) -> bool:
    """Remove a mode from anywhere in this thread's stack: blocks of generators and tasks may end in any order."""
    above = []
    while (n := _len_torch_function_stack()) and (last := _pop_mode()) is not mode:
        above.append(last)
    for other in reversed(above):
        _push_mode(other)
    return n > 0


def _differentiated() -> bool:
    """Whether calls are differentiated now, or layers recorded; neither is true inside a layer."""
    differentiated = torch.is_grad_enabled() or forward_ad._current_level >= 0 or _transformed()
    return differentiated or bool(AT_WORK and recorder() is not None)


def _is_traced(types: Any) -> bool:
    """Whether torch.fx traces: then it records the call, and fx_tracing.py handles the graph."""
    return bool(types) and any(issubclass(cls, fx.Proxy) for cls in types)


def _by_twin(twin: Callable, types: Sequence[type], args: Sequence[Any], kwargs: dict, compiling: bool) -> Any:
    """The twin's output; NotImplemented if it lacks an option, or a tensor is not one that layers take."""
    try:
        if not compiling:
            args = [_operand(x) for x in args]
        if kwargs:
            kwargs = dict(kwargs) if compiling else {name: _operand(x) for name, x in kwargs.items()}
            if "input" in kwargs and not args:  # the first parameter of every function that has it
                args = [kwargs.pop("input")]
        if types:  # a subclass of Tensor, whose results keep its class
            return types[0].__torch_function__(twin, types, args, kwargs)  # type: ignore[attr-defined]
        return twin(*args, **kwargs)
    except (TypeError, NotImplementedError):
        if AT_WORK and recorder() is not None:  # a recorder reports what it does not support
            raise
        return NotImplemented


def _operand(x: Any) -> Any:
    """The argument, in which tensors that were written into in place are read again."""
    if isinstance(x, Tensor):
        check_dense("by_hand", x)
        return current(x)
    return list(map(_operand, x)) if type(x) in (list, tuple) and any(isinstance(t, Tensor) for t in x) else x


# Saved-tensor hooks may recompute tensors in the backward pass, as checkpoint does: that runs by hand too.


def _unpack_by_hand(hooks: Hooks, outer: Hooks | None) -> None:
    """Make hooks that were set inside a block unpack by hand, on any thread and at any later time."""
    pack, unpack = hooks
    if not isinstance(unpack, Unpack) and (outer is None or pack is not outer[0]):
        autograd._pop_saved_tensors_default_hooks()
        autograd._push_saved_tensors_default_hooks(pack, Unpack(unpack))


class Unpack:
    def __init__(self, unpack: Callable[[Any], Tensor]):
        self.unpack = unpack

    def __call__(self, packed: Any) -> Tensor:
        with ByHandBlock(strict=False):
            return self.unpack(packed)


#: Outputs that are not tensors.
_NO_TENSORS = bool, int, float, str, type(None), torch.Size, torch.dtype, torch.device


def _nodes(args: Any) -> list[tuple[Tensor, Any]]:
    return [(t, t.grad_fn) for t in tree_leaves(args) if isinstance(t, Tensor)]


def _made_a_node(x_out: Any, inputs: Any) -> bool:
    if isinstance(x_out, _NO_TENSORS) or (isinstance(x_out, Tensor) and x_out.grad_fn is None):
        return False
    outputs = [t for t in tree_leaves(x_out) if isinstance(t, Tensor) and t.grad_fn is not None]
    if not outputs:
        return False
    before = {id(t) for t in tree_leaves(inputs)}
    return any(id(t) not in before for t in outputs)


def _of_writing() -> Iterator[Any]:
    """Functions that write into their first argument."""
    for place in (Tensor, torch, torch.nn.functional, torch._C._nn):
        for name in dir(place):
            if re.fullmatch(r"[^_].*_|__i\w+__|__setitem__|_foreach_\w+_", name) and callable(getattr(place, name)):
                yield getattr(place, name)


_WRITES = frozenset(_of_writing())

#: The methods of Tensor written in Python that compute. Others handle files, hooks and printing, or call the C method
#: of the same name, which is intercepted under the same function.
_METHODS = frozenset(
    "norm split __reversed__ __rsub__ __rdiv__ __rtruediv__ __pow__ __rmod__ __rpow__ __floordiv__ "
    "__rfloordiv__ __rmatmul__".split()
)


def _opened() -> Iterator[tuple[Callable, Callable]]:
    """Each PyTorch function that is written in Python, and a copy that does not check for torch function modes."""
    no = {f"has_torch_function{kind}": lambda *_: False for kind in ("", "_unary", "_variadic")}
    methods = {name: f for name, f in vars(Tensor).items() if name in _METHODS}
    for place in (vars(torch.nn.functional), vars(torch.functional), methods):
        for f in place.values():
            if isinstance(f, types.FunctionType) and no.keys() & f.__globals__.keys() & {*f.__code__.co_names}:
                code = f.__code__.replace(co_filename=f"<opened {f.__name__}>")  # Dynamo refuses some of torch's files
                opened = types.FunctionType(code, f.__globals__ | no, f.__name__, f.__defaults__, f.__closure__)
                opened.__kwdefaults__ = f.__kwdefaults__
                yield f, opened


OPENED = dict(_opened())


#: Twins and opened functions by number. Dynamo does not find every function among the keys of a dict (it represents an
#: operator written in Python by another object), so Python itself looks up a number, which is a constant to Dynamo.
_NUMBERED = tuple(dict.fromkeys([*TWINS.values(), *OPENED.values()]))
_NUMBERS = {f: n for n, f in enumerate(_NUMBERED)}


def _numbered(n: int) -> Callable | None:
    return _NUMBERED[n] if n >= 0 else None


def _constant_to_dynamo(f: Callable) -> Callable:
    """`torch.compiler.assume_constant_result`, without importing Dynamo, which takes as long as importing torch."""
    f._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return f


@_constant_to_dynamo
def _number_of_twin(func: Any) -> int:
    return _NUMBERS[TWINS[func]] if func in TWINS else -1


@_constant_to_dynamo
def _number_of_opened(func: Any) -> int:
    return _NUMBERS[OPENED[func]] if func in OPENED else -1


def by_hand(strict: bool = False) -> AbstractContextManager[ByHand]:
    """Every differentiable torch call inside, of functions, methods and operators, goes to its hand-written twin.

    A call without a twin runs natively, and is counted in `.native` of the mode that this yields. Recomputation in the
    backward pass, as by `torch.utils.checkpoint`, runs by hand too.

    Args:
        strict: raise an error for such a call instead.

    Raises:
        NotByHand: a call has no twin, and `strict` is True.

    >>> with by_hand() as mode:
    ...     J = loss(model(x), y)
    """
    if torch.compiler.is_compiling():  # which traces a mode, but not a ByHandBlock
        return ByHand(strict) if strict or (mode := at_work()) is None else nullcontext(mode)
    return ByHandBlock(strict)


def at_work() -> ByHand | None:
    """The active ByHand mode of this thread; None if there is none."""
    for i in reversed(range(_len_torch_function_stack())):
        if type(mode := _get_function_stack_at(i)) is ByHand:
            return mode
    return None
