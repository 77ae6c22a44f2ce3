"""What a model does with its data, as a graph: it is run once, and its layers and functions are watched.

No model need be traced symbolically for this, so that loops, branches and code of any kind are no matter; the graph is
what this x did. A layer is a module of `torch.nn` or `chapter14.nn`, as one; or outside of these a `Layer`, or a
function of PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..graph.chain import Chain
from ..graph.dag import Graph
from ..layer.recorder import Recorder
from .style import shape


@dataclass(frozen=True)
class Node:
    """`kind` is "layer", "data" (what goes in or comes out) or "params"; `said` are its lines."""

    said: tuple[str, ...]
    kind: str = "layer"


@dataclass
class Network:
    """Nodes, none before what it reads; edges (from, to, the shape of what goes along)."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, node: Node, reads: Sequence[tuple[int, str]] = ()) -> int:
        self.nodes.append(node)
        number = len(self.nodes) - 1
        self.edges += [(a, number, along) for a, along in dict.fromkeys(reads)]
        return number


def network_of(model: Any, x: Any) -> Network:
    """The graph of a module, a function, a `Chain` or a `Graph`.

    Raises:
        TypeError: `model` is none of these, or x is not what it takes.
        ValueError: nothing that comes out can be traced back to x.
    """
    if isinstance(model, Chain):
        return _of_chain(model, x)
    if isinstance(model, Graph):
        return _of_graph(model, x)
    if not callable(model) or isinstance(model, type):
        raise TypeError(f"draw: model is a module, a function, a Chain or a Graph; it was given {model!r}.")
    args = x if isinstance(x, (tuple, list)) else (x,)
    if not any(isinstance(t, Tensor) for t in tree_leaves(args)):
        raise TypeError(f"draw: x is a tensor, or a tuple of what the model takes; it was given {type(x).__name__}.")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("draw: a TorchScript module does not show what it consists of; give the module it was made of.")
    return _watched(model, tuple(args))


def _watched(model: Callable[..., Any], args: tuple) -> Network:
    theta = dict(model.named_parameters()) if isinstance(model, nn.Module) else {}
    watcher = Watcher({id(p): (p, name) for name, p in theta.items()})
    given = [t for t in tree_leaves(args) if isinstance(t, Tensor)]
    for i, t in enumerate(given, 1):
        watcher.given("x" if len(given) == 1 else f"x_{i}", t)
    with torch.no_grad(), _at_rest(model), watcher.following(model), watcher:
        x_out = model(*args)
    ends = [t for t in tree_leaves(x_out) if isinstance(t, Tensor) and id(t) in watcher.made]
    if not any(watcher.made[id(t)][1] >= len(given) for t in ends):
        name = getattr(model, "__name__", type(model).__name__)
        raise ValueError(f"draw: nothing that {name} gives comes from x by a layer or a function that can be seen.")
    for i, t in enumerate(ends, 1):
        watcher.network.add(Node(("x_out" if len(ends) == 1 else f"x_out {i}",), "data"), watcher.reads([t]))
    return watcher.network


