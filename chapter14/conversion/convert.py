"""convert(model): the same model, whose every derivative is by hand.

Two things are done to a module, and neither touches what it holds:
- one whose class is torch.nn's own becomes of the class of `chapter14.nn` that stands for it;
- any other, with a forward of its own, is rerouted: what it calls goes through `by_hand`.

So parameters, buffers, hooks, ties and modes are what they were, and a repr reads as before.
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
from .fx_tracing import OURS as OURS
from .fx_tracing import Unscripted, graphs, is_marked, mark, runs_by_hand, unmark

#: A class of torch.nn -> ours.
MODULES: dict[type[nn.Module], type[nn.Module]] = {
    twin: cls
    for name, cls in vars(ours).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module)
    for twin in (getattr(nn, name, cls),)
    if twin is not cls
} | {nn.ReLU: TorchReLU}

#: They call what is inside them and nothing else.
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict, nn.Identity)


def convert(model: nn.Module, inplace: bool = False) -> nn.Module:
    """The same model, every derivative by hand: outputs, state_dict, hooks, tied weights and modes are as they were.

    What has no hand-written twin runs natively; `audit` tells. relu'(0) is PyTorch's 0, and not the chapter's 1.

    Tools that look for the very classes of torch.nn, `type(m) is nn.Linear`, do not know those of `chapter14.nn`: what
    they quantize, fuse or script is to be converted afterwards.

    Args:
        inplace: convert `model` itself, and not a copy of it. A tensor that the model computed and holds is copied as
            a value, without its graph.

    Raises:
        TypeError: `model` is no module, or it is one of TorchScript, which hides what it calls.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert: model is a torch.nn.Module; it was given {type(model).__name__}.")
    if scripted := [name for name, m in model.named_modules() if isinstance(m, torch.jit.ScriptModule)]:
        where = ", ".join(repr(name) for name in scripted[:3])
        raise TypeError(
            f"convert: {where} is TorchScript, which hides what it calls. Convert the model from which it was made."
        )
    model = model if inplace else copied(model)
    quantized = _quantized(model)
    done: list[Callable[[], None]] = []
    try:
        for module in [m for m in model.modules() if m is model or m not in quantized]:
            own = module is model and bool(quantized)  # what keeps its class runs by hand inside the model
            if (cls := _converted(module, own)) is not None:
                done.append(_restoring(module))
                _change(module, cls)
        return model  # in here, so that no interrupt comes between
    except BaseException:  # an interrupt too: all or nothing
        for restore in done:
            restore()
        raise


def _quantized(model: nn.Module) -> set[nn.Module]:
    """What PyTorch's quantization has made or prepared, and goes on to look for by its class: it keeps that."""
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
    """The class that a module is to have, apart from its parametrizations; None where nothing changes."""
    if isinstance(module, fx.GraphModule):
        return None if all(map(is_marked, graphs(module))) else type(module)
    native = parametrize.type_before_parametrizations(module)
    own = own or "forward" in vars(module) or bool(module._forward_pre_hooks)  # in which old weight_norm computes
    cls = _class_for(native, own)
    return None if cls is native and not parametrize.is_parametrized(module) else cls


def _class_for(cls: type[nn.Module], own: bool = False) -> type[nn.Module]:
    """The class for modules of the class `cls`; `own`: each has a forward, or a hook before it, of its own."""
    if cls.__module__.startswith(OURS) or issubclass(cls, Rerouted):
        return cls
    if cls in MODULES:
        return rerouted(MODULES[cls]) if own else MODULES[cls]
    if not own and any(cls.forward is container.forward for container in _CONTAINERS):
        return cls if cls.__module__.startswith("torch.nn") else rerouted(cls)
    return rerouted(cls)


def _change(module: nn.Module, cls: type[nn.Module]) -> None:
    """The class `cls` for a module; a traced one keeps its own, and its graphs run by hand."""
    if isinstance(module, fx.GraphModule):
        for graph in graphs(module):
            mark(graph)
        module.recompile()
    elif parametrize.is_parametrized(module):  # in a class of its own, so that its parametrizations can be removed
        _become(module, cls)
        parametrize._inject_new_class(module)
        for name in module.parametrizations:  # type: ignore[union-attr]
            parametrize._inject_property(module, name)
    else:
        _become(module, cls)


