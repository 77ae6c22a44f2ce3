"""PyTorch's own samples in other dtypes than float64: by_hand() raises nowhere that native does not.

Shapes and dtypes are the same too, and values, but for those of half precision, which are compared elsewhere.
"""

import copy
import itertools
import warnings

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._pytree import tree_flatten, tree_unflatten

from chapter14 import by_hand
from chapter14.checking.case import seed_cpu
from chapter14.checking.pytorch_samples import operations, samples

pytestmark = pytest.mark.slow

#: Their entries are whatever is in memory.
EMPTY = {"new_empty", "new_empty_strided", "empty_like"}

DTYPES = torch.float16, torch.int64, torch.complex128


def called(f, args, kwargs, block=None):
    """x_out, on copies; None where it raises."""
    flat, spec = tree_flatten((args, kwargs))
    args, kwargs = tree_unflatten([t.clone() if isinstance(t, Tensor) else copy.copy(t) for t in flat], spec)
    seed_cpu(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if block is None:
            try:
                x_out = f(*args, **kwargs)
            except Exception:
                return None
        else:
            with block:
                x_out = f(*args, **kwargs)
    return [t.detach() for t in tree_flatten(x_out)[0] if isinstance(t, Tensor)]


def calls(op, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = list(itertools.islice(samples(op, dtype), 1))
    for sample in first:
        for f in {op.op, op.method_variant, op.inplace_variant} - {None}:
            yield f, (sample.input, *sample.args), sample.kwargs


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtype(dtype):
    wrong, done = [], 0
    for name, op in operations().items():
        if dtype not in op.supported_dtypes("cpu") or name in EMPTY:
            continue
        for f, args, kwargs in calls(op, dtype):
            native = called(f, args, kwargs)
            if native is None:
                continue
            done += 1
            try:
                ours = called(f, args, kwargs, by_hand())
                assert [(t.shape, t.dtype) for t in ours] == [(t.shape, t.dtype) for t in native]
                if dtype != torch.float16:
                    assert_close(ours, native, rtol=1e-5, atol=1e-5, equal_nan=True)
            except Exception as error:
                wrong.append(f"{name} {getattr(f, '__name__', f)}: {type(error).__name__} {error}"[:300])
    assert done > 300 and not wrong, "\n".join(wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
@pytest.mark.parametrize("other", [torch.int64, torch.int8, torch.float16, torch.float32])
def test_ldexp_has_the_dtype_of_its_floating_point_operands(dtype, other):
    x, n = torch.tensor([1e-3, 2, 3]).to(dtype), torch.tensor([17, 1, -2]).to(other)
    with by_hand():
        x_out = torch.ldexp(x, n)
    assert_close(x_out, torch.ldexp(x, n), rtol=0, atol=0, equal_nan=True)
