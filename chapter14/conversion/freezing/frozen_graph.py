"""A traced network as it runs: chains of frozen layers, and between them single nodes and modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.utils._pytree import tree_flatten, tree_unflatten

from ...frozen.frozen_chain import FrozenChain
from ...frozen.layers import Unsupported
from ...frozen.receptive_field import ReceptiveField
from ..by_hand import by_hand
from .fold import Folded, Run
from .trace import Call, Reached, with_tensors


class FrozenGraph:
    """A traced network. `chains` are its chains; `whole` is the one that the network consists of, if it can be cropped.

    Args:
        model: has the modules that the graph calls.
        field: the output is the position that this has.
        precision: of what is not in a chain, through autocast.
    """

    def __init__(self, model: nn.Module, folded: Folded, field: ReceptiveField | None, precision: torch.dtype | None):
        self._model, self._folded, self._field, self._precision = model, folded, field, precision
        self.chains = [run.chain for run in folded.runs]
        self.whole: FrozenChain | None = None
        match folded.parts:
            case [fx.Node(), Run(chain=chain), fx.Node(op="output", args=[[fx.Node()]])] if field is not None:
                self.whole = chain if field.suits(chain) else None

    def __call__(self, x: Tensor) -> Any:
        """
        Raises:
            Unsupported: the network has to run unfrozen.
        """
        if self._field is None:
            return self._run(x)
        if self.whole is not None:
            with suppress(Unsupported):
                return self._field(self.whole, x)
        return self._field.of(self._run(x))

    def _run(self, x: Tensor) -> Any:
        folded = self._folded
        values: dict[fx.Node, Any] = {}

        def value(node: fx.Node) -> Any:
            if node in folded.fixed:
                return folded.fixed[node]
            return values[node] if node in values else values[folded.source(node)]

        for part, done in zip(folded.parts, folded.done, strict=True):
            nodes = [part] if isinstance(part, fx.Node) else part.nodes
            if isinstance(part, Run):
                with suppress(Unsupported):
                    x_out = part.chain(*map(value, part.ins))
                    values.update(zip(part.outs, x_out, strict=True))
                    nodes = []
            elif part.op == "output":
                tensors: Any = part.args[0]
                traced = folded.traced
                x_out = [value(n).clone() if n in folded.fixed else value(n) for n in tensors]
                return tree_unflatten(with_tensors(traced.leaves, x_out), traced.form)
            for node in nodes:
                values[node] = x if node.op == "placeholder" else self._value(node, value)
            for node in done:
                values.pop(node, None)
        raise AssertionError("a graph has an output")

    def _value(self, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        args: Any = map_arg(node.args, value)
        kwargs, target = map_arg(node.kwargs, value), node.target
        with in_precision(self._precision, args):
            if node.op == "call_module":
                return _called(self._model.get_submodule(str(target)), node.meta["call"], args)
            if node.op == "call_method":
                return getattr(args[0], str(target))(*args[1:], **kwargs)
            return target(*args, **kwargs)  # type: ignore[operator]


def in_precision(precision: torch.dtype | None, x: Sequence[Any]) -> AbstractContextManager[Any]:
    """Autocast on the device of the inputs x; nothing where there is no precision."""
    if precision is None:
        return nullcontext()
    return torch.autocast(next((t.device.type for t in x if isinstance(t, Tensor)), "cpu"), precision)


def _called(module: nn.Module, call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors that an opaque module returns.

    Raises:
        Unsupported: it returns something else than when the network was traced.
    """
    args, kwargs = tree_unflatten(with_tensors(call.inputs, tensors), call.form)
    try:
        with by_hand():
            x_out = module(*args, **kwargs)
    except Reached as end:
        x_out = end.x_out
    outputs, form = tree_flatten(x_out)
    if form != call.form_out or [*map(Call.describe, outputs)] != call.outputs:
        raise Unsupported
    return [t for t in outputs if isinstance(t, Tensor)]
