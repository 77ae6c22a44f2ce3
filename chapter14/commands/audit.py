"""`chapter14 audit`: whose derivatives a network runs on, and what they keep in memory beside PyTorch's."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..conversion.audit import Audit, audit, saved_bytes
from ..conversion.model import convert
from ..models.clip import CLIP
from ..models.from_file import call_factory
from ..models.load import NetworkWithInputs, build_network, load_network, random_pictures
from ..models.pretrained import Pretrained
from ..models.vocabulary import caption
from ..training.alignment import loss, noisy
from ..visualization.activations.hooks import frozen_parameters

DESCRIPTION = """
Whose derivatives a network runs on, converted, with random weights:

    chapter14 audit torchvision:resnet18        timm:NAME and open_clip:NAME, where they are installed
    chapter14 audit module.py:factory           factory() is a module that looks at pictures, or (module, inputs)
    chapter14 audit                             the embedded network; or a file that scripts/train_clip.py wrote
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("model", nargs="?", default="embedded", help="LIBRARY:NAME, FILE.py:FACTORY, or a file")
    parser.add_argument("--size", type=int, help="pictures of size x size (default: the network's own)")
    parser.add_argument("--batch", type=int, default=2, help="how many pictures (default 2)")
    parser.add_argument("--train", action="store_true", help="in training mode")
    parser.add_argument("--native", action="store_true", help="as it is, and not converted")
    parser.add_argument("--layers", action="store_true", help="the bytes layer by layer")


def run(options: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, FileNotFoundError: there is no such network, or it does not take such pictures.
    """
    if ":" not in options.model:
        return _run_embedded(options.model)
    path, _, name = options.model.rpartition(":")
    built = _of_file(Path(path), name) if path.endswith(".py") else build_network(options.model)
    native = built.model.train(options.train)
    model = native if options.native else convert(native)
    inputs = built.inputs(options.batch, options.size)
    first, second = _both_orders(options.model, model, inputs)
    print(f"the gradient: {first}")
    print(f"the gradient's own gradient: {second}" if second else "the gradient has no gradient of its own")
    if second and second.native.get("AddBackward0", 0) > first.native.get("AddBackward0", 0):
        print(
            "  (AddBackward0 is autograd's own sum, (14.46), of the ways back from a tensor that is used several times)"
        )
    if not options.native:
        _print_bytes(model, native, inputs, options.layers)
    return 0


def _of_file(path: Path, name: str) -> NetworkWithInputs:
    """What the function `name` of a Python file makes: a module, and its inputs or, as a dict, its size."""
    model, said = call_factory(path, name)
    return NetworkWithInputs(
        model, random_pictures(said.get("size", 224)) if isinstance(said, dict) else lambda *_: tuple(said)
    )


def _both_orders(name: str, model: nn.Module, inputs: tuple) -> tuple[Audit, Audit | None]:
    """The graph behind the outputs, and the one behind their gradient."""
    try:
        x_out = _asking(model(*inputs))
    except Exception as error:
        given = ", ".join(str(list(t.shape)) for t in tree_leaves(inputs) if isinstance(t, Tensor))
        raise ValueError(
            f"{name}: it does not take {given}; see --size and --batch. {type(error).__name__}: {error}"
        ) from error
    first = audit(x_out)
    leaves = [*_asking(inputs), *(p for p in model.parameters() if p.requires_grad)]
    g_out = [torch.ones_like(t) for t in x_out]
    gs = torch.autograd.grad(x_out, leaves, g_out, create_graph=True, allow_unused=True)
    again = [g for g in _asking(gs) if g.grad_fn is not None]
    return first, audit(again) if again else None


def _asking(x: object) -> list[Tensor]:
    return [t for t in tree_leaves(x) if isinstance(t, Tensor) and t.requires_grad]


def _print_bytes(model: nn.Module, native: nn.Module, inputs: tuple, layers: bool) -> None:
    """What both keep for the backward pass: while the parameters are trained, and while they are frozen."""
    for state in ("trained", "frozen"):
        if state == "frozen":
            model.requires_grad_(False), native.requires_grad_(False)
        rows = saved_bytes(model, *inputs).beside(saved_bytes(native, *inputs)).splitlines()
        print(f"\nwhat is kept for the backward pass, the parameters being {state}:")
        print("\n".join(rows if layers else [rows[0], rows[-1]]))


def _run_embedded(name: str) -> int:
    network = load_network(name)
    assert isinstance(network.model, CLIP)
    print(f"the gradient of an image: {audit_image_gradient(network)}")
    print(f"a step of training, with the gradient's own gradient in it: {audit_training_step(network)}")
    x = torch.zeros(1, 3, network.size, network.size, requires_grad=True)
    with frozen_parameters(network.model):
        print(
            f"what the gradient of one image keeps, the parameters being fixed:\n{saved_bytes(network.model.image, x)}"
        )
    return 0


def audit_image_gradient(network: Pretrained) -> Audit:
    """Of what the network says of a picture, which asks for a gradient as its parameters do not."""
    with frozen_parameters(network.model):
        return audit(network(torch.zeros(1, 3, network.size, network.size, requires_grad=True)))


def audit_training_step(network: Pretrained) -> Audit:
    """Of J as scripts/train_clip.py descends it, on noise: two pictures in noise, and two without."""
    model, generator = network.model, torch.Generator().manual_seed(0)
    assert isinstance(model, CLIP)  # which is what such a file holds
    x = torch.randn(4, 3, network.size, network.size, generator=generator)
    tokens = model.config.vocabulary.tokenize([caption(name) for name in network.labels])
    wanted = [p.requires_grad for p in model.parameters()]
    try:
        model.requires_grad_()
        return audit(loss(model, x, torch.arange(4), tokens, noisy(x[:2], generator)).J)
    finally:
        for p, was in zip(model.parameters(), wanted, strict=True):
            p.requires_grad_(was)
