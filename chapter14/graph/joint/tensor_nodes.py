"""Which node of an fx graph a tensor is, while a network is written down.

A tensor is held as long as that, so that its id stays its own. One that nobody gave and no node made is a constant.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.multiprocessing.reductions import StorageWeakRef

#: What may stand in an fx graph as it is.
_PLAIN = (str, int, float, bool, complex, torch.dtype, torch.device, torch.memory_format, torch.layout)


class Values:
    """`graph`, and `root`, the module that has its constants."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.root = nn.Module()
        self._nodes: dict[int, tuple[Tensor, fx.Node]] = {}
        self._fixed: set[int] = set()
        self._constants = 0

    def given(self, called: str, x: Tensor, wants: bool, fixed: bool, meta: dict[str, Any]) -> Tensor:
        """x as a placeholder; `wants`: there is to be a gradient of it; `fixed`: what is written into it stays."""
        node = self.graph.placeholder(re.sub(r"\W", "_", called))
        node.target = node.name  # which is nobody else's
        node.meta.update(meta, given=True)
        with _unheard():
            x = x.detach().clone() if fixed else x.detach()
        x = self.made(node, x, wants)
        if fixed:
            self._fixed.add(id(x))
        return x

    def knows(self, x: Tensor) -> bool:
        return id(x) in self._nodes

    def is_fixed(self, x: Tensor) -> bool:
        """Whether x is there before and after: a buffer, or a constant."""
        return id(x) in self._fixed

    def node(self, x: Tensor) -> fx.Node:
        if not self.knows(x):
            self.fix(x, x)
        return self._nodes[id(x)][1]

    def fix(self, x: Tensor, value: Tensor) -> None:
        """x is a constant, of this value."""
        self._fixed.add(id(x))
        self.put(x, self.constant(value))

    def put(self, x: Tensor, node: fx.Node) -> None:
        """x is the value of that node, from now on."""
        self._nodes[id(x)] = x, node

    def become(self, x: Tensor, y: Tensor, wants: bool) -> None:
        """x is what y is, from now on."""
        node = self.node(y)
        with _unheard():
            x.data = y.data
            x.requires_grad_(wants)
        self.put(x, node)

    def alias(self, x: Tensor) -> Tensor:
        """x as it is, by another name: its own may be another value later."""
        with _unheard():
            alias = x.detach()
        self.put(alias, self.node(x))
        return alias

    def made(self, node: fx.Node, x_out: Any, wants: bool) -> Any:
        """x_out of a layer as new tensors: leaves that have a gradient, where `wants` says so."""
        if not isinstance(x_out, Tensor):
            return tuple(self.made(self.entry(node, i), x, wants) for i, x in enumerate(x_out))
        with _unheard():
            x_out = x_out.detach()
            x_out.requires_grad_(wants and (x_out.is_floating_point() or x_out.is_complex()))
        self.noted(node, x_out)
        return x_out

    def noted(self, node: fx.Node, x_out: Any) -> None:
        """x_out is what that node gives: a tensor, or several."""
        if isinstance(x_out, Tensor):
            self.describe(node, x_out)
            self.put(x_out, node)
            return
        for i, x in enumerate(x_out):
            if isinstance(x, Tensor):
                self.noted(self.entry(node, i), x)

    def describe(self, node: fx.Node, x: Tensor) -> None:
        with _unheard():
            held = x.detach()  # x may lie elsewhere later, and its memory be given to another
            size = x.untyped_storage().nbytes()
        node.meta.update(shape=tuple(x.shape), dtype=x.dtype, memory=memory_of(x), bytes=size, held=held)

    def constant(self, value: Any) -> Any:
        """What fx can print as it is, or a node that reads it."""
        if value is None or value is Ellipsis or isinstance(value, _PLAIN):
            return value
        name = f"constant_{self._constants}"
        self._constants += 1
        if isinstance(value, Tensor):
            with _unheard():
                self.root.register_buffer(name, value.detach(), persistent=False)
        else:
            setattr(self.root, name, value)
        node = self.graph.create_node("get_attr", name)
        if isinstance(value, Tensor):
            self.describe(node, value)
        return node

    def depends(self, x: Tensor) -> bool:
        """Whether x depends on what the network is given, or is drawn."""
        ahead, seen = [self.node(x)] if self.knows(x) else [], set()
        while ahead:
            node = ahead.pop()
            if node.meta.get("given"):
                return True
            if node not in seen:
                seen.add(node)
                ahead += node.all_input_nodes
        return False

    def entry(self, node: fx.Node, i: int) -> fx.Node:
        return self.graph.call_function(operator.getitem, (node, i))


def memory_of(x: Tensor) -> int:
    with _unheard():
        return x.untyped_storage()._cdata


def lasting(x: Tensor) -> StorageWeakRef:
    """The memory of x, equal to no other's later, when this is free."""
    with _unheard():
        return StorageWeakRef(x.untyped_storage())


def grad_fn_of(x: Tensor) -> Any:
    with torch._C.DisableTorchFunction():
        return x.grad_fn


@contextmanager
def _unheard() -> Iterator[None]:
    """Nobody listens to what runs."""
    with torch._C.DisableTorchFunction(), torch.no_grad():
        yield
