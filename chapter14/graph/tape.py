"""A network, written down as it runs: every layer, what it remembers, and what else is made of its values.

    x_l = f_l(x_{l-1}, θ_l)          a `Step`, and a node of an fx graph that calls f_l
    masks, draws, whole numbers      nodes too: calls of PyTorch's, of which there is no gradient

What is written into is another value from then on, so that the graph has no writing in place but that into buffers.
Shapes and what follows from them are constants of the graph. What follows from the values is not, and is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from ..layer import Layer
from ..layers.view import Replaced
from ..recorder import Recorder

#: What gives Python a number that is a tensor's, and what has a shape that depends on a tensor's values.
_READS = frozenset("item tolist numpy __bool__ __int__ __float__ __index__ __complex__ equal allclose is_nonzero".split())
_SHAPES = frozenset("nonzero argwhere unique unique_consecutive masked_select bincount".split())
_DRAWS = frozenset("bernoulli multinomial normal poisson rand rand_like randint randint_like randn randn_like randperm".split())


class Step(NamedTuple):
    """A layer that g comes back through."""

    layer: type[Layer]
    needs: list[bool]
    ins: list[fx.Node | None]  # the value of each input that needs a gradient
    outs: list[fx.Node]
    likes: list[Tensor]  # of each x_out, a tensor of its shape
    remembered: tuple
    module: str  # where it ran
    kept: list[fx.Node]  # the nodes of what is remembered


class Read(NamedTuple):
    """A value that lies in the memory of another, `whole` as it was at that version."""

    whole: Tensor
    layer: type[Layer]
    constants: Sequence[Any]
    version: int


class Tape(Recorder):
    """While it is on, what runs goes into `graph`, and layers that have a gradient into `steps`."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.root = nn.Module()
        self.steps: list[Step] = []
        self.goes_back = False  # then nothing is remembered any more
        self.inside = [""]  # the modules that run
        self._values: dict[int, tuple[Tensor, fx.Node]] = {}  # by id; the tensor is held, so that the id stays its own
        self._native: list[tuple[str, str]] = []  # what is not by hand, and where
        self._reads: dict[int, Read] = {}
        self._versions: dict[int, int] = {}
        self._fixed: set[int] = set()  # what is there before and after: buffers, and tensors of nobody's

    # what is given

    def given(self, called: str, x: Any, wants: bool, fixed: bool = False, **meta: Any) -> Tensor:
        """x as a placeholder of the graph; `wants` says whether there is to be a gradient."""
        node = self.graph.placeholder(re.sub(r"\W", "_", called))
        node.target = node.name  # which is nobody else's
        node.meta.update(meta, given=True)
        x = self._value(x.detach() if not fixed else x.detach().clone(), node, wants)
        if fixed:
            self._fixed.add(id(x))
        return x

    def node(self, x: Tensor) -> fx.Node:
        """The node whose value x is now."""
        if (read := self._reads.get(id(x))) is not None:
            self.node(read.whole)
            if read.version != self._versions.get(id(read.whole), 0):
                del self._reads[id(x)]
                self._become(x, self.layer(read.layer, (read.whole, *read.constants)))
                self._reads[id(x)] = read._replace(version=self._versions.get(id(read.whole), 0))
        if id(x) not in self._values:
            self._fixed.add(id(x))
            self._values[id(x)] = x, self._constant(x)
        return self._values[id(x)][1]

    def has_gradient(self, x: Any) -> bool:
        """
        Raises:
            TypeError: it has one of PyTorch's.
        """
        if not isinstance(x, Tensor) or not x.requires_grad:
            return False
        if x.grad_fn is not None:
            name, where = self._native[0] if self._native else (x.grad_fn.name(), self.inside[-1])
            raise TypeError(
                f"forward_backward: {name}{f' in {where!r}' if where else ''} is PyTorch's, and not written by hand. Make the network "
                "of chapter14.nn and chapter14.functional, or give it to chapter14.convert; the loss likewise."
            )
        return id(x) in self._values

    # what runs

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        needs = [self.has_gradient(x) for x in inputs]
        args = tuple(map(self._argument, inputs))
        with self._computing():
            x_out = layer.forward(*inputs)
        node = self.graph.call_function(layer.of, args)
        node.meta.update(layer=layer, module=self.inside[-1])
        wants = torch.is_grad_enabled() and any(needs) and not self.goes_back
        x_out = self._made(node, x_out, wants)
        if layer.view and isinstance(x_out, Tensor) and _memory(x_out) == _memory(inputs[0]):
            self._reads[id(x_out)] = Read(inputs[0], layer, inputs[1:], self._versions.get(id(inputs[0]), 0))
        if wants:
            with torch.no_grad():
                remembered = layer.remember(needs, inputs, x_out)
            ins = [self.node(x) if need else None for x, need in zip(inputs, needs, strict=True)]
            outs = [x_out] if isinstance(x_out, Tensor) else list(x_out)
            nodes = [self.node(x) for x in outs]
            kept = [self.node(t) for t in remembered if isinstance(t, Tensor)]
            self.steps.append(Step(layer, needs, ins, nodes, outs, tuple(map(self._as_it_is, remembered)), self.inside[-1], kept))
        return x_out

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        with self._computing():
            x_out = f(*args)
        return self._made(self.graph.call_function(f, tuple(map(self._argument, args))), x_out, False)

    def put(self, x: Tensor, y: Tensor) -> Tensor:
        read = self._reads.get(id(x))
        if read is not None:
            self.node(x)
            self.put(read.whole, Replaced.of(read.whole, y, read.layer, tuple(read.constants)))
            return x
        node = self.node(x)
        if id(x) in self._fixed:
            if self.has_gradient(y):
                raise TypeError("forward_backward: a buffer is written into with what has a gradient; detach it first.")
            node = self.graph.call_method("copy_", (node, self.node(y)))
            node.meta["writes"] = True
            self._note(node, x)
            self._values[id(x)] = x, node
            return x
        self._become(x, y)
        return x

    def __torch_function__(self, f: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(f, "__name__", "")
        if self.paused or name == "requires_grad_":
            return f(*args, **kwargs)
        self._refuse(name, (args, kwargs))
        x_out = f(*args, **kwargs)
        if any(isinstance(t, Tensor) and t.grad_fn is not None for t in tree_leaves(x_out)):
            self._native.append((name, self.inside[-1]))
        if name != "__setitem__" and not any(isinstance(t, Tensor) for t in tree_leaves(x_out)):
            return x_out
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        writes = name == "__setitem__" or (name.endswith("_") and not name.endswith("__")) or name[:3] == "__i"
        writes = writes and name not in ("__invert__", "__index__", "__int__")
        if any(x_out is x for x in given) and not writes:
            return x_out  # as it is
        if writes and given[0].requires_grad:
            raise TypeError(f"forward_backward: {name} writes into what has a gradient, and is not by hand.")
        target, arguments = _called(f, name, args)
        call = self.graph.call_method if isinstance(target, str) else self.graph.call_function
        node = call(target, tuple(map(self._argument, arguments)), {k: self._argument(v) for k, v in kwargs.items()})
        node.meta["writes"] = writes
        node.meta["given"] = node.meta.get("given") or name.removesuffix("_") in _DRAWS
        if name == "__setitem__":
            return x_out
        with self._computing():
            self._noted(node, x_out)
        return x_out

    # how it is written down

    @contextmanager
    def _computing(self) -> Iterator[None]:
        before, self.paused = self.paused, True
        try:
            with torch.no_grad(), torch._C._DisableAutocast():
                yield
        finally:
            self.paused = before

    def _refuse(self, name: str, given: Any) -> None:
        if name in _READS or name in _SHAPES:
            for x in tree_leaves(given):
                if isinstance(x, Tensor) and id(x) in self._values and self._depends(self._values[id(x)][1]):
                    what = "Python reads a tensor" if name in _READS else "a shape depends on a tensor"
                    where = f" in {self.inside[-1]!r}" if self.inside[-1] else ""
                    raise TypeError(
                        f"forward_backward: {what} by {name}{where}, so what the network does depends on its data. "
                        "As one graph it does the same for all data of one shape."
                    )

    def _depends(self, node: fx.Node) -> bool:
        """Whether a value depends on what the network is given, or is drawn."""
        ahead, seen = [node], set()
        while ahead:
            node = ahead.pop()
            if node.meta.get("given"):
                return True
            if node not in seen:
                seen.add(node)
                ahead += node.all_input_nodes
        return False

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.node(value)
        if isinstance(value, (tuple, list)):
            inner = [self._argument(v) for v in value]
            return type(value)(*inner) if hasattr(value, "_fields") else list(inner) if isinstance(value, list) else tuple(inner)
        if isinstance(value, slice):
            return slice(*map(self._argument, (value.start, value.stop, value.step)))
        if isinstance(value, dict):
            return {name: self._argument(v) for name, v in value.items()}
        if value is None or value is Ellipsis or isinstance(value, _PLAIN):
            return value
        return self._constant(value)

    def _constant(self, value: Any) -> fx.Node:
        name = f"constant_{len(list(vars(self.root)))}"
        if isinstance(value, Tensor):
            value = value.detach()
            self.root.register_buffer(name := f"constant_{len(self.root._buffers)}_", value, persistent=False)
        else:
            setattr(self.root, name, value)
        node = self.graph.create_node("get_attr", name)
        if isinstance(value, Tensor):
            self._note(node, value)
        return node

    def _made(self, node: fx.Node, x_out: Any, wants: bool) -> Any:
        """x_out of a layer: new tensors, leaves that have a gradient where `wants` says so."""
        if isinstance(x_out, Tensor):
            return self._value(x_out, node, wants)
        return tuple(self._value(x, self.graph.call_function(operator.getitem, (node, i)), wants) for i, x in enumerate(x_out))

    def _value(self, x: Tensor, node: fx.Node, wants: bool) -> Tensor:
        with self._computing():
            x = x.detach()
            x.requires_grad_(wants and (x.is_floating_point() or x.is_complex()))
            self._noted(node, x)
        return x

    def _noted(self, node: fx.Node, x_out: Any) -> None:
        if isinstance(x_out, Tensor):
            self._note(node, x_out)
            self._values[id(x_out)] = x_out, node
            return
        for i, x in enumerate(x_out):
            if isinstance(x, Tensor):
                self._noted(self.graph.call_function(operator.getitem, (node, i)), x)

    def _note(self, node: fx.Node, x: Tensor) -> None:
        node.meta.update(shape=tuple(x.shape), dtype=x.dtype, memory=_memory(x), bytes=x.untyped_storage().nbytes())
        node.meta["held"] = x

    def _become(self, x: Tensor, y: Tensor) -> None:
        """x is what y is, from now on."""
        wants = self.has_gradient(y)
        node = self.node(y)
        with self._computing():
            x.data = y.data
            x.requires_grad_(wants)
        self._values[id(x)] = x, node
        self._versions[id(x)] = self._versions.get(id(x), 0) + 1

    def _as_it_is(self, value: Any) -> Any:
        """What is remembered, by another name: its own may be another value later."""
        if not isinstance(value, Tensor):
            return value
        node = self.node(value)
        with self._computing():
            alias = value.detach()
        self._values[id(alias)] = alias, node
        return alias

    @contextmanager
    def following(self, model: Any) -> Iterator[None]:
        """`inside` ends with the name of the module that runs."""
        modules = model.named_modules() if isinstance(model, nn.Module) else ()
        with ExitStack() as hooks:
            for name, module in modules:
                enter = module.register_forward_pre_hook(lambda *_, name=name: self.inside.append(name))
                leave = module.register_forward_hook(lambda *_: self.inside.__delitem__(-1), always_call=True)
                hooks.callback(enter.remove)
                hooks.callback(leave.remove)
            yield


#: What may stand in an fx graph as it is.
_PLAIN = (str, int, float, bool, complex, torch.dtype, torch.device, torch.memory_format, torch.layout)


def _memory(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _called(f: Any, name: str, args: tuple) -> tuple[Any, tuple]:
    """How fx is to call f: a method by its name, a property by `getattr`."""
    if name == "__get__":
        return getattr, (args[0], getattr(f.__self__, "__name__", "")) if len(args) else args
    if name == "__getitem__":
        return operator.getitem, args
    if name == "__setitem__":
        return operator.setitem, args
    if getattr(Tensor, name, None) is f:
        return name, args
    return f, args
