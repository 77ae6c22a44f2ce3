"""freeze(model): the network with its parameters fixed, as one lean chain: same outputs, same g_in.

The network is traced when it first sees an input of some shape. Runs of layers that the chain knows
(frozen/layers.py) become one layer, with batch norm folded and relu fused; what is between them, and what no graph can
state, runs by hand.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.nn.modules import module as torch_module
from torch.utils._pytree import tree_flatten, tree_unflatten

from ...frozen.frozen_chain import FrozenChain
from ...frozen.layers import Unfit
from ...frozen.receptive_field import ReceptiveField
from ...layer.levels import forward_mode, is_batched
from ...layer.modes import autocasting, compiling, transformed
from ..by_hand import by_hand
from ..convert import Rerouted, convert, rerouted, unconverted
from ..copying import copied
from .fold import Folded, Run
from .trace import HOOKS, Call, Reached, alone, reached, trace

#: How many traces are held. Each new shape, layout, dtype or grad mode of the input has its own.
HELD = 32


def freeze(
    model: nn.Module,
    until: str | None = None,
    precision: torch.dtype | None = None,
    at: tuple[int | None, int | None] | None = None,
) -> Frozen:
    """The network with its parameters fixed and in evaluation mode: same outputs, same g_in, and lean.

    The model's forward runs once, as a trace, for each shape, layout and dtype of the input, and again where a
    parameter was written into since. A module whose forward a graph cannot state runs by hand as it was written: one
    that switches grad mode or autocast, has hooks, calls a `torch.autograd.Function` or an operation that has no layer,
    reads a tensor, draws, or changes an attribute. Such a module also runs in the trace.

    Parameters that are not folded are the model's own, in its memory. Weights of convolutions, and of linear layers
    that see many rows, are held once more for each pass.

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
    return unconverted(copied(model, shared=True).eval())


class Frozen(nn.Module):
    """What `freeze` makes. It stays in evaluation mode."""

    sealed = True  # a hook on a module inside would make that module run as it was written

    def __init__(
        self,
        model: nn.Module,
        until: str | None,
        precision: torch.dtype | None,
        at: Sequence[int | None] | None = None,
    ):
        super().__init__()
        self.until, self.precision, self.at = until, precision, at
        self.model = convert(model, inplace=True)
        for module in model.modules():  # each call is heard of while the network is traced
            if not isinstance(module, Rerouted | fx.GraphModule):
                module.__class__ = rerouted(type(module))
        if until is not None:
            model.get_submodule(until).register_forward_hook(reached)
        super().train(False)
        self._lock = threading.RLock()
        self._forget()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        parts = self.parts(*args, **kwargs)
        if parts is not None:
            with suppress(Unfit):
                return parts(args[0])
        x_out = self._as_written(*args, **kwargs)
        return x_out if self.field is None else self.field.of(x_out)

    def parts(self, *args: Any, **kwargs: Any) -> FrozenGraph | None:
        """What the network is to this input, in parts; None where all of it runs by hand as it was written."""
        if len(args) != 1 or kwargs or type(args[0]) is not Tensor or _many_or_along(args[0]) or _globally_hooked():
            return None
        x: Tensor = args[0]
        with torch._C.DisableTorchFunction():  # whoever listens need not know
            if autocasting() or compiling() or x.layout != torch.strided:
                return None
            wants = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), x.requires_grad
            key = x.shape, x.stride(), x.dtype, x.device, x.is_inference(), wants
            now = self._now()
        with self._lock:
            if self._then != now:
                self._forget()
            if key not in self._traced:
                while len(self._traced) >= HELD:
                    del self._traced[next(iter(self._traced))]
                self._traced[key] = self._made(x)
            return self._traced[key]

    def cuts(self, x: Tensor) -> bool:
        """Whether only what the place sees is computed."""
        parts = self.parts(x)
        return parts is not None and parts.one is not None

    def _made(self, x: Tensor) -> FrozenGraph | None:
        traced = trace(self.model, x, ends=self.until is not None)
        if traced is None:
            return None
        with alone():  # parameters are folded into plain tensors, also inside torch.func
            folded = Folded(traced)
            held = [chain for parts in self._traced.values() if parts for chain in parts.chains]
            for run in folded.runs:
                if self.precision is not None:
                    run.chain.rounded(self.precision)
                run.chain = next((chain for chain in held if chain.alike(run.chain)), run.chain)
        return FrozenGraph(self, folded)

    def _as_written(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with by_hand(), self.in_precision(args):
                x_out = self.model(*args, **kwargs)
        except Reached as end:
            return end.x_out
        if self.until is not None:
            raise ValueError(f"freeze: the network does not come by {self.until!r}.")
        return x_out

    def in_precision(self, x: Sequence[Any]) -> AbstractContextManager[Any]:
        """What is no step of a chain computes in `precision`, too."""
        if self.precision is None:
            return nullcontext()
        return torch.autocast(next((t.device.type for t in x if isinstance(t, Tensor)), "cpu"), self.precision)

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)

    # when a trace no longer holds

    def _forget(self) -> None:
        self._traced: dict[Any, FrozenGraph | None] = {}
        self.field = None if self.at is None else ReceptiveField(self.at)
        modules = list(self.model.modules())
        self._hooks = [vars(module)[kind] for module in modules for kind in HOOKS]
        self._state = [t for t in (*self.model.parameters(), *self.model.buffers()) if not t.is_inference()]
        self._then = self._now()

    def _now(self) -> tuple[int, int]:
        """It becomes another with each write into a parameter or buffer, and with each hook."""
        return sum([t._version for t in self._state]), sum(map(len, self._hooks))

    def _apply(self, fn, recurse=True):
        """Parameters move: what was traced holds no longer."""
        super()._apply(fn, recurse)
        self._forget()
        return self

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k not in ("_lock", "_traced", "_hooks", "_state")}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._lock = threading.RLock()
        self._forget()


