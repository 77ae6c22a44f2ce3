"""freeze(model): the network with its parameters fixed, as one lean chain: same outputs, same g_in.

The model's forward is traced once. Runs of steps that the chain knows (frozen/steps.py) become one layer, with batch
norm folded and relu fused; what is between them, and a model that cannot be traced, runs by hand as it was written.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate, map_arg

from ..frozen.chain import Chain
from ..frozen.field import Field
from ..frozen.steps import Unfit
from ..layer import _autocasting, _compiling, _transformed
from ..levels import forward_mode, is_batched
from .by_hand import by_hand
from .fold import Folded, Run
from .heads import opened
from .model import OURS, Rerouted, convert, original


def freeze(
    model: nn.Module,
    until: str | None = None,
    precision: torch.dtype | None = None,
    at: tuple[int | None, int | None] | None = None,
) -> nn.Module:
    """The network with its parameters fixed and in evaluation mode: same outputs, same g_in, and lean.

    Parameters that are not folded are the model's own, in its memory. Where the model has learned since, freeze it
    again. Weights of convolutions, and of linear layers that see many rows, lie once more for each way.

    Args:
        until: the name of a module of the model; then the network ends there, and its output is what that gives.
        precision: torch.bfloat16, to compute in; what is no step of a chain runs under autocast. g_in has x's dtype.
        at: a row and a column of the image that the network gives, None for the middle: then the output is that place
            alone, [B, M, 1, 1], and only what it sees is computed; g_in has the shape of x. Where a network is not
            wholly convolutions, relus, pools, sums and merges up to there, all is computed, and the place taken.

    Raises:
        TypeError: `model` is no module, or it is one of TorchScript.
        ValueError: the model has no module of that name, or never comes by it; or it cannot compute in `precision`; or,
            when it is called, it gives no image, or one without that place.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"freeze: model is a torch.nn.Module; it was given {type(model).__name__}.")
    names = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    if until is not None and until not in names:
        near = ", ".join(difflib.get_close_matches(until, names, 5, 0.4) or names[:5])
        raise ValueError(f"freeze: the model has no module {until!r}. Near that: {near}.")
    if precision not in (None, torch.bfloat16, torch.float16):
        raise ValueError(f"freeze: precision is torch.bfloat16 or torch.float16; it was given {precision}.")
    if at is not None and not (isinstance(at, tuple | list) and len(at) == 2 and all(map(_is_place, at))):
        raise ValueError(f"freeze: at is a row and a column, or None for the middle; it was given {at!r}.")
    return Frozen(_fixed(model), until, precision, at)


def _is_place(i: Any) -> bool:
    return i is None or (isinstance(i, int) and not isinstance(i, bool))


def _fixed(model: nn.Module) -> nn.Module:
    """A copy that shares all memory with the model, wants no gradient of it, and is in evaluation mode."""
    shared: dict[int, Any] = {}
    for module in model.modules():
        for t in (*vars(module).values(), *module._parameters.values(), *module._buffers.values()):
            if isinstance(t, Tensor):
                there = t.detach()
                shared[id(t)] = nn.Parameter(there, requires_grad=False) if isinstance(t, nn.Parameter) else there
    fixed = copy.deepcopy(model, shared).eval()
    for module in fixed.modules():
        if isinstance(module, Rerouted):  # a model that was converted: it will be again
            module.__class__ = original(module)  # type: ignore[assignment]
    return fixed


class _Reached(Exception):
    """The module that the network is to end at has given its output."""

    def __init__(self, x_out: Any):
        self.x_out = x_out


class _Whole(nn.Module):
    """The model as a function of one x: its other arguments are what they are by default."""

    model: nn.Module

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


class _Tracer(fx.Tracer):
    """`found` is what `until` gives the first time that it is called, and the last node then."""

    def __init__(self, until: nn.Module | None):
        super().__init__()
        self.until, self.found = until, None

    def is_leaf_module(self, module, name):
        hooked = any(vars(module)[kind] for kind in vars(module) if kind.endswith("_hooks"))
        return hooked or type(module).__module__.startswith(OURS) or super().is_leaf_module(module, name)

    def call_module(self, module, forward, args, kwargs):
        x_out = super().call_module(module, forward, args, kwargs)
        if self.found is None and module is self.until:
            self.found = x_out, next(iter(reversed(self.graph.nodes)))
        return x_out


