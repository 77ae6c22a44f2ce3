"""docs/coverage.md: every class of torch.nn, every function of torch.nn.functional and torch.linalg, and whether it is
here; and what else of torch's has no twin.

python scripts/coverage.py [--out docs/coverage.md]

Raises:
    AssertionError: one is neither here nor has a reason.
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
from chapter14.conversion.table import TWINS

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
HERE = "by hand"

_FEW = "few models differentiate it"
_SOLUTION = "a least-squares solution is `pinv(A) @ B`, by hand"
_LU = "`solve`, `inverse` and `det` are by hand, and need no LU of the user's"

#: A function of torch.linalg that has no twin, and why.
LINALG = {
    "cond": _FEW,
    "eig": "its vectors are complex, and known but for a phase",
    "eigvals": "they are complex",
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

#: Of what has a twin, and of the rest of torch: what runs natively, and why.
OTHERS = {
    "det, slogdet, logdet, of complex matrices": "the twins are of real numbers",
    "eigh, eigvalsh, svd, svdvals, qr, of complex matrices": "their vectors are known but for a phase",
    "grouped_mm, with a bias or another dtype": "torch has no gradient of it, and on most devices refuses it",
    "index_reduce, scatter_reduce, by products": "no form of it here is right at every order where there are zeros",
    "linalg.qr, mode='r', or 'complete' of a tall matrix": "it has no derivative in torch either",
    "linalg.svd, full_matrices=True of a matrix that is not square": "the vectors that are left over may be any",
    "lu, lu_solve, lu_unpack, svd_lowrank, pca_lowrank, lobpcg": _FEW,
    "geqrf, ormqr, orgqr": "`qr` is by hand",
    "quantile, nanquantile": "no twin yet",
    "normal": "the gradient of a sample's mean and deviation; no twin yet",
}

#: A class that has no twin, and why.
CLASSES = {
    "Container": "a container of old, deprecated; `Sequential` or `Module` instead",
    "CrossMapLRN2d": "deprecated, and its running sum keeps one channel too long; `LocalResponseNorm` is here",
    "DataParallel": "it only hands a module's batch to several GPUs; the module inside can be ours",
    "RNNBase": "the base of `RNN`, `LSTM` and `GRU`, which are here",
    "RNNCellBase": "the base of the cells, which are here",
    "SyncBatchNorm": "its statistics are of several processes; in one process, by hand once converted",
}

#: A function that has no twin of its name, and why.
FUNCTIONS = {
    "assert_int_or_pair": "it computes nothing",
    "native_channel_shuffle": "a fast form of `channel_shuffle`, without a gradient",
    "one_hot": "it has no gradient; torch's own does",
    "scaled_grouped_mm": "of 8-bit numbers, on GPUs; it has no gradient",
    "scaled_mm": "of 8-bit numbers, on GPUs; it has no gradient",
}

#: What of complex tensors runs natively, and is counted, and why; and what is refused.
COMPLEX = """
Elementwise arithmetic (operators, functions and methods, and their forms in place), products of matrices, sums,
products, scans, norms, casts, choices, indexing, views of the parts, convolutions, recurrent networks and Fourier
transforms of complex tensors are by hand, conjugated as autograd has it; a real operand beside a complex one has a
real gradient. A check of every layer, `complex_numbers`, holds them to PyTorch and to finite differences.

| native, and counted | |
|---|---|
| `corrcoef` | it clips the two parts each by itself |
| `chalf` | of complex32, for which PyTorch has hardly a kernel on CPUs |

| refused, with `NotImplementedError` or `TypeError` | |
|---|---|
| `scaled_dot_product_attention`, `kl_div`, `soft_margin_loss`, `nan_to_num` | PyTorch has no derivative of them |
| `rms_norm` of real input and a complex weight | PyTorch drops the imaginary part |
| a convolution's complex bias beside a real weight | the same |
| `Chain`, `Graph` and `Block` | what is not of floating-point numbers is a constant to them; see `forward_backward` |

PyTorch has no derivative of `silu`, `embedding`, `bilinear`, `adaptive_avg_pool` and `interpolate(mode="area")` of
complex tensors either; here there is one, which finite differences confirm. `freeze` runs a complex network as it was
written.

## Whole numbers

They have no gradient. Where PyTorch has no kernel for them, some functions take them all the same, and give what the
definition says: `max_pool1d`, `conv_transpose` with a kernel of 1, `softmin` of bool and uint8 (which PyTorch negates
in a byte), `kron` of a transposed matrix. `scaled_dot_product_attention` and `instance_norm` refuse them also where
there is nothing to compute, of a length of 0.
"""

#: What torch.nn.functional imports for itself, and is no function of numbers.
NONE_OF_ITS_OWN = """
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
            "# What of torch is here",
            "",
            f"Written by `scripts/coverage.py` for torch {'.'.join(torch.__version__.split('.')[:2])}.",
            "",
            f"- `torch.nn`: {counted(classes)}",
            f"- `torch.nn.functional`: {counted(functions)}",
            f"- `torch.linalg`: {counted(linalg)}",
            "",
            "What is not here runs natively in a converted model, where `audit` shows it, and `by_hand` counts it.",
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
            "## What else of torch runs natively",
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
            yield name, "torch's own: it only calls what is inside it"
        elif mine is not None:
            yield name, HERE
        elif name == "Module":
            yield name, "torch's own"
        else:
            assert name in CLASSES, f"torch.nn.{name} is not in chapter14.nn, and has no reason"
            yield name, CLASSES[name]


def functions_of_functional() -> Iterator[tuple[str, str]]:
    for name, f in sorted(vars(nn.functional).items()):
        if not callable(f) or name.startswith("_") or name in NONE_OF_ITS_OWN:
            continue
        if hasattr(F, name):
            yield name, HERE
        elif f in TWINS:
            yield name, f"{HERE} in `convert` and `by_hand`"
        else:
            assert name in FUNCTIONS, f"torch.nn.functional.{name} has no twin, and no reason"
            yield name, FUNCTIONS[name]


def functions_of_linalg() -> Iterator[tuple[str, str]]:
    for name, f in sorted(vars(torch.linalg).items()):
        if not callable(f) or isinstance(f, type) or name.startswith("_"):
            continue
        assert (f in TWINS) != (name in LINALG), f"torch.linalg.{name} has a twin or a reason, and not both"
        yield name, HERE if f in TWINS else LINALG[name]


def counted(rows: dict[str, str]) -> str:
    here = sum(said.startswith(HERE) for said in rows.values())
    passed = sum(said.startswith("torch's own") for said in rows.values())
    containers = f"{passed} torch's own containers, " if passed else ""
    return f"{len(rows)}, of which {here} by hand, {containers}{len(rows) - here - passed} left out"


def table(kind: str, rows: dict[str, str]) -> Iterator[str]:
    yield from (f"| {kind} | |", "|---|---|")
    yield from (f"| `{name}` | {said} |" for name, said in rows.items())


if __name__ == "__main__":
    main()
