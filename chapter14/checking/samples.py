"""PyTorch's own samples: what its test suite calls each operation and each module with, put to ours.

They come with the wheel (torch.testing._internal, which needs the package expecttest). For each sample, x_out, g_in and
the gradient of |g_in|² are compared with PyTorch's; for each input that PyTorch refuses, ours has to raise too.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_flatten, tree_unflatten

Call = tuple[tuple, dict[str, Any]]


@dataclass
class Count:
    """Of one operation or module: how many samples there were, and what became of them."""

    name: str
    passed: int = 0
    refused: int = 0  # PyTorch itself does not do it, or ours says that it does not (NotImplementedError)
    failures: list[str] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return self.passed + self.refused + len(self.failures)

    def __str__(self) -> str:
        row = f"{self.name:44} {self.passed:5} passed {self.refused:4} refused {len(self.failures):4} failed"
        return "\n".join([row, *(f"    {failure}" for failure in self.failures[:5])])


def operations() -> dict[str, Any]:
    """PyTorch's OpInfo of each differentiable operation, by its name, as "nn.functional.linear" or "std.unbiased"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that PyTorch's own tests would like
        from torch.testing._internal.common_methods_invocations import op_db

    return {_name(op): op for op in op_db if op.supports_autograd}


def _name(op: Any) -> str:
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def modules() -> dict[str, Any]:
    """PyTorch's ModuleInfo of each module of torch.nn, by its name, as "Linear"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db

    return {info.module_cls.__name__: info for info in module_db if info.module_cls.__module__.startswith("torch.nn")}


def count_operation(
    op: Any,
    ours: Callable,
    second: bool = True,
    tolerance: float = 1e-9,
    reference: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Count:
    """Every sample of an operation through `ours`, and its error inputs. `reference` samples are many more.

    `second` asks for second derivatives too; `tolerance` is relative and absolute.
    """
    count = Count(_name(op))
    draw = op.reference_inputs if reference else op.sample_inputs
    for i, sample in enumerate(draw("cpu", dtype, requires_grad=True)):
        _compare(count, i, ((sample.input, *sample.args), dict(sample.kwargs)), op.op, ours, second, tolerance)
    for i, error in enumerate(op.error_inputs("cpu") if op.error_inputs_func else ()):
        sample = error.sample_input
        ways = [functools.partial(f, sample.input, *sample.args, **sample.kwargs) for f in (op.op, ours)]
        _expect(count, i, error.error_type, *ways)
    return count


def count_module(info: Any, ours: type[nn.Module], second: bool = True, dtype: torch.dtype = torch.float64) -> Count:
    """Every sample of a module, training and not, with PyTorch's state loaded into ours; parameters' gradients too."""
    count = Count(info.module_cls.__name__)
    for training in (True, False):
        samples = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        for i, sample in enumerate(samples):
            made, given = sample.constructor_input, sample.forward_input
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what the samples ask for, as in _derivatives
                native, mine = (cls(*made.args, **made.kwargs).to(dtype) for cls in (info.module_cls, ours))
            native.train(training), mine.train(training)
            mine.load_state_dict(native.state_dict())
            if given is not None:
                _compare(count, i, (given.args, given.kwargs), native, mine, second)
    return count


def _compare(
    count: Count, i: int, call: Call, native: Callable, ours: Callable, second: bool, tolerance: float = 1e-9
) -> None:
    try:
        expected = _derivatives(native, call, i, second)
    except Exception:
        if second:  # which some of PyTorch's own do not have
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
    assert_close(ours, native, rtol=tolerance, atol=tolerance, equal_nan=True, msg=lambda said: f"{name}: {said}")


def _expect(count: Count, i: int, error_type: type[Exception], native: Callable, ours: Callable) -> None:
    if not isinstance(_raised_by(native), error_type):  # some of these are of other devices, or of older versions
        count.refused += 1
        return
    error = _raised_by(ours)
    if isinstance(error, error_type):
        count.passed += 1
    elif isinstance(error, NotImplementedError):
        count.refused += 1
    else:
        said = _in_one_line(error) if error else "nothing"
        count.failures.append(f"error input {i}: PyTorch raises {error_type.__name__}, ours {said}")


def _raised_by(call: Callable) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _derivatives(f: Callable, call: Call, seed: int, second: bool) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """x_out, g_in, and the gradient of |g_in|², of a call on fresh copies of its tensors."""
    args, kwargs, leaves = _fresh(call)
    leaves += list(f.parameters()) if isinstance(f, nn.Module) else []
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the samples call what torch calls deprecated, too
        x_out = _tensors(f(*args, **kwargs))
        ways = [t for t in x_out if t.requires_grad]
        once = _back(ways, leaves, [_a_gradient(t) for t in ways], second)
        rough = [g for g in once if g is not None and g.requires_grad] if second else []
        twice = _back([g.abs().square().sum() for g in rough], leaves, None, False)
    return [t.detach() for t in x_out], _zeros_for_none(once, leaves), _zeros_for_none(twice, leaves)


def _back(ways: Sequence[Tensor], leaves: Sequence[Tensor], g: Sequence[Tensor] | None, graph: bool) -> Sequence:
    if not ways or not leaves:
        return [None] * len(leaves)
    return torch.autograd.grad(ways, leaves, g, allow_unused=True, create_graph=graph)


def _fresh(call: Call) -> tuple[tuple, dict[str, Any], list[Tensor]]:
    flat, spec = tree_flatten(call)
    new = [t.detach().clone().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else copy.copy(t) for t in flat]
    args, kwargs = tree_unflatten(new, spec)
    return args, kwargs, [t for t in new if isinstance(t, Tensor) and t.requires_grad]


def _a_gradient(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)


def _tensors(x: Any) -> list[Tensor]:
    return [t for t in tree_flatten(x)[0] if isinstance(t, Tensor)]


def _zeros_for_none(gs: Sequence[Tensor | None], leaves: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(x) if g is None else g.detach() for g, x in zip(gs, leaves, strict=True)]
