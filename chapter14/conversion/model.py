"""convert(model): the same model, whose every derivative is by hand.

Two things are done to a module, and neither touches what it holds:
- one whose class is torch.nn's own becomes of the class of `chapter14.nn` that stands for it;
- any other, with a forward of its own, is rerouted: what it calls goes through `by_hand`.

So parameters, buffers, hooks, ties and modes are what they were, and a repr reads as before.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .. import nn as ours
from ..nn.fallback import or_natively
from ..recorder import AT_WORK, recorder
from .by_hand import by_hand


class ReLU(ours.ReLU):
    """PyTorch's: h'(0) is 0, and goes without saying."""

    at_zero = 0
    forward = or_natively(ours.ReLU.forward, nn.ReLU.forward)
    extra_repr = nn.ReLU.extra_repr


#: A class of torch.nn -> ours.
MODULES: dict[type[nn.Module], type[nn.Module]] = {
    twin: cls
    for name, cls in vars(ours).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module)
    for twin in (getattr(nn, name, cls),)
    if twin is not cls
} | {nn.ReLU: ReLU}

#: Where our own classes are.
OURS = (ours.__name__, __name__)

#: They call what is inside them and nothing else.
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict, nn.Identity)


def convert(model: nn.Module, inplace: bool = False) -> nn.Module:
    """The same model, every derivative by hand: outputs, state_dict, hooks, tied weights and modes are as they were.

    What has no hand-written twin runs natively; `audit` tells. relu'(0) is PyTorch's 0, and not the chapter's 1.

    Args:
        inplace: convert `model` itself, and not a copy of it.

    Raises:
        TypeError: `model` is no module, or it is one of TorchScript, which hides what it calls.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert: model is a torch.nn.Module; it was given {type(model).__name__}.")
    if scripted := [name for name, m in model.named_modules() if isinstance(m, torch.jit.ScriptModule)]:
        where = ", ".join(repr(name) for name in scripted[:3])
        raise TypeError(
            f"convert: {where} is TorchScript, which hides what it calls. Convert the model, then script it."
        )
    model = model if inplace else _copied(model)
    changes = [(module, cls) for module in model.modules() if (cls := _converted(module)) is not type(module)]
    done: list[tuple[nn.Module, type[nn.Module]]] = []
    try:
        for module, cls in changes:
            done.append((module, type(module)))
            module.__class__ = cls
        return model  # in here, so that no interrupt comes between
    except BaseException:  # an interrupt too: all or nothing
        for module, cls in done:
            if type(module) is not cls:
                module.__class__ = cls
        raise


def _copied(model: nn.Module) -> nn.Module:
    """deepcopy refuses what was computed, as the weight of old weight_norm, which its hook computes anew."""
    attributes = (t for module in model.modules() for t in vars(module).values())
    return copy.deepcopy(
        model, {id(t): t.detach().clone() for t in attributes if isinstance(t, Tensor) and not t.is_leaf}
    )


def _converted(module: nn.Module) -> type[nn.Module]:
    """The class that a module is to have."""
    cls = type(module)
    if cls.__module__.startswith(OURS) or issubclass(cls, Rerouted):
        return cls
    own = "forward" in vars(module) or module._forward_pre_hooks  # old weight_norm computes the weight in such a hook
    if cls in MODULES:
        return rerouted(MODULES[cls]) if own else MODULES[cls]
    if not own and any(cls.forward is container.forward for container in _CONTAINERS):
        return cls if cls.__module__.startswith("torch.nn") else rerouted(cls)
    return rerouted(cls)


class Rerouted:
    """A module that goes by hand whatever it calls: mixed in before the module's own class, whose name it bears."""

    __original: type[nn.Module]  # mangled: a module may well have something of that name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = super().__call__  # type: ignore[misc]
        with by_hand():
            if AT_WORK and (listening := recorder()) is not None:
                return listening.module(self, run, args, kwargs)
            return run(*args, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As its own class does it, made anew where it is read: the mixed class has no place to be imported from."""
        made: Any = super().__reduce_ex__(protocol)
        if made[0] is copyreg.__newobj__:  # type: ignore[attr-defined]
            return _new, (self.__original, *made[1][1:]), *made[2:]
        return made


def original(module: Rerouted) -> type[nn.Module]:
    """The class that a rerouted module was of."""
    return module._Rerouted__original  # type: ignore[attr-defined]


def _new(original: type[nn.Module], *arguments: Any) -> nn.Module:
    cls = rerouted(original)
    return cls.__new__(cls, *arguments)


def _rerouted(cls: type[nn.Module]) -> type[nn.Module]:
    """`cls` with each of its own methods by hand, `encode_image` as well as `forward`."""
    methods: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] not in ("torch", "builtins"):
            methods |= {name: _by_hand(f) for name, f in vars(base).items() if _is_plain(name, f)}
    named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (Rerouted, cls), {**methods, **named, "_Rerouted__original": cls})


#: One class for each, so that two models of a class still are of one class.
rerouted: Callable[[Any], type[nn.Module]] = functools.cache(_rerouted)


def _is_plain(name: str, f: Any) -> bool:
    return isinstance(f, types.FunctionType) and not name.startswith("__")


def _by_hand(f: Callable) -> Callable:
    @functools.wraps(f)
    def method(*args: Any, **kwargs: Any) -> Any:
        with by_hand():
            return f(*args, **kwargs)

    return method
