"""How time and memory grow with depth, width, batch, tokens and processes, beside native PyTorch.

    python scripts/benchmark_scale.py [AXIS ...] [--repeats 9] [--plot assets/scale.svg]

Forward and backward pass of J, with the gradient of each parameter, by the converted and by the native network, one
beside the other in one process, on one thread. Ratios are ours divided by native's: of CPU time, the median over the
repeats; of the bytes held between the passes; and of the most that is allocated at once. With several processes (gloo,
two processes of one thread each) the time is the wall clock's, and a step of SGD is part of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from benchmarks.clock import Given, in_turns, times
from benchmarks.memory import allocated
from benchmarks.trained import Block, Cost
from torch import Tensor, nn

import chapter14

Trained = tuple[nn.Module, Tensor, Tensor]


def mlp(depth: int, width: int, batch: int) -> Trained:
    layers = [f for _ in range(depth) for f in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 10)), torch.randn(batch, width), torch.randint(10, (batch,))


class Sentences(nn.Module):
    def __init__(self, D: int, heads: int):
        super().__init__()
        self.block, self.out = Block(D, heads), nn.Linear(D, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(x)).flatten(0, 1)


def transformer(tokens: int) -> Trained:
    return Sentences(64, 1), torch.randn(1, tokens, 64), torch.randint(10, (tokens,))


#: An axis -> what grows along it, its values, small ones to test the script, and the network at each.
AXES: dict[str, tuple[str, list[int], list[int], Callable[[int], Trained]]] = {
    "depth": ("layers of 256 units, batch 64", [8, 32, 128, 512], [1, 2], lambda n: mlp(n, 256, 64)),
    "width": ("units, 4 layers, batch 64", [64, 256, 1024, 4096], [4, 8], lambda n: mlp(4, n, 64)),
    "batch": ("datapoints, 4 layers of 256", [1, 16, 256, 4096], [1, 2], lambda n: mlp(4, 256, n)),
    "tokens": ("tokens, a causal block of 64 channels", [128, 512, 2048, 8192], [4, 8], transformer),
}
WAYS = "DDP", "FSDP2"


def training(J: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    def step() -> None:
        J.zero_grad()
        J(x, y).backward()

    return step


def _gradients(J: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(J(x, y), [*J.parameters()])


def along(axis: str, small: bool, repeats: int) -> Iterator[tuple[int, list[float]]]:
    """The value on the axis, and the ratios of time, held bytes and peak."""
    _, values, few, make = AXES[axis]
    for n in few if small else values:
        torch.manual_seed(14)
        model, x, y = make(n)
        native = Cost(model).train()
        both = {"native": native, "ours": chapter14.convert(native)}
        steps = {way: training(J, x, y) for way, J in both.items()}
        taken = in_turns(steps, Given(turns=repeats, seconds=60))
        held = [allocated(partial(J, x, y)).held for J in both.values()]
        peak = [allocated(partial(_gradients, J, x, y)).peak for J in both.values()]
        time = statistics.median(times(taken["ours"], taken["native"]))
        yield n, [time, held[1] / held[0], peak[1] / peak[0]]


def distributed(N: int, small: bool, repeats: int) -> list[float]:
    """For each way, the ratio of the wall-clock times of a step in N processes, each with its own datapoints."""
    with tempfile.TemporaryDirectory() as folder:
        given = N, small, repeats, Path(folder)
        if N == 1:
            _process(0, *given)
        else:
            mp.spawn(_process, given, nprocs=N)
        return [float((Path(folder) / way).read_text()) for way in WAYS]


def _process(rank: int, N: int, small: bool, repeats: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=N)
    try:
        for way in WAYS:
            torch.manual_seed(14)
            model, x, y = mlp(2, 8, 4) if small else mlp(8, 512, 64)
            steps: dict[str, Callable[[], Any]] = {}
            for name, f in (("native", model), ("ours", chapter14.convert(model))):
                J = Cost(_wrapped(way, f, N))
                steps[name] = partial(_step, torch.optim.SGD(J.parameters(), lr=1e-3), training(J, x, y))
            # the wall clock's, as of several threads: CPU time leaves out the waiting for the other process
            taken = in_turns(steps, Given(turns=repeats, seconds=60, threads=2))
            if rank == 0:
                (folder / way).write_text(str(statistics.median(times(taken["ours"], taken["native"]))))
    finally:
        dist.destroy_process_group()


def _wrapped(way: str, model: nn.Module, N: int) -> nn.Module:
    if way == "DDP":
        return nn.parallel.DistributedDataParallel(model)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    assert isinstance(model, nn.Sequential)
    mesh = init_device_mesh("cpu", (N,))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def _step(optimizer: torch.optim.Optimizer, step: Callable[[], None]) -> None:
    step()
    optimizer.step()


def plot(found: dict[str, list[tuple[int, list[float]]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "scale"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(3 * len(found), 2.6), sharey=True, layout="constrained")
    for axis, (name, points) in zip([axes] if len(found) == 1 else axes, found.items(), strict=True):
        for i, (words, marker) in enumerate((("time", "o"), ("bytes held", "s"), ("peak", "^"))):
            axis.plot([n for n, _ in points], [ratios[i] for _, ratios in points], marker=marker, label=words)
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set_xscale("log", base=2)
        axis.set_xticks([n for n, _ in points], [str(n) for n, _ in points])
        axis.set_xlabel(f"{name}: {AXES[name][0]}", fontsize=8)
    figure.axes[0].set_ylabel("ours, divided by native's")
    figure.axes[0].set_ylim(bottom=0)  # of all, once every point is there
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    print(f"Wrote {path}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*AXES, "processes"]
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"which of {', '.join(names)}; by default all")
    parser.add_argument("--repeats", type=int, default=9, help="how often each is timed (default 9)")
    parser.add_argument("--plot", type=Path, help="a file for the plot")
    parser.add_argument("--small", action="store_true", help="small networks, to test the script")
    options = parser.parse_args()
    if unknown := [name for name in options.axes if name not in names]:
        parser.error(f"there is no axis {unknown[0]!r}; there are {', '.join(names)}")
    torch.set_num_threads(1)
    found = {}
    for axis in options.axes or names:
        if axis == "processes":
            print(f"\n| processes | {' | '.join(f'{way}, time' for way in WAYS)} |\n|---|---|---|")
            for N in (1,) if options.small else (1, 2):
                ratios = distributed(N, options.small, options.repeats)
                print(f"| {N} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)
            continue
        print(f"\n| {axis}: {AXES[axis][0]} | time | bytes held | peak |\n|---|---|---|---|")
        found[axis] = []
        for n, ratios in along(axis, options.small, options.repeats):
            found[axis].append((n, ratios))
            print(f"| {n} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
