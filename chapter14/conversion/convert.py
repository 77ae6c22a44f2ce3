"""convert(model): the same model, with every derivative by hand.

Only the classes of its modules change:
- a class of torch.nn becomes its twin in `chapter14.nn`;
- a class with its own forward is rerouted: its calls go through `by_hand`.

So parameters, buffers, hooks, tied weights, modes and the repr stay the same.
"""

from __future__ import annotations

import functools
import types
import weakref
from abc import ABCMeta
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils import parametrize

from .. import nn as ours
from ..layer.recorder import AT_WORK, recorder
from ..nn.activation import TorchReLU
from .by_hand import by_hand
from .copying import copied
from .fx_tracing import Unscripted, graphs, is_marked, mark, runs_by_hand, unmark

#: A class of torch.nn -> its twin.
MODULES: dict[type[nn.Module], type[nn.Module]] = {
    twin: cls
    for name, cls in vars(ours).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module)
    for twin in (getattr(nn, name, cls),)
    if twin is not cls
} | {nn.ReLU: TorchReLU}

#: Classes whose forward only calls inner modules.
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict, nn.Identity)


def convert(model: nn.Module, inplace: bool = False) -> nn.Module:
    """The same model, with every derivative by hand: outputs, state_dict, hooks, tied weights and modes do not change.

    Functions without a hand-written twin run natively, and `audit` lists them. relu'(0) is PyTorch's 0, not the
    chapter's 1.

    Tools that compare classes, as in `type(m) is nn.Linear`, do not recognise those of `chapter14.nn`: quantize, fuse
    or script a model first, and convert the result.

    Args:
        inplace: convert `model` itself, not a copy. In a copy, tensors that the model computed and stores have their
            values, without the graph.

    Raises:
        TypeError: `model` is not a module, or contains TorchScript, whose calls cannot be replaced.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert: model is a torch.nn.Module; it was given {type(model).__name__}.")
    if scripted := [name for name, m in model.named_modules() if isinstance(m, torch.jit.ScriptModule)]:
        where = ", ".join(repr(name) for name in scripted[:3])
        raise TypeError(f"convert: {where} is TorchScript, which cannot be converted. Convert its original model.")
    model = model if inplace else copied(model)
    quantized = _quantized(model)
    done: list[Callable[[], None]] = []
    try:
        for module in [m for m in model.modules() if m is model or m not in quantized]:
            own = module is model and bool(quantized)  # so that modules that keep their class run by hand
            if (cls := _converted(module, own)) is not None:
                done.append(_restoring(module))
                _change(module, cls)
        return model  # inside the try, so that an interrupt here restores the model
    except BaseException:  # an interrupt too: convert all modules or none
        for restore in done:
            restore()
        raise


def _quantized(model: nn.Module) -> set[nn.Module]:
    """Modules made or prepared by PyTorch's quantization, which finds them by their class: they keep it."""
    found: set[nn.Module] = set()
    for module in model.modules():
        if isinstance(module, fx.GraphModule) and "_observed_graph_module_attrs" in getattr(module, "meta", {}):
            found.update(m for m in module.modules() if m is not module)
        elif type(module).__module__.startswith("torch.ao.") or (
            type(module).__module__.startswith("torch.nn.") and getattr(module, "qconfig", None) is not None
        ):
            found.add(module)
    return found


def _converted(module: nn.Module, own: bool) -> type[nn.Module] | None:
    """The new class of a module, apart from its parametrizations; None if nothing changes."""
    if isinstance(module, fx.GraphModule):
        return None if all(map(is_marked, graphs(module))) else type(module)
    native = parametrize.type_before_parametrizations(module)
    own = own or "forward" in vars(module) or bool(module._forward_pre_hooks)  # the old weight_norm computes in one
    cls = _class_for(native, own)
    return None if cls is native and not parametrize.is_parametrized(module) else cls


def _class_for(cls: type[nn.Module], own: bool = False) -> type[nn.Module]:
    """The new class for modules of class `cls`; `own`: the module has its own forward or forward pre-hook."""
    if cls.__module__.startswith(ours.__name__) or issubclass(cls, Rerouted):
        return cls
    if cls in MODULES:
        return rerouted(MODULES[cls]) if own else MODULES[cls]
    if not own and any(cls.forward is container.forward for container in _CONTAINERS):
        return cls if cls.__module__.startswith("torch.nn") else rerouted(cls)
    return rerouted(cls)


def _change(module: nn.Module, cls: type[nn.Module]) -> None:
    """Give a module the class `cls`; an fx.GraphModule keeps its own, and its graphs run by hand."""
    if isinstance(module, fx.GraphModule):
        for graph in graphs(module):
            mark(graph)
        module.recompile()
    elif parametrize.is_parametrized(module):  # in its own class, so that its parametrizations can be removed
        _become(module, cls)
        parametrize._inject_new_class(module)
        for name in module.parametrizations:  # type: ignore[union-attr]
            parametrize._inject_property(module, name)
    else:
        _become(module, cls)


