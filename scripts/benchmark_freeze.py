"""What `chapter14.freeze` saves: forward and back to the pixels, parameters fixed, beside PyTorch's own.

    python scripts/benchmark_freeze.py [NETWORK ...] [--sizes 128 224] [--batches 1 8] [--repeats 9]

`native` is the network as it is (until a module: run wholly, with a hook there), `tuned` the best that a user of
PyTorch does by hand: batch norm folded, channels last, and nothing run after the module. Kept bytes are what autograd
keeps between the two passes, parameters not counted. Times are medians of runs in turns in one process, on one thread,
of the processor's time for it; more than 1 is faster. The peak is the most memory that a process of its own took.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import chapter14

NETWORKS = ("squeezenet1_1:features.10", "squeezenet1_1", "resnet18", "resnet50", "vgg11", "vit_b_16")
WAYS = ("native", "tuned", "ours")


def made(name: str) -> tuple[nn.Module, str | None]:
    """A network and the module that it is to end at, by "network" or "network:module"."""
    name, _, until = name.partition(":")
    torch.manual_seed(14)
    return torchvision.models.get_model(name, weights=None).eval().requires_grad_(False), until or None


class Watched(nn.Module):
    """The whole network, for what a module in it gives."""

    def __init__(self, model: nn.Module, until: str | None):
        super().__init__()
        self.model = model
        if until is not None:
            model.get_submodule(until).register_forward_hook(self._keep)
        self.until = until

    def _keep(self, module: nn.Module, inputs: tuple, x_out: Tensor) -> None:
        self.found = x_out

    def forward(self, x: Tensor) -> Tensor:
        x_out = self.model(x)
        return x_out if self.until is None else vars(self).pop("found")


class Tuned(nn.Module):
    """Batch norm folded into the convolution before it, channels last, and stopped at the module."""

    class Reached(Exception):
        pass

    def __init__(self, model: nn.Module, until: str | None):
        super().__init__()
        model = copy.deepcopy(model)
        for parent in model.modules():
            children = list(parent.named_children())
            for (name, conv), (norm_name, norm) in zip(children, children[1:], strict=False):
                if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
                    setattr(parent, name, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                    setattr(parent, norm_name, nn.Identity())
        self.model = model.to(memory_format=torch.channels_last)
        if until is not None:
            self.model.get_submodule(until).register_forward_hook(self._stop)

    def _stop(self, module: nn.Module, inputs: tuple, x_out: Tensor) -> None:
        raise self.Reached(x_out)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.model(x.contiguous(memory_format=torch.channels_last))
        except self.Reached as reached:
            return reached.args[0]


def ways(name: str) -> dict[str, Callable[[], nn.Module]]:
    model, until = made(name)
    return {
        "native": lambda: Watched(model, until),
        "tuned": lambda: Tuned(model, until),
        "ours": lambda: chapter14.freeze(model, until),
    }


def pixels(size: int, batch: int) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(14))


def step(f: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """x → dJ/dx, where J is the mean of a channel."""

    def g_in() -> Tensor:
        data = x.clone().requires_grad_()
        return torch.autograd.grad(f(data)[:, 3].mean(), data)[0]

    return g_in


def medians(steps: dict[str, Callable[[], Tensor]], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for i in range(repeats + 2):  # the first two are for warming up
        for way, g_in in steps.items():
            start = time.thread_time()
            g_in()
            if i > 1:
                taken[way].append(time.thread_time() - start)
    return {way: statistics.median(times) for way, times in taken.items()}


def peak(way: str, name: str, size: int, batch: int) -> int:
    """Megabytes that a process of its own takes."""
    arguments = [way, name, str(size), str(batch)]
    said = subprocess.run([sys.executable, __file__, "--peak", *arguments], capture_output=True, text=True, check=True)
    return int(said.stdout)


def own_peak(way: str, name: str, size: int, batch: int) -> int:
    g_in = step(ways(name)[way](), pixels(size, batch))
    g_in(), g_in()
    status = Path("/proc/self/status").read_text(
        encoding="utf-8"
    )  # ru_maxrss would be the parent's, where that is more
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def row(name: str, size: int, batch: int, repeats: int) -> str:
    x = pixels(size, batch)
    making = ways(name)
    networks = {way: making[way]() for way in reversed(WAYS)}  # native's hook comes last: none else is to have it
    took = medians({way: step(networks[way], x) for way in WAYS}, repeats)
    kept = [chapter14.saved_bytes(networks[way], x.clone().requires_grad_()).total for way in ("native", "ours")]
    memory = [peak(way, name, size, batch) for way in WAYS]
    return (
        f"| {name} | {size} | {batch} | {kept[0] / 1e6:.2f} | {kept[1] / 1e6:.2f} | {kept[0] / max(kept[1], 1):.0f} "
        f"| {1e3 * took['native']:.1f} | {1e3 * took['ours']:.1f} | {took['native'] / took['ours']:.2f} "
        f"| {took['tuned'] / took['ours']:.2f} | {memory[0]} | {memory[1]} | {memory[2]} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "networks", nargs="*", default=NETWORKS, metavar="NETWORK", help="of torchvision, or name:module"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=(128, 224))
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        way, name, size, batch = given.peak
        print(own_peak(way, name, int(size), int(batch)))
        return
    columns = "network, size, batch, kept by native (MB), ours, times less, native (ms), ours, speed, against tuned, "
    columns += "peak of native (MB), tuned, ours"
    print(f"| {columns.replace(', ', ' | ')} |\n|" + "---|" * len(columns.split(", ")))
    for name in given.networks:
        for size in given.sizes:
            if name.startswith("vit") and size != 224:  # it takes no other
                continue
            for batch in given.batches:
                print(row(name, size, batch, given.repeats), flush=True)


if __name__ == "__main__":
    main()