class Watcher(Recorder):
    """While it is on, what runs goes into `network`."""

    def __init__(self, theta: Mapping[int, tuple[Tensor, str]]):
        super().__init__()
        self.network = Network()
        self.theta = theta
        #: The node that made a tensor, by its id; the tensor is held, so that the id stays its own.
        self.made: dict[int, tuple[Tensor, int]] = {}

    def given(self, name: str, x: Tensor, kind: str = "data") -> None:
        self.made[id(x)] = x, self.network.add(Node((name,), kind))

    def parameter(self, x: Tensor) -> None:
        """θ is shown where it is first read."""
        if id(x) in self.theta and id(x) not in self.made:
            self.given(self.theta[id(x)][1], x, "params")

    def reads(self, tensors: Sequence[Any]) -> list[tuple[int, str]]:
        return [(self.made[id(t)][1], shape(tuple(t.shape))) for t in tensors if id(t) in self.made]

    def note(self, said: tuple[str, ...], inputs: Any, x_out: Any, own: bool = False) -> None:
        """A layer that made x_out of its inputs. What does not come from x or θ is a constant, and not shown.

        `own`: its θ is its own, and said with it.
        """
        tensors = [t for t in tree_leaves(inputs) if isinstance(t, Tensor)]
        for t in [] if own else tensors:
            self.parameter(t)
        reads = self.reads(tensors)
        results = [t for t in tree_leaves(x_out) if isinstance(t, Tensor)]
        if reads and results:
            node = self.network.add(Node(said), reads)
            self.made.update((id(t), (t, node)) for t in results)

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        with self._quiet():
            x_out = layer.of(*inputs)
        self.note((layer.title or layer.__name__.lower(),), inputs, x_out)
        return x_out

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        with self._quiet():
            x_out = f(*args)
        self.note((f.__name__,), args, x_out)
        return x_out

    def put(self, x: Tensor, y: Tensor) -> Tensor:
        with self._quiet():
            if x.shape == y.shape:
                x.copy_(y)
            else:  # x.unsqueeze_()
                x.data = y
        if id(y) in self.made:
            self.made[id(x)] = x, self.made[id(y)][1]
        return x

    def __torch_function__(self, f: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        x_out = f(*args, **(kwargs or {}))
        results = [t for t in tree_leaves(x_out) if isinstance(t, Tensor)]
        name = getattr(f, "__name__", "")
        if self.paused or not results:
            return x_out
        if name in _NOTHING:  # in other memory or in another dtype, it still comes from the same node
            x, y = next(t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)), results[0]
            self.parameter(x)
            if id(x) in self.made:
                self.made[id(y)] = y, self.made[id(x)][1]
            return x_out
        if name == "__get__":  # .T, .mT, .data
            name = f.__self__.__name__
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        writes = name in _IN_PLACE or (name.endswith("_") and not name.endswith("__"))
        if writes or not any(t is x for t in results for x in given):  # else x as it is
            self.note((_IN_PLACE.get(name, name.strip("_")),), given, x_out)
        return x_out

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    @contextmanager
    def following(self, model: Any) -> Iterator[None]:
        """Modules of a library are one layer each."""
        modules = model.named_modules() if isinstance(model, nn.Module) else ()
        inside: list[bool] = []

        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            inside.append(self.paused)
            self.paused = True

        def leave(name: str, module: nn.Module, args: Any, kwargs: Any, x_out: Any) -> None:
            self.paused = inside.pop()
            if not self.paused and x_out is not None:
                self.note(_said(name, module), (args, kwargs), x_out, own=True)

        with ExitStack() as hooks:
            for name, module in modules:
                if _is_a_layer(module):
                    left = lambda *given, name=name: leave(name, *given)  # noqa: E731
                    hooks.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
                    hooks.callback(module.register_forward_hook(left, with_kwargs=True, always_call=True).remove)
            yield


#: `x += y`, and what it is.
_IN_PLACE = {f"__i{f}__": f for f in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()}

#: What gives the same numbers.
_NOTHING = {"detach", "contiguous", "requires_grad_", "to", "alias"}


def _is_a_layer(module: nn.Module) -> bool:
    home = type(module).__module__
    return home.startswith(("torch.nn.", "chapter14.nn")) and "container" not in home


def _said(name: str, module: nn.Module) -> tuple[str, ...]:
    """Its name in the model; its class, and the shape of its weight."""
    weight = getattr(module, "weight", None)
    sizes = f" {shape(tuple(weight.shape))}" if isinstance(weight, Tensor) else ""
    kind = f"{type(module).__name__}{sizes}"
    return (name, kind) if name else (kind,)


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """In evaluation mode, so that running statistics stay as they are; then each module in its own again."""
    modes = {m: m.training for m in model.modules()} if isinstance(model, nn.Module) else {}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _of_chain(chain: Chain, x: Any) -> Network:
    if not (isinstance(x, (tuple, list)) and len(x) == 2):
        raise TypeError("draw: of a Chain, x is (x0, y), what `chain.forward` takes.")
    chain.forward(*x)
    network = Network()
    last = network.add(Node(("x_0",), "data"))
    for l, (f, x_in) in enumerate(zip(chain.layers, chain.x, strict=False), 1):
        last = network.add(Node((f"f_{l}", _named(f))), [(last, shape(tuple(x_in.shape)))])
    y = network.add(Node(("y",), "data"))
    of_y = shape(tuple(x[1].shape)) if isinstance(x[1], Tensor) else ""
    loss = network.add(Node(("loss",)), [(last, shape(tuple(chain.x[-1].shape))), (y, of_y)])
    network.add(Node(("J",), "data"), [(loss, shape(()))])
    return network


def _named(f: Any) -> str:
    """A layer of a chain: its class or function, and the shape of its first θ."""
    theta = list(getattr(f, "theta", ()))
    return getattr(f, "name", type(f).__name__) + (f" {shape(tuple(theta[0].shape))}" if theta else "")


def _of_graph(graph: Graph, x: Any) -> Network:
    if not isinstance(x, Mapping):
        raise TypeError(f"draw: of a Graph, x is a dict of its inputs, {', '.join(graph.inputs)}.")
    graph.forward(**x)
    network = Network()
    made = {name: network.add(Node((name,), "data")) for name in graph.inputs}

    def along(value: str) -> tuple[int, str]:
        is_tensor = isinstance(graph.x[value], Tensor)
        return made[value], f"{value} {shape(tuple(graph.x[value].shape))}" if is_tensor else value

    for name in graph.order:
        node = network.add(Node((_named(graph.blocks[name]),)), [along(value) for value in graph.reads[name]])
        made.update((value, node) for value in graph.writes[name])
    network.add(Node((graph.J,), "data"), [along(graph.J)])
    return network
