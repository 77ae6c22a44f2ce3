"""freeze(model): the network with its parameters fixed: same outputs, same g_in, with less time and memory.

The network is traced when it first sees an input of some shape. Runs of layers that have a frozen form
(frozen/layers.py) become one layer, with batch norm folded and relu fused; everything else runs through `by_hand`.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules import module as torch_module

from ...frozen.layers import Unsupported
from ...frozen.receptive_field import ReceptiveField
from ...layer.func_levels import forward_mode, is_batched
from ...layer.modes import autocasting, compiling, transformed
from ..by_hand import by_hand
from ..convert import Rerouted, convert, rerouted, unconverted
from ..copying import copied
from .fold import Folded
from .frozen_graph import FrozenGraph, in_precision
from .isolation import isolated
from .trace import HOOKS, Reached, reached, trace

#: How many traces are cached. Each new shape, memory layout, dtype or grad mode of the input has its own.
TRACES = 32


def freeze(
    model: nn.Module, until: str | None = None, precision: torch.dtype | None = None,
    at: tuple[int | None, int | None] | None = None,
) -> Frozen:  # fmt: skip
    """The network with its parameters fixed and in evaluation mode: same outputs, same g_in, less time and memory.

    The model's forward is traced once for each shape, memory layout and dtype of the input, and again after a parameter
    was written into. A module whose forward cannot be expressed as a graph stays a call of that module: one that
    switches grad mode or autocast, has hooks, calls a `torch.autograd.Function` or an operation without a layer, reads
    the values of a tensor, draws random numbers, or changes an attribute. Such a module also runs during the trace.

    Parameters that are not folded share the model's memory. The weights of convolutions, and of linear layers with many
    input rows, are also stored in one more layout for each pass.

    Args:
        until: the name of a module of the model; the network then ends there, and returns the output of that module.
        precision: compute in torch.bfloat16 or torch.float16; layers without a frozen form run under autocast. g_in has
            x's dtype.
        at: a row and a column of the output image, None for the middle. The output is then that position alone,
            [B, M, 1, 1], and only its receptive field is computed; g_in has the shape of x. If the network up to there
            has other layers than convolutions, relus, pools, sums and merges, the whole image is computed first.

    Raises:
        TypeError: `model` is not a module, or contains TorchScript.
        ValueError: the model has no module of that name, or does not call it; or `precision` is another dtype; or, when
            it is called, its output is not an image, or has no such position.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"freeze: model is a torch.nn.Module; it was given {type(model).__name__}.")
    names = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    if until is not None and until not in names:
        near = ", ".join(difflib.get_close_matches(until, names, 5, 0.4) or names[:5])
        raise ValueError(f"freeze: the model has no module {until!r}. Similar names: {near}.")
    if precision not in (None, torch.bfloat16, torch.float16):
        raise ValueError(f"freeze: precision is torch.bfloat16 or torch.float16; it was given {precision}.")
    if at is not None and not (isinstance(at, tuple | list) and len(at) == 2 and all(map(_is_index, at))):
        raise ValueError(f"freeze: at is a row and a column, or None for the middle; it was given {at!r}.")
    shared = copied(model, shared=True).eval()  # shares the model's memory; no parameter requires a gradient
    return Frozen(unconverted(shared), until, precision, at)


def _is_index(i: Any) -> bool:
    return i is None or (isinstance(i, int) and not isinstance(i, bool))


class Frozen(nn.Module):
    """What `freeze` returns. It stays in evaluation mode."""

    sealed = True  # a hook on an inner module would make that module run unfrozen

    def __init__(
        self, model: nn.Module, until: str | None, precision: torch.dtype | None, at: Sequence[int | None] | None = None
    ):
        super().__init__()
        self.until, self.precision, self.at = until, precision, at
        self.model = convert(model, inplace=True)
        for module in model.modules():  # the trace has to see each call of a module
            if not isinstance(module, Rerouted | fx.GraphModule):
                module.__class__ = rerouted(type(module))
        if until is not None:
            model.get_submodule(until).register_forward_hook(reached)
        super().train(False)
        self._lock = threading.RLock()
        self._reset()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        graph = self.graph_for(*args, **kwargs)
        if graph is not None:
            with suppress(Unsupported):
                return graph(args[0])
        x_out = self._unfrozen(*args, **kwargs)
        return x_out if self.field is None else self.field.of(x_out)

    def graph_for(self, *args: Any, **kwargs: Any) -> FrozenGraph | None:
        """The network as traced for this input; None if it has to run unfrozen."""
        if len(args) != 1 or kwargs or type(args[0]) is not Tensor or _is_transformed(args[0]) or _has_global_hooks():
            return None
        x: Tensor = args[0]
        with torch._C.DisableTorchFunction():  # torch function modes must not see these reads
            if autocasting() or compiling() or x.layout != torch.strided:
                return None
            wants = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), x.requires_grad
            key = x.shape, x.stride(), x.dtype, x.device, x.is_inference(), wants
            version = self._state_version()
        with self._lock:
            if self._traced_version != version:
                self._reset()
            if key not in self._graphs:
                while len(self._graphs) >= TRACES:
                    del self._graphs[next(iter(self._graphs))]
                self._graphs[key] = self._graph(x)
            return self._graphs[key]

    def crops(self, x: Tensor) -> bool:
        """Whether only the receptive field of `at` is computed."""
        graph = self.graph_for(x)
        return graph is not None and graph.whole is not None

    def _graph(self, x: Tensor) -> FrozenGraph | None:
        traced = trace(self.model, x, ends=self.until is not None)
        if traced is None:
            return None
        with isolated():  # parameters are folded into plain tensors, also inside torch.func
            folded = Folded(traced)
            chains = [chain for graph in self._graphs.values() if graph for chain in graph.chains]
            for run in folded.runs:
                if self.precision is not None:
                    run.chain.to_precision(self.precision)
                run.chain = next((chain for chain in chains if chain.equals(run.chain)), run.chain)
        return FrozenGraph(self.model, folded, self.field, self.precision)

    def _unfrozen(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with by_hand(), in_precision(self.precision, args):
                x_out = self.model(*args, **kwargs)
        except Reached as end:
            return end.x_out
        if self.until is not None:
            raise ValueError(f"freeze: the network does not call {self.until!r}.")
        return x_out

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)

    # when a trace is invalid

    def _reset(self) -> None:
        self._graphs: dict[Any, FrozenGraph | None] = {}
        self.field = None if self.at is None else ReceptiveField(self.at)
        self._hooks = [vars(module)[kind] for module in self.model.modules() for kind in HOOKS]
        self._state = [t for t in (*self.model.parameters(), *self.model.buffers()) if not t.is_inference()]
        self._traced_version = self._state_version()

    def _state_version(self) -> tuple[int, int]:
        """It changes with each write into a parameter or buffer, and with each hook."""
        return sum([t._version for t in self._state]), sum(map(len, self._hooks))

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self._reset()  # parameters have moved
        return self

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k not in ("_lock", "_graphs", "_hooks", "_state")}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._lock = threading.RLock()
        self._reset()


def _is_transformed(x: Tensor) -> bool:
    """Whether torch.func batches x or computes its tangent, which a chain does not support."""
    return transformed() and (is_batched(x) or forward_mode())


def _has_global_hooks() -> bool:
    return any(getattr(torch_module, f"_global{kind}") for kind in HOOKS)
