"""The cost of a hand-written derivative: time as a multiple of PyTorch's, and saved bytes.

    python scripts/benchmark_layers.py [--quick] [--fuse]

Both sides run interleaved in one process, on one thread; ratios are of medians, and above 1 is slower than PyTorch.
Times are CPU time.
With `--fuse`, a further column has the layers in `chapter14.fuse()`.
Bytes are those that autograd saves between the two passes, without parameters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from benchmarks.clock import medians
from torch import Tensor

import chapter14.functional as F
import chapter14.nn as nn
from chapter14 import fuse, saved_bytes

native = torch.nn.functional


def small_linear(functions: ModuleType) -> Callable[[], None]:
    """x [2, 4] through W [8, 4]: nothing but overhead."""
    x, W, b = torch.randn(2, 4), torch.randn(8, 4, requires_grad=True), torch.randn(8, requires_grad=True)
    g, linear = torch.randn(2, 8), functions.linear

    def step() -> None:
        torch.autograd.backward((linear(x, W, b),), (g,), inputs=(W, b))

    return step


def through(f: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    """Forward and back to x."""
    x = x.clone().requires_grad_()
    g = torch.randn_like(f(x))
    return lambda: torch.autograd.backward((f(x),), (g,), inputs=(x,))


def fused(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        with fuse():
            return f(x)

    return run


def of_layers() -> dict[str, Callable[[ModuleType], Callable[[Tensor], Tensor]]]:
    W, w, b = torch.randn(48, 48, 3, 3), torch.ones(48), torch.zeros(48)
    y = torch.randint(48, (32, 24, 24))
    return {
        "conv2d": lambda M: lambda x: M.conv2d(x, W, padding=1),
        "relu": lambda M: M.relu,
        "silu": lambda M: M.silu,
        "gelu": lambda M: M.gelu,
        "tanh": lambda M: M.tanh,
        "avg_pool2d": lambda M: lambda x: M.avg_pool2d(x, 2),
        "max_pool2d": lambda M: lambda x: M.max_pool2d(x, 2),
        "batch_norm, training": lambda M: lambda x: M.batch_norm(x, None, None, w, b, True),
        "batch_norm, evaluating": lambda M: lambda x: M.batch_norm(x, b, w, w, b),
        "layer_norm": lambda M: lambda x: M.layer_norm(x, (24,)),
        "softmax": lambda M: lambda x: M.softmax(x, -1),
        "cross_entropy": lambda M: lambda x: M.cross_entropy(x, y),
    }


def recurrent(model: torch.nn.Module, x: Tensor) -> Callable[[], None]:
    """Forward and back to x and to all parameters."""
    x = x.clone().requires_grad_()
    inputs = (x, *model.parameters())
    g = torch.randn_like(model(x)[0])
    return lambda: torch.autograd.backward((model(x)[0],), (g,), inputs=inputs)


def ratios(ours: Sequence[Callable[[], None]], native: Callable[[], None], calls: int, repeats: int) -> list[float]:
    """Times of ours in units of native's; and, last, native's in seconds."""
    steps = {"native": native, **{f"ours {i}": step for i, step in enumerate(ours)}}
    seconds, *mine = medians(steps, repeats, calls).values()
    return [*(t / seconds for t in mine), seconds]


def a_network(nn: ModuleType) -> torch.nn.Module:
    def block(C: int, M: int) -> list[torch.nn.Module]:
        return [nn.Conv2d(C, M, 3, padding=1), nn.BatchNorm2d(M), nn.ReLU()]

    blocks = [*block(3, 32), *block(32, 32), nn.MaxPool2d(2), *block(32, 64), nn.AvgPool2d(2)]
    return torch.nn.Sequential(*blocks, nn.Flatten(), nn.Linear(64 * 12 * 12, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few repeats, for a first look")
    parser.add_argument("--fuse", action="store_true", help="also with chapter14.fuse(), which compiles for minutes")
    args = parser.parse_args()
    quick = args.quick
    torch.set_num_threads(1)
    torch.manual_seed(14)

    found, seconds = ratios([small_linear(F)], small_linear(native), 50 if quick else 1000, 3 if quick else 41)
    print(f"a linear layer, 4 to 8, batch 2: {found:.2f}x of PyTorch's {1e6 * seconds:.1f} µs\n")

    x = torch.randn(32, 48, 24, 24)
    print(f"{'x ' + str(list(x.shape)):<24} {'time':>6}{'  fused' if args.fuse else ''}  PyTorch's")
    for name, f in of_layers().items():
        ours = [through(f(F), x)] + ([through(fused(f(F)), x)] if args.fuse else [])
        *found, seconds = ratios(ours, through(f(native), x), 1, 3 if quick else 21)
        columns = " ".join(f"{t:5.2f}x" for t in found)
        print(f"{name:<24} {columns}  {1e3 * seconds:7.2f} ms", flush=True)

    x = torch.randn(8, 1, 32) if quick else torch.randn(64, 8, 256)
    print(f"\n{'two layers, x ' + str(list(x.shape)):<24} {'time':>6}  PyTorch's")
    for name in ("LSTM", "GRU", "RNN"):
        steps = (recurrent(getattr(of, name)(x.shape[2], x.shape[2], num_layers=2), x) for of in (nn, torch.nn))
        found, seconds = ratios([next(steps)], next(steps), 1, 3 if quick else 21)
        print(f"{name:<24} {found:5.2f}x  {1e3 * seconds:7.2f} ms", flush=True)

    x = torch.randn(16, 3, 48, 48, requires_grad=True)
    print(f"\n{'saved bytes, x ' + str(list(x.shape)):<36} {'ours':>12} {'PyTorch':>12}")
    for words, frozen in (("training", False), ("parameters fixed, evaluating", True)):
        models = [a_network(of).train(not frozen).requires_grad_(not frozen) for of in (nn, torch.nn)]
        saved = [saved_bytes(model, x).total for model in models]
        print(f"{words:<36} {saved[0]:12,} {saved[1]:12,}  {saved[0] / saved[1]:.2f}x")


if __name__ == "__main__":
    main()
