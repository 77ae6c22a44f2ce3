"""`chapter14 audit`: whose derivatives are in a network's image gradient, and in its training step."""

from __future__ import annotations

import argparse

import torch

from ..conversion.audit import Audit, audit, saved_bytes
from ..models.clip import CLIP
from ..models.words import caption
from ..models.zoo import Pretrained, load
from ..training.alignment import loss, noisy
from ..visualization.look import fixed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", default="embedded", help="a file that scripts/train_clip.py wrote")


def run(options: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, FileNotFoundError: there is no such network.
    """
    network = load(options.model)
    assert isinstance(network.model, CLIP)
    print(f"the gradient of an image: {of_an_image(network)}")
    print(f"a step of training, with the gradient's own gradient in it: {of_training(network)}")
    x = torch.zeros(1, 3, network.size, network.size, requires_grad=True)
    with fixed(network.model):
        print(
            f"what the gradient of one image keeps, the parameters being fixed:\n{saved_bytes(network.model.image, x)}"
        )
    return 0


def of_an_image(network: Pretrained) -> Audit:
    """Of what the network says of a picture, which asks for a gradient as its parameters do not."""
    with fixed(network.model):
        return audit(network(torch.zeros(1, 3, network.size, network.size, requires_grad=True)))


def of_training(network: Pretrained) -> Audit:
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
