"""What a network with fixed parameters computes of x, as an fx graph, traced on real tensors in the calling thread.

The network runs, and a `Tape` records its layers. A graph cannot express some things that a forward may do: switch grad
mode or autocast, call a Function or an operation without a layer, read a tensor's values, draw random numbers, change
an attribute, or run a hook. The module that does so is opaque: it becomes one node, which calls the module.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.autograd import forward_ad
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ...graph.joint import torch_functions as calls
from ...graph.joint.memory_plan import remove_unused
from ...graph.joint.tape import Tape
from ...graph.joint.tensor_nodes import Values, lasting, memory_of
from ...layer.func_levels import unwrapped
from ...layer.modes import autocasting, transformed
from .isolation import attributes, is_plain, isolated, random_state_restored, working_copy

#: The hooks that a call of a module runs.
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Reached(BaseException):
    """The module at which the network ends has returned. Not an Exception, which a forward might catch."""

    def __init__(self, x_out: Any):
        self.x_out = x_out


class Traced(NamedTuple):
    """`graph` returns the tensors among the leaves of the output; `constants` has the values of its get_attr nodes."""

    graph: fx.Graph
    constants: nn.Module
    leaves: list[Any]  # of the output; `Tensor` in place of each tensor
    form: TreeSpec


class Call(NamedTuple):
    """The arguments of an opaque module, and its outputs."""

    inputs: list[Any]  # the leaves of its arguments; `Tensor` in place of each tensor
    form: TreeSpec
    outputs: list[Any]  # the leaves of its output, as `describe` returns them
    form_out: TreeSpec

    @staticmethod
    def describe(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        with torch._C.DisableTorchFunction():
            return leaf.shape, leaf.dtype, leaf.device, leaf.requires_grad


def with_tensors(leaves: Iterable[Any], tensors: Iterable[Tensor]) -> list[Any]:
    """Leaves with the tensors in place of `Tensor`."""
    values = iter(tensors)
    return [next(values) if leaf is Tensor else leaf for leaf in leaves]


def _without_tensors(leaves: list[Any]) -> list[Any]:
    return [Tensor if isinstance(leaf, Tensor) else leaf for leaf in leaves]


def trace(model: nn.Module, x: Tensor, ends: bool) -> Traced | None:
    """The graph; None if the whole network is opaque. `ends`: it ends at a module with the hook `reached`."""
    opaque = {name for name, module in model.named_modules() if _is_hooked(module)}
    while "" not in opaque:
        traced, found = _traced(model, x, ends, frozenset(opaque))
        if not found - opaque:
            return traced
        opaque |= found
    return None


def _is_hooked(module: nn.Module) -> bool:
    return any(hook is not reached for kind in HOOKS for hook in vars(module)[kind].values())


def reached(module: nn.Module, inputs: Any, x_out: Any) -> None:
    """A forward hook for the module at which the network ends."""
    raise Reached(x_out)


def _traced(model: nn.Module, x: Tensor, ends: bool, opaque: frozenset[str]) -> tuple[Traced | None, set[str]]:
    """The graph, and the names of the modules that have to be opaque too."""
    traced, wants, x = None, x.requires_grad, unwrapped(x)
    with isolated(), random_state_restored(x.device) as drawn:
        model, state = working_copy(model)
        modules = [(n, m) for n, m in model.named_modules() if not any(f"{n}.".startswith(f"{o}.") for o in opaque)]
        before = [attributes(vars(module)) for _, module in modules]
        with (tape := Trace(model, opaque, state, x.device)):
            try:
                x_out, ended = _until_reached(model, tape.given("x", x, wants))
                traced = tape.ended(x_out)
                if ended < ends:
                    tape.found.add("")
            except Exception:  # the model's own, or caused by the trace: either way the module has to be opaque
                tape.found.add(tape.failed)
        if drawn() and not tape.found:
            tape.found.add("")
    tape.found.update(n for (n, module), then in zip(modules, before, strict=True) if attributes(vars(module)) != then)
    return traced, tape.found


def _until_reached(run: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, bool]:
    """The output of a call, and whether the module at which the network ends was reached in it."""
    try:
        return run(*args, **kwargs), False
    except Reached as end:
        return end.x_out, True


class Trace(Tape):
    """`found` are the names of modules that have to be opaque; if there are any, the recording is discarded."""

    values: _ShortLived

    def __init__(self, model: nn.Module, opaque: frozenset[str], state: dict[int, Tensor], device: torch.device):
        super().__init__("freeze")
        self._device = device
        self.values = _ShortLived(self._forget)
        self.opaque, self.state = opaque, state
        self.found: set[str] = set()
        self.failed = ""  # the innermost module that raised an error
        self._names = {id(module): name for name, module in model.named_modules()}
        self._mode = _mode()

    def refuse(self, why: str) -> None:
        self.found.add(self.inside[-1])

    def node(self, x: Tensor) -> fx.Node:
        if not self.values.knows(x):
            if id(x) not in self.state:
                self.refuse("it was computed unrecorded")
            self.values.fix(x, self.state.get(id(x), x))
        return super().node(x)

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        self._check_mode()
        return super().layer(layer, inputs)

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        self._check_mode()
        return super().function(f, args)

    def put(self, x: Tensor, y: Tensor) -> Tensor:
        self._check_mode()
        if self._fixed(x):
            self.refuse("it changes the state of the model")
        return super().put(x, y)

    def detached(self, x_out: Tensor, x: Tensor) -> None:
        self.values.noted(self.graph.call_method("detach", (self.node(x),)), x_out)

    def __torch_function__(self, f: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if self.paused:
            return f(*args, **(kwargs or {}))
        name = getattr(f, "__name__", "")
        given = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        if given:
            self._check_mode()
        if name == "requires_grad_" or calls.draws(name) or calls.writes(name):
            self.refuse(name)
        natives = len(self._native)
        x_out = super().__torch_function__(f, types, args, kwargs)
        if len(self._native) > natives:
            self.refuse(name)
        gives = any(isinstance(t, Tensor) for t in tree_flatten(x_out)[0])
        if given and not gives and name not in calls.READS and name != "__get__":
            self._check_query(name)
        return x_out

    def _check_query(self, name: str) -> None:
        if name not in calls.DESCRIBES:
            self.refuse(name)

    def _remember(self, *layer: Any) -> None:
        """Nothing: this tape has no backward pass."""

    def _check_mode(self) -> None:
        if _mode() != self._mode:
            self.refuse("the mode has changed")

    # modules

    def module(self, module: Any, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        name = self._names.get(id(module))
        if not name:
            return run(*args, **kwargs)
        self._check_mode()
        if name in self.opaque:
            return self._opaque(name, run, args, kwargs)
        self.inside.append(name)
        try:
            return run(*args, **kwargs)
        except Exception:
            self.failed = self.failed or name
            raise
        finally:
            self.inside.pop()

    def _opaque(self, name: str, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The module, called on copies of its arguments: one node, with an output for each tensor that it returns."""
        leaves, form = self._leaves((tuple(args), kwargs))
        with self.unrecorded(), random_state_restored(self._device):
            copies = [t.clone() if isinstance(t, Tensor) else t for t in leaves]
            tensors = [t for t in copies if isinstance(t, Tensor)]
            versions = [t._version for t in tensors]
            args, kwargs = tree_unflatten(copies, form)
            x_out, ended = _until_reached(run, *args, **kwargs)
            if [t._version for t in tensors] != versions:
                self.refuse("it writes into its arguments")
        leaves_out, form_out = self._leaves(x_out)
        made = [t for t in leaves_out if isinstance(t, Tensor)]
        node = self.graph.call_module(name, tuple(self.node(t) for t in leaves if isinstance(t, Tensor)))
        call = Call(_without_tensors(leaves), form, [*map(Call.describe, leaves_out)], form_out)
        node.meta.update(call=call, keep=True)
        inside = {memory_of(t) for t in tensors}
        shares = any(memory_of(t) in inside for t in made)
        x_out = tree_unflatten(with_tensors(_without_tensors(leaves_out), self._entries(node, made)), form_out)
        if shares:
            self.shared.update(lasting(t) for t in (*leaves, *tree_flatten(x_out)[0]) if isinstance(t, Tensor))
        if ended:
            raise Reached(x_out)
        return x_out

    def _entries(self, node: fx.Node, made: list[Tensor]) -> list[Tensor]:
        with torch._C.DisableTorchFunction():
            wants = [t.requires_grad for t in made]
        entry, given = self.values.entry, self.values.made
        return [given(entry(node, i), t, w) for i, (t, w) in enumerate(zip(made, wants, strict=True))]

    def _leaves(self, tree: Any) -> tuple[list[Any], TreeSpec]:
        """The leaves, each a tensor or independent of x."""
        leaves, form = tree_flatten(tree)
        if not all(isinstance(t, Tensor) or is_plain(t) for t in leaves):
            self.refuse("an object may hold anything")
        return leaves, form

    def ended(self, x_out: Any) -> Traced:
        leaves, form = self._leaves(x_out)
        self.graph.output(tuple(self.node(t) for t in leaves if isinstance(t, Tensor)))
        remove_unused(self.graph)
        return Traced(self.graph, self.values.root, _without_tensors(leaves), form)

    def _forget(self, number: int) -> None:
        self._reads.pop(number, None)
        self._versions.pop(number, None)


