"""The recorder of 14.6.5: a network, recorded as it runs, with every layer and the tensors that it saves.

    x_l = f_l(x_{l-1}, θ_l)             a `RecordedLayer`, and a node of an fx graph that calls f_l
    masks, random and integer tensors   nodes that call torch functions; they have no gradient

A tensor that is written into gets a new value, so that the graph writes in place into buffers only. Shapes, and what
depends on them, are constants of the graph. Python control flow that depends on a tensor's values raises a TypeError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from ...layer.base import Layer
from ...layer.recorder import Recorder
from ...layers.core.view import Replaced
from . import torch_functions as calls
from .tensor_nodes import Values, grad_fn_of, lasting, memory_of


class RecordedLayer(NamedTuple):
    """A layer that has a backward pass."""

    layer: type[Layer]
    needs: list[bool]
    ins: list[fx.Node | None]  # the value of each input that needs a gradient
    reals: list[bool]  # which inputs are real, and so have real gradients
    outs: list[fx.Node]
    likes: list[Tensor]  # for each x_out, a tensor of its shape
    remembered: tuple
    module: str  # which called it
    saved: list[fx.Node]  # the nodes of the remembered tensors


class Read(NamedTuple):
    """A view, `layer.of(whole, *constants)`, of the value that `whole` had at that version."""

    whole: Tensor
    layer: type[Layer]
    constants: Sequence[Any]
    version: int


class Refused(Exception):
    """The graph cannot represent what just ran. No TypeError: Python's operators take that for an unfit operand."""


