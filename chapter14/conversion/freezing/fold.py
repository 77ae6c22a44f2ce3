"""A traced network in parts: runs of steps, each one chain, and single nodes.

    batch norm      a y + c after y = W x + b           is (a W) x + (a b + c)
    relu            after a step                        is the step's own
    max of relu     relu, then the largest of each window, is the largest, then relu: where there are fewer entries
    mean, linear    the mean of parts, laid flat, then W, is one step: W A

A step takes in the one after it where nobody else uses its output.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

from ...frozen.adaptive_pool import FrozenAdaptivePool
from ...frozen.frozen_chain import FrozenChain
from ...frozen.layers import FrozenAffine, FrozenConvolution, FrozenFlatten, FrozenLayer, FrozenLinear, FrozenRelu
from ...frozen.max_pool import FrozenMaxPool
from .recognise import looks_at_strides, step_of
from .trace import Traced, is_constant


class Run:
    """Nodes that are one chain: it reads the values of `ins`, and gives those of `outs`."""

    def __init__(self) -> None:
        self.nodes: list[fx.Node] = []
        self.steps: dict[fx.Node, FrozenLayer] = {}
        self.reads: dict[fx.Node, list[fx.Node]] = {}

    def close(self, wanted: set[fx.Node]) -> None:
        self.ins = list(dict.fromkeys(x for reads in self.reads.values() for x in reads if x not in self.steps))
        self.outs = [node for node in self.steps if node in wanted]
        place = {node: i for i, node in enumerate([*self.ins, *self.steps])}
        reads = [[place[x] for x in self.reads[node]] for node in self.steps]
        self.chain = FrozenChain(list(self.steps.values()), reads, len(self.ins), [place[node] for node in self.outs])


Part = Run | fx.Node


class Folded:
    """`parts` in their order; `same` says whose value a node has that is no step of its own.

    `done` says, for each part, whose values nobody reads after it; `fixed` has the values that do not depend on x.
    """

    def __init__(self, traced: Traced):
        self.traced = traced
        self.parts: list[Part] = []
        self.same: dict[fx.Node, fx.Node] = {}
        self.fixed: dict[fx.Node, Any] = {}
        self._run = Run()
        for node in traced.graph.nodes:
            if is_constant(node) and node.op != "output":
                self.fixed[node] = constant(node, traced.constants)
            else:
                self._take(node)
        last = {x: i for i, part in enumerate(self.parts) for x in self.reads(part)}
        wanted = set(last)
        self.done = [[x for x in wanted if last[x] == i] for i in range(len(self.parts))]
        strided = {part for part in self.parts if isinstance(part, fx.Node) and looks_at_strides(part)}
        ends = {x for part in self.parts if isinstance(part, fx.Node) and part.op == "output" for x in self.reads(part)}
        self.runs = [part for part in self.parts if isinstance(part, Run)]
        for run in self.runs:
            run.close(wanted)
            run.chain.strided = bool(strided or ends & run.steps.keys())

    def source(self, node: fx.Node) -> fx.Node:
        return self.same.get(node, node)

    def reads(self, part: Part) -> set[fx.Node]:
        """The nodes whose values a part needs."""
        if isinstance(part, fx.Node):
            return {self.source(x) for x in part.all_input_nodes if x not in self.fixed}
        return {x for reads in part.reads.values() for x in reads if x not in part.steps}

    def _take(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.parts.append(node)
            return
        x = [self.source(t) for t in node.all_input_nodes if t not in self.fixed]
        if node.target is operator.getitem and x[0] in self._run.steps:
            self._within(node, x[0])  # x_out of a step that gives more
            return
        args = fx.node.map_arg(node.args, lambda t: self.fixed.get(t, t))
        step = step_of(node, args)
        if step is None:
            return self._end(node)
        alone = x[0] in self._run.steps and self._alone(node.all_input_nodes[0])
        if alone and len(x) == 1 and took(self._run.steps[x[0]], step):
            self._within(node, x[0])
            return
        self._run.nodes.append(node)
        self._run.steps[node], self._run.reads[node] = step, x

    def _within(self, node: fx.Node, source: fx.Node) -> None:
        self.same[node] = source
        self._run.nodes.append(node)

    def _end(self, node: fx.Node) -> None:
        if self._run.steps:
            self.parts.append(self._run)
        self._run = Run()
        self.parts.append(node)

    def _alone(self, node: fx.Node) -> bool:
        """Whether a node has one user, and so have those whose value it has."""
        while len(node.users) == 1:
            if node not in self.same:
                return True
            node = node.all_input_nodes[0]
        return False


def constant(node: fx.Node, constants: nn.Module) -> Any:
    """The value of a node that does not depend on x."""
    return getattr(constants, str(node.target)) if node.op == "get_attr" else node.meta["held"]


def took(step: FrozenLayer, then: FrozenLayer) -> bool:
    """Whether a step could take in the one that follows; then it has."""
    if isinstance(then, FrozenMaxPool) and not isinstance(step, FrozenRelu):
        then.relu, step.relu = step.relu, False
    if step.relu or isinstance(step, FrozenFlatten):
        return False
    if isinstance(step, FrozenAdaptivePool) and not step.is_flat:
        step.is_flat = isinstance(then, FrozenFlatten)
        return step.is_flat
    if isinstance(step, FrozenAdaptivePool) and step.linear is None:
        step.linear = then if isinstance(then, FrozenLinear) else None
        return step.linear is not None
    if isinstance(then, FrozenRelu):
        step.relu = True
        return True
    if isinstance(then, FrozenAffine) and isinstance(step, FrozenConvolution) and len(then.a) == len(step.W):
        b = torch.zeros_like(then.c) if step.b is None else step.b
        step.a = then.a if step.a is None else then.a * step.a
        step.b = torch.addcmul(then.c, then.a, b)
        return True
    return False
