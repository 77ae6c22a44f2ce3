"""A trial: one draw of the inputs and of g_out, with the gradient that is wrong, and the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from .case import Case, inputs_requiring_grad, requires_grad
from .raw_backward import RawCall, functions_of, recorded

#: (inputs, g_out) → a gradient for each input that requires one.
Gradients = Callable[[tuple, Sequence[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Trial:
    """One draw, and one input of it whose gradient is looked at.

    Attributes:
        f: the function. wrong_of, right_of: its gradients, as they are and as they should be.
        inputs, g: the inputs, and g_out for each floating-point output.
        which: the number of the input, among those that require a gradient.
        names: those of all inputs.
        batch: the number of datapoints, or None where it is not known.
        graphs_of: functions (inputs) → the outputs with a graph of PyTorch's operations: the reference's, if there is
            one, and that of the function's own forward pass.
    """

    f: Callable
    wrong_of: Gradients
    right_of: Gradients
    inputs: tuple
    g: tuple[Tensor, ...]
    which: int
    names: tuple[str, ...]
    batch: int | None
    graphs_of: tuple[Callable[[tuple], list[Tensor]], ...]

    @property
    def name(self) -> str:
        return self.name_of(self.which)

    def name_of(self, which: int) -> str:
        return self.names[[i for i, t in enumerate(self.inputs) if requires_grad(t)][which]]

    @property
    def x(self) -> Tensor:
        return self.leaves[self.which]

    @cached_property
    def leaves(self) -> list[Tensor]:
        return inputs_requiring_grad(self.inputs)

    @cached_property
    def x_out(self) -> list[Tensor]:
        return [t.detach() for t in outputs_of(self.f(*self.inputs))]

    @cached_property
    def rights(self) -> list[Tensor]:
        return self.right_of(self.inputs, self.g)

    @property
    def right(self) -> Tensor:
        return self.rights[self.which]

    @cached_property
    def wrong(self) -> Tensor:
        return self.wrong_of(self.inputs, self.g)[self.which]

    def with_g(self, *g: Tensor) -> Trial:
        """The same inputs with another g_out."""
        return replace(self, g=g)

    def with_leaf(self, which: int, value: Tensor) -> Trial:
        """The same g_out, with another value of one input."""
        leaf = self.leaves[which]
        value = value.detach().clone().requires_grad_()
        return replace(self, inputs=tuple(value if t is leaf else t for t in self.inputs))

    @cached_property
    def L(self) -> Tensor | None:
        """The right L, [|x_out| x |x|], where it is small and there is one output."""
        if len(self.g) != 1 or not 0 < self.g[0].numel() <= 64:
            return None
        rows = torch.eye(self.g[0].numel(), dtype=self.g[0].dtype, device=self.g[0].device).unbind()
        return torch.stack([self.with_g(row.view_as(self.g[0])).right.flatten() for row in rows])


def _outputs_with_graph(f: Callable, inputs: tuple) -> list[Tensor]:
    return outputs_of(f(*inputs))


def outputs_of(x_out: Any) -> list[Tensor]:
    """The outputs that may have a gradient: real or complex, not integer."""
    x_out = x_out if isinstance(x_out, tuple | list) else (x_out,)
    return [t for t in x_out if t.is_floating_point() or t.is_complex()]


def same(a: Tensor, b: Tensor, rtol: float = 1e-5) -> bool:
    """Whether two gradients are equal, to the accuracy of finite differences."""
    if a.shape != b.shape or not b.numel() or not b.isfinite().all():
        return False
    b = b.to(a.dtype) if a.is_complex() or not b.is_complex() else b
    return torch.allclose(a.to(b.dtype), b, rtol=rtol, atol=rtol * float(b.abs().max()))


#: The draws of the trials: how many datapoints, and what is added to the seed of the case.
DRAWS = (3, 0), (5, 1), (3, 2)


def trials(case: Case) -> Iterator[list[Trial]]:
    """For each input whose gradient is wrong, the trials in which it is."""
    reference = case.composite or case.native
    right_of = by_autograd(reference) if reference else by_finite_differences(case.ours)
    graphs_of = tuple(partial(_outputs_with_graph, f) for f in (reference, case.forward) if f is not None)
    wrong_of, drawn = as_returned(case.ours), []
    for n, more in DRAWS:
        seed = case.seed + more
        inputs, rng = case.draw(n, seed=seed), torch.Generator().manual_seed(1000 + seed)  # g_out is not x
        x_out = outputs_of(case.ours(*inputs))
        g = tuple(torch.randn(t.shape, generator=rng, dtype=t.dtype).to(t.device) for t in x_out)
        drawn.append((inputs, g, _batch(case, n, inputs, x_out)))
    for which in range(len(inputs_requiring_grad(drawn[0][0]))):
        of_input = [
            Trial(case.ours, wrong_of, right_of, inputs, g, which, case.names_of(inputs), batch, graphs_of)
            for inputs, g, batch in drawn
        ]
        if wrong := [t for t in of_input if _differs(t)]:
            yield wrong


def _differs(t: Trial) -> bool:
    try:
        assert_close(t.wrong, t.right, check_dtype=False)
    except AssertionError:
        return not same(t.wrong, t.right, rtol=1e-7)
    return False


def _batch(case: Case, n: int, inputs: tuple, x_out: Sequence[Tensor]) -> int | None:
    """n where batches of any size are drawn; else the size of the first axis, where inputs and outputs share it."""
    if any(d is not None for d in case.in_dims):
        return n
    sizes = {t.shape[0] for t in (*inputs_requiring_grad(inputs)[:1], *x_out[:1]) if t.ndim}
    return sizes.pop() if len(sizes) == 1 else None


def by_autograd(f: Callable) -> Gradients:
    """The gradients of f by autograd, with zeros where there is none."""

    def gradients(inputs: tuple, g: Sequence[Tensor]) -> list[Tensor]:
        return autograd(outputs_of(f(*inputs)), inputs_requiring_grad(inputs), g)

    return gradients


def autograd(x_out: Sequence[Tensor], leaves: list[Tensor], g: Sequence[Tensor], **options: Any) -> list[Tensor]:
    pairs = [(t, gt) for t, gt in zip(x_out, g, strict=True) if t.requires_grad]
    if not pairs:
        return [torch.zeros_like(t) for t in leaves]
    outputs, g = zip(*pairs, strict=True)
    return list(torch.autograd.grad(outputs, leaves, g, allow_unused=True, materialize_grads=True, **options))


def as_returned(f: Callable) -> Gradients:
    """The gradients of f by autograd; but of a Function given the inputs, what its `backward` returns, in its shape."""

    def gradients(inputs: tuple, g: Sequence[Tensor]) -> list[Tensor]:
        x_out, leaves = outputs_of(f(*inputs)), inputs_requiring_grad(inputs)
        with recorded(functions_of(x_out)) as calls:
            try:
                g_in = autograd(x_out, leaves, g)
            except RuntimeError:  # of autograd, about a shape; or of `backward`
                if not list(_misshaped(calls, x_out[0].grad_fn, leaves)):
                    raise
                g_in = [torch.zeros_like(t) for t in leaves]
        for k, returned in _misshaped(calls, x_out[0].grad_fn, leaves):
            g_in[k] = returned.detach()
        return g_in

    return gradients


def _misshaped(calls: Sequence[RawCall], node: Any, leaves: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Of the leaves that are inputs of a node, those whose gradient is returned in another shape, and that gradient."""
    for call in calls:
        for i, _, before in call.inputs if call.node is node else []:
            for k, leaf in enumerate(leaves):
                returned = call.returned[i] if i < len(call.returned) else None
                if getattr(before, "variable", None) is leaf and isinstance(returned, Tensor):
                    if returned.shape != leaf.shape:
                        yield k, returned


def by_finite_differences(f: Callable) -> Gradients:
    """The gradients of f by central differences: (<g, f(x + h e)> - <g, f(x - h e)>) / 2h, entry by entry."""

    def J(inputs: tuple, g: Sequence[Tensor]) -> float:
        with torch.no_grad():
            return sum(float((t * gt).sum()) for t, gt in zip(outputs_of(f(*inputs)), g, strict=True))

    def moved(inputs: tuple, leaf: Tensor, by: Tensor) -> tuple:
        return tuple((t.detach() + by).requires_grad_() if t is leaf else t for t in inputs)

    def gradients(inputs: tuple, g: Sequence[Tensor]) -> list[Tensor]:
        found, step = [], 1e-6 if g[0].dtype.itemsize >= 8 else 1e-2
        for leaf in inputs_requiring_grad(inputs):
            directions = torch.eye(leaf.numel(), dtype=leaf.dtype, device=leaf.device).view(-1, *leaf.shape)
            ends = ([J(moved(inputs, leaf, h * e), g) for e in directions] for h in (step, -step))
            ahead, behind = (torch.tensor(values, dtype=leaf.dtype, device=leaf.device) for values in ends)
            found.append((ahead - behind).view(leaf.shape) / (2 * step))
        return found

    return gradients
