"""A layer as a block of a computation graph: forward, backward, update (figures 14.2 and 14.5).

    x_out = f(x_in, θ)              (14.1)
    g_in  = g_out L^x               (14.10)
    dJ/dθ = g_out L^θ               (14.8)
    θ    <- θ - η (dJ/dθ)^T         (14.9)

Chains and graphs are made of these three methods, which anybody's class may have (figure 14.11). `Block` gives them to
whatever is made of hand-written layers: a function, a `Layer`, a module. Autograd's engine has no part in it: the
layers that f consists of are gone through here, last to first, and each goes back as it says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from ..layer.base import Layer
from ..layer.node import layer_of
from ..layer.shape import check_real


class Stage(Protocol):
    """What a chain asks of its layers."""

    theta: Sequence[Tensor]

    def forward(self, x_in: Tensor) -> Tensor: ...

    def backward(self, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """g_in, then dJ/dθ for each θ."""

    def update(self, *dJdtheta: Tensor | None, lr: float) -> None: ...


class Block:
    """x_out = f(x_in, θ), with f a function, a `Layer` or a module made of layers, and θ its parameters.

    A module brings its own θ: those of its parameters that ask for a gradient. A function is handed θ here; what among
    it is no floating-point tensor is a constant.

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
        self._path: Path | None = None

    def __repr__(self) -> str:
        return f"Block({self.name})"

    def forward(self, *x_in: Any) -> Any:
        """x_out, with what the way back needs kept until the next forward.

        Raises:
            TypeError: f is not made of hand-written layers only.
            NotImplementedError: an input is complex.
        """
        check_real(self.name, **{f"x{i}": x for i, x in enumerate(x_in) if isinstance(x, Tensor)})
        data, given = [_leaf(x) for x in x_in], [_leaf(t) for t in self.given]
        with torch.enable_grad():
            x_out: Any = self.f(*data, *given)
        outputs: Any = x_out if isinstance(x_out, (tuple, list)) else [x_out]
        self._path = Path(self.name, outputs, [*data, *self.owned, *filter(_is_float, given)])
        return x_out.detach() if isinstance(x_out, Tensor) else tuple(x.detach() for x in outputs)

    def backward(self, *g_out: Tensor | None) -> tuple[Tensor | None, ...]:
        """g_out for each x_out (None: nothing comes back that way) → g_in for each x_in, then dJ/dθ for each θ.

        For an x_in that is no floating-point tensor, None.

        Raises:
            RuntimeError: there has been no forward.
        """
        if self._path is None:
            raise RuntimeError(f"{self}: backward comes after forward, and there has been none.")
        return self._path.back(g_out)

    def update(self, *dJdtheta: Tensor | None, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9), in place."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            if gradient is not None:
                theta.detach().sub_(gradient, alpha=lr)

    def free(self) -> None:
        """Forget what the way back needs."""
        self._path = None


class Path:
    """The layers between x_out and the leaves (x_in and θ), as the forward pass left them."""

    def __init__(self, name: str, x_out: Sequence[Tensor], leaves: Sequence[Any]):
        self.x_out = x_out  # before torch 2.8 or so, a node does not outlive its tensor
        self.ends = [get_gradient_edge(x) if x.requires_grad else None for x in x_out]
        self.leaves = leaves
        self.nodes = _last_to_first([end.node for end in self.ends if end])
        for node in self.nodes:
            if layer_of(node) is None and not hasattr(node, "variable"):
                raise TypeError(
                    f"{name}: its way back goes through {node.name()}, which is PyTorch's and not written by hand. "
                    "Make it of chapter14.nn and chapter14.functional."
                )

    @torch.no_grad()
    def back(self, g_out: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
        """g_out → dJ/dv for each leaf v; None for what is no floating-point tensor."""
        arrived: dict[tuple[Node, int], Tensor] = {}  # (14.46): what comes back along several ways is added up
        for end, g in zip(self.ends, g_out, strict=True):
            if end is not None:
                _arrive(arrived, end.node, end.output_nr, g)
        found = {}
        for node in self.nodes:
            if (leaf := getattr(node, "variable", None)) is not None:
                found[id(leaf)] = arrived.pop((node, 0), None)
                continue
            g_in = _back_through(node, [arrived.pop((node, i), None) for i in range(len(node._input_metadata))])
            edges = [(before, i) for before, i in node.next_functions if before is not None]
            for g, (before, i) in zip(g_in, edges, strict=True):
                _arrive(arrived, before, i, g)
        return tuple(_there(found.get(id(leaf)), leaf) for leaf in self.leaves)


def _back_through(node: Any, g_out: Sequence[Tensor | None]) -> list[Tensor | None]:
    """One layer's own backward: g_in for each input that needs it."""
    if all(g is None for g in g_out):
        return [None for need in node.needs_input_grad if need]
    g_out = [
        torch.zeros(like.shape, dtype=like.dtype, device=like.device) if g is None else g
        for g, like in zip(g_out, node._input_metadata, strict=True)
    ]
    return [g for g, need in zip(node.apply(*g_out), node.needs_input_grad, strict=True) if need]


def _there(g: Tensor | None, leaf: Any) -> Tensor | None:
    """g, and 0 where x_out does not depend on the leaf."""
    return torch.zeros_like(leaf) if g is None and _is_float(leaf) else g


def _arrive(arrived: dict[tuple[Node, int], Tensor], node: Node, i: int, g: Tensor | None) -> None:
    if g is not None:
        arrived[node, i] = arrived[node, i] + g if (node, i) in arrived else g


def _last_to_first(nodes: Sequence[Node]) -> list[Node]:
    """These nodes and all behind them, each before those that it goes back to."""
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
    """x, to be found again where the way back ends."""
    return x.detach().requires_grad_() if _is_float(x) else x
