"""A model as one node of autograd: recorded once, then run as Algorithm 14.1, by plain calls (plain_passes.py).

    x_L, saved = forward(x, θ)               one node, instead of one for each layer
    g_0, dJ/dθ = backward(g_L, saved)

In a network of small tensors, the time goes into nodes and not into products: autograd's own, and for a layer by hand
the Python around it. Neither is needed where the same layers follow each other in each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.autograd import Function, forward_ad
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ...layer.modes import autocasting, compiling, in_function_mode, is_differentiated, transformed, without_autocast
from ...layer.node import call_nodes
from ...layer.recorder import following
from ..joint.tape import Tape
from .module_state import ModuleState, all_plain
from .plain_passes import PlainPasses, plain_passes

#: Arguments and outputs that are no tensors.
_CONSTANTS = bool, int, float, complex, str, type(None)
#: While a model is recorded, the graph's tensors are in place of its own: one thread at a time.
_RECORDING = RLock()


class Recording(NamedTuple):
    passes: PlainPasses
    node: type[Function]
    form: TreeSpec  #: of the output
    leaves: list[Any]  #: of the output: the constants, and for a tensor its place in x_L as an `End`


class End(int):
    """Which of x_L a leaf of the output is."""


class TracedModel(nn.Module):
    """The result of `trace`."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self._forget()

    def _forget(self) -> None:
        self._state = ModuleState(self.model)
        self._recordings: dict[Any, Recording] = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if _observed():
            return self.model(*args, **kwargs)
        leaves, form = tree_flatten((args, kwargs))
        x = [t for t in leaves if isinstance(t, Tensor)]
        constants = [t for t in leaves if not isinstance(t, Tensor)]
        with _RECORDING:
            if not self._state.is_current():
                self._forget()
            state = self._state
            replayable = all(isinstance(c, _CONSTANTS) for c in constants) and all_plain(x) and not state.has_hooks()
            if not replayable or not all_plain(state.theta):
                return self.model(*args, **kwargs)
            if not any(t.requires_grad for t in (*x, *state.theta)):
                return self.model(*args, **kwargs)
            kinds = [(t.shape, t.stride(), t.dtype, t.device, t.requires_grad) for t in x]
            key = form, tuple(kinds), tuple(map(repr, constants)), state.properties(), _autocast()
            if key not in self._recordings:
                self._recordings[key] = self._record(leaves, form)
            recording = self._recordings[key]
        x_L = recording.node.apply(*x, *state.theta, *state.buffers)
        return tree_unflatten([x_L[t] if isinstance(t, End) else t for t in recording.leaves], recording.form)

    def _record(self, leaves: Sequence[Any], form: TreeSpec) -> Recording:
        tape, state = _Tape("trace"), self._state
        devices = {t.device.index for t in state.theta if t.device.type == "cuda"}
        with torch.random.fork_rng(list(devices)), torch.enable_grad(), tape:
            given = [
                tape.given(f"x_{i}", t, t.requires_grad) if isinstance(t, Tensor) else t for i, t in enumerate(leaves)
            ]
            x = [t for t in given if isinstance(t, Tensor)]
            theta = [
                tape.given(f"theta_{i}", t, t.requires_grad, learns=t.requires_grad and t.ndim > 1)
                for i, t in enumerate(state.theta)
            ]
            buffers = [tape.given(f"buffer_{i}", t, False, fixed=True) for i, t in enumerate(state.buffers)]
            before = [tape.node(t) for t in (*x, *theta)]
            with state.replaced(theta, buffers), following(self.model, tape.inside):
                args, kwargs = tree_unflatten(given, form)
                out, out_form = tree_flatten(self.model(*args, **kwargs))
            if [tape.node(t) for t in (*x, *theta)] != before:
                tape.refuse("the model writes into its input or into a parameter.")
            ends: list[Tensor] = []
            places: dict[int, End] = {}
            for t in out:
                if isinstance(t, Tensor) and id(t) not in places:
                    places[id(t)] = End(len(ends))
                    ends.append(t)
                elif not isinstance(t, (Tensor, *_CONSTANTS)):
                    tape.refuse(f"the output holds a {type(t).__name__}, which is no tensor, number or string.")
            passes = plain_passes(tape, ends, [*x, *theta])
        recorded = [places[id(t)] if isinstance(t, Tensor) else t for t in out]
        node = _node(self, passes, leaves, form, len(x))
        return Recording(passes, node, out_form, recorded)

    def __getstate__(self) -> dict[str, Any]:
        """Without recordings: an unpickled or copied model records again."""
        return {**super().__getstate__(), "_recordings": {}, "_state": None}  # type: ignore[misc]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._forget()