def _become(module: nn.Module, cls: type[nn.Module]) -> None:
    """Set a module's class, even if its own `__setattr__` does not."""
    with suppress(Exception):
        module.__class__ = cls
    if type(module) is not cls:
        object.__setattr__(module, "__class__", cls)


def _restoring(module: nn.Module) -> Callable[[], None]:
    """A function that undoes `_change` of a module."""
    cls, unmarked = type(module), [graph for graph in graphs(module) if not is_marked(graph)]

    def restore() -> None:
        if type(module) is not cls:
            _become(module, cls)
        for graph in unmarked:
            unmark(graph)
        if isinstance(module, fx.GraphModule):
            module.recompile()

    return restore


def unconverted(model: nn.Module) -> nn.Module:
    """`model` itself, with rerouted modules restored; those of `chapter14.nn` stay."""
    for module in list(model.modules()):
        if isinstance(module, fx.GraphModule):
            for graph in graphs(module):
                unmark(graph)
            module.recompile()
        elif isinstance(module, Rerouted):
            _change(module, original(module))
    return model


# classes


class Rerouted(Unscripted):
    """A module whose calls go through `by_hand`: a mixin before its original class, whose name the result has."""

    __original: type[nn.Module]  # mangled, because modules may have an attribute `original`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Do not call the user's `__init_subclass__`, which may register the class, for a rerouted class."""
        if not _is_rerouted(cls):
            super().__init_subclass__(**kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = super().__call__  # type: ignore[misc]
        with by_hand():
            if AT_WORK and (listening := recorder()) is not None:
                return listening.module(self, run, args, kwargs)
            return run(*args, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The original class's; the rerouted class, which cannot be imported, is made again when unpickled."""
        made: Any = super().__reduce_ex__(protocol)
        if isinstance(made, str):
            return made
        cls = rerouted(original(self))
        call = (Rerouted if part is cls else part for part in (made[0], *made[1]))
        return _unpickled, (original(self), *call), *made[2:]


def _unpickled(original: type[nn.Module], *call: Any) -> nn.Module:
    """Call f, which makes a module; `Rerouted` stands for its class."""
    f, *args = (rerouted(original) if part is Rerouted else part for part in call)
    return f(*args)


def original(module: Rerouted) -> type[nn.Module]:
    """The class of a module before it was rerouted."""
    return module._Rerouted__original  # type: ignore[attr-defined]


def _is_rerouted(cls: type) -> bool:
    """Whether a class is rerouted itself, not only a base of it, as with a parametrization."""
    return "_Rerouted__original" in vars(cls)


class _First(type):
    """Puts `Rerouted` first in the method resolution order, without making it a base.

    Another base would change the memory layout of objects, if `ABC` or a class with `__slots__` is a base too, and
    Python would refuse to set `__class__`.
    """

    def mro(cls) -> list[type]:
        first, *others = super().mro()
        return [first, Rerouted, Unscripted, *others] if _is_rerouted(cls) else [first, *others]


#: A class -> its rerouted class, while that is in use.
_REROUTED: weakref.WeakKeyDictionary[type, weakref.ref[type]] = weakref.WeakKeyDictionary()


def rerouted(cls: type[nn.Module]) -> type[nn.Module]:
    """`cls` with its calls through `by_hand`: one class for each, so that models of one class still have one class."""
    there = _REROUTED.get(cls)
    if there is None or (made := there()) is None:
        made = _rerouted(cls)
        if there is not None:
            _REROUTED.pop(cls, None)
        # two threads get the same class; a lock could stay locked after an interrupt
        made = _REROUTED.setdefault(cls, weakref.ref(made))() or made
    return made


def _rerouted(cls: type[nn.Module]) -> type[nn.Module]:
    """`cls` with each method inside `by_hand`: `encode_image` as well as `forward`."""
    found = {name: (base, f) for base in reversed(cls.__mro__) for name, f in vars(base).items()}
    made: Any = None

    def by_hand_method(name: str, f: Any) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, made):
                return getattr(super(made, self), name)(*args, **kwargs)  # looked up by name: it may be replaced later
            return f(self, *args, **kwargs)  # a lazy module, whose class changes at the first call

        return runs_by_hand(functools.wraps(f)(method))

    methods = {name: by_hand_method(name, f) for name, (base, f) in found.items() if _is_plain(base, name, f)}
    named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    lazy = {"cls_to_become": _class_for(later)} if (later := getattr(cls, "cls_to_become", None)) else {}
    metaclass = _First if type(cls) is type else type(type(cls).__name__, (_First, type(cls)), {})
    new = ABCMeta.__new__ if issubclass(metaclass, ABCMeta) else type.__new__  # bypasses the user's metaclass
    made = new(metaclass, cls.__name__, (cls,), {**methods, **named, **lazy, "_Rerouted__original": cls})
    return made


def _is_plain(base: type, name: str, f: Any) -> bool:
    users = base.__module__.split(".")[0] not in ("torch", "builtins")
    return users and isinstance(f, types.FunctionType) and not name.startswith("__")