class FrozenGraph:
    """A traced network: `chains` are the runs of layers that became one, the rest is called node by node."""

    def __init__(self, frozen: Frozen, folded: Folded):
        self._frozen, self._folded = frozen, folded
        self.chains = [run.chain for run in folded.runs]
        self._field = frozen.field
        self.one = self._one_chain() if self._field else None

    def _one_chain(self) -> FrozenChain | None:
        """What the network is, if it is one chain, of which a place can be cut."""
        match self._folded.parts:
            case [fx.Node(), Run(chain=chain), fx.Node(op="output", args=[[fx.Node()]])] if ReceptiveField.suits(chain):
                return chain
        return None

    def __call__(self, x: Tensor) -> Any:
        """
        Raises:
            Unfit: the network has to run as it was written.
        """
        if self._field is None:
            return self._run(x)
        if self.one is not None:
            with suppress(Unfit):
                return self._field(self.one, x)
        return self._field.of(self._run(x))

    def _run(self, x: Tensor) -> Any:
        folded = self._folded
        values: dict[fx.Node, Any] = {}

        def value(node: fx.Node) -> Any:
            if node in folded.fixed:
                return folded.fixed[node]
            return values[node] if node in values else values[folded.source(node)]

        def write(node: fx.Node) -> None:
            values[node] = x if node.op == "placeholder" else self._value(node, value)

        for part, done in zip(folded.parts, folded.done, strict=True):
            if isinstance(part, Run):
                try:
                    x_out = part.chain(*map(value, part.ins))
                    values.update(zip(part.outs, x_out, strict=True))
                except Unfit:
                    for node in part.nodes:
                        write(node)
            elif part.op == "output":
                return self._given(part, value)
            else:
                write(part)
            for node in done:
                values.pop(node, None)
        raise AssertionError("a graph has an output")

    def _given(self, output: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        nodes: Any = output.args[0]
        tensors = iter([value(n).clone() if n in self._folded.fixed else value(n) for n in nodes])
        traced = self._folded.traced
        return tree_unflatten([next(tensors) if t is Tensor else t for t in traced.leaves], traced.form)

    def _value(self, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        args: Any = map_arg(node.args, value)
        kwargs, target = map_arg(node.kwargs, value), node.target
        with self._frozen.in_precision(args):
            if node.op == "call_module":
                return _called(self._frozen.model.get_submodule(str(target)), node.meta["call"], args)
            if node.op == "call_method":
                return getattr(args[0], str(target))(*args[1:], **kwargs)
            return target(*args, **kwargs)  # type: ignore[operator]


def _called(module: nn.Module, call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors that a module gives, called as it was written.

    Raises:
        Unfit: it gives something else than when the network was traced.
    """
    given = iter(tensors)
    args, kwargs = tree_unflatten([next(given) if t is Tensor else t for t in call.given], call.form)
    try:
        with by_hand():
            x_out = module(*args, **kwargs)
    except Reached as end:
        x_out = end.x_out
    made, form = tree_flatten(x_out)
    if form != call.form_out or [*map(Call.describe, made)] != call.made:
        raise Unfit
    return [t for t in made if isinstance(t, Tensor)]


def _many_or_along(x: Tensor) -> bool:
    """Whether torch.func has many of x, or goes along with it: what the chain does not see through."""
    return transformed() and (is_batched(x) or forward_mode())


def _globally_hooked() -> bool:
    return any(getattr(torch_module, f"_global{kind}") for kind in HOOKS)
