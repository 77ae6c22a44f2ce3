"""A traced network as chains of frozen layers, and single nodes between them.

    batch norm      a y + c after y = W x + b           is (a W) x + (a b + c)
    relu, relu6     after a layer                       belongs to that layer
    max of relu     relu, then max pooling              is max pooling, then relu: of fewer entries
    mean, linear    adaptive pooling, flattened, then W is one layer: W A

A layer absorbs the one after it if nothing else uses its output.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import fx

from ...frozen.adaptive_pool import FrozenAdaptivePool
from ...frozen.frozen_chain import FrozenChain
from ...frozen.layers import FrozenAffine, FrozenConvolution, FrozenFlatten, FrozenLayer, FrozenLinear, FrozenRelu
from ...frozen.max_pool import FrozenMaxPool
from .recognise import frozen_layer, reads_strides
from .trace import Traced, is_constant


class Run:
    """Nodes that become one chain: it reads the values of `ins` and writes those of `outs`."""

    def __init__(self) -> None:
        self.nodes: list[fx.Node] = []
        self.layers: dict[fx.Node, FrozenLayer] = {}
        self.reads: dict[fx.Node, list[fx.Node]] = {}

    def close(self, wanted: set[fx.Node]) -> None:
        """Make the chain, whose outputs are the wanted values."""
        self.ins = list(dict.fromkeys(x for reads in self.reads.values() for x in reads if x not in self.layers))
        self.outs = [node for node in self.layers if node in wanted]
        register = {node: i for i, node in enumerate([*self.ins, *self.layers])}
        reads = [[register[x] for x in self.reads[node]] for node in self.layers]
        outputs = [register[node] for node in self.outs]
        self.chain = FrozenChain(list(self.layers.values()), reads, len(self.ins), outputs)


Part = Run | fx.Node


class Folded:
    """The `parts` of a network, in order.

    `same` maps a node that was absorbed to the one that has its value. `done` lists, for each part, the values that no
    later part reads. `fixed` has the values that do not depend on x.
    """

    def __init__(self, traced: Traced):
        self.traced = traced
        self.parts: list[Part] = []
        self.same: dict[fx.Node, fx.Node] = {}
        self.fixed: dict[fx.Node, Any] = {}
        self._run = Run()
        for node in traced.graph.nodes:
            if is_constant(node) and node.op != "output":
                constants = traced.constants
                self.fixed[node] = getattr(constants, node.target) if node.op == "get_attr" else node.meta["held"]
            else:
                self._add(node)
        last = {x: i for i, part in enumerate(self.parts) for x in self.reads(part)}
        wanted = set(last)
        self.done = [[x for x in wanted if last[x] == i] for i in range(len(self.parts))]
        nodes = [part for part in self.parts if isinstance(part, fx.Node)]
        any_reads_strides = any(map(reads_strides, nodes))
        returned = {x for node in nodes if node.op == "output" for x in self.reads(node)}
        self.runs = [part for part in self.parts if isinstance(part, Run)]
        for run in self.runs:
            run.close(wanted)
            run.chain.contiguous = any_reads_strides or bool(returned & run.layers.keys())

    def source(self, node: fx.Node) -> fx.Node:
        return self.same.get(node, node)

    def reads(self, part: Part) -> set[fx.Node]:
        """The nodes whose values a part needs."""
        if isinstance(part, fx.Node):
            return {self.source(x) for x in part.all_input_nodes if x not in self.fixed}
        return {x for reads in part.reads.values() for x in reads if x not in part.layers}

    def _add(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.parts.append(node)
            return
        x = [self.source(t) for t in node.all_input_nodes if t not in self.fixed]
        layers = self._run.layers
        if node.target is operator.getitem and x[0] in layers:  # x_out of a layer with several outputs
            layer, absorbed = None, True
        else:
            layer = frozen_layer(node, fx.node.map_arg(node.args, lambda t: self.fixed.get(t, t)))
            if layer is None:
                if layers:
                    self.parts.append(self._run)
                self._run = Run()
                self.parts.append(node)
                return
            absorbed = len(x) == 1 and x[0] in layers and self._has_one_user(node.all_input_nodes[0])
            absorbed = absorbed and absorb(layers[x[0]], layer)
        self._run.nodes.append(node)
        if absorbed or layer is None:
            self.same[node] = x[0]
        else:
            layers[node], self._run.reads[node] = layer, x

    def _has_one_user(self, node: fx.Node) -> bool:
        """Whether a node has one user, and so have those that it absorbed."""
        while len(node.users) == 1:
            if node not in self.same:
                return True
            node = node.all_input_nodes[0]
        return False


def absorb(layer: FrozenLayer, then: FrozenLayer) -> bool:
    """Absorb the layer that follows, if possible, and return whether it was."""
    if isinstance(then, FrozenMaxPool) and not isinstance(layer, FrozenRelu) and layer.most == math.inf:
        then.relu, layer.relu = layer.relu, False
    if layer.relu or isinstance(layer, FrozenFlatten):
        return False
    if isinstance(layer, FrozenAdaptivePool) and not layer.is_flat:
        layer.is_flat = isinstance(then, FrozenFlatten)
        return layer.is_flat
    if isinstance(layer, FrozenAdaptivePool) and layer.linear is None:
        layer.linear = then if isinstance(then, FrozenLinear) else None
        return layer.linear is not None
    if isinstance(then, FrozenRelu):
        layer.relu, layer.most = True, then.most
        return True
    if isinstance(then, FrozenAffine) and isinstance(layer, FrozenConvolution) and len(then.a) == len(layer.W):
        b = torch.zeros_like(then.c) if layer.b is None else layer.b
        layer.a = then.a if layer.a is None else then.a * layer.a
        layer.b = torch.addcmul(then.c, then.a, b)
        return True
    return False