def _become(module: nn.Module, cls: type[nn.Module]) -> None:
    """The class `cls` for a module, also where its own `__setattr__` refuses that, or does something else."""
    with suppress(Exception):
        module.__class__ = cls
    if type(module) is not cls:
        object.__setattr__(module, "__class__", cls)


def _restoring(module: nn.Module) -> Callable[[], None]:
    """A function that gives a module what `_change` takes."""
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
    """`model` itself, without what `convert` rerouted; a module of `chapter14.nn` stays one."""
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
    """A module that goes by hand whatever it calls: in front of the module's own class, whose name it bears."""

    __original: type[nn.Module]  # mangled: a module may well have something of that name

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The rerouted class itself is none that the user wrote: no registry of the user's hears of it."""
        if not _is_rerouted(cls):
            super().__init_subclass__(**kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = super().__call__  # type: ignore[misc]
        with by_hand():
            if AT_WORK and (listening := recorder()) is not None:
                return listening.module(self, run, args, kwargs)
            return run(*args, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As its own class does it; the rerouted class, which cannot be imported, is made again where it is read."""
        made: Any = super().__reduce_ex__(protocol)
        if isinstance(made, str):
            return made
        cls = rerouted(original(self))
        call = (Rerouted if part is cls else part for part in (made[0], *made[1]))
        return _again, (original(self), *call), *made[2:]


def _again(original: type[nn.Module], *call: Any) -> nn.Module:
    """The call that makes a module, in which `Rerouted` stands for its class."""
    f, *args = (rerouted(original) if part is Rerouted else part for part in call)
    return f(*args)


def original(module: Rerouted) -> type[nn.Module]:
    """The class that a rerouted module was of."""
    return module._Rerouted__original  # type: ignore[attr-defined]


def _is_rerouted(cls: type) -> bool:
    """And not a subclass of one that is, as a parametrization makes it."""
    return "_Rerouted__original" in vars(cls)


class _InFront(type):
    """`Rerouted` comes first where a method is looked up, and yet is no base: a base in front would change the layout
    of objects in memory, where `ABC` or a class with `__slots__` is a base too, and Python would refuse the class."""

    def mro(cls) -> list[type]:
        first, *others = super().mro()
        return [first, Rerouted, Unscripted, *others] if _is_rerouted(cls) else [first, *others]


#: A class -> the rerouted one, as long as anything uses it.
_REROUTED: weakref.WeakKeyDictionary[type, weakref.ref[type]] = weakref.WeakKeyDictionary()


def rerouted(cls: type[nn.Module]) -> type[nn.Module]:
    """`cls`, by hand whatever it calls: one class for each, so that two models of a class still are of one class."""
    there = _REROUTED.get(cls)
    if there is None or (made := there()) is None:
        made = _rerouted(cls)
        if there is not None:
            _REROUTED.pop(cls, None)
        # of two threads, the class of the first; without a lock, which an interrupt could leave locked
        made = _REROUTED.setdefault(cls, weakref.ref(made))() or made
    return made


def _rerouted(cls: type[nn.Module]) -> type[nn.Module]:
    """`cls` with each of its own methods by hand, `encode_image` as well as `forward`."""
    found = {name: (base, f) for base in reversed(cls.__mro__) for name, f in vars(base).items()}
    made: Any = None

    def by_hand_method(name: str, f: Any) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, made):
                return getattr(super(made, self), name)(*args, **kwargs)  # looked up: it may be replaced later
            return f(self, *args, **kwargs)  # a lazy module, whose class changes at its first call

        return runs_by_hand(functools.wraps(f)(method))

    methods = {name: by_hand_method(name, f) for name, (base, f) in found.items() if _is_plain(base, name, f)}
    named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    lazy = {"cls_to_become": _class_for(later)} if (later := getattr(cls, "cls_to_become", None)) else {}
    metaclass = _InFront if type(cls) is type else type(type(cls).__name__, (_InFront, type(cls)), {})
    new = ABCMeta.__new__ if issubclass(metaclass, ABCMeta) else type.__new__  # past what the user's does with a class
    made = new(metaclass, cls.__name__, (cls,), {**methods, **named, **lazy, "_Rerouted__original": cls})
    return made


def _is_plain(base: type, name: str, f: Any) -> bool:
    users = base.__module__.split(".")[0] not in ("torch", "builtins")
    return users and isinstance(f, types.FunctionType) and not name.startswith("__")
