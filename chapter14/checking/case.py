"""Declares a layer for the checks: the function, its reference, and how to draw inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Draw = Callable[..., Tensor]


class NotApplicable(Exception):
    """Raised by a check that does not apply to a layer; the message is the reason."""


@dataclass(frozen=True)
class Case:
    """A layer, the function it is compared with, and how to draw inputs for it.

    Attributes:
        ours: the layer, called with its inputs.
        native: the same function in PyTorch. If None, only the checks that need no reference apply.
        inputs: (draw, n) → the inputs for a batch of n, where draw(*shape) is a tensor that requires a gradient.
            Other tensors among them require none, and anything else is a constant.
        composite: a replacement for `native`, made of plain operations, where `native` is wrong at higher orders.
        module: (our module, PyTorch's, the arguments of their constructors), where there is one.
        skip: check → the reason why it is not run on this layer.
        title: the name to report, if it is not the name of `ours`.
        names: those of the inputs, as their author calls them.
        is_layer: whether it is made of layers, and so supports all that PyTorch's own functions do.
        dtype: of the inputs, unless a check asks for another.
        on_purpose: what its backward is instead of a derivative, as "straight-through".
        device, seed: of the inputs, unless a check asks for others.
        forward: of a Function, its forward pass as a function of its inputs, for autograd to differentiate.
    """

    ours: Callable
    native: Callable | None
    inputs: Callable[[Draw, int], tuple]
    composite: Callable | None = None
    module: tuple = ()
    skip: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    names: Sequence[str] = ()
    is_layer: bool = True
    dtype: torch.dtype = torch.float64
    on_purpose: str = ""
    device: str = "cpu"
    seed: int = 14
    forward: Callable | None = None

    def __str__(self) -> str:
        return self.title or self.ours.__name__

    @property
    def reference(self) -> Callable:
        """`native`; where the gradient of ours is none on purpose, `native` with the gradient of ours.

        Raises:
            NotApplicable: there is none.
        """
        native = self.native
        if native is None:
            raise NotApplicable("there is no reference to compare with")
        if self.on_purpose:
            return lambda *inputs: _with_gradient_of(self.ours(*inputs), native(*inputs))
        return native

    def assert_derivative(self) -> None:
        """Before a check that a gradient is the derivative.

        Raises:
            NotApplicable: it is none on purpose.
        """
        if self.on_purpose:
            raise NotApplicable(f"its backward is no derivative on purpose: {self.on_purpose}")

    def draw(
        self, n: int = 3, dtype: torch.dtype | None = None, device: str | None = None, seed: int | None = None
    ) -> tuple:
        """Draws the inputs for a batch of n, with the same values on every call with one seed."""
        rng = torch.Generator().manual_seed(self.seed if seed is None else seed)
        device = device or self.device

        def draw(*shape: int) -> Tensor:
            return (
                torch.randn(shape, generator=rng, dtype=torch.float64).to(device, dtype or self.dtype).requires_grad_()
            )

        return on_device(device, self.inputs(draw, n))

    def names_of(self, inputs: tuple) -> tuple[str, ...]:
        """The name of each input; a number where its author names none."""
        numbered = (f"input {i}" for i in range(len(self.names), len(inputs)))
        return *self.names[: len(inputs)], *numbered

    @property
    def in_dims(self) -> tuple[int | None, ...]:
        """The batch axis of each input: the one whose size changes with n."""
        return tuple(_batch_axis(a, b) for a, b in zip(self.draw(2), self.draw(3), strict=True))


def on_device(device: str, inputs: tuple) -> tuple:
    """The inputs, those tensors on a device that are elsewhere."""
    there = torch.device(device).type
    return tuple(t.to(device) if isinstance(t, Tensor) and t.device.type != there else t for t in inputs)


def is_there(device: str) -> bool:
    """Whether this machine has the device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # the latter of a PyTorch that is built without it
        return False
    return True


def assert_there(device: str) -> None:
    """Before checks on a device.

    Raises:
        ValueError: this machine has no such device.
    """
    if not is_there(device):
        raise ValueError(f"check: there is no device {device} here.")


def _with_gradient_of(ours: Any, native: Any) -> Any:
    if isinstance(ours, (tuple, list)):
        return type(ours)(map(_with_gradient_of, ours, native))
    return ours + (native - ours).detach() if ours.is_floating_point() else native


def _batch_axis(a: Any, b: Any) -> int | None:
    if not isinstance(a, Tensor):
        return None
    return next((i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if m != n), None)


def seed_cpu(seed: int) -> None:
    """Seeds the CPU generator. torch.manual_seed takes milliseconds: it formats the call stack for each GPU backend."""
    torch.default_generator.manual_seed(seed)


def requires_grad(t: Any) -> bool:
    """Whether t is a tensor that requires a gradient."""
    return isinstance(t, Tensor) and t.requires_grad


def inputs_requiring_grad(inputs: tuple) -> list[Tensor]:
    return [t for t in inputs if requires_grad(t)]


def float_outputs(x_out: Any) -> list[Tensor]:
    """The floating-point tensors among the outputs."""
    return [t for t in (x_out if isinstance(x_out, (tuple, list)) else (x_out,)) if t.is_floating_point()]


def outputs_requiring_grad(f: Callable, inputs: tuple) -> list[Tensor]:
    return [t for t in float_outputs(f(*inputs)) if t.requires_grad]


def example_gradient(x_out: Tensor) -> Tensor:
    """A g_out in which every entry is different."""
    return torch.linspace(-1, 1, x_out.numel(), dtype=x_out.dtype, device=x_out.device).view(x_out.shape)


def input_gradients(
    x_out: Sequence[Tensor], inputs: tuple, g_out: Sequence[Tensor] | None = None, **options: bool
) -> list[Tensor]:
    """g_in of each input that requires one and that x_out depends on; for `example_gradient`s unless g_out is given."""
    g_out = [example_gradient(t) for t in x_out] if g_out is None else g_out
    g_in = torch.autograd.grad(x_out, inputs_requiring_grad(inputs), g_out, allow_unused=True, **options)
    return [g for g in g_in if g is not None]


def forward_and_backward(f: Callable, inputs: tuple) -> list[Tensor]:
    """x_out, and g_in of each input that requires one, with zeros where there is none."""
    x_out = float_outputs(f(*inputs))
    with_graph = [t for t in x_out if t.requires_grad]
    if not with_graph:
        return x_out
    leaves, g_out = inputs_requiring_grad(inputs), [example_gradient(t) for t in with_graph]
    return [*x_out, *torch.autograd.grad(with_graph, leaves, g_out, allow_unused=True, materialize_grads=True)]
