"""A small CLIP (Radford et al., 2021, arXiv:2103.00020): pictures and sentences as unit vectors of one space.

    f = image(x) / |image(x)|         [B, D]        a picture x [B, 3, H, W], entries from -1 to 1
    t = text(s) / |text(s)|           [T, D]        a sentence s, as tokens [T, context]
    x_out = exp(logit_scale) f t^T    [B, T]        the node of figure 14.23 is one entry of it

The image tower is EfficientNet-Lite0 (efficientnet.py), trained adversarially (training/adversarial.py), so that its
gradient draws (14.9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import functional as F
from .. import nn
from ..layer.base import cast
from .efficientnet import EfficientNet
from .vocabulary import END, Vocabulary


@dataclass(frozen=True)
class Config:
    """Determines the shapes of the weights. A stage of the image tower has a width, blocks, a kernel and a stride."""

    vocabulary: Vocabulary
    size: int = 96
    widths: tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    blocks: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    kernels: tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    stem: int = 32
    expand: int = 6
    features: int = 1280
    text_width: int = 64
    text_blocks: int = 2
    text_heads: int = 4
    dim: int = 64


class TextBlock(nn.Module):
    """A transformer block: causal attention, then an MLP, each with a residual branch."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x, to_attend = F.branch(x)
        x, to_mlp = F.branch(F.add(x, self.attend(self.norm1(to_attend))))
        return F.add(x, self.mlp(self.norm2(to_mlp)))

    def attend(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        q, k, v = (
            F.transpose(F.reshape(p, (B, T, self.heads, D // self.heads)), 1, 2) for p in F.split(self.qkv(x), D, -1)
        )
        x = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(F.reshape(F.transpose(x, 1, 2), (B, T, D)))


class TextTower(nn.Module):
    """Tokens [B, context] → [B, D], the output at the end token."""

    def __init__(self, config: Config):
        super().__init__()
        vocabulary, width = config.vocabulary, config.text_width
        self.end = vocabulary.words.index(END)
        self.words = nn.Embedding(len(vocabulary.words), width)
        torch.nn.init.normal_(self.words.weight, std=0.05)
        self.places = nn.Parameter(0.02 * torch.randn(vocabulary.context, width))
        self.blocks = nn.Sequential(*(TextBlock(width, config.text_heads) for _ in range(config.text_blocks)))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.blocks(F.add(self.words(tokens), self.places)))
        B, _, D = x.shape
        last = (tokens == self.end).int().argmax(1)[:, None, None].expand(B, 1, D)
        return self.out(F.reshape(F.gather(x, 1, last), (B, D)))


class CLIP(nn.Module):
    """Two towers with a common output space."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        stages = config.widths, config.blocks, config.kernels, config.strides
        self.image = EfficientNet(*stages, config.stem, config.expand, config.features, config.dim)
        self.text = TextTower(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def encode_image(self, x: Tensor) -> Tensor:
        """x [B, 3, H, W] → f [B, D], of length 1."""
        return F.normalize(cast(self.image(x), self.logit_scale.dtype), dim=-1)  # in full precision under autocast

    def encode_text(self, sentences: str | Sequence[str] | Tensor) -> Tensor:
        """T sentences, or their tokens [T, context] → t [T, D], of length 1."""
        if not isinstance(sentences, Tensor):
            sentences = self.config.vocabulary.tokenize(sentences).to(self.logit_scale.device)
        return F.normalize(self.text(sentences), dim=-1)

    def forward(self, x: Tensor, sentences: str | Sequence[str] | Tensor) -> Tensor:
        """x [B, 3, H, W] and T sentences → logits [B, T]."""
        return F.mul(F.exp(self.logit_scale), F.linear(self.encode_image(x), self.encode_text(sentences)))