class _Tape(Tape):
    def learns(self, x: Tensor) -> bool:
        def learn(node: fx.Node, layers: int) -> bool:
            before = node.all_input_nodes
            if "layer" in node.meta:
                layers -= 1
                if any(n.meta.get("learns") for n in before[1:]):
                    return True
            return layers > 0 and any(learn(n, layers) for n in before)

        return learn(self.node(x), 3)

    def has_gradient(self, x: Any) -> bool:
        """As of any tape; but a tensor from elsewhere that requires a gradient, which would get none, is refused."""
        has = super().has_gradient(x)
        if not has and isinstance(x, Tensor) and x.requires_grad and not self.values.knows(x):
            self.refuse("a tensor that requires a gradient is neither an input nor a parameter of the model.")
        return has


class TracedNode(Function):
    """The node of a traced model."""

    layers: ClassVar[list[str]]


def _node(traced: TracedModel, passes: PlainPasses, leaves: Sequence[Any], form: TreeSpec, xs: int) -> type[Function]:
    state = traced._state
    constants = [None if isinstance(t, Tensor) else t for t in leaves]
    is_tensor = [isinstance(t, Tensor) for t in leaves]
    rest = [None] * len(state.buffers)
    recorded_with = state.properties(), _autocast()
    forward_pass, backward_pass = passes.forward.forward, passes.backward.forward

    class OneNode(TracedNode):
        layers = passes.layers

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            if autocasting():
                with without_autocast():
                    x_L, saved = forward_pass(*inputs)
            else:
                x_L, saved = forward_pass(*inputs)
            ctx.save_for_backward(*inputs[:xs], *saved)
            ctx.mark_non_differentiable(*[t for t, has in zip(x_L, passes.has_gradient, strict=True) if not has])
            return tuple(x_L)

        @staticmethod
        def backward(ctx: Any, *gs: Tensor) -> tuple:
            gs = tuple(g for g, has in zip(gs, passes.has_gradient, strict=True) if has)
            tensors = ctx.saved_tensors
            if is_differentiated(gs):
                return *_again(tensors[:xs], gs), *rest
            with without_autocast():
                return *backward_pass(*gs, *tensors[xs:]), *rest

    def _again(x: Sequence[Tensor], gs: Sequence[Tensor]) -> list[Tensor | None]:
        """The gradients through a node for each layer, which have derivatives: the model runs again."""
        if passes.draws:
            raise RuntimeError(
                "trace: the model draws random numbers, and other ones if it ran again for derivatives of its "
                "gradient. Differentiate the model itself."
            )
        if not state.is_current() or (state.properties(), _autocast()) != recorded_with:
            raise RuntimeError(
                "trace: the model, its mode or autocast changed after the forward pass, which runs again for "
                "derivatives of its gradient."
            )
        left = iter(x)
        args, kwargs = tree_unflatten([next(left) if t else c for t, c in zip(is_tensor, constants, strict=True)], form)
        with _RECORDING, torch.enable_grad(), state.replaced(state.theta, [b.clone() for b in state.buffers]):
            out = {id(t): t for t in tree_flatten(traced.model(*args, **kwargs))[0] if isinstance(t, Tensor)}
        ends = [t for t, has in zip(out.values(), passes.has_gradient, strict=True) if has]
        inputs = [*x, *state.theta]
        learned = [t for t in inputs if t.requires_grad]
        g_in = iter(torch.autograd.grad(ends, learned, gs, create_graph=torch.is_grad_enabled(), allow_unused=True))
        return [next(g_in) if t.requires_grad else None for t in inputs]

    call_nodes(OneNode, type(traced.model).__name__)
    return OneNode


def _observed() -> bool:
    """Whether something but autograd observes each operation, or no gradient is wanted: then the model itself runs."""
    if compiling() or transformed() or in_function_mode() or forward_ad._current_level >= 0:
        return True
    return torch._C._len_torch_dispatch_stack() > 0 or not torch.is_grad_enabled()


def _autocast() -> tuple:
    return tuple(torch.get_autocast_dtype(d) if torch.is_autocast_enabled(d) else None for d in ("cpu", "cuda"))


def trace(model: nn.Module) -> TracedModel:
    """The model as one node of autograd, for less time in each training step: about half for networks of small tensors.

    At the first call with inputs of some shapes, the model runs, and its layers are recorded; later calls run these
    layers, and not the model's Python: what depends on more than shapes, dtypes, arguments that are no tensors, and
    training or evaluation mode, stays as it was. Parameters and buffers are the model's own, and random numbers are
    drawn at each call. Where hooks, torch.func, torch.compile, forward mode or a torch function mode are active, or no
    gradient is wanted, the model itself runs. A derivative of the gradient runs the model again.

    Args:
        model: made of `chapter14.nn`, or converted.

    Raises:
        TypeError: `model` is no module; or at a call: a function in it has no hand-written backward, its operations
            depend on values of tensors, or it writes into its input or assigns to its parameters or buffers.

    >>> model = chapter14.trace(chapter14.convert(model))
    >>> loss(model(x), y).backward()
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"trace: model is a torch.nn.Module; it was given {type(model).__name__}.")
    return TracedModel(model)