class _ShortLived(Values):
    """Values that only the running network keeps alive, so that a trace takes no more memory than a forward pass."""

    def __init__(self, forget: Callable[[int], None]):
        super().__init__()
        self._constants_held: list[Tensor] = []
        self._watched: dict[int, weakref.ref] = {}
        self._forget = forget

    def fix(self, x: Tensor, value: Tensor) -> None:
        self._constants_held.append(x)
        super().fix(x, value)

    def put(self, x: Tensor, node: fx.Node) -> None:
        number = id(x)
        if number not in self._nodes:
            self._watched[number] = weakref.ref(x, lambda _: self._drop(number))
        self._nodes[number] = None, node  # type: ignore[assignment]

    def _drop(self, number: int) -> None:
        del self._nodes[number], self._watched[number]
        self._forget(number)

    def describe(self, node: fx.Node, x: Tensor) -> None:
        super().describe(node, x)
        if not is_constant(node):
            del node.meta["held"]


def is_constant(node: fx.Node) -> bool:
    """Whether the value of a node does not depend on x."""
    if "constant" not in node.meta:
        node.meta["constant"] = node.op == "get_attr" or (
            node.op not in ("placeholder", "call_module")
            and not node.meta.get("given")
            and all(map(is_constant, node.all_input_nodes))
        )
    return node.meta["constant"]


def _mode() -> tuple:
    grad_modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), forward_ad._current_level
    return *grad_modes, autocasting(), transformed()
