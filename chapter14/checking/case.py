"""What a check must know of a layer, said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Draw = Callable[..., Tensor]


class DoesNotApply(Exception):
    """Raised by a check that has nothing to hold this layer to; its message is the reason."""


@dataclass(frozen=True)
class Case:
    """A layer, what it is compared with, and how to draw inputs for it.

    Attributes:
        ours: the layer, called with its inputs.
        native: the same function by PyTorch; None where there is none, and then only the checks that need none apply.
        inputs: (draw, n) → the inputs for a batch of n, where draw(*shape) is a tensor that asks for a gradient.
            Other tensors among them ask for none, and what is no tensor is a constant.
        composite: as `native`, where that is wrong at higher orders: out of plain operations.
        module: (our module, PyTorch's, the arguments to make them), where there is one.
        but: check → why this layer is not held to it.
        title: what it is called, where that is not the name of `ours`.
    """

    ours: Callable
    native: Callable | None
    inputs: Callable[[Draw, int], tuple]
    composite: Callable | None = None
    module: tuple = ()
    but: Mapping[str, str] = field(default_factory=dict)
    title: str = ""

    def __str__(self) -> str:
        return self.title or self.ours.__name__

    @property
    def like(self) -> Callable:
        if self.native is None:
            raise DoesNotApply("there is nothing to compare it with")
        return self.native

    def draw(self, n: int = 3, dtype: torch.dtype = torch.float64, device: str = "cpu") -> tuple:
        """The same inputs every time."""
        rng = torch.Generator().manual_seed(14)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=rng, dtype=torch.float64).to(device, dtype).requires_grad_()

        inputs = self.inputs(draw, n)
        return tuple(t.to(device) if isinstance(t, Tensor) and t.device.type != device else t for t in inputs)

    @property
    def in_dims(self) -> tuple[int | None, ...]:
        """Which axis of each input is the batch: the one that follows n."""
        return tuple(_follows(a, b) for a, b in zip(self.draw(2), self.draw(3), strict=True))


def _follows(a: Any, b: Any) -> int | None:
    if not isinstance(a, Tensor):
        return None
    return next((i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if m != n), None)


def asks(t: Any) -> bool:
    """Whether t is an input that asks for a gradient."""
    return isinstance(t, Tensor) and t.requires_grad


def wanted(inputs: tuple) -> list[Tensor]:
    """The inputs that ask for a gradient."""
    return [t for t in inputs if asks(t)]


def outputs(x_out: Any) -> list[Tensor]:
    """The outputs that have a gradient."""
    return [t for t in (x_out if isinstance(x_out, (tuple, list)) else (x_out,)) if t.is_floating_point()]


def a_gradient(x_out: Tensor) -> Tensor:
    """A g_out that tells the entries apart."""
    return torch.linspace(-1, 1, x_out.numel(), dtype=x_out.dtype, device=x_out.device).view(x_out.shape)


def there_and_back(f: Callable, inputs: tuple) -> list[Tensor]:
    """x_out, and what a fixed g_out becomes at each input that asks; zeros where nothing comes back."""
    x_out = outputs(f(*inputs))
    ways = [t for t in x_out if t.requires_grad]
    if not ways:
        return x_out
    g_in = torch.autograd.grad(ways, wanted(inputs), [a_gradient(t) for t in ways], allow_unused=True)
    return [*x_out, *(torch.zeros_like(t) if g is None else g for t, g in zip(wanted(inputs), g_in, strict=True))]
