"""`forward_backward` (section 14.6.5) beside PyTorch's own training: time, plain and compiled, and memory.

    python scripts/benchmark_network.py [NETWORK ...] [--repeats 20] [--no-compile]

Each computes J, every dJ/dθ and dJ/dx of the same network on the same data, on one thread, interleaved in one process.
Saved bytes are those between the passes, the data included: what autograd saves, and what the memory plan of
`forward_backward` holds. The peak is what PyTorch's allocator held at once beyond the start, measured by its profiler.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import torchvision
from benchmarks.clock import medians
from benchmarks.memory import allocated
from torch import nn

import chapter14
import chapter14.functional as F


def mlp() -> tuple[nn.Module, torch.Tensor]:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), torch.randn(64, 784)


def conv() -> tuple[nn.Module, torch.Tensor]:
    body = (
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
    )
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(32 * 14 * 14, 10)), torch.randn(16, 3, 32, 32)


def resnet18() -> tuple[nn.Module, torch.Tensor]:
    return torchvision.models.resnet18(num_classes=10), torch.randn(8, 3, 64, 64)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.encoder(x).mean(1))


def transformer() -> tuple[nn.Module, torch.Tensor]:
    return Encoder(), torch.randn(8, 32, 64)


NETWORKS = {f.__name__: f for f in (mlp, conv, resnet18, transformer)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", help=f"which of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--repeats", type=int, default=20, help="how often each is timed (default 20)")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    options = parser.parse_args()
    if unknown := [name for name in options.networks if name not in NETWORKS]:
        parser.error(f"there is no network {unknown[0]!r}; there are {', '.join(NETWORKS)}")
    torch.set_num_threads(1)
    torch.manual_seed(14)
    columns = "network", "time", "compiled", "saved bytes", "of PyTorch's", "peak bytes", "of PyTorch's"
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in options.networks or NETWORKS:
        print(row(name, options.repeats, not options.no_compile), flush=True)


def row(name: str, repeats: int, compiles: bool) -> str:
    model, x = NETWORKS[name]()
    y = torch.randint(10, (len(x),))
    ours = chapter14.convert(model)
    network = chapter14.forward_backward(ours, F.cross_entropy, x, y)
    theta = list(model.parameters())

    data = x.clone().requires_grad_()  # the bigger network gives dJ/dx too

    def native(f: Callable) -> Callable:
        return lambda: torch.autograd.grad(nn.functional.cross_entropy(f(data), y), [*theta, data])

    plain, whole = native(model), lambda: network(x, y)
    ratio = ours_over_native(plain, whole, repeats)
    compiled = "-"
    if compiles:
        fast = torch.compile(network, fullgraph=True)
        compiled = ours_over_native(native(torch.compile(model, fullgraph=True)), lambda: fast(x, y), repeats)
    kept = chapter14.saved_bytes(lambda x: nn.functional.cross_entropy(model(x), y), x)
    there = sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in (*theta, y)}.values())
    bytes_kept = kept.total - saved_of_theirs(model, x, y, there)
    peak, own = allocated(plain).peak, allocated(whole).peak
    plan = network.plan.kept
    return f"| {name} | {ratio} | {compiled} | {plan:,} | {plan / bytes_kept:.2f} | {own:,} | {own / peak:.2f} |"


def saved_of_theirs(model: nn.Module, x: torch.Tensor, y: torch.Tensor, there: int) -> int:
    """Of what autograd saves, the bytes of θ, buffers and y, which are there anyway."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), y)}
    seen: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        memory = t.untyped_storage()
        if memory.data_ptr() in own:
            seen[memory.data_ptr()] = memory.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        J = nn.functional.cross_entropy(model(x), y)
    del J
    return sum(seen.values())


def ours_over_native(native: Callable, ours: Callable, repeats: int) -> str:
    took = medians({"native": native, "ours": ours}, repeats)
    return f"{took['ours'] / took['native']:.2f}"


if __name__ == "__main__":
    main()
