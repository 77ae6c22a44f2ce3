"""Runs PyTorch's own test samples, its OpInfo and ModuleInfo databases, on these layers.

They are in the wheel (torch.testing._internal, which needs the package expecttest). For each sample, x_out, g_in and
the gradient of |g_in|² are compared with PyTorch's. For each error input, these layers have to raise too.
"""

from __future__ import annotations

import copy
import functools
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_flatten, tree_unflatten

from .case import seed_cpu

Call = tuple[tuple, dict[str, Any]]


@dataclass
class SampleCount:
    """How many samples of one operation or module pass, are refused, and fail."""

    name: str
    passed: int = 0
    refused: int = 0  # PyTorch raises, or ours raises NotImplementedError
    failures: list[str] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return self.passed + self.refused + len(self.failures)

    def __str__(self) -> str:
        row = f"{self.name:44} {self.passed:5} passed {self.refused:4} refused {len(self.failures):4} failed"
        return "\n".join([row, *(f"    {failure}" for failure in self.failures[:5])])


def operations() -> dict[str, Any]:
    """PyTorch's OpInfo of each differentiable operation, by name, such as "nn.functional.linear" or "std.unbiased"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional packages of PyTorch's tests
        from torch.testing._internal.common_methods_invocations import op_db

    return {_name(op): op for op in op_db if op.supports_autograd}


def _name(op: Any) -> str:
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def modules() -> dict[str, Any]:
    """PyTorch's ModuleInfo of each module of torch.nn, by name, such as "Linear"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db

    return {info.module_cls.__name__: info for info in module_db if info.module_cls.__module__.startswith("torch.nn")}


def samples(op: Any, dtype: torch.dtype, requires_grad: bool = False, reference: bool = False) -> Iterator[Any]:
    """The SampleInputs of an operation; those of its reference tests if `reference`, which are many more.

    As op.sample_inputs, which also searches the call stack for a unittest before each sample: most of the time.
    """
    draw = op.reference_inputs_func if reference and op.reference_inputs_func else op.sample_inputs_func
    return _seeded(draw(op, "cpu", dtype, requires_grad))


def _seeded(drawn: Iterable) -> Iterator[Any]:
    drawn = iter(drawn)
    while True:
        seed_cpu(1234)
        random.seed(1234)
        np.random.seed(1234)
        if (sample := next(drawn, None)) is None:
            return
        yield sample


def count_operation_samples(
    op: Any,
    ours: Callable,
    second: bool = True,
    tolerance: float = 1e-9,
    reference: bool = False,
    dtype: torch.dtype = torch.float64,
) -> SampleCount:
    """Runs every sample of an operation, and its error inputs, on `ours`.

    Args:
        second: compare second derivatives too.
        tolerance: relative and absolute.
        reference: use PyTorch's reference samples.
    """
    count = SampleCount(_name(op))
    for i, sample in enumerate(samples(op, dtype, requires_grad=True, reference=reference)):
        _compare(count, i, ((sample.input, *sample.args), dict(sample.kwargs)), op.op, ours, second, tolerance)
    for i, error in enumerate(_seeded(op.error_inputs_func(op, "cpu")) if op.error_inputs_func else ()):
        sample = error.sample_input
        calls = [functools.partial(f, sample.input, *sample.args, **sample.kwargs) for f in (op.op, ours)]
        _expect(count, i, error.error_type, *calls)
    return count


def count_module_samples(
    info: Any, ours: type[nn.Module], second: bool = True, dtype: torch.dtype = torch.float64
) -> SampleCount:
    """Runs every sample of a module on `ours`, in both modes, with PyTorch's state loaded. Compares parameters too."""
    count = SampleCount(info.module_cls.__name__)
    for training in (True, False):
        drawn = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        for i, sample in enumerate(drawn):
            made, given = sample.constructor_input, sample.forward_input
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about deprecated options, as in _derivatives
                native, mine = (cls(*made.args, **made.kwargs).to(dtype) for cls in (info.module_cls, ours))
            native.train(training), mine.train(training)
            mine.load_state_dict(native.state_dict())
            if given is not None:
                _compare(count, i, (given.args, given.kwargs), native, mine, second)
    return count


def _compare(
    count: SampleCount, i: int, call: Call, native: Callable, ours: Callable, second: bool, tolerance: float = 1e-9
) -> None:
    try:
        expected = _derivatives(native, call, i, second)
    except Exception:
        if second:  # some of PyTorch's operations have no second derivative
            return _compare(count, i, call, native, ours, False, tolerance)
        count.refused += 1
        return None
    try:
        found = _derivatives(ours, call, i, second)
        for name, a, b in zip(("x_out", "g_in", "the gradient of |g_in|²"), found, expected, strict=True):
            _agree(name, a, b, tolerance)
        count.passed += 1
    except NotImplementedError:
        count.refused += 1
    except Exception as error:
        count.failures.append(f"sample {i}: {_in_one_line(error)}")
    return None


def _agree(name: str, ours: Sequence[Tensor], native: Sequence[Tensor], tolerance: float) -> None:
    assert_close(ours, native, rtol=tolerance, atol=tolerance, equal_nan=True, msg=lambda message: f"{name}: {message}")


def _expect(count: SampleCount, i: int, error_type: type[Exception], native: Callable, ours: Callable) -> None:
    if not isinstance(_error_of(native), error_type):  # some error inputs are for other devices or versions
        count.refused += 1
        return
    error = _error_of(ours)
    if isinstance(error, error_type):
        count.passed += 1
    elif isinstance(error, NotImplementedError):
        count.refused += 1
    else:
        raised = _in_one_line(error) if error else "nothing"
        count.failures.append(f"error input {i}: PyTorch raises {error_type.__name__}, ours {raised}")


def _error_of(call: Callable) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _derivatives(f: Callable, call: Call, seed: int, second: bool) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """x_out, g_in, and the gradient of |g_in|², of a call with copies of its tensors."""
    args, kwargs, leaves = _copied(call)
    leaves += list(f.parameters()) if isinstance(f, nn.Module) else []
    seed_cpu(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecated functions
        x_out = _tensors(f(*args, **kwargs))
        with_graph = [t for t in x_out if t.requires_grad]
        g_in = _gradients(with_graph, leaves, [_g_out(t) for t in with_graph], second)
        curved = [g for g in g_in if g.requires_grad] if second else []
        g_of_g = _gradients([g.abs().square().sum() for g in curved], leaves, None, False)
    return [t.detach() for t in x_out], [g.detach() for g in g_in], g_of_g


def _gradients(
    x_out: Sequence[Tensor], leaves: Sequence[Tensor], g_out: Sequence[Tensor] | None, create_graph: bool
) -> list[Tensor]:
    if not x_out or not leaves:
        return [torch.zeros_like(x) for x in leaves]
    gs = torch.autograd.grad(x_out, leaves, g_out, allow_unused=True, create_graph=create_graph)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(gs, leaves, strict=True)]


def _copied(call: Call) -> tuple[tuple, dict[str, Any], list[Tensor]]:
    flat, spec = tree_flatten(call)
    new = [t.detach().clone().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else copy.copy(t) for t in flat]
    args, kwargs = tree_unflatten(new, spec)
    return args, kwargs, [t for t in new if isinstance(t, Tensor) and t.requires_grad]


def _g_out(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)


def _tensors(x: Any) -> list[Tensor]:
    return [t for t in tree_flatten(x)[0] if isinstance(t, Tensor)]
