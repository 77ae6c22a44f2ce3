"""The node of an fx graph that each tensor is the value of, while a network is recorded.

Tensors are identified by their id, so each is held until recording ends. A tensor that is neither an input nor the
output of a node is a constant.
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

#: Types whose values fx prints as arguments.
_PLAIN = (str, int, float, bool, complex, torch.dtype, torch.device, torch.memory_format, torch.layout)


class Values:
    """`graph`, and `root`, the module that owns its constants."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.root = nn.Module()
        self._nodes: dict[int, tuple[Tensor, fx.Node]] = {}
        self._fixed: set[int] = set()
        self._constants = 0

    def given(self, called: str, x: Tensor, wants: bool, fixed: bool, meta: dict[str, Any]) -> Tensor:
        """x as a placeholder. `wants`: its gradient is needed; `fixed`: writes into it are recorded as such."""
        node = self.graph.placeholder(re.sub(r"\W", "_", called))
        node.target = node.name  # fx makes names unique
        node.meta.update(meta, given=True)
        with _unrecorded():
            x = x.detach().clone() if fixed else x.detach()
        x = self.made(node, x, wants)
        if fixed:
            self._fixed.add(id(x))
        return x

    def knows(self, x: Tensor) -> bool:
        return id(x) in self._nodes

    def is_fixed(self, x: Tensor) -> bool:
        """Whether x outlives a call of the network: a buffer or a constant."""
        return id(x) in self._fixed

    def node(self, x: Tensor) -> fx.Node:
        if not self.knows(x):
            self.fix(x, x)
        return self._nodes[id(x)][1]

    def fix(self, x: Tensor, value: Tensor) -> None:
        """Makes x a constant of this value."""
        self._fixed.add(id(x))
        self.put(x, self.constant(value))

    def put(self, x: Tensor, node: fx.Node) -> None:
        """Makes x the value of that node."""
        self._nodes[id(x)] = x, node

    def become(self, x: Tensor, y: Tensor, wants: bool) -> None:
        """Makes x the value that y has, after an in-place write."""
        node = self.node(y)
        with _unrecorded():
            x.data = y.data
            x.requires_grad_(wants)
        self.put(x, node)

    def alias(self, x: Tensor) -> Tensor:
        """Another tensor with the present value of x, which x may lose in a later in-place write."""
        with _unrecorded():
            alias = x.detach()
        self.put(alias, self.node(x))
        return alias

    def made(self, node: fx.Node, x_out: Any, wants: bool) -> Any:
        """The outputs of a layer as new leaf tensors, which require a gradient where `wants` is True."""
        if not isinstance(x_out, Tensor):
            return tuple(self.made(self.entry(node, i), x, wants) for i, x in enumerate(x_out))
        with _unrecorded():
            x_out = x_out.detach()
            x_out.requires_grad_(wants and (x_out.is_floating_point() or x_out.is_complex()))
        self.noted(node, x_out)
        return x_out

    def noted(self, node: fx.Node, x_out: Any) -> None:
        """Makes x_out, a tensor or several, the value of that node."""
        if isinstance(x_out, Tensor):
            self.describe(node, x_out)
            self.put(x_out, node)
            return
        for i, x in enumerate(x_out):
            if isinstance(x, Tensor):
                self.noted(self.entry(node, i), x)

    def describe(self, node: fx.Node, x: Tensor) -> None:
        with _unrecorded():
            held = x.detach()  # x may get other memory, and this memory be reused
            size = x.untyped_storage().nbytes()
        node.meta.update(shape=tuple(x.shape), dtype=x.dtype, memory=memory_of(x), bytes=size, held=held)

    def constant(self, value: Any) -> Any:
        """The value, if fx can print it, or else a node that reads it."""
        if value is None or value is Ellipsis or isinstance(value, _PLAIN):
            return value
        name = f"constant_{self._constants}"
        self._constants += 1
        if isinstance(value, Tensor):
            with _unrecorded():
                self.root.register_buffer(name, value.detach(), persistent=False)
        else:
            setattr(self.root, name, value)
        node = self.graph.create_node("get_attr", name)
        if isinstance(value, Tensor):
            self.describe(node, value)
        return node

    def depends(self, x: Tensor) -> bool:
        """Whether x depends on an input of the network or on random numbers."""
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
    with _unrecorded():
        return x.untyped_storage()._cdata


def lasting(x: Tensor) -> StorageWeakRef:
    """The memory of x, as a key that later memory at the same address does not equal."""
    with _unrecorded():
        return StorageWeakRef(x.untyped_storage())


def grad_fn_of(x: Tensor) -> Any:
    with torch._C.DisableTorchFunction():
        return x.grad_fn


@contextmanager
def _unrecorded() -> Iterator[None]:
    """Nothing in it is recorded."""
    with torch._C.DisableTorchFunction(), torch.no_grad():
        yield
