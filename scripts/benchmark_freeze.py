"""What `chapter14.freeze` saves: forward and back to the pixels, parameters fixed, beside PyTorch's own.

    python scripts/benchmark_freeze.py [NETWORK ...] [--sizes 128 224] [--batches 1 8] [--repeats 9]
    python scripts/benchmark_freeze.py --of neurons place

`native` is the network as it is (until a module: run wholly, with a hook there), `tuned` the best that a user of
PyTorch does by hand: batch norm folded, channels last, and nothing run after the module. Kept bytes are what autograd
keeps between the two passes, parameters not counted. Times are medians of runs in turns in one process, on one thread,
of the processor's time for it; more than 1 is faster. The peak is the most memory that a process of its own took.

`--of neurons`: one pass forward, and back from each of 16 channels of one image. PyTorch's way is a loop with
retain_graph; ours takes them at once, is_grads_batched. `--of place`: one place of a layer, in the middle, and back to
the whole image. PyTorch's is a hook on the whole network, and ours freeze(..., at=...). Ratios are of each turn: their
median, and from the least to the most.
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
PLACES = (
    "squeezenet1_1:features.3",
    "squeezenet1_1:features.6",
    "squeezenet1_1:features.10",
    "resnet18:layer1",
    "resnet18:layer2",
    "resnet18:layer3",
    "resnet50:layer2.0",
    "vgg11:features.12",
)
NEURONS = ("squeezenet1_1:features.10", "squeezenet1_1", "resnet18", "resnet50", "vgg11")
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


def times(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """In turns: of each, `repeats` times."""
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for i in range(repeats + 2):  # the first two are for warming up
        for way, g_in in steps.items():
            start = time.thread_time()
            g_in()
            if i > 1:
                taken[way].append(time.thread_time() - start)
    return taken


def medians(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    return {way: statistics.median(each) for way, each in times(steps, repeats).items()}


def beside(name: str, size: int, native: Callable[[], object], ours: Callable[[], object], repeats: int) -> str:
    """Both ways' times, and how many times as fast."""
    taken = times({"native": native, "ours": ours}, repeats)
    ratios = [a / b for a, b in zip(taken["native"], taken["ours"], strict=True)]
    a, b = (1e3 * statistics.median(each) for each in taken.values())
    fast = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f}"
    return f"| {name} | {size} | {a:.1f} | {b:.1f} | {fast} |"


def neurons(name: str, size: int, repeats: int, K: int = 16) -> str:
    """One pass forward, and back from K channels."""
    model, until = made(name)
    ours, native = chapter14.freeze(model, until), Watched(model, until)
    x = pixels(size, 1).requires_grad_()
    shape = native(x).shape
    G = torch.zeros(K, *shape)
    for k, g in enumerate(G):
        g[:, k] = 1 / shape[2:].numel()

    def one_by_one() -> list[Tensor]:
        y = native(x)
        return [torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in G]

    return beside(name, size, one_by_one, lambda: torch.autograd.grad(ours(x), x, G, is_grads_batched=True), repeats)


def place(name: str, size: int, repeats: int) -> str:
    """One place of a layer, in its middle: one of its channels, back to the whole image."""
    model, until = made(name)
    ours, native = chapter14.freeze(model, until, at=(None, None)), Watched(model, until)
    x = pixels(size, 1).requires_grad_()
    H, W = native(x).shape[2:]

    def g_in(f: nn.Module, row: int, column: int) -> Callable[[], Tensor]:
        return lambda: torch.autograd.grad(f(x)[0, 3, row, column], x)[0]

    return beside(name, size, g_in(native, H // 2, W // 2), g_in(ours, 0, 0), repeats)


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
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="of torchvision, or name:module")
    parser.add_argument("--sizes", nargs="+", type=int, default=(128, 224))
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--of", nargs="+", choices=("networks", "neurons", "place"), default=["networks"])
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        way, name, size, batch = given.peak
        print(own_peak(way, name, int(size), int(batch)))
        return
    for what in given.of:
        columns = "network, size, native (ms), ours, times as fast, from and to"
        if what == "networks":
            columns = "network, size, batch, kept by native (MB), ours, times less, native (ms), ours, speed, "
            columns += "against tuned, peak of native (MB), tuned, ours"
        print(f"| {columns.replace(', ', ' | ')} |\n|" + "---|" * len(columns.split(", ")))
        for name in given.networks or {"networks": NETWORKS, "neurons": NEURONS, "place": PLACES}[what]:
            for size in given.sizes:
                if name.startswith("vit") and size != 224:  # it takes no other
                    continue
                if what == "networks":
                    for batch in given.batches:
                        print(row(name, size, batch, given.repeats), flush=True)
                else:
                    print({"neurons": neurons, "place": place}[what](name, size, given.repeats), flush=True)


if __name__ == "__main__":
    main()
