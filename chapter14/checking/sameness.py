"""Is a converted network the same network? Forward, back, after a step of descent, and in low precision.

Both get the same inputs, weights and seed. In float64 they have to agree to rounding. In float32, and under autocast,
they are held to the truth instead, which is the native network in float64: ours may be as far from it as native is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from ..conversion.audit import Audit, audit, saved_bytes
from ..conversion.model import convert


@dataclass(frozen=True)
class Network:
    """A network that somebody wrote: how to make it, and inputs to call it with.

    Tensors among the inputs that ask for a gradient are compared by theirs too.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], tuple]
    dtype: torch.dtype = torch.float64  # of the comparison; some networks run in float32 only

    @property
    def bound(self) -> float:
        """How far ours may be from native. Where PyTorch rounds a constant to float32, as hardsigmoid's 1/6: 4e-7."""
        return 1e-6 if self.dtype == torch.float64 else 1e-4

    def model(self, training: bool, dtype: torch.dtype | None = None) -> nn.Module:
        torch.manual_seed(0)
        model = self.make()
        for p in model.parameters():
            _let_through(p)
        return model.to(dtype or self.dtype).train(training)

    def call(self, dtype: torch.dtype | None = None) -> tuple:
        torch.manual_seed(1)
        return tree_map(lambda t: _as(t, dtype or self.dtype), self.inputs())

    def __str__(self) -> str:
        return self.name


@torch.no_grad()
def _let_through(p: nn.Parameter) -> None:
    """A parameter that begins as one number is drawn: where that is 0, or 1e-6, nothing goes through what it scales."""
    if p.numel() > 1 and p.is_floating_point() and p.min() == p.max():
        p.add_(torch.randn_like(p), alpha=0.1)


def _as(t: Any, dtype: torch.dtype) -> Any:
    floats = isinstance(t, Tensor) and t.is_floating_point()
    return t.detach().to(dtype).requires_grad_(t.requires_grad) if floats else t


@dataclass(frozen=True)
class Sameness:
    """Errors are relative, in the network's dtype: |ours - native| / |native|, the worst tensor's."""

    parameters: int
    audit: Audit
    outputs: float
    gradients: float
    step: float  # of the parameters and buffers after a step of SGD
    saved: int
    saved_natively: int

    @property
    def worst(self) -> float:
        return max(self.outputs, self.gradients, self.step)


def sameness(network: Network, training: bool) -> Sameness:
    """A network, converted, beside itself."""
    native = network.model(training)
    ours = convert(native)
    by_ours, by_native = (_there_and_back(model, network.call()) for model in (ours, native))
    for model, result in ((ours, by_ours), (native, by_native)):
        _step(model, result.of_parameters)
    state, native_state = ([t.to(network.dtype) for t in m.state_dict().values()] for m in (ours, native))
    saved, saved_natively = (saved_bytes(m, *network.call()).total for m in (ours, native))
    return Sameness(
        parameters=sum(p.numel() for p in native.parameters()),
        audit=by_ours.audit,
        outputs=_worst(by_ours.outputs, by_native.outputs),
        gradients=_worst(by_ours.gradients, by_native.gradients),
        step=_worst(state, native_state),
        saved=saved,
        saved_natively=saved_natively,
    )


def from_the_truth(network: Network, training: bool = False) -> dict[str, tuple[float, float]]:
    """How far ours, and native, are from native in the network's dtype: in float32, and under autocast to bfloat16.

    Without the latter where native refuses it, as its LSTM does on processors that have no bfloat16.
    """
    native = network.model(training)
    truth = _there_and_back(copy.deepcopy(native), network.call())
    models = [native.float(), convert(native)]
    distances = {}
    for name, context in (("float32", nullcontext()), ("bfloat16", torch.autocast("cpu", torch.bfloat16))):
        try:
            with context:
                found = [_there_and_back(copy.deepcopy(model), network.call(torch.float32)) for model in models]
        except RuntimeError as error:
            if "could not create a primitive" not in str(error):
                raise
            continue
        theirs, ours = (_distance([*f.outputs, *f.gradients], [*truth.outputs, *truth.gradients]) for f in found)
        distances[name] = ours, theirs
    return distances


@dataclass(frozen=True)
class _Result:
    outputs: Sequence[Tensor]
    gradients: Sequence[Tensor]  # of the inputs that ask, and of the parameters
    of_parameters: Sequence[Tensor | None]
    audit: Audit


def _there_and_back(model: nn.Module, inputs: tuple) -> _Result:
    torch.manual_seed(2)
    x_out = [t for t in tree_leaves(model(*inputs)) if isinstance(t, Tensor) and t.requires_grad]
    asked = [t for t in tree_leaves(inputs) if isinstance(t, Tensor) and t.requires_grad]
    leaves = [*asked, *_trained(model)]
    g_out = [torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view(t.shape) for t in x_out]
    gs = torch.autograd.grad(x_out, leaves, g_out, allow_unused=True, retain_graph=True)
    return _Result([t.detach() for t in x_out], [g for g in gs if g is not None], gs[len(asked) :], audit(x_out))


@torch.no_grad()
def _step(model: nn.Module, gradients: Sequence[Tensor | None]) -> None:
    for p, g in zip(_trained(model), gradients, strict=True):
        p.grad = g
    torch.optim.SGD(_trained(model), lr=1e-3).step()


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _worst(ours: Sequence[Tensor], native: Sequence[Tensor]) -> float:
    """The worst tensor's relative error; what is nothing beside the others (a bias before a norm) by the others."""
    if [t.shape for t in ours] != [t.shape for t in native]:
        raise AssertionError("ours and native differ in which outputs and gradients there are")
    norms = [t.norm().item() for t in native]
    if not any(norms):
        raise AssertionError("there is nothing to compare: all that native has is 0")
    least = max((torch.finfo(t.dtype).eps ** 0.5 * max(norms) for t in native), default=0)
    errors = [(a - b).norm().item() / max(n, least) for a, b, n in zip(ours, native, norms, strict=True)]
    return torch.tensor(errors).nan_to_num(torch.inf).max().item()  # max() of Python's may pass a NaN over


def _distance(found: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """All tensors as one vector."""
    square = sum((a.double() - b).square().sum().item() for a, b in zip(found, truth, strict=True))
    return (square / max(sum(b.square().sum().item() for b in truth), 1e-30)) ** 0.5
