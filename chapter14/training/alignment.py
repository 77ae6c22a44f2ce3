"""A loss that has a gradient in it: the network is taught where its own data gradient (14.9) should point.

    z    = a x + (1 - a) s ε, or x + σ ε             a photograph x in noise ε
    c    = <f(z), t>                                 the node of the caption that is true of x
    J    = 3 (1 - cos(dc/dz, x - z)) + ...           so that to climb c is to take the noise away

which is denoising score matching (Vincent, 2011) with the node as its energy; the rest of J is CLIP's cross entropy, on
clean photographs and on noisy ones. dJ/dθ differentiates dc/dz: a second derivative, and of our layers alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .. import functional as F
from ..models.clip import CLIP

POOLS = (1, 2, 4, 8)  # the cosine is over the picture and its smaller copies: coarse shapes count as much as grain


class Noisy(NamedTuple):
    z: Tensor  # [B, 3, H, W]
    clean: Tensor  # [B], how sure one can be of the label: 1 where at least half is photograph, less in more noise
    weights: Tensor  # [B, len(POOLS)], what each copy counts in the cosine


class AlignmentLoss(NamedTuple):
    """The terms of J, each a mean."""

    cosine: Tensor
    clean: Tensor
    noisy: Tensor

    @property
    def J(self) -> Tensor:
        return F.add_n(F.add(F.mul(self.cosine, -3), 3), F.mul(self.clean, 0.3), F.mul(self.noisy, 0.5))


def noisy(x: Tensor, generator: torch.Generator) -> Noisy:
    """Photographs x [B, 3, H, W] in noise: most of them with any a; one in eight nearly clean, σ from 0.05 to 0.5."""
    B = len(x)

    def uniform(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(B, 1, 1, 1, generator=generator)).to(x.device)

    noise = torch.randn(x.shape, generator=generator).to(x.device)
    a, s, near = uniform(0, 0.98), uniform(0.85, 1.1), uniform(0, 1) < 0.12
    sigma = torch.exp(uniform(math.log(0.05), math.log(0.5)))
    z = torch.where(near, x + sigma * noise, a * x + (1 - a) * s * noise)
    near, a = near.flatten(), a.flatten()
    far_weights, near_weights = torch.tensor([[1, 1, 1, 0.7], [1, 1, 0.2, 0]], device=x.device)
    weights = torch.where(near[:, None], near_weights, far_weights)
    return Noisy(z, torch.where(near, 1.0, (2 * a).clamp(max=1)), weights)


def cosine(g: Tensor, d: Tensor, weights: Tensor) -> Tensor:
    """The cosine of g and d [B, 3, H, W] over their pooled copies, each copy in units of d's: [B]."""
    products, squares = [], []
    for pool, weight in zip(POOLS, weights.unbind(1), strict=True):
        g_k, d_k = (F.avg_pool2d(x, pool) if pool > 1 else x for x in (g, d))
        unit = weight / d_k.square().flatten(1).sum(1)
        products.append(F.mul(_inner(g_k, d_k), unit))
        squares.append(F.mul(_inner(g_k, g_k), unit * weights.sum(1)))
    return F.mul(F.add_n(*products), F.pow(F.add(F.add_n(*squares), 1e-20), -0.5))


def _inner(a: Tensor, b: Tensor) -> Tensor:
    B = len(a)
    return F.reshape(F.sum_to_size(F.mul(a, b), (B, 1, 1, 1)), (B,))


def data_gradient(c: Tensor, z: Tensor) -> Tensor:
    """dc/dz [*z] for nodes c [B], one for each datapoint, itself with a graph."""
    (g,) = torch.autograd.grad(c, z, torch.ones_like(c), create_graph=True)
    return g


def loss(
    model: CLIP, x: Tensor, which: Tensor, tokens: Tensor, noisy_ones: Noisy, precision: torch.dtype = torch.float32
) -> AlignmentLoss:
    """The three terms, over photographs x [B, 3, H, W] of which the first are in `noisy_ones` too.

    `tokens` [T, context] are all captions, `which` [B] the true one of each photograph. The image tower computes in
    `precision`.
    """

    def encode(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, precision, enabled=precision != torch.float32):
            return model.encode_image(x)

    n = len(noisy_ones.z)
    t, size = model.encode_text(tokens), F.exp(model.logit_scale)
    z = noisy_ones.z.requires_grad_()
    c = F.linear(encode(z), t)
    node = F.reshape(F.gather(c, -1, which[:n, None]), (n,))
    aligned = cosine(data_gradient(node, z), x[:n] - z.detach(), noisy_ones.weights)
    sure = noisy_ones.clean / noisy_ones.clean.sum()
    noisy_loss = F.mul(F.cross_entropy(F.mul(size, c), which[:n], reduction="none"), sure)
    clean = F.cross_entropy(F.mul(size, F.linear(encode(x[n:]), t)), which[n:])
    return AlignmentLoss(F.mul(F.sum_to_size(aligned, ()), 1 / n), clean, F.sum_to_size(noisy_loss, ()))
