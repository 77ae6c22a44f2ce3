"""What a network computes of x, its parameters fixed, as an fx graph: traced on real tensors, in the calling thread.

The network runs, and a `Tape` records its layers. Some of what a forward does cannot be stated by a graph: it switches
grad mode or autocast, calls a Function or an operation that is not written by hand, reads a tensor, draws, changes an
attribute, or has a hook. The module that does so becomes one node, which calls it as it was written.
"""

from __future__ import annotations

import pickle
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import forward_ad
from torch.overrides import _pop_mode_temporarily
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ...graph.joint import torch_functions as calls
from ...graph.joint.memory_plan import without_the_dead
from ...graph.joint.tape import Tape
from ...graph.joint.tensor_nodes import Values, lasting, memory_of
from ...layer.levels import unwrapped
from ...layer.modes import autocasting, transformed
from ..copying import copied

#: The hooks that a call of a module runs.
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Reached(BaseException):
    """The module at which the network ends has given its output: no `except Exception` of a forward takes it."""

    def __init__(self, x_out: Any):
        self.x_out = x_out


class Traced(NamedTuple):
    """`graph` gives the tensors among the leaves of the output; `constants` has the values of its get_attr nodes."""

    graph: fx.Graph
    constants: nn.Module
    leaves: list[Any]  # of the output; `Tensor` where one belongs
    form: TreeSpec


