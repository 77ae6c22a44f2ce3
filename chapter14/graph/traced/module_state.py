"""What a recording depends on in a module: its submodules, parameters and buffers, and their properties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

_GLOBAL_HOOKS = [value for name, value in vars(torch_module).items() if name.startswith("_global_") and "hooks" in name]


class ModuleState:
    """The tensors of a module, each once, with all the places that hold them; and the modules in it."""

    def __init__(self, model: nn.Module):
        self.modules = list(model.modules())
        #: (a module's dict, a name in it, what is there)
        self._slots: list[tuple[dict[str, Any], str, Any]] = []
        theta: dict[int, Tensor] = {}
        buffers: dict[int, Tensor] = {}
        for module in self.modules:
            for held in (module._modules, module._parameters, module._buffers):
                self._slots += [(held, name, value) for name, value in held.items()]  # type: ignore[attr-defined]
            theta |= {id(p): p for p in module._parameters.values() if p is not None}
            buffers |= {id(b): b for b in module._buffers.values() if b is not None}
        self.theta, self.buffers = list(theta.values()), list(buffers.values())

    def is_current(self) -> bool:
        """Whether the same modules and tensors are in the same places."""
        return all(held.get(name) is value for held, name, value in self._slots)

    def properties(self) -> tuple:
        """All else of them that a recording depends on."""
        of_theta = [(t.shape, t.stride(), t.dtype, t.device, t.requires_grad) for t in self.theta]
        of_buffers = [(t.shape, t.dtype, t.device) for t in self.buffers]
        return tuple(of_theta), tuple(of_buffers), tuple([module.training for module in self.modules])

    def has_hooks(self) -> bool:
        """Whether a hook runs at a call of one of the modules."""
        return any(_GLOBAL_HOOKS) or any(
            m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks for m in self.modules
        )

    @contextmanager
    def replaced(self, theta: Sequence[Tensor], buffers: Sequence[Tensor]) -> Iterator[None]:
        """The module with other tensors in place of its own.

        Raises:
            TypeError: the module puts another tensor, or another module, in one of these places.
        """
        others = zip([*self.theta, *self.buffers], [*theta, *buffers], strict=True)
        other = {id(own): t for own, t in others}
        try:
            for held, name, value in self._slots:
                held[name] = other.get(id(value), value)
            yield
            for held, name, value in self._slots:
                if held.get(name) is not other.get(id(value), value):
                    raise TypeError(f"trace: the model's forward assigns to {name!r}, and its recording would not.")
        finally:
            for held, name, value in self._slots:
                held[name] = value


def all_plain(tensors: Sequence[Any]) -> bool:
    """Whether they are dense tensors, of no subclass."""
    return all(type(t) in (Tensor, nn.Parameter) and t.layout is torch.strided for t in tensors)
