"""One position of a layer, and many neurons of one image.

place      one channel in the middle of a layer, and its gradient for the whole image. PyTorch's: a hook on the whole
           network; tuned: batch norm folded, channels-last, stopped at the layer. Ours: freeze(..., at=...)
neurons    one forward pass, and a backward pass from each of 16 channels. PyTorch's: a loop with retain_graph; tuned:
           the same on the tuned network, or is_grads_batched. Ours: is_grads_batched
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import chapter14

from .clock import Given, Row, best, in_turns, row, times
from .networks import SMALL, WAYS, made

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
K = 16


def places(given: Given) -> Iterator[Row]:
    for name in [f"{SMALL}:features.4"] if given.networks == (SMALL,) else given.networks or PLACES:
        model, until = made(name)
        model.to(given.device)
        x = given.pixels(1).requires_grad_()
        native, tuned = (WAYS[way](model, until) for way in ("native", "tuned"))
        H, W = native(x).shape[2:]
        steps = {
            "native": _back(native, x, H // 2, W // 2),
            "tuned": _back(tuned, x, H // 2, W // 2),
            "ours": _back(chapter14.freeze(model, until, at=(None, None)), x, 0, 0),
        }
        yield from _compared("place", name, steps, given)


def neurons(given: Given) -> Iterator[Row]:
    for name in given.networks or NEURONS:
        model, until = made(name)
        model.to(given.device)
        x = given.pixels(1).requires_grad_()
        native, tuned = (WAYS[way](model, until) for way in ("native", "tuned"))
        frozen = chapter14.freeze(model, until)
        shape = native(x).shape
        G = torch.zeros(K, *shape, device=x.device)
        for k, g in enumerate(G):
            g[:, k] = 1 / shape[2:].numel()
        steps = {
            "native": _one_by_one(native, x, G),
            "tuned": _one_by_one(tuned, x, G),
            "batched": _at_once(native, x, G),
            "ours": _at_once(frozen, x, G),
        }
        yield from _compared("neurons", name, steps, given)


def _back(f: nn.Module, x: Tensor, row: int, column: int) -> Callable[[], Tensor]:
    return lambda: torch.autograd.grad(f(x)[0, 3, row, column], x)[0]


def _one_by_one(f: nn.Module, x: Tensor, G: Tensor) -> Callable[[], list[Tensor]]:
    def g_in() -> list[Tensor]:
        y = f(x)
        return [torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in G]

    return g_in


def _at_once(f: nn.Module, x: Tensor, G: Tensor) -> Callable[[], Tensor]:
    return lambda: torch.autograd.grad(f(x), x, G, is_grads_batched=True)[0]


def _compared(table: str, name: str, steps: dict[str, Callable], given: Given) -> Iterator[Row]:
    taken = in_turns(steps, given)
    for way, seconds in taken.items():
        yield row(table, name, 1, way, seconds, "s")
    by_hand = best(taken, *(way for way in steps if way != "ours"))
    yield row(table, name, 1, "ours, to native", times(taken["native"], taken["ours"]), "x")
    yield row(table, name, 1, "ours, to the best by hand", times(taken[by_hand], taken["ours"]), "x")
