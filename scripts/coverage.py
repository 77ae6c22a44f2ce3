"""docs/coverage.md: which classes of torch.nn and functions of torch.nn.functional and torch.linalg have a hand-written
counterpart, and why the others have none.

python scripts/coverage.py [--out docs/coverage.md]

Raises:
    AssertionError: a name has neither a counterpart nor a reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import nn

import chapter14.functional as F
import chapter14.nn as ours
from chapter14.conversion.twins import TWINS

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
HERE = "by hand"

_FEW = "few models differentiate it"
_SOLUTION = "a least-squares solution is `pinv(A) @ B`, by hand"
_LU = "`solve`, `inverse` and `det` are by hand, and need no LU of the user's"

#: The functions of torch.linalg without a counterpart, and why.
LINALG = {
    "cond": _FEW,
    "eig": "its eigenvectors are complex, and defined up to a phase",
    "eigvals": "the eigenvalues are complex",
    "householder_product": "`qr` is by hand",
    "ldl_factor": "it has no gradient",
    "ldl_factor_ex": "it has no gradient",
    "ldl_solve": "it has no gradient",
    "lstsq": _SOLUTION,
    "lu": _LU,
    "lu_factor": _LU,
    "lu_factor_ex": _LU,
    "lu_solve": _LU,
    "matrix_rank": "it has no gradient",
    "matrix_sqrth": _FEW,
    "polar": _FEW,
    "vander": _FEW,
}

#: Options of functions that do have a counterpart, and functions elsewhere in torch, that run natively, and why.
OTHERS = {
    "det, slogdet, logdet, of complex matrices": "by hand for real matrices only",
    "eigh, eigvalsh, svd, svdvals, qr, of complex matrices": "their vectors are defined up to a phase",
    "grouped_mm, with a bias or another dtype": "PyTorch has no gradient for it, and rejects it on most devices",
    "index_reduce, scatter_reduce, by products": "no implementation is right at every order where entries are 0",
    "linalg.qr, mode='r', or 'complete' of a tall matrix": "PyTorch has no derivative for it either",
    "linalg.svd, full_matrices=True of a matrix that is not square": "the remaining vectors are not unique",
    "lu, lu_solve, lu_unpack, svd_lowrank, pca_lowrank, lobpcg": _FEW,
    "geqrf, ormqr, orgqr": "`qr` is by hand",
    "quantile, nanquantile": "not implemented yet",
    "normal": "the gradient of a sample's mean and standard deviation is not implemented yet",
}

#: The classes of torch.nn without a counterpart, and why.
CLASSES = {
    "Container": "deprecated; use `Sequential` or `Module`",
    "CrossMapLRN2d": "deprecated, and its running sum includes one channel too many; use `LocalResponseNorm`",
    "DataParallel": "it only splits a batch over several GPUs; convert the module inside",
    "RNNBase": "the base class of `RNN`, `LSTM` and `GRU`, which are by hand",
    "RNNCellBase": "the base class of the cells, which are by hand",
    "SyncBatchNorm": "its statistics span several processes; in one process, a converted model runs it by hand",
}

#: The functions of torch.nn.functional without a counterpart of that name, and why.
FUNCTIONS = {
    "assert_int_or_pair": "it computes nothing",
    "native_channel_shuffle": "a faster `channel_shuffle`, without a gradient",
    "one_hot": "it has no gradient",
    "scaled_grouped_mm": "for 8-bit numbers on GPUs; it has no gradient",
    "scaled_mm": "for 8-bit numbers on GPUs; it has no gradient",
}

#: Complex tensors and integers: what runs natively, and what raises an error.
COMPLEX = """
By hand, with PyTorch's convention for conjugates: elementwise arithmetic (operators, functions, methods and in-place
forms), matrix products, sums, products, scans, norms, casts, selections, indexing, views of the real and imaginary
parts, convolutions, recurrent networks and Fourier transforms. The gradient of a real operand is real. The check
`complex_numbers` compares every layer with PyTorch and with finite differences.

| runs natively, and is counted | |
|---|---|
| `corrcoef` | it clips the real and imaginary parts separately |
| `chalf` | complex32 has hardly any CPU kernels in PyTorch |

| raises `NotImplementedError` or `TypeError` | |
|---|---|
| `scaled_dot_product_attention`, `kl_div`, `soft_margin_loss`, `nan_to_num` | PyTorch has no derivative for them |
| `rms_norm` of real input and a complex weight | PyTorch drops the imaginary part |
| a convolution with a complex bias and a real weight | the same |
| `Chain`, `Graph` and `Block` | they take tensors that are not floating-point as constants; use `forward_backward` |

