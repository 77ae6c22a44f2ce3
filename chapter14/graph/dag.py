"""Backpropagation through directed acyclic graphs (section 14.7), out of layers, merge and branch.

    x_out^a, x_out^b = branch(x_in)        g_in = g_out^a + g_out^b                     (14.38), (14.46)
    x_out = merge(x_in^a, x_in^b)          g_in^a, g_in^b = split(g_out)                (14.37), (14.41)

A layer runs forward after the layers whose values it reads, and backward after the layers that read its values. A value
that several layers read is a branch, declared or not: its gradients add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..layer.shape import ShapeError, in_words
from .block import Block, ComputationGraph


class Graph(ComputationGraph):
    """Layers, by the values that they read and write. The value that no layer reads is J.

    `layers` maps the name of the value that a layer writes to the layer and the values that it reads, in any order. The
    names of several values (branch, split) are separated by commas.

    >>> graph = Graph(
    ...     inputs="x y",
    ...     layers={
    ...         "z": (nn.Linear(4, 6), "x"),
    ...         "a, b": (F.branch, "z"),
    ...         "h": (F.relu, "a"),
    ...         "m": (F.merge, "h", "b"),
    ...         "y_hat": (nn.Linear(12, 2), "m"),
    ...         "J": (F.l2_loss, "y_hat", "y"),
    ...     },
    ... )
    >>> J = graph.forward(x=torch.randn(4), y=torch.randn(2))
    >>> gradients = graph.backward()  # {"z": (dJ/dW, dJ/db), "y_hat": (dJ/dW, dJ/db)}
    >>> graph.update(lr=0.1)

    A layer is whatever a `Block` can be: a module or a function out of `chapter14.nn` and `chapter14.functional`, a
    `Layer`; a function with its θ is a `Block` written out.

    Attributes:
        x: each value of the last forward pass, by its name.
        g: each g of the last backward pass, by the same name and in the same shape; the inputs' too.
        gradients: dJ/dθ of the last backward pass: a tuple for each layer that has a θ, by what the layer writes.

    Raises:
        ValueError: a layer reads a value that no layer writes, two layers write the same value or are the same `Block`,
            no layer reads an input, several values are read by none, or there is a cycle.
    """

    def __init__(self, inputs: str | Sequence[str], layers: Mapping[str, Sequence[Any]]):
        self.inputs = inputs.split() if isinstance(inputs, str) else list(inputs)
        for name, layer in layers.items():
            if not isinstance(layer, (tuple, list)):
                raise TypeError(f"Graph: {name!r} is a layer and what it reads, as in (F.relu, 'x'); not {layer!r}.")
        self.blocks = {name: f if isinstance(f, Block) else Block(f) for name, (f, *_) in layers.items()}
        self.reads = {name: list(read) for name, (_, *read) in layers.items()}
        self.writes = {name: [value.strip() for value in name.split(",")] for name in layers}
        self._must_be_whole()
        self.order = self._in_order()
        self.J = self._last_value()
        self.x: dict[str, Any] = {}
        self.g: dict[str, Tensor | None] = {}
        self.gradients: dict[str, tuple] = {}

    def forward(self, **inputs: Any) -> Tensor:
        """The inputs by name → the last value, J.

        Raises:
            TypeError: an input is missing or unknown.
            ShapeError: a layer does not fit what it reads.
        """
        if set(inputs) != set(self.inputs):
            given = ", ".join(inputs) or "none"
            raise TypeError(f"Graph: forward takes {', '.join(self.inputs)}; it was given {given}.")
        self._last = ""
        self.x = dict(inputs)
        for name in self.order:
            try:
                x_out = self.blocks[name].forward(*(self.x[value] for value in self.reads[name]))
            except ShapeError as error:
                raise ShapeError(f"Graph, {name!r}: {error}") from error
            written = self.writes[name]
            if len(written) != (len(x_out) if isinstance(x_out, tuple) else 1):
                given = f"{len(x_out)} values" if isinstance(x_out, tuple) else "one value"
                raise ValueError(f"Graph: {name!r} is what {self.blocks[name]} writes, and it gave {given}.")
            self.x.update(zip(written, x_out if isinstance(x_out, tuple) else [x_out], strict=True))
        self._last = "forward"
        return self.x[self.J]

    def backward(self, g: Tensor | None = None) -> dict[str, tuple]:
        """g of the last value (1 where it is a single number) → dJ/dθ of each layer that has a θ.

        Raises:
            RuntimeError: there has been no forward pass, or θ has changed since.
            ValueError: the last value is not a single number and no g is given, or g has another shape.
        """
        self._must_follow("backward", "forward", "backward")
        self.g = {self.J: self._first_g(g)}
        self.gradients = {}
        for name in reversed(self.order):
            block, read = self.blocks[name], self.reads[name]
            gradients = block.backward(*(self.g[value] for value in self.writes[name]))
            for value, g_in in zip(read, gradients, strict=False):
                so_far = self.g.get(value)
                self.g[value] = g_in if so_far is None or g_in is None else so_far + g_in  # (14.46)
            if block.theta:
                self.gradients[name] = gradients[len(read) :]
        self._last = "backward"
        return self.gradients

    def update(self, lr: float) -> None:
        """θ ← θ - η dJ/dθ for each layer (14.9). A θ that layers share gets the sum of its gradients (14.47).

        Raises:
            RuntimeError: there has been no backward pass since the last forward or update.
        """
        self._must_follow("update", "backward")
        for name, gradients in self.gradients.items():
            self.blocks[name].update(*gradients, lr=lr)
        self._last = "update"

    def _first_g(self, g: Tensor | None) -> Tensor:
        J = self.x[self.J]
        if g is None and J.numel() != 1:
            raise ValueError(f"Graph: {self.J} is {in_words(J)}, not a single number; give backward its g.")
        if g is not None and g.shape != J.shape:
            raise ValueError(f"Graph: g has the shape of {self.J}, {in_words(J)}; it was given {in_words(g)}.")
        return torch.ones_like(J) if g is None else g

    def _must_be_whole(self) -> None:
        """Checks that every value is written once, every value read is written, and no block is used twice."""
        self._must_differ(self.blocks.values())
        written = Counter([*self.inputs, *(value for values in self.writes.values() for value in values)])
        if twice := [value for value, n in written.items() if n > 1]:
            raise ValueError(f"Graph: {twice[0]!r} is written twice.")
        for name, read in self.reads.items():
            if unknown := [value for value in read if value not in written]:
                there = ", ".join(written)
                raise ValueError(f"Graph: {name!r} reads {unknown[0]!r}, which no layer writes. Values: {there}.")

    def _in_order(self) -> list[str]:
        """The layers, each after those that it reads."""
        writer = {value: name for name, values in self.writes.items() for value in values}
        order: list[str] = []
        path: list[str] = []
        ahead = [(name, False) for name in reversed(self.blocks)]
        while ahead:
            name, finished = ahead.pop()
            if finished:
                order.append(path.pop())
            elif name in path:
                cycle = [*path[path.index(name) :], name][::-1]
                raise ValueError(f"Graph: the layers form a cycle, {' -> '.join(cycle)}.")
            elif name not in order:
                path.append(name)
                ahead.append((name, True))
                ahead += [(writer[value], False) for value in self.reads[name] if value in writer]
        return order

    def _last_value(self) -> str:
        """The one value that no layer reads."""
        read = {value for values in self.reads.values() for value in values}
        if unread := [value for value in self.inputs if value not in read]:
            raise ValueError(f"Graph: no layer reads the input {unread[0]!r}.")
        ends = [value for values in self.writes.values() for value in values if value not in read]
        if len(ends) != 1:
            names = ", ".join(ends)
            raise ValueError(f"Graph: one value, J, is read by no layer; here there are {len(ends)}: {names}.")
        return ends[0]
