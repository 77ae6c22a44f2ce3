"""A training step beside what other packages do to it: memsave_torch, BackPACK, JAX.

    pip install backpack-for-pytorch jax git+https://github.com/plutonium-239/memsave_torch
    python scripts/benchmark_peers.py [--repeats 30]

Convolutions: a network of four, with batch norm, relu and max pool. Time of a forward and backward pass, and the memory
held between them, of PyTorch's, converted by chapter14, converted by memsave_torch, and extended by BackPACK, where all
parameters learn, where those of the norms do, and where those of the first convolution do. `saved_bytes` would not see
what a package keeps as an attribute of a node.

MLPs: J, its gradients and a step of SGD, of JAX (jit, with donated buffers), of `Chain`, and of `forward_backward` with
the update, compiled.

All run interleaved in one process, on one thread; times are CPU time, the median over the repeats. A package that is
not installed is left out.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy's too
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from benchmarks.clock import medians
from benchmarks.memory import allocated
from torch import Tensor, nn

import chapter14
from chapter14.graph.chain import Chain
from chapter14.graph.joint.network import Descent

ETA = 1e-4
MLPS = [((4, 3, 2), 1), ((4, 3, 2), 64), ((784, 256, 10), 1), ((784, 256, 10), 64)]
PEERS = {"memsave_torch": "memsave_torch", "BackPACK": "backpack"}

Step = Callable[[], Any]


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def convolutions(small: bool) -> tuple[nn.Sequential, Tensor, Tensor]:
    def block(C: int, M: int) -> list[nn.Module]:
        return [nn.Conv2d(C, M, 3, padding=1), nn.BatchNorm2d(M), nn.ReLU()]

    width, size, batch = (4, 8, 2) if small else (32, 32, 32)
    layers = [*block(3, width), *block(width, width), nn.MaxPool2d(2)]
    layers += [*block(width, 2 * width), *block(2 * width, 2 * width), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(2 * width * (size // 4) ** 2, 10))
    return model, torch.randn(batch, 3, size, size), torch.randint(10, (batch,))


def convolution_rows(small: bool, repeats: int) -> list[str]:
    torch.manual_seed(14)
    model, x, y = convolutions(small)
    rows = []
    norms = nn.ModuleList(f for f in model if isinstance(f, nn.BatchNorm2d))
    for which, learning in (("all", model), ("the norms'", norms), ("the first convolution's", model[0])):
        model.requires_grad_(False)
        learning.requires_grad_(True)
        costs: dict[str, nn.Module] = {
            "PyTorch": Cost(copy.deepcopy(model)),
            "chapter14": chapter14.convert(Cost(model)),
        }
        if installed("memsave_torch"):
            from memsave_torch.nn import convert_to_memory_saving

            costs["memsave_torch"] = Cost(convert_to_memory_saving(copy.deepcopy(model)))
        if installed("backpack"):
            from backpack import extend

            extended = Cost(extend(copy.deepcopy(model)))
            extended.loss = extend(extended.loss)
            costs["BackPACK"] = extended
        kept = {way: allocated(partial(J, x, y), first=True).held for way, J in costs.items()}
        took = medians({way: training(J, x, y) for way, J in costs.items()}, repeats)
        cells = [
            f"{took[w] / took['PyTorch']:.2f} · {kept[w] / kept['PyTorch']:.2f}" if w in took else "-" for w in WAYS
        ]
        rows.append(
            f"| {which} | {1e3 * took['PyTorch']:.3g} ms, {kept['PyTorch'] / 1e6:.3g} MB | {' | '.join(cells)} |"
        )
    return rows


WAYS = "chapter14", *PEERS


class Cost(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.loss = model.train(), nn.CrossEntropyLoss()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(self.model(x), y)


def training(J: nn.Module, x: Tensor, y: Tensor) -> Step:
    def step() -> None:
        J.zero_grad()
        J(x, y).backward()

    return step


def mlp_row(sizes: Sequence[int], batch: int, repeats: int, calls: int) -> str:
    torch.manual_seed(14)
    squares = sizes[-1] < 10
    layers = [f for N, M in zip(sizes, sizes[1:], strict=False) for f in (nn.Linear(N, M), nn.ReLU())][:-1]
    model = nn.Sequential(*layers)
    x = torch.randn(batch, sizes[0])
    y = torch.randn(batch, sizes[-1]) if squares else torch.randint(sizes[-1], (batch,))
    loss = nn.functional.mse_loss if squares else nn.functional.cross_entropy
    steps = {"Chain": of_chain(model, loss, x, y), "forward_backward": of_network(model, loss, x, y)}
    if installed("jax"):
        steps["JAX"] = of_jax(model, squares, x, y)
    took = medians(steps, repeats, calls)
    name = f"{'-'.join(map(str, sizes))}, batch {batch}"
    cells = [f"{1e6 * took[way]:.0f} µs" for way in ("Chain", "forward_backward")]
    if "JAX" not in took:
        return f"| {name} | {' | '.join(cells)} | - | - |"
    best = min(took["Chain"], took["forward_backward"])
    return f"| {name} | {' | '.join(cells)} | {1e6 * took['JAX']:.0f} µs | {took['JAX'] / best:.2f} |"


def of_chain(model: nn.Module, loss: Callable, x: Tensor, y: Tensor) -> Step:
    chain = Chain.from_module(copy.deepcopy(model), loss)

    def step() -> None:
        chain.forward(x, y)
        chain.descend(ETA)

    return step


def of_network(model: nn.Module, loss: Callable, x: Tensor, y: Tensor) -> Step:
    """Forward, backward and update as one compiled network."""
    ours, J = chapter14.convert(model), chapter14.functional.mse_loss
    if loss is nn.functional.cross_entropy:
        J = chapter14.functional.cross_entropy
    descent = torch.compile(Descent(chapter14.forward_backward(ours, J), x, y), fullgraph=True)
    theta = {name: p.detach().clone() for name, p in ours.named_parameters()}
    eta = torch.tensor(ETA)

    def step() -> None:
        theta.update(descent(theta, x, y, eta)[0])

    return step


def of_jax(model: nn.Module, squares: bool, x: Tensor, y: Tensor) -> Step:
    import jax
    from jax import numpy as jnp

    def J(theta: Any, x: Any, y: Any) -> Any:
        for i, (W, b) in enumerate(theta):
            x = (jax.nn.relu(x) if i else x) @ W + b
        if squares:
            return jnp.mean((x - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    def descend(theta: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(J)(theta, x, y)
        return value, jax.tree.map(lambda p, d: p - ETA * d, theta, g)

    fast = jax.jit(descend, donate_argnums=0)
    linear = [f for f in model if isinstance(f, nn.Linear)]
    theta = [(jnp.asarray(f.weight.detach().numpy().T), jnp.asarray(f.bias.detach().numpy())) for f in linear]
    x, y = (jnp.asarray(np.asarray(t)) for t in (x, y))

    def step() -> None:
        nonlocal theta
        value, theta = fast(theta, x, y)
        value.block_until_ready()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="how often each is timed (default 30)")
    parser.add_argument("--small", action="store_true", help="small networks, to test the script")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| parameters that learn | PyTorch | {' | '.join(WAYS)} |\n|{'---|' * (2 + len(WAYS))}")
    for row in convolution_rows(options.small, options.repeats):
        print(row, flush=True)
    print(
        "\n| MLP | Chain | forward_backward | JAX | JAX's time, divided by the faster of ours |\n|---|---|---|---|---|"
    )
    for sizes, batch in MLPS[: 1 if options.small else None]:
        calls = max(2, 40_000 // (sizes[0] * sizes[1] // 10 + batch + 20))
        print(mlp_row(sizes, batch, options.repeats, 2 if options.small else calls), flush=True)


if __name__ == "__main__":
    main()
