"""Compares a converted network with the original: outputs, gradients, a step of SGD, saved memory, low precision.

Both get the same inputs, weights and seed. In float64 they have to agree up to rounding. In float32, and under
autocast, the errors of both are measured against the original network in float64.
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
from ..conversion.convert import convert
from .case import seed_cpu


@dataclass(frozen=True)
class ComparedNetwork:
    """A network to convert: how to make it, and inputs to call it with.

    The gradients of inputs that require one are compared too.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], tuple]
    dtype: torch.dtype = torch.float64  # of the comparison; some networks support only float32

    @property
    def bound(self) -> float:
        """The largest error allowed. PyTorch rounds some constants to float32, such as hardsigmoid's 1/6: 4e-7."""
        return 1e-6 if self.dtype == torch.float64 else 1e-4

    def model(self, training: bool, dtype: torch.dtype | None = None) -> nn.Module:
        seed_cpu(0)
        model = self.make()
        for p in model.parameters():
            _vary(p)
        return model.to(dtype or self.dtype).train(training)

    def call(self, dtype: torch.dtype | None = None) -> tuple:
        seed_cpu(1)
        return tree_map(lambda t: _cast(t, dtype or self.dtype), self.inputs())

    def __str__(self) -> str:
        return self.name


@torch.no_grad()
def _vary(p: nn.Parameter) -> None:
    """Adds noise to a parameter whose entries are all equal: a scale of 0 or 1e-6 would hide what it multiplies."""
    if p.numel() > 1 and p.is_floating_point() and p.min() == p.max():
        p.add_(torch.randn_like(p), alpha=0.1)


def _cast(t: Any, dtype: torch.dtype) -> Any:
    floats = isinstance(t, Tensor) and t.is_floating_point()
    return t.detach().to(dtype).requires_grad_(t.requires_grad) if floats else t


@dataclass(frozen=True)
class NetworkComparison:
    """Errors are relative, in the network's dtype: |ours - native| / |native|, the largest of all tensors."""

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


def compare_network(network: ComparedNetwork, training: bool) -> NetworkComparison:
    """Converts a network and compares it with the original."""
    native = network.model(training)
    ours = convert(native)
    by_ours, by_native = (_forward_and_backward(model, network.call()) for model in (ours, native))
    for model, result in ((ours, by_ours), (native, by_native)):
        _step(model, result.of_parameters)
    state, native_state = ([t.to(network.dtype) for t in m.state_dict().values()] for m in (ours, native))
    saved, saved_natively = (saved_bytes(m, *network.call()).total for m in (ours, native))
    return NetworkComparison(
        parameters=sum(p.numel() for p in native.parameters()),
        audit=by_ours.audit,
        outputs=_worst(by_ours.outputs, by_native.outputs),
        gradients=_worst(by_ours.gradients, by_native.gradients),
        step=_worst(state, native_state),
        saved=saved,
        saved_natively=saved_natively,
    )


def low_precision_errors(network: ComparedNetwork, training: bool = False) -> dict[str, tuple[float, float]]:
    """The errors (ours, native's) in float32 and under autocast to bfloat16, against native in the network's dtype.

    bfloat16 is left out where native raises, as its LSTM does on processors without bfloat16.
    """
    native = network.model(training)
    exact = _forward_and_backward(copy.deepcopy(native), network.call())
    models = [native.float(), convert(native)]
    errors = {}
    for name, context in (("float32", nullcontext()), ("bfloat16", torch.autocast("cpu", torch.bfloat16))):
        try:
            with context:
                found = [_forward_and_backward(copy.deepcopy(model), network.call(torch.float32)) for model in models]
        except RuntimeError as error:
            if "could not create a primitive" not in str(error):
                raise
            continue
        theirs, ours = (_error([*f.outputs, *f.gradients], [*exact.outputs, *exact.gradients]) for f in found)
        errors[name] = ours, theirs
    return errors


@dataclass(frozen=True)
class _Derivatives:
    outputs: Sequence[Tensor]
    gradients: Sequence[Tensor]  # of the inputs that require one, and of the parameters
    of_parameters: Sequence[Tensor | None]
    audit: Audit


def _forward_and_backward(model: nn.Module, inputs: tuple) -> _Derivatives:
    seed_cpu(2)
    x_out = [t for t in tree_leaves(model(*inputs)) if isinstance(t, Tensor) and t.requires_grad]
    leaves = [t for t in tree_leaves(inputs) if isinstance(t, Tensor) and t.requires_grad]
    g_out = [torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view(t.shape) for t in x_out]
    gs = torch.autograd.grad(x_out, [*leaves, *_trained(model)], g_out, allow_unused=True, retain_graph=True)
    return _Derivatives([t.detach() for t in x_out], [g for g in gs if g is not None], gs[len(leaves) :], audit(x_out))


@torch.no_grad()
def _step(model: nn.Module, gradients: Sequence[Tensor | None]) -> None:
    for p, g in zip(_trained(model), gradients, strict=True):
        p.grad = g
    torch.optim.SGD(_trained(model), lr=1e-3).step()


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _worst(ours: Sequence[Tensor], native: Sequence[Tensor]) -> float:
    """The largest relative error. Tensors that should be 0, such as the gradient of a bias before a norm, are compared
    with the norm of the others."""
    if [t.shape for t in ours] != [t.shape for t in native]:
        raise AssertionError("ours and native differ in which outputs and gradients exist")
    norms = [t.norm().item() for t in native]
    if not any(norms):
        raise AssertionError("nothing to compare: all native outputs and gradients are 0")
    least = max((torch.finfo(t.dtype).eps ** 0.5 * max(norms) for t in native), default=0)
    errors = [(a - b).norm().item() / max(n, least) for a, b, n in zip(ours, native, norms, strict=True)]
    return torch.tensor(errors).nan_to_num(torch.inf).max().item()  # Python's max() may skip a NaN


def _error(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """The relative error of all tensors together, as one vector."""
    square = sum((a.double() - b).square().sum().item() for a, b in zip(found, exact, strict=True))
    return (square / max(sum(b.square().sum().item() for b in exact), 1e-30)) ** 0.5