PyTorch has no derivative for complex `silu`, `embedding`, `bilinear`, `adaptive_avg_pool` and
`interpolate(mode="area")`; chapter14 has one, confirmed by finite differences. `freeze` leaves a complex network as it
is.

## Integers

Integers have no gradient. Some functions accept them where PyTorch has no kernel, and compute what the definition says:
`max_pool1d`, `conv_transpose` with a kernel of size 1, `softmin` of bool and uint8 (which PyTorch negates with
overflow), `kron` of a transposed matrix, and `dot` and `addbmm` of bool matrices without entries.
`scaled_dot_product_attention`, `instance_norm` and the mean of `multi_margin_loss` reject them even if they are empty,
before they look at anything else; so do `soft_margin_loss` and `scaled_dot_product_attention` of empty complex tensors.
`softmin` of bool along an axis that is not there raises `IndexError`.
"""

#: Names that torch.nn.functional imports, and that are not functions of tensors.
NOT_FUNCTIONS = """
    Callable Optional Tensor ScalingType SwizzleType DType boolean_dispatch handle_torch_function has_torch_function
    has_torch_function_unary has_torch_function_variadic
""".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PAGE, help="default docs/coverage.md")
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(), encoding="utf-8", newline="\n")
    print(out)


def page() -> str:
    classes, functions, linalg = dict(classes_of_nn()), dict(functions_of_functional()), dict(functions_of_linalg())
    return "\n".join(
        [
            "# Coverage of PyTorch",
            "",
            f"Written by `scripts/coverage.py` for torch {'.'.join(torch.__version__.split('.')[:2])}.",
            "",
            f"- `torch.nn`: {counted(classes)}",
            f"- `torch.nn.functional`: {counted(functions)}",
            f"- `torch.linalg`: {counted(linalg)}",
            "",
            "The others run natively in a converted model: `audit` reports them, and `by_hand` counts them.",
            "",
            "## torch.nn",
            "",
            *table("class", classes),
            "",
            "## torch.nn.functional",
            "",
            *table("function", functions),
            "",
            "## Complex tensors",
            COMPLEX,
            "## torch.linalg",
            "",
            *table("function", linalg),
            "",
            "## Other functions that run natively",
            "",
            *table("function", OTHERS),
            "",
        ]
    )


def classes_of_nn() -> Iterator[tuple[str, str]]:
    for name, cls in sorted(vars(nn).items()):
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            continue
        mine = getattr(ours, name, None)
        if mine is cls:
            yield name, "torch's own: it only calls the modules inside"
        elif mine is not None:
            yield name, HERE
        elif name == "Module":
            yield name, "torch's own"
        else:
            assert name in CLASSES, f"torch.nn.{name} is not in chapter14.nn, and no reason is given"
            yield name, CLASSES[name]


def functions_of_functional() -> Iterator[tuple[str, str]]:
    for name, f in sorted(vars(nn.functional).items()):
        if not callable(f) or name.startswith("_") or name in NOT_FUNCTIONS:
            continue
        if hasattr(F, name):
            yield name, HERE
        elif f in TWINS:
            yield name, f"{HERE} in `convert` and `by_hand`"
        else:
            assert name in FUNCTIONS, f"torch.nn.functional.{name} has no counterpart, and no reason is given"
            yield name, FUNCTIONS[name]


def functions_of_linalg() -> Iterator[tuple[str, str]]:
    for name, f in sorted(vars(torch.linalg).items()):
        if not callable(f) or isinstance(f, type) or name.startswith("_"):
            continue
        assert (f in TWINS) != (name in LINALG), f"torch.linalg.{name} needs either a counterpart or a reason"
        yield name, HERE if f in TWINS else LINALG[name]


def counted(rows: dict[str, str]) -> str:
    here = sum(status.startswith(HERE) for status in rows.values())
    passed = sum(status.startswith("torch's own") for status in rows.values())
    containers = f"{passed} torch's own containers, " if passed else ""
    return f"{len(rows)}, of which {here} by hand, {containers}{len(rows) - here - passed} left out"


def table(kind: str, rows: dict[str, str]) -> Iterator[str]:
    yield from (f"| {kind} | |", "|---|---|")
    yield from (f"| `{name}` | {status} |" for name, status in rows.items())


if __name__ == "__main__":
    main()
