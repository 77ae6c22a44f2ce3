"""Forward-backward is just a bigger network (section 14.6.5, figure 14.17).

    (x, y) → J, {name: dJ/dθ}, dJ/dx

Its first half is the network. Its second half is a network too, of layers that are linear in g, whose weights the first
half computes: a hypernetwork. It does not use autograd. It consists of layers, so it has a forward_backward itself, and
it can be compiled, exported, and run without PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_structure, tree_unflatten

from ...layer.recorder import AT_WORK, recorder
from ...layers.core.arithmetic import minus, times
from .halves import Backward, Forward, split_in_two
from .memory_plan import Plan
from .printing import algorithm
from .recording import Given, Recorded, record

#: While a network is recorded, its parameters are replaced by the graph's: one thread at a time.
_RECORDING = RLock()


class ForwardBackward(nn.Module):
    """The result of `forward_backward`. It records the network at the first call with inputs of some shapes.

    Every call uses the model's own θ and buffers: batch norm updates its running statistics, dropout draws a new mask.
    """

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any], Tensor]):
        super().__init__()
        self.model = model
        self.loss = loss
        self._state()
        self._recorded: dict[Any, Recorded] = {}
        self._last: Recorded | None = None

    def forward(self, x: Any, y: Any) -> tuple[Tensor, dict[str, Tensor], Any]:
        """x, a tensor or several; y → J [], {name: dJ/dθ [*θ]}, dJ/dx in x's structure, None for integers."""
        recorded, (theta, buffers) = self._ready(x, y)
        xs, form = tree_flatten(x)
        with _without_autograd():
            inputs = *_tensors(xs), *_tensors(tree_leaves(y)), *theta.values(), *buffers.values()
            J, gradients, g_0 = recorded.module(*inputs)
        names = [name for name, p in theta.items() if p.requires_grad]
        left = iter(g_0)
        g_x = tree_unflatten([next(left) if isinstance(t, Tensor) else None for t in xs], form)
        return J, dict(zip(names, gradients, strict=True)), g_x

    def _ready(self, x: Any, y: Any) -> tuple[Recorded, tuple[dict[str, Tensor], dict[str, Tensor]]]:
        if torch.compiler.is_compiling():
            return self._seen(x, y), self._state()
        with _RECORDING:
            return self.record(x, y), self._state()

    def record(self, x: Any, y: Any) -> Recorded:
        """The fx graph for inputs of these shapes, `.module`, and its use of memory, `.plan`.

        Raises:
            TypeError: a function in it has no hand-written backward, or its operations depend on its data.
            ShapeError: J is not one number.
            RuntimeError: it is being compiled or exported, and no such inputs were recorded before.
        """
        if torch.compiler.is_compiling():
            return self._seen(x, y)
        with _RECORDING:
            key = self._key(x, y)
            if key not in self._recorded:
                # Dynamo must not trace `_made`. If it is not loaded, it is not imported: that takes as long as torch.
                made = torch.compiler.disable(self._made) if "torch._dynamo" in sys.modules else self._made
                self._recorded[key] = made(x, y)
            self._last = self._recorded[key]
            return self._last

    def _seen(self, x: Any, y: Any) -> Recorded:
        """As `record`, under torch.compile: shapes may be symbols, and nothing can be recorded."""
        inputs = _tensors(tree_leaves((x, y)))
        for recorded in self._recorded.values():
            likes = recorded.inputs
            if len(likes) == len(inputs) and recorded.modes == [m.training for m in self.modules()]:
                if all(t.shape == shape and t.dtype == dtype for t, (shape, dtype) in zip(inputs, likes, strict=True)):
                    return recorded
        raise RuntimeError(
            "forward_backward: it cannot record a network while it is compiled or exported. "
            "Call it on inputs of these shapes first, or give them: forward_backward(model, loss, x, y)."
        )

    @property
    def latest(self) -> Recorded:
        """The recorded network for the last inputs.

        Raises:
            RuntimeError: there have been none.
        """
        if self._last is None:
            raise RuntimeError("forward_backward: nothing is recorded yet; call it, or construct it with x and y.")
        return self._last

    @property
    def plan(self) -> Plan:
        """The use of memory, for the last inputs."""
        return self.latest.plan

    def algorithm(self) -> str:
        """Algorithm 14.1 for the last inputs, line by line."""
        return algorithm(self.latest)

    def parts(self, x: Any, y: Any) -> tuple[Forward, Backward]:
        """The two halves as modules: (x, y) → J, g_L, saved; and g_L, saved → {name: dJ/dθ}, g_0."""
        names = [name for name, p in self._state()[0].items() if p.requires_grad]
        forward, backward, ends = split_in_two(self.record(x, y))
        return Forward(self, forward, len(ends)), Backward(backward, names, tree_flatten(x)[1])

    def given(self, x: Any, y: Any) -> Given:
        """The leaves of x and y, θ and buffers, as the graph takes them."""
        return Given(_tensors(tree_leaves(x)), _tensors(tree_leaves(y)), *self._state())

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """θ and buffers by name: the model's own names, the loss's with the prefix "loss."; a shared one has one name.

        Raises:
            ValueError: two have the same name.
        """
        theta: dict[str, Tensor] = {_name(n): p for n, p in self.named_parameters()}
        buffers = {_name(n): b for n, b in self.named_buffers()}
        if len(theta) + len(buffers) < sum(1 for _ in (*self.parameters(), *self.buffers())):
            raise ValueError("forward_backward: parameters of the model's module 'loss' have the names of the loss's.")
        return theta, buffers

    def _key(self, x: Any, y: Any) -> Any:
        theta, buffers = self._state()
        state = (*theta.values(), *buffers.values())
        likes = tuple([_like(t) for t in (*tree_leaves((x, y)), *state)])
        flags = tuple([t.requires_grad for t in state]), tuple([m.training for m in self.modules()])
        lower = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        return likes, flags, str(tree_structure((x, y))), lower

    def _made(self, x: Any, y: Any) -> Recorded:
        (xs, x_form), (ys, y_form) = tree_flatten(x), tree_flatten(y)
        if not _tensors(xs):
            raise TypeError(f"forward_backward: x is a tensor, or several; it was given {type(x).__name__}.")

        def run(x_0: list[Any], y_0: list[Any], state: dict[str, Tensor]) -> tuple[Any, Any]:
            inputs = tree_unflatten(_put_back(xs, x_0), x_form)
            own = {n: state[_name(n)] for n, _ in (*self.named_parameters(), *self.named_buffers())}
            y = tree_unflatten(_put_back(ys, y_0), y_form)
            return torch.func.functional_call(_Whole(self.model, self.loss), own, (inputs, y))

        return record(run, self.given(x, y), self.model)._replace(modes=[m.training for m in self.modules()])

    def __getstate__(self) -> dict[str, Any]:
        """Without the recorded networks: an unpickled or copied network records again."""
        return {**super().__getstate__(), "_recorded": {}, "_last": None}  # type: ignore[misc]