class Tape(Recorder):
    """While it is active, calls are recorded in `values.graph`, and layers with a gradient also in `layers`.

    Args:
        title: the public function that records, for its errors.

    Raises:
        TypeError: at the end, where a call was refused.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.values = Values()
        self.layers: list[RecordedLayer] = []
        self.in_backward_pass = False  # in which layers save nothing
        self.inside = [""]  # the names of the running modules, outermost first
        self.of: fx.Node | None = None  # x_out of the layer whose backward is being recorded
        self._native: list[tuple[str, str]] = []  # native functions with a gradient, and their modules
        self._reads: dict[int, Read] = {}
        self.shared: set[StorageWeakRef] = set()  # memory with views that `_reads` lacks
        self._versions: dict[int, int] = {}

    @property
    def graph(self) -> fx.Graph:
        return self.values.graph

    def given(self, called: str, x: Any, wants: bool, fixed: bool = False, **meta: Any) -> Tensor:
        """x as a placeholder of the graph; `wants`: its gradient is needed."""
        return self.values.given(called, x, wants, fixed, meta)

    def node(self, x: Tensor) -> fx.Node:
        """The node that x is the value of. A view is read again if its base has been written into."""
        read = self._reads.get(id(x))
        if read is not None:
            self.node(read.whole)
            version = self._version(read.whole)
            if read.version != version:
                del self._reads[id(x)]
                self._become(x, self.layer(read.layer, (read.whole, *read.constants)))
                self._reads[id(x)] = read._replace(version=version)
        return self.values.node(x)

    def has_gradient(self, x: Any) -> bool:
        """Whether x has a gradient, by layers.

        Raises:
            Refused: its gradient is PyTorch's.
        """
        if not isinstance(x, Tensor) or not x.requires_grad:
            return False
        if (node := grad_fn_of(x)) is not None:
            name, where = self._native[0] if self._native else (node.name(), self.inside[-1])
            self.refuse(
                f"{name}{_in(where)} is PyTorch's, and not written by hand. Make the network of chapter14.nn and "
                "chapter14.functional, or give it to chapter14.convert; the loss likewise."
            )
        return self.values.knows(x)

    def refuse(self, why: str) -> None:
        """The graph cannot represent what just ran.

        Raises:
            Refused: always.
        """
        raise Refused(f"{self.title}: {why}")

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if isinstance(error[1], Refused):
            raise TypeError(str(error[1])) from error[1].__cause__

    # calls

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        needs = [self.has_gradient(x) for x in inputs]
        args = self._arguments(tuple(inputs))
        with self._computing():
            x_out = layer.forward(*inputs)
        node = self.graph.call_function(layer.of, args)
        node.meta.update(layer=layer, module=self.inside[-1], of=self.of)
        wants = torch.is_grad_enabled() and any(needs) and not self.in_backward_pass
        x_out = self.values.made(node, x_out, wants)
        if layer.view and memory_of(x_out) == memory_of(inputs[0]):
            self._reads[id(x_out)] = Read(inputs[0], layer, inputs[1:], self._version(inputs[0]))
        if wants:
            self._remember(layer, needs, inputs, x_out)
        return x_out

    def _remember(self, layer: Any, needs: list[bool], inputs: Sequence[Any], x_out: Any) -> None:
        shared = set(self.shared)
        with torch.no_grad():
            remembered = layer.remember(needs, inputs, x_out)
        self.shared = shared  # views made inside `remember` do not outlive it
        ins = [self.node(x) if need else None for x, need in zip(inputs, needs, strict=True)]
        outs = [x_out] if isinstance(x_out, Tensor) else list(x_out)
        nodes = [self.node(x) for x in outs]
        saved = [self.node(t) for t in remembered if isinstance(t, Tensor)]
        held = tuple(self.values.alias(t) if isinstance(t, Tensor) else t for t in remembered)
        reals = [isinstance(x, Tensor) and not x.is_complex() for x in inputs]
        self.layers.append(RecordedLayer(layer, needs, ins, reals, nodes, outs, held, self.inside[-1], saved))

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        with self._computing():
            x_out = f(*args)
        return self.values.made(self.graph.call_function(f, self._arguments(tuple(args))), x_out, False)

    def put(self, x: Tensor, y: Tensor) -> Tensor:
        if lasting(x) in self.shared:
            self.refuse(f"a tensor that shares memory with another is written into{_in(self.inside[-1])}.")
        read = self._reads.get(id(x))
        if read is not None:
            self.node(x)
            self.put(read.whole, Replaced.of(read.whole, y, read.layer, tuple(read.constants)))
        elif not self._fixed(x):
            self._become(x, y)
        elif self.has_gradient(y):
            self.refuse("a tensor with a gradient is written into a buffer; detach it first.")
        else:
            node = self.graph.call_method("copy_", (self.node(x), self.node(y)))
            node.meta["writes"] = True
            self.values.noted(node, x)
        return x

    def __torch_function__(self, f: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(f, "__name__", "")
        if self.paused or name == "requires_grad_":
            return f(*args, **kwargs)
        if name == "__get__" and not isinstance(x_out := f(*args, **kwargs), Tensor):
            self._check_query(getattr(f.__self__, "__name__", ""))
            return x_out  # such as x.shape
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        self._check(name, given, kwargs)
        x_out = f(*args, **kwargs)
        made = [t for t in tree_leaves(x_out) if isinstance(t, Tensor)]
        if any(grad_fn_of(t) is not None for t in made):
            self._native.append((name, self.inside[-1]))
        if {memory_of(t) for t in made} & {memory_of(t) for t in given if not any(t is x for x in made)}:
            self.shared.update(map(lasting, made))
        writes = calls.writes(name)
        if name == "detach":
            self.detached(x_out, given[0])
        elif writes or (made and not any(x_out is x for x in given)):  # else x_out is a number, or one of the inputs
            target, arguments = calls.as_fx_calls(f, name, args)
            call = self.graph.call_method if isinstance(target, str) else self.graph.call_function
            node = call(target, self._arguments(arguments), self._arguments(kwargs))
            node.meta.update(writes=writes, given=calls.draws(name))
            self.values.noted(node, x_out if made else ())
        return x_out

    def _check_query(self, name: str) -> None:
        """Checks a call, or the read of an attribute, whose result is no tensor."""
        if name in calls.AUTOGRAD:
            self.refuse(f"{name}{_in(self.inside[-1])} belongs to autograd, which this graph does not use.")

    def _check(self, name: str, given: list[Tensor], kwargs: dict) -> None:
        where = _in(self.inside[-1])
        if kwargs.get("out") is not None:
            self.refuse(f"{name}(..., out=...){where} writes into an existing tensor.")
        if calls.writes(name) and given[0].requires_grad:
            self.refuse(f"{name}{where} writes into a tensor with a gradient, and has no hand-written backward.")
        if name in calls.AUTOGRAD:
            self._check_query(name)
        if name in calls.READS | calls.SHAPES and any(map(self.values.depends, given)):
            what = "Python reads a tensor" if name in calls.READS else "a shape depends on a tensor"
            self.refuse(f"{what} by {name}{where}. One graph has the same operations for all data of one shape.")

    def detached(self, x_out: Tensor, x: Tensor) -> None:
        """x_out is the value x; `layers` records that it has no gradient."""
        self.values.put(x_out, self.node(x))

    # nodes

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with self.unrecorded(), torch.no_grad(), torch._C._DisableAutocast():
            yield

    def _arguments(self, given: Any) -> Any:
        values = self.values
        return fx.node.map_aggregate(given, lambda v: self.node(v) if isinstance(v, Tensor) else values.constant(v))

    def _fixed(self, x: Tensor) -> bool:
        self.node(x)
        return self.values.is_fixed(x)

    def _become(self, x: Tensor, y: Tensor) -> None:
        self.node(y)
        self.values.become(x, y, self.has_gradient(y))
        self._versions[id(x)] = self._version(x) + 1

    def _version(self, x: Tensor) -> int:
        return self._versions.get(id(x), 0)


def _in(module: str) -> str:
    return f" in {module!r}" if module else ""
