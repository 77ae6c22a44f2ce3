"""Records the computation graph of one forward pass of a model.

The model runs on real data, so it may contain loops, branches and any other Python code. A node is a module of
`torch.nn` or `chapter14.nn`; or, outside of these, a `Layer` or a PyTorch function.
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
from .style import shape_text


@dataclass(frozen=True)
class GraphNode:
    """`kind` is "layer", "data" (an input or output) or "params"; `lines` is the label."""

    lines: tuple[str, ...]
    kind: str = "layer"


@dataclass
class ModelGraph:
    """Nodes, each after its inputs; edges (from, to, label), where the label has the tensor's shape."""

    nodes: list[GraphNode] = field(default_factory=list)
    edges: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, node: GraphNode, reads: Sequence[tuple[int, str]] = ()) -> int:
        self.nodes.append(node)
        number = len(self.nodes) - 1
        self.edges += [(a, number, along) for a, along in dict.fromkeys(reads)]
        return number


def trace_model(model: Any, x: Any) -> ModelGraph:
    """The graph of a module, a function, a `Chain` or a `Graph`.

    Raises:
        TypeError: `model` or x is of another type.
        ValueError: no output depends on x.
    """
    if isinstance(model, Chain):
        return _trace_chain(model, x)
    if isinstance(model, Graph):
        return _trace_graph(model, x)
    if not callable(model) or isinstance(model, type):
        raise TypeError(f"draw: model must be a module, a function, a Chain or a Graph, not {model!r}.")
    args = x if isinstance(x, (tuple, list)) else (x,)
    if not any(isinstance(t, Tensor) for t in tree_leaves(args)):
        raise TypeError(f"draw: x must be a tensor or a tuple of the model's arguments, not {type(x).__name__}.")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("draw: the layers of a TorchScript module cannot be recorded; pass the original module.")
    return _trace_callable(model, tuple(args))


def _trace_callable(model: Callable[..., Any], args: tuple) -> ModelGraph:
    theta = dict(model.named_parameters()) if isinstance(model, nn.Module) else {}
    recorder = GraphRecorder({id(p): (p, name) for name, p in theta.items()})
    given = [t for t in tree_leaves(args) if isinstance(t, Tensor)]
    for i, t in enumerate(given, 1):
        recorder.add_input("x" if len(given) == 1 else f"x_{i}", t)
    with torch.no_grad(), _evaluation_mode(model), recorder.following(model), recorder:
        x_out = model(*args)
    ends = [t for t in tree_leaves(x_out) if isinstance(t, Tensor) and id(t) in recorder.made]
    if not any(recorder.made[id(t)][1] >= len(given) for t in ends):
        name = getattr(model, "__name__", type(model).__name__)
        raise ValueError(f"draw: no output of {name} is computed from x by a layer or a PyTorch function.")
    for i, t in enumerate(ends, 1):
        recorder.graph.add(GraphNode(("x_out" if len(ends) == 1 else f"x_out {i}",), "data"), recorder.reads([t]))
    return recorder.graph


class GraphRecorder(Recorder):
    """While active, adds each call to `graph`."""

    def __init__(self, theta: Mapping[int, tuple[Tensor, str]]):
        super().__init__()
        self.graph = ModelGraph()
        self.theta = theta
        #: By the id of a tensor: the tensor, kept alive so that no other gets its id, and the node that computed it.
        self.made: dict[int, tuple[Tensor, int]] = {}

    def add_input(self, name: str, x: Tensor, kind: str = "data") -> None:
        self.made[id(x)] = x, self.graph.add(GraphNode((name,), kind))

    def add_parameter(self, x: Tensor) -> None:
        """Adds a θ where it is first read."""
        if id(x) in self.theta and id(x) not in self.made:
            self.add_input(self.theta[id(x)][1], x, "params")

    def reads(self, tensors: Sequence[Any]) -> list[tuple[int, str]]:
        return [(self.made[id(t)][1], shape_text(tuple(t.shape))) for t in tensors if id(t) in self.made]

    def note(self, lines: tuple[str, ...], inputs: Any, x_out: Any, own_theta: bool = False) -> None:
        """Adds a layer that computed x_out from inputs, unless they depend on neither x nor θ: constants are not shown.

        `own_theta`: its parameters are part of its label, and not nodes.
        """
        tensors = [t for t in tree_leaves(inputs) if isinstance(t, Tensor)]
        for t in [] if own_theta else tensors:
            self.add_parameter(t)
        reads = self.reads(tensors)
        results = [t for t in tree_leaves(x_out) if isinstance(t, Tensor)]
        if reads and results:
            node = self.graph.add(GraphNode(lines), reads)
            self.made.update((id(t), (t, node)) for t in results)

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        with self.unrecorded():
            x_out = layer.of(*inputs)
        self.note((layer.title or layer.__name__.lower(),), inputs, x_out)
        return x_out

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        with self.unrecorded():
            x_out = f(*args)
        self.note((f.__name__,), args, x_out)
        return x_out

    def put(self, x: Tensor, y: Tensor) -> Tensor:
        with self.unrecorded():
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
        if name in _SAME_VALUES:  # a copy or another dtype of the output of the same node
            x, y = next(t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)), results[0]
            self.add_parameter(x)
            if id(x) in self.made:
                self.made[id(y)] = y, self.made[id(x)][1]
            return x_out
        if name == "__get__":  # .T, .mT, .data
            name = f.__self__.__name__
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        writes = name in _IN_PLACE or (name.endswith("_") and not name.endswith("__"))
        if writes or not any(t is x for t in results for x in inputs):  # otherwise an unchanged input
            self.note((_IN_PLACE.get(name, name.strip("_")),), inputs, x_out)
        return x_out

    @contextmanager
    def following(self, model: Any) -> Iterator[None]:
        """Each library module of a model is recorded as one layer."""
        modules = model.named_modules() if isinstance(model, nn.Module) else ()
        inside: list[bool] = []

        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            inside.append(self.paused)
            self.paused = True

        def leave(name: str, module: nn.Module, args: Any, kwargs: Any, x_out: Any) -> None:
            self.paused = inside.pop()
            if not self.paused and x_out is not None:
                self.note(_module_label(name, module), (args, kwargs), x_out, own_theta=True)

        with ExitStack() as hooks:
            for name, module in modules:
                if _is_layer(module):
                    left = lambda *call, name=name: leave(name, *call)  # noqa: E731
                    hooks.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
                    hooks.callback(module.register_forward_hook(left, with_kwargs=True, always_call=True).remove)
            yield