class Call(NamedTuple):
    """How a module is called as it was written, and what it gives."""

    given: list[Any]  # the leaves of its arguments; `Tensor` where one belongs
    form: TreeSpec
    made: list[Any]  # the leaves of its output, as `describe` has them
    form_out: TreeSpec

    @staticmethod
    def describe(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        with torch._C.DisableTorchFunction():
            return leaf.shape, leaf.dtype, leaf.device, leaf.requires_grad


def trace(model: nn.Module, x: Tensor, ends: bool) -> Traced | None:
    """None where the whole network has to run as it was written. `ends`: it goes as far as a module with `reached`."""
    opaque = {name for name, module in model.named_modules() if is_hooked(module)}
    while "" not in opaque:
        traced, found = _traced(model, x, ends, frozenset(opaque))
        if not found - opaque:
            return traced
        opaque |= found
    return None


def is_hooked(module: nn.Module) -> bool:
    return any(hook is not reached for kind in HOOKS for hook in vars(module)[kind].values())


def reached(module: nn.Module, inputs: Any, x_out: Any) -> None:
    """A forward hook for the module at which the network ends."""
    raise Reached(x_out)


def _traced(model: nn.Module, x: Tensor, ends: bool, opaque: frozenset[str]) -> tuple[Traced | None, set[str]]:
    """And the names of the modules that have to be nodes, besides those of `opaque`."""
    traced, wants, x = None, x.requires_grad, unwrapped(x)
    with alone(), _chance(x.device) as drawn:
        model, state = _to_run(model)
        modules = [(n, m) for n, m in model.named_modules() if not any(f"{n}.".startswith(f"{o}.") for o in opaque)]
        before = [_attributes(vars(module)) for _, module in modules]
        with (tape := Trace(model, opaque, state, x.device)):
            try:
                x_out, ended = _output(model, tape.given("x", x, wants))
                traced = tape.ended(x_out)
                if ended < ends:
                    tape.found.add("")
            except Exception:  # the model's own, or one that comes of the trace: then the module is to run without it
                tape.found.add(tape.failed)
        if drawn() and not tape.found:
            tape.found.add("")
    tape.found.update(n for (n, module), then in zip(modules, before, strict=True) if _attributes(vars(module)) != then)
    return traced, tape.found


def _output(model: nn.Module, x: Tensor) -> tuple[Any, bool]:
    """And whether it is that of the module at which the network ends."""
    try:
        return model(x), False
    except Reached as end:
        return end.x_out, True


class Trace(Tape):
    """`found` are the names of modules that do what a graph cannot state; what is recorded then counts for nothing."""

    values: _Passing

    def __init__(self, model: nn.Module, opaque: frozenset[str], state: dict[int, Tensor], device: torch.device):
        super().__init__()
        self._device = device
        self.values = _Passing(self._forget)
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
                self.refuse("it is made out of sight")
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
            self.refuse("it changes what is there before and after")
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
            self._asked(name)
        return x_out

    def _asked(self, name: str) -> None:
        if name not in calls.DESCRIBES:
            self.refuse(name)

    def _remember(self, *layer: Any) -> None:
        """Nothing: nobody goes back over this tape."""

    def _check_mode(self) -> None:
        if _mode() != self._mode:
            self.refuse("the mode is another")

    # modules

    def module(self, module: Any, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        name = self._names.get(id(module))
        if name is None or not name:
            return run(*args, **kwargs)
        self._check_mode()
        if name in self.opaque:
            return self._as_written(name, run, args, kwargs)
        self.inside.append(name)
        try:
            return run(*args, **kwargs)
        except Exception:
            self.failed = self.failed or name
            raise
        finally:
            self.inside.pop()

    def _as_written(self, name: str, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The module, called on copies of what it is given: one node, with an output for each tensor that it gives."""
        leaves, form = self._leaves((tuple(args), kwargs))
        with self._unrecorded(), _chance(self._device):
            copies = [t.clone() if isinstance(t, Tensor) else t for t in leaves]
            tensors = [t for t in copies if isinstance(t, Tensor)]
            versions = [t._version for t in tensors]
            args, kwargs = tree_unflatten(copies, form)
            ended = False
            try:
                x_out = run(*args, **kwargs)
            except Reached as end:
                x_out, ended = end.x_out, True
            if [t._version for t in tensors] != versions:
                self.refuse("it writes into what it is given")
        made, form_out = self._leaves(x_out)
        node = self.graph.call_module(name, tuple(self.node(t) for t in leaves if isinstance(t, Tensor)))
        node.meta.update(call=Call(_without_tensors(leaves), form, [*map(Call.describe, made)], form_out), keep=True)
        inside = {memory_of(t) for t in tensors}
        shares = any(memory_of(t) in inside for t in made if isinstance(t, Tensor))
        values = iter(self._entries(node, [t for t in made if isinstance(t, Tensor)]))
        x_out = tree_unflatten([next(values) if isinstance(t, Tensor) else t for t in made], form_out)
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
        """Tensors, and what has no part of x in it."""
        leaves, form = tree_flatten(tree)
        if not all(isinstance(t, Tensor) or _is_plain(t) for t in leaves):
            self.refuse("an object may hold anything")
        return leaves, form

    @contextmanager
    def _unrecorded(self) -> Iterator[None]:
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    def ended(self, x_out: Any) -> Traced:
        leaves, form = self._leaves(x_out)
        self.graph.output(tuple(self.node(t) for t in leaves if isinstance(t, Tensor)))
        without_the_dead(self.graph)
        return Traced(self.graph, self.values.root, _without_tensors(leaves), form)

    def _forget(self, number: int) -> None:
        self._reads.pop(number, None)
        self._versions.pop(number, None)


class _Passing(Values):
    """Values that nobody holds but the network that runs, so that a trace takes no more memory than a forward pass."""

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
    """Whether its value does not depend on x."""
    if "constant" not in node.meta:
        before = node.all_input_nodes
        calls_one = node.op == "call_module"
        node.meta["constant"] = node.op == "get_attr" or (
            node.op != "placeholder" and not calls_one and not node.meta.get("given") and all(map(is_constant, before))
        )
    return node.meta["constant"]


def _without_tensors(leaves: list[Any]) -> list[Any]:
    return [Tensor if isinstance(t, Tensor) else t for t in leaves]


_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, torch.memory_format)


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN


def _mode() -> tuple:
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        autocasting(),
        transformed(),
        forward_ad._current_level,
    )


@contextmanager
def alone() -> Iterator[None]:
    """Nothing else takes part in the trace: no other recorder, no mode of the user's, no transform of torch.func."""
    with ExitStack() as modes:
        modes.enter_context(temporarily_clear_interpreter_stack())
        for _ in range(torch._C._len_torch_function_stack()):
            modes.enter_context(_pop_mode_temporarily())
        yield


@contextmanager
def _chance(device: torch.device) -> Iterator[Callable[[], bool]]:
    """Random numbers go on afterwards as if nothing had run. Gives a function that says whether any was drawn."""
    generators: list[tuple[Any, Any]] = [(torch.get_rng_state, torch.set_rng_state), (random.getstate, random.setstate)]
    if device.type == "cuda":
        generators.append((lambda: torch.cuda.get_rng_state(device), lambda s: torch.cuda.set_rng_state(s, device)))
    if "numpy" in sys.modules:
        drawn_by = sys.modules["numpy"].random
        generators.append((drawn_by.get_state, drawn_by.set_state))
    before = [state() for state, _ in generators]

    def drawn() -> bool:
        return any(_bytes(state()) != _bytes(then) for (state, _), then in zip(generators, before, strict=True))

    try:
        yield drawn
    finally:
        for state, (_, restore) in zip(before, generators, strict=True):
            restore(state)


def _bytes(state: Any) -> Any:
    return state.numpy().tobytes() if isinstance(state, Tensor) else pickle.dumps(state)


def _to_run(model: nn.Module) -> tuple[nn.Module, dict[int, Tensor]]:
    """A copy of the model that may change what it holds, and by the id of each tensor of it the model's own.

    Parameters are the same; what else it has is in memory of its own.
    """
    copies: dict[int, Any] = {id(p): p for p in model.parameters()}
    model_copy = copied(model, memo=copies)
    tensors = [t for module in model.modules() for t in _tensors(vars(module))]
    return model_copy, {id(copies[id(t)]): t for t in tensors if id(t) in copies}


def _tensors(held: Any) -> Iterator[Tensor]:
    """Those in a container of containers."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, dict):
        yield from _tensors(list(held.values()))
    elif isinstance(held, list | tuple | set):
        for value in held:
            yield from _tensors(value)


def _attributes(held: Any, depth: int = 4) -> Any:
    """What an object holds: values of Python's own, other objects by themselves, and what those hold in turn."""
    if _is_plain(held):
        return held
    if isinstance(held, nn.Module):
        return _Itself(held)
    if isinstance(held, Tensor) or depth == 0:
        return _Itself(held)
    if isinstance(held, dict):
        return [(_attributes(k, depth - 1), _attributes(v, depth - 1)) for k, v in held.items()]
    if isinstance(held, list | tuple | set | frozenset):
        return [_attributes(v, depth - 1) for v in held]
    inside = getattr(held, "__dict__", None)
    return _Itself(held), _attributes(inside, depth - 1) if type(inside) is dict else None


class _Itself:
    """An object that equals itself alone, and is held so that nothing else takes its place in memory."""

    def __init__(self, held: Any):
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]
