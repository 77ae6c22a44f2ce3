"""Adversarial training (Madry et al., 2018, arXiv:1706.06083): a network that it makes robust has gradients that draw.

    J(x, θ)   = contrast: cross entropy of exp(logit_scale) f(x) t^T against the caption that is true of x
    d        <- d + η (dJ/dx)^T / |dJ/dx|,  |d| <= ε           the data gradient (14.9), up J, a few steps
    θ        <- θ - η (dJ/dθ)^T   at x + d

A noisy gradient lets J rise within a small ball; the network learns gradients that point at other classes' features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Module

from .. import functional as F
from ..models.clip import CLIP


def contrast(model: CLIP, f: Tensor, which: Tensor, t: Tensor) -> Tensor:
    """The mean over photographs f [B, D], of length 1; `which` [B] of the captions t [T, D] is true of each."""
    logits = F.mul(F.exp(model.logit_scale), F.linear(f, t))
    return F.cross_entropy(logits, which, label_smoothing=0.05)


def attack(
    J: Callable[[Tensor], Tensor], model: Module, x: Tensor, epsilon: Tensor, steps: int, start: Tensor
) -> Tensor:
    """x + d, in the range of x, at which J of `model` is large.

    d begins along `start` [B, 3, H, W], and |d| is at most epsilon [B].
    """
    epsilon = epsilon[:, None, None, None]
    d = epsilon * _unit(start)
    with _frozen(model):
        for _ in range(steps):
            d = d.detach().requires_grad_()
            (g,) = torch.autograd.grad(J(F.add(x, d)), d)
            d = d.detach() + 1.5 * epsilon / steps * _unit(g)
            d = (x + d * (epsilon / _length(d)).clamp(max=1)).clamp(-1, 1) - x
    return x + d


def _length(d: Tensor) -> Tensor:
    return d.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]


def _unit(d: Tensor) -> Tensor:
    return d / _length(d)


@contextmanager
def _frozen(model: Module) -> Iterator[None]:
    """In evaluation mode, and without gradients of the parameters: the attack needs dJ/dx only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    training = model.training
    try:
        for p in trained:
            p.requires_grad_(False)
        model.eval()
        yield
    finally:
        model.train(training)
        for p in trained:
            p.requires_grad_()