#: In-place operators, as in `x += y`, and their counterparts.
_IN_PLACE = {f"__i{f}__": f for f in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()}

#: Functions whose output has the values of their input.
_SAME_VALUES = {"detach", "contiguous", "requires_grad_", "to", "alias"}


def _is_layer(module: nn.Module) -> bool:
    home = type(module).__module__
    return home.startswith(("torch.nn.", "chapter14.nn")) and "container" not in home


def _module_label(name: str, module: nn.Module) -> tuple[str, ...]:
    """The module's name in the model; its class and the shape of its weight."""
    weight = getattr(module, "weight", None)
    sizes = f" {shape_text(tuple(weight.shape))}" if isinstance(weight, Tensor) else ""
    kind = f"{type(module).__name__}{sizes}"
    return (name, kind) if name else (kind,)


@contextmanager
def _evaluation_mode(model: Any) -> Iterator[None]:
    """Evaluation mode, so that running statistics do not change; then restores each module's mode."""
    modes = {m: m.training for m in model.modules()} if isinstance(model, nn.Module) else {}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _trace_chain(chain: Chain, x: Any) -> ModelGraph:
    if not (isinstance(x, (tuple, list)) and len(x) == 2):
        raise TypeError("draw: for a Chain, x must be (x0, y), the arguments of `chain.forward`.")
    chain.forward(*x)
    drawn = ModelGraph()
    last = drawn.add(GraphNode(("x_0",), "data"))
    for l, (f, x_in) in enumerate(zip(chain.layers, chain.x, strict=False), 1):
        last = drawn.add(GraphNode((f"f_{l}", _label(f))), [(last, shape_text(tuple(x_in.shape)))])
    y = drawn.add(GraphNode(("y",), "data"))
    y_shape = shape_text(tuple(x[1].shape)) if isinstance(x[1], Tensor) else ""
    loss = drawn.add(GraphNode(("loss",)), [(last, shape_text(tuple(chain.x[-1].shape))), (y, y_shape)])
    drawn.add(GraphNode(("J",), "data"), [(loss, shape_text(()))])
    return drawn


def _label(f: Any) -> str:
    """A layer's class or function, and the shape of its first θ."""
    theta = list(getattr(f, "theta", ()))
    return getattr(f, "name", type(f).__name__) + (f" {shape_text(tuple(theta[0].shape))}" if theta else "")


def _trace_graph(graph: Graph, x: Any) -> ModelGraph:
    if not isinstance(x, Mapping):
        raise TypeError(f"draw: for a Graph, x must be a dict of its inputs, {', '.join(graph.inputs)}.")
    graph.forward(**x)
    drawn = ModelGraph()
    made = {name: drawn.add(GraphNode((name,), "data")) for name in graph.inputs}

    def along(value: str) -> tuple[int, str]:
        is_tensor = isinstance(graph.x[value], Tensor)
        return made[value], f"{value} {shape_text(tuple(graph.x[value].shape))}" if is_tensor else value

    for name in graph.order:
        node = drawn.add(GraphNode((_label(graph.blocks[name]),)), [along(value) for value in graph.reads[name]])
        made.update((value, node) for value in graph.writes[name])
    drawn.add(GraphNode((graph.J,), "data"), [along(graph.J)])
    return drawn