class _Whole(nn.Module):
    """x, y → x_L, J."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any], Tensor]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, x: Any, y: Any) -> tuple[Any, Any]:
        x_L = self.model(*x) if isinstance(x, tuple) else self.model(x)
        return x_L, self.loss(x_L, y)


class Descent(nn.Module):
    """Forward, backward and update in one network: (θ, x, y, η) → (θ - η dJ/dθ, J, x_L), (14.9).

    θ is {name: tensor}. Parameters that require no gradient, and buffers, are the model's own.
    """

    def __init__(self, network: ForwardBackward, x: Any, y: Any):
        super().__init__()
        recorded = network.record(x, y)
        given = network.given(x, y)
        graph = fx.Graph()
        values: dict[fx.Node, fx.Node] = {}
        output = graph.graph_copy(recorded.module.graph, values)
        ends = [values[n] for n in recorded.module.graph.nodes if n.name in recorded.x_L]
        graph.output((output, ends))
        self.network = fx.GraphModule(recorded.module, graph, "Network")
        self.names = [name for name, p in given.theta.items() if p.requires_grad]
        self.writes = [n.args[0].meta["name"] for n in recorded.module.graph.nodes if n.meta.get("writes")]
        self._all = list(given.theta)
        self.fixed = {n: p for n, p in given.theta.items() if not p.requires_grad}
        self._held = list(given.buffers.values())

    def forward(self, theta: dict[str, Tensor], x: Any, y: Any, eta: Tensor) -> tuple[dict[str, Tensor], Tensor, Any]:
        """θ by name, x, y and η [] → θ after the step, J [] and x_L."""
        all_theta = [theta[n] if n in theta else self.fixed[n] for n in self._all]
        with _without_autograd():
            (J, gradients, _), x_L = self.network(*tree_leaves(x), *tree_leaves(y), *all_theta, *self._held)
            moved = {n: minus(theta[n], times(g, eta)) for n, g in zip(self.names, gradients, strict=True)}
        return moved, J, x_L[0] if len(x_L) == 1 else x_L


def forward_backward(
    model: nn.Module, loss: Callable[[Any, Any], Tensor], x: Any = None, y: Any = None
) -> ForwardBackward:
    """The bigger network: (x, y) → (J, {name: dJ/dθ}, dJ/dx), without autograd. Figure 14.17.

    >>> network = forward_backward(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), F.l2_loss)
    >>> J, gradients, g_0 = network(torch.randn(8, 4), torch.randn(8, 2))
    >>> print(network.algorithm())

    The gradients are those of parameters that require one, by the names of `model.named_parameters()`: one name for a
    shared θ, whose gradients add up (14.47). The gradient of a parameter that J does not depend on is 0. A recorded
    network is fixed to the shapes of its inputs and the mode of each module; for others, the model is recorded again.

    Args:
        model: made of `chapter14.nn`, or converted. A tuple x is its arguments.
        loss: a function or module of x_L and y that gives one number, made of `chapter14.functional`.
        x, y: inputs to record it with immediately; by default, it is recorded at the first call.

    Raises:
        TypeError: `model` is no module, or `loss` cannot be called.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"forward_backward: model is a torch.nn.Module; it was given {type(model).__name__}.")
    if not callable(loss):
        raise TypeError(f"forward_backward: loss is a function of the output and y; it was given {loss!r}.")
    network = ForwardBackward(model, loss)
    if x is not None:
        network.record(x, y)
    return network


def _without_autograd() -> AbstractContextManager[Any]:
    """torch.no_grad(), unless the network itself is being recorded."""
    return nullcontext() if AT_WORK and recorder() is not None else torch.no_grad()


def _name(n: str) -> str:
    """The name in the model of a `ForwardBackward`'s parameter `n`."""
    return n.removeprefix("model.")


def _tensors(leaves: list[Any]) -> list[Tensor]:
    return [t for t in leaves if isinstance(t, Tensor)]


def _put_back(leaves: list[Any], tensors: list[Tensor]) -> list[Any]:
    left = iter(tensors)
    return [next(left) if isinstance(t, Tensor) else t for t in leaves]


def _like(t: Any) -> Any:
    return (t.shape, t.dtype, t.device) if isinstance(t, Tensor) else t
