"""A layer as a block of a computation graph: forward, backward, update (figures 14.2 and 14.5).

    x_out = f(x_in, θ)              (14.1)
    g_in  = g_out L^x               (14.10)
    dJ/dθ = g_out L^θ               (14.8)
    θ    <- θ - η (dJ/dθ)^T         (14.9)

Chains and graphs consist of objects with these three methods, such as a user's class (figure 14.11). `Block` gives them
to a function, a `Layer` or a module that consists of hand-written layers. It does not use autograd's engine: it calls
the backward of each layer of f itself, last to first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from ..layer.base import Layer
from ..layer.node import layer_of
from ..layer.shape import check_real


class Block:
    """x_out = f(x_in, θ), with f a function, a `Layer` or a module made of layers, and θ its parameters.

    The θ of a module are its own parameters, those that require a gradient. The θ of a function are given here; what
    is not a floating-point tensor among them is a constant.

    >>> Block(F.linear, W, b), Block(F.relu), Block(nn.Conv2d(3, 8, 3))
    """

    def __init__(self, f: Callable[..., Any] | type[Layer], *theta: Any):
        if not callable(f):
            raise TypeError(f"Block: f is a function, a Layer or a module; it was given {f!r}.")
        self.f = f.of if isinstance(f, type) and issubclass(f, Layer) else f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.given = theta
        self.owned = [p for p in f.parameters() if p.requires_grad] if isinstance(f, nn.Module) else []
        self.theta = [*self.owned, *filter(_is_float, theta)]
        self._path: BackwardPath | None = None

    def __repr__(self) -> str:
        return f"Block({self.name})"

    def forward(self, *x_in: Any) -> Any:
        """x_out. It saves what the backward pass needs until the next forward.

        Raises:
            TypeError: f contains an operation without a hand-written backward.
            NotImplementedError: an input is complex.
        """
        check_real(self.name, **{f"x{i}": x for i, x in enumerate(x_in) if isinstance(x, Tensor)})
        data, given = [_leaf(x) for x in x_in], [_leaf(t) for t in self.given]
        with torch.enable_grad():
            x_out: Any = self.f(*data, *given)
        outputs: Any = x_out if isinstance(x_out, (tuple, list)) else [x_out]
        self._path = BackwardPath(self.name, outputs, [*data, *self.owned, *filter(_is_float, given)])
        return x_out.detach() if isinstance(x_out, Tensor) else tuple(x.detach() for x in outputs)

    def backward(self, *g_out: Tensor | None) -> tuple[Tensor | None, ...]:
        """g_out for each x_out (None counts as 0) → g_in for each x_in, then dJ/dθ for each θ.

        g_in is None for an x_in that is not a floating-point tensor.

        Raises:
            RuntimeError: there has been no forward.
        """
        if self._path is None:
            raise RuntimeError(f"{self}: backward comes after forward, and there has been none.")
        return self._path.backward(g_out)

    def update(self, *dJdtheta: Tensor | None, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9), in place."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            if gradient is not None:
                theta.detach().sub_(gradient, alpha=lr)

    def free(self) -> None:
        """Drops what the backward pass needs."""
        self._path = None


class ComputationGraph:
    """What every graph of blocks checks."""

    #: The last pass: each pass needs what the one before it computed.
    _last = ""

    def _must_follow(self, this: str, *those: str) -> None:
        if self._last not in those:
            last = f"the last was {self._last}" if self._last else "there has been none"
            raise RuntimeError(f"{type(self).__name__}: {this} comes after {those[0]}; {last}.")

    def _must_differ(self, blocks: Collection[Any]) -> None:
        if len({id(block) for block in blocks}) < len(blocks):
            name = type(self).__name__
            raise ValueError(f"{name}: the same block is at two places, but saves one pass; two blocks can share θ.")


class BackwardPath:
    """The layers between x_out and the leaves (x_in and θ), as the forward pass recorded them."""

    def __init__(self, name: str, x_out: Sequence[Tensor], leaves: Sequence[Any]):
        self.x_out = x_out  # up to PyTorch 2.9, a node does not outlive its tensor
        self.ends = [get_gradient_edge(x) if x.requires_grad else None for x in x_out]
        self.leaves = leaves
        self.nodes = _last_to_first([end.node for end in self.ends if end])
        for node in self.nodes:
            if layer_of(node) is None and not hasattr(node, "variable"):
                what = f"{node.name()}, which is PyTorch's and not written by hand"
                raise TypeError(f"{name}: its backward contains {what}. Build it from chapter14.nn and functional.")

    @torch.no_grad()
    def backward(self, g_out: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
        """g_out → dJ/dv for each leaf v; None for one that is not a floating-point tensor."""
        gs: dict[tuple[Node, int], Tensor] = {}  # g of each output of each node
        for end, g in zip(self.ends, g_out, strict=True):
            if end is not None:
                _add(gs, end.node, end.output_nr, g)
        found = {}
        for node in self.nodes:
            if (leaf := getattr(node, "variable", None)) is not None:
                found[id(leaf)] = gs.pop((node, 0), None)
                continue
            g_in = _through(node, [gs.pop((node, i), None) for i in range(len(node._input_metadata))])
            edges = [(before, i) for before, i in node.next_functions if before is not None]
            for g, (before, i) in zip(g_in, edges, strict=True):
                _add(gs, before, i, g)
        return tuple(_or_zeros(found.get(id(leaf)), leaf) for leaf in self.leaves)


def _through(node: Any, g_out: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The backward of one layer: g_in for each input that needs it."""
    if all(g is None for g in g_out):
        return [None for need in node.needs_input_grad if need]
    g_out = [
        torch.zeros(like.shape, dtype=like.dtype, device=like.device) if g is None else g
        for g, like in zip(g_out, node._input_metadata, strict=True)
    ]
    return [g for g, need in zip(node.apply(*g_out), node.needs_input_grad, strict=True) if need]


def _or_zeros(g: Tensor | None, leaf: Any) -> Tensor | None:
    """g, or 0 where x_out does not depend on the leaf."""
    return torch.zeros_like(leaf) if g is None and _is_float(leaf) else g


def _add(gs: dict[tuple[Node, int], Tensor], node: Node, i: int, g: Tensor | None) -> None:
    """Adds g to that of the node's output i, (14.46)."""
    if g is not None:
        gs[node, i] = gs[node, i] + g if (node, i) in gs else g


def _last_to_first(nodes: Sequence[Node]) -> list[Node]:
    """These nodes and all that they depend on, each before its inputs."""
    seen: set[Node] = set()
    order: list[Node] = []
    ahead = [(node, False) for node in nodes]
    while ahead:
        node, finished = ahead.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            ahead.append((node, True))
            ahead += [(before, False) for before, _ in node.next_functions if before is not None]
    return order[::-1]


def _is_float(x: Any) -> TypeGuard[Tensor]:
    return isinstance(x, Tensor) and x.is_floating_point()


def _leaf(x: Any) -> Any:
    """x as a leaf, where the backward pass ends."""
    return x.detach().requires_grad_() if _is_float(x) else x
