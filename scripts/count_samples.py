"""Runs PyTorch's own samples of operations and modules on ours, and counts how many pass, are refused, and fail.

python scripts/count_samples.py [NAME ...] [--reference]

"Refused": PyTorch itself raises, or there is no counterpart here and the error says so. Names are those of PyTorch's
OpInfo and of torch.nn: "nn.functional.linear", "std.unbiased", "Linear".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

import chapter14.nn as nn
from chapter14.checking.pytorch_samples import (
    SampleCount,
    count_module_samples,
    count_operation_samples,
    modules,
    operations,
)
from chapter14.conversion.by_hand import by_hand
from tests.layers.test_opinfo import DTYPE, FIRST_ORDER, TOLERANCE, WRONG


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="operations or modules (default: all)")
    parser.add_argument("--reference", action="store_true", help="the reference samples, many more")
    options = parser.parse_args()
    ops = {name: op for name, op in operations().items() if name not in WRONG}
    infos = {
        name: info for name, info in modules().items() if getattr(nn, name, info.module_cls) is not info.module_cls
    }
    if unknown := [name for name in options.names if name not in ops | infos]:
        parser.error(f"there are no samples of {unknown[0]!r} that could be compared")
    wanted = [name for name in ops | infos if not options.names or name in options.names]
    counts: dict[str, list[SampleCount]] = {"operations": [], "modules": []}
    for name in tqdm(wanted, file=sys.stderr):
        for kind, count in counted(name, ops, infos, options.reference):
            counts[kind].append(count)
            if count.failures:
                tqdm.write(str(count), file=sys.stdout)
    for kind, found in counts.items():
        passed, refused = (sum(getattr(c, field) for c in found) for field in ("passed", "refused"))
        failed = sum(len(c.failures) for c in found)
        print(f"{len(found):4} {kind:10} {passed:6} passed {refused:6} refused {failed:5} failed")
    return 1 if any(c.failures for found in counts.values() for c in found) else 0


def counted(name: str, ops: dict, infos: dict, reference: bool) -> Iterator[tuple[str, SampleCount]]:
    second = name not in FIRST_ORDER
    with sdpa_kernel(SDPBackend.MATH):  # the only one whose second derivative PyTorch has
        if name in ops:
            how: dict[str, Any] = {"tolerance": TOLERANCE.get(name, 1e-9), "reference": reference}
            how["dtype"] = DTYPE.get(name, torch.float64)
            yield "operations", count_operation_samples(ops[name], rerouted(ops[name].op), second, **how)
        if name in infos:
            yield "modules", count_module_samples(infos[name], getattr(nn, name), second)


def rerouted(f: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        with by_hand(strict=True):
            return f(*args, **kwargs)

    return call


if __name__ == "__main__":
    sys.exit(main())