class Frozen(nn.Module):
    """What `freeze` makes. `chains` are the runs of steps that became one layer; the rest is as it was written."""

    def __init__(
        self,
        model: nn.Module,
        until: str | None,
        precision: torch.dtype | None,
        at: Sequence[int | None] | None = None,
    ):
        super().__init__()
        self.until, self.precision = until, precision
        self.whole = _Whole(model)
        self._folded = _folded(self.whole, until)
        parts = self._folded.parts if self._folded else []
        self.chains = nn.ModuleList(part.chain for part in parts if isinstance(part, Run))
        if precision is not None:
            for chain in self.chains:
                chain.rounded(precision)  # type: ignore[operator]
        self.field = None if at is None else Field(at)
        self.one = self._one_chain()
        convert(model, inplace=True)
        if until is not None:
            model.get_submodule(until).register_forward_hook(_reached)

    def _one_chain(self) -> Chain | None:
        """What the network is, if it is one chain, of which a place can be cut."""
        match self._folded.parts if self._folded else []:
            case [fx.Node(), Run(chain=chain), fx.Node(op="output", args=[fx.Node()])] if Field.suits(chain):
                return chain
        return None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.field is None:
            return self._wholly(*args, **kwargs)
        if self.one is not None and self._chained(args, kwargs):
            with suppress(Unfit):
                return self.field(self.one, args[0])
        return self.field.of(self._wholly(*args, **kwargs))

    @staticmethod
    def _chained(args: Sequence[Any], kwargs: Any) -> bool:
        """Whether the chains can take what is given."""
        plain = len(args) == 1 and not kwargs and type(args[0]) is Tensor
        return plain and not (_autocasting() or _compiling() or _many_or_along(args[0]))

    def _wholly(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._folded is not None and self._chained(args, kwargs):
                return self._in_parts(self._folded, args[0])
            with self._by_hand(args):
                x_out = self.whole.model(*args, **kwargs)
        except _Reached as reached:
            return reached.x_out
        if self.until is not None:
            raise ValueError(f"freeze: the network does not come by {self.until!r}.")
        return x_out

    def _in_parts(self, folded: Folded, x: Tensor) -> Any:
        values: dict[fx.Node, Any] = {}

        def value(node: fx.Node) -> Any:
            return values[node] if node in values else values[folded.source(node)]

        def write(node: fx.Node) -> None:
            values[node] = x if node.op == "placeholder" else self._value(node, value)

        for part, done in zip(folded.parts, folded.done, strict=True):
            if isinstance(part, Run):
                try:
                    x_out = part.chain(*map(value, part.ins))
                    values.update(zip(part.outs, x_out, strict=True))
                except Unfit:
                    with self._by_hand([x]):
                        for node in part.nodes:
                            write(node)
            elif part.op == "output":
                return map_arg(part.args[0], value)
            else:
                with self._by_hand([x]):
                    write(part)
            for node in done:
                values.pop(node, None)
        raise AssertionError("a graph has an output")

    @contextmanager
    def _by_hand(self, x: Sequence[Any]) -> Iterator[None]:
        """As the model was written, by hand, and in `precision`."""
        with by_hand():
            if self.precision is None:
                yield
                return
            where = next((t.device.type for t in x if isinstance(t, Tensor)), "cpu")
            with torch.autocast(where, self.precision):
                yield

    def _value(self, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        args, kwargs, target = map_arg(node.args, value), map_arg(node.kwargs, value), node.target
        if node.op == "get_attr":
            where, _, name = str(target).rpartition(".")
            return getattr(self.whole.get_submodule(where), name)
        if node.op == "call_module":
            return self.whole.get_submodule(str(target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(target))(*args[1:], **kwargs)
        return target(*args, **kwargs)  # type: ignore[operator]


def _many_or_along(x: Tensor) -> bool:
    """Whether torch.func has many of x, or goes along with it: what the chain does not see through."""
    return _transformed() and (is_batched(x) or forward_mode())


def _reached(module: nn.Module, inputs: Any, x_out: Any) -> None:
    raise _Reached(x_out)


def _folded(whole: _Whole, until: str | None) -> Folded | None:
    """What the network computes until there, in parts; None where its forward cannot be traced."""
    tracer = _Tracer(None if until is None else whole.model.get_submodule(until))
    chance = torch.get_rng_state()
    try:
        graph = tracer.trace(whole)
    except Exception:  # whatever a forward does that has no x to do it with
        return None
    finally:
        drawn = not torch.equal(chance, torch.get_rng_state())
        torch.set_rng_state(chance)
    if drawn:  # what a forward draws anew each time would be drawn once for all
        return None
    if until is not None:
        if tracer.found is None:
            return None
        x_out, last = tracer.found
        for node in reversed(graph.nodes):
            if node is last:
                break
            graph.erase_node(node)
        graph.output(map_aggregate(x_out, lambda t: t.node if isinstance(t, fx.Proxy) else t))
    opened(graph, whole)
    modules = dict(whole.named_modules())
    return Folded(list(graph.nodes), lambda node: modules.get(str(node.target)) if node.op == "call_module" else None)
