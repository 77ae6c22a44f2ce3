"""`chapter14 audit`: which derivatives of a network are by hand, and what it saves for the backward pass."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..conversion.audit import Audit, audit, saved_bytes
from ..conversion.convert import convert
from ..models.clip import CLIP
from ..models.from_file import call_factory
from ..models.load import NetworkWithInputs, build_network, load_network, random_pictures
from ..models.pretrained import Pretrained
from ..models.vocabulary import caption
from ..training.adversarial import contrast
from ..visualization.activations.hooks import frozen_parameters

DESCRIPTION = """
Reports which derivatives of a network are by hand, once it is converted, with random weights:

    chapter14 audit torchvision:resnet18        or timm:NAME, open_clip:NAME, if they are installed
    chapter14 audit module.py:factory           factory() returns a module for pictures, or (module, inputs)
    chapter14 audit                             the embedded network; or a file that scripts/train_clip.py wrote
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("model", nargs="?", default="embedded", help="LIBRARY:NAME, FILE.py:FACTORY, or a file")
    parser.add_argument("--size", type=int, help="of the pictures, size x size (the network's)")
    parser.add_argument("--batch", type=int, default=2, help="the number of pictures (%(default)s)")
    parser.add_argument("--train", action="store_true", help="in training mode")
    parser.add_argument("--native", action="store_true", help="without conversion")
    parser.add_argument("--layers", action="store_true", help="print the bytes of each layer")


def run(options: argparse.Namespace) -> int:
    if ":" not in options.model:
        return _run_embedded(options.model)
    path, _, name = options.model.rpartition(":")
    built = _from_file(Path(path), name) if path.endswith(".py") else build_network(options.model)
    native = built.model.train(options.train)
    model = native if options.native else convert(native)
    inputs = built.inputs(options.batch, options.size)
    first, second = _both_orders(options.model, model, inputs)
    print(f"the gradient: {first}")
    print(f"the gradient's own gradient: {second}" if second else "the gradient has no gradient of its own")
    if second and second.native.get("AddBackward0", 0) > first.native.get("AddBackward0", 0):
        print("  (AddBackward0 is autograd's own sum, (14.46), of the gradients of a tensor that is used repeatedly)")
    if not options.native:
        _print_bytes(model, native, inputs, options.layers)
    return 0


def _from_file(path: Path, name: str) -> NetworkWithInputs:
    """The module that the function `name` of a Python file returns, with the inputs or the size that it returns."""
    model, more = call_factory(path, name)
    if isinstance(more, dict):
        return NetworkWithInputs(model, random_pictures(more.get("size", 224)))
    return NetworkWithInputs(model, lambda *_: tuple(more))


def _both_orders(name: str, model: nn.Module, inputs: tuple) -> tuple[Audit, Audit | None]:
    """The backward graphs of the outputs, and of their gradient."""
    try:
        x_out = _differentiable(model(*inputs))
    except Exception as error:
        shapes = ", ".join(str(list(t.shape)) for t in tree_leaves(inputs) if isinstance(t, Tensor))
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name}: it does not take {shapes}; see --size and --batch. {why}") from error
    first = audit(x_out)
    leaves = [*_differentiable(inputs), *(p for p in model.parameters() if p.requires_grad)]
    g_out = [torch.ones_like(t) for t in x_out]
    gs = torch.autograd.grad(x_out, leaves, g_out, create_graph=True, allow_unused=True)
    differentiable = [g for g in _differentiable(gs) if g.grad_fn is not None]
    return first, audit(differentiable) if differentiable else None


def _differentiable(x: object) -> list[Tensor]:
    return [t for t in tree_leaves(x) if isinstance(t, Tensor) and t.requires_grad]


def _print_bytes(model: nn.Module, native: nn.Module, inputs: tuple, layers: bool) -> None:
    """The bytes that both save for the backward pass, with trained and with frozen parameters."""
    for state in ("trained", "frozen"):
        if state == "frozen":
            model.requires_grad_(False), native.requires_grad_(False)
        rows = saved_bytes(model, *inputs).beside(saved_bytes(native, *inputs)).splitlines()
        print(f"\nsaved for the backward pass, with {state} parameters:")
        print("\n".join(rows if layers else [rows[0], rows[-1]]))


def _run_embedded(name: str) -> int:
    network = load_network(name)
    assert isinstance(network.model, CLIP)
    print(f"the gradient of an image: {audit_image_gradient(network)}")
    print(f"a training step: {audit_training_step(network)}")
    x = torch.zeros(1, 3, network.size, network.size, requires_grad=True)
    with frozen_parameters(network.model):
        saved = saved_bytes(network.model.image, x)
    print(f"saved for the gradient of one image, with frozen parameters:\n{saved}")
    return 0


def audit_image_gradient(network: Pretrained) -> Audit:
    """The audit of the network's output for a picture, with frozen parameters."""
    with frozen_parameters(network.model):
        return audit(network(torch.zeros(1, 3, network.size, network.size, requires_grad=True)))


def audit_training_step(network: Pretrained) -> Audit:
    """The audit of J of training/adversarial.py, on random pictures."""
    model, generator = network.model, torch.Generator().manual_seed(0)
    assert isinstance(model, CLIP)  # `network` comes from such a file
    x = torch.randn(4, 3, network.size, network.size, generator=generator)
    before = [p.requires_grad for p in model.parameters()]
    try:
        model.requires_grad_()
        t = model.encode_text([caption(name) for name in network.labels])
        return audit(contrast(model, model.encode_image(x), torch.arange(4), t))
    finally:
        for p, trained in zip(model.parameters(), before, strict=True):
            p.requires_grad_(trained)
