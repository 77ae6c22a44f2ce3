"""The graphs of the lesson, and their numbers by `Graph` and `jacobian`.

    chain     the MLP of figure 14.15                       Algorithm 14.1
    dag       two paths between a branch and a merge        section 14.7, figure 14.20
    shared    a W that two layers share                     section 14.8, figure 14.21, (14.47)
    data      the MLP with a free x_0 and a fixed θ         section 14.9, figure 14.22

A θ is an input like x and y (14.1), so the g of a θ is dJ/dθ.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from ..graph.dag import Graph
from ..layer.jacobians import jacobian

#: The h of a pointwise layer (14.30), by its name in the page.
NONLINEARITIES = {
    "relu": F.relu,
    "leaky relu": functools.partial(F.leaky_relu, negative_slope=0.1),
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "identity": functools.partial(F.mul, other=1),
}


@dataclass(frozen=True)
class ExampleLayer:
    """`f` is "linear", "h", "branch", "merge" or "l2"; or "neuron", J = -x[i] (section 14.9), with its i.

    `lane` is its vertical position: 0 in the middle, -1 above, 1 below.
    """

    f: str
    reads: Sequence[str]
    writes: Sequence[str]
    lane: int = 0
    i: int = 0


@dataclass(frozen=True)
class Example:
    """Inputs by name; layers in order, of which the last writes J; and the free inputs, which descend (14.9)."""

    given: Mapping[str, Sequence]
    layers: Sequence[ExampleLayer]
    free: Sequence[str]
    eta: float
    chapter_names: Mapping[str, str]


def _mlp(free: Sequence[str], eta: float) -> Example:
    """The MLP of figure 14.15."""
    return Example(
        given={
            "x_0": [1, 0.5, -1, 2],
            "W_1": [[0.5, -1, 0.3, 0.2], [-0.4, 0.6, -0.7, 0.5], [0.8, 0.1, -0.2, -0.6]],
            "W_2": [[1, -0.5, 0.7], [0.3, 0.8, -0.4]],
            "y": [0.5, 1],
        },
        layers=[
            ExampleLayer("linear", ["x_0", "W_1"], ["x_1"]),
            ExampleLayer("h", ["x_1"], ["x_2"]),
            ExampleLayer("linear", ["x_2", "W_2"], ["x_3"]),
            ExampleLayer("l2", ["x_3", "y"], ["J"]),
        ],
        free=free,
        eta=eta,
        chapter_names={"x_0": "x", "x_1": "z", "x_2": "h", "x_3": "ŷ"},
    )


EXAMPLES = {
    "chain": _mlp(["W_1", "W_2"], 0.02),
    "dag": Example(
        given={
            "x_0": [1, -0.5, 2],
            "W_1": [[0.6, 0.4, 0.3], [0.2, -0.8, -0.5]],
            "W_2": [[0.5, -1], [1, 0.5]],
            "W_3": [[0.7, -0.3, 0.2, 0.5], [-0.4, 0.6, 0.8, 0.1]],
            "y": [0.5, -0.5],
        },
        layers=[
            ExampleLayer("linear", ["x_0", "W_1"], ["x_1"]),
            ExampleLayer("branch", ["x_1"], ["x_2^a", "x_2^b"]),
            ExampleLayer("h", ["x_2^a"], ["x_3"], lane=-1),
            ExampleLayer("linear", ["x_2^b", "W_2"], ["x_4"], lane=1),
            ExampleLayer("merge", ["x_3", "x_4"], ["x_5"]),
            ExampleLayer("linear", ["x_5", "W_3"], ["x_6"]),
            ExampleLayer("l2", ["x_6", "y"], ["J"]),
        ],
        free=["W_1", "W_2", "W_3"],
        eta=0.05,
        chapter_names={"x_0": "x", "x_6": "ŷ"},
    ),
    "shared": Example(
        given={
            "x_0": [1, -1, 0.5],
            "W": [[0.5, -0.6, 0.4], [0.3, 0.8, -0.2], [-0.7, -0.9, 0.9]],
            "y": [1, 0, -1],
        },
        layers=[
            ExampleLayer("branch", ["W"], ["W^1", "W^2"]),
            ExampleLayer("linear", ["x_0", "W^1"], ["x_1"]),
            ExampleLayer("h", ["x_1"], ["x_2"]),
            ExampleLayer("linear", ["x_2", "W^2"], ["x_3"]),
            ExampleLayer("l2", ["x_3", "y"], ["J"]),
        ],
        free=["W"],
        eta=0.05,
        chapter_names={"x_0": "x", "x_3": "ŷ"},
    ),
    "data": _mlp(["x_0"], 0.1),
}


def neuron_of(example: Example, i: int) -> Example:
    """The same graph with J = -x_L[i], whose minimum over the data maximizes a neuron."""
    *layers, loss = example.layers
    given = {name: value for name, value in example.given.items() if name != loss.reads[1]}
    layers.append(ExampleLayer("neuron", loss.reads[:1], loss.writes, i=i))
    return Example(given, layers, example.free, example.eta, example.chapter_names)


def numbers(example: Example, h: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Both passes in float64: x and g by name, and L for each input of a layer, by the layer's first output.

    `given` replaces inputs of the example.

    Raises:
        KeyError: h is no key of NONLINEARITIES.
    """
    graph = _run(example, h, _tensors({**example.given, **(given or {})}))
    return {"x": graph.x, "g": graph.g, "L": dict(_Ls(graph, example, h))}


def descent(example: Example, h: str, steps: int) -> Iterator[float]:
    """J before each step of gradient descent on the free inputs (14.9), and after the last."""
    given = _tensors(example.given)
    for _ in range(steps + 1):
        graph = _run(example, h, given)
        yield float(graph.x["J"])
        for name in example.free:
            g = graph.g[name]
            assert g is not None, "J depends on every free input"
            given[name] = given[name] - example.eta * g


def _run(example: Example, h: str, given: Mapping[str, Tensor]) -> Graph:
    layers = {", ".join(layer.writes): (_f(layer, h), *layer.reads) for layer in example.layers}
    graph = Graph(list(example.given), layers)
    graph.forward(**given)
    graph.backward()
    return graph


def _f(layer: ExampleLayer, h: str) -> Any:
    if layer.f == "h":
        return NONLINEARITIES[h]
    if layer.f == "neuron":
        return lambda x: F.mul(F.select(x, 0, layer.i), -1)
    return {"linear": F.linear, "branch": F.branch, "merge": F.merge, "l2": F.l2_loss}[layer.f]


def _Ls(graph: Graph, example: Example, h: str) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    for layer in example.layers:
        yield layer.writes[0], jacobian(_f(layer, h), *(graph.x[name] for name in layer.reads))


def _tensors(given: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value, dtype=torch.float64) for name, value in given.items()}
