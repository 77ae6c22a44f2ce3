"""A small CLIP (Radford et al., 2021, arXiv:2103.00020): pictures and sentences as unit vectors of one space.

    f = image(x) / |image(x)|         [B, D]        a picture x [B, 3, H, W], entries from -1 to 1
    t = text(s) / |text(s)|           [T, D]        a sentence s, as tokens [T, context]
    x_out = exp(logit_scale) f t^T    [B, T]        the node of figure 14.23 is one entry of it

The image tower is designed so that its gradient draws well (14.9): smooth nonlinearities, since dx_out/dx of a relu
network is piecewise constant; no normalization; and heads that distinguish positions, so that an eye has a place.
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
    """Determines the shapes of the weights. `widths`, `blocks` and `planes` have one number for each scale.

    With `kernels` and `strides`, one number for each stage, the image tower is an EfficientNet-Lite.
    """

    vocabulary: Vocabulary
    size: int = 48
    widths: tuple[int, ...] = (48, 96, 160)
    blocks: tuple[int, ...] = (1, 1, 2)
    planes: tuple[int, ...] = (4, 12, 40)
    pool: int = 4
    hidden: int = 256
    text_width: int = 64
    text_blocks: int = 2
    text_heads: int = 4
    dim: int = 64
    kernels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    stem: int = 32
    expand: int = 6
    features: int = 1280


def lite(vocabulary: Vocabulary, size: int = 96) -> Config:
    """The configuration with the image tower of EfficientNet-Lite0."""
    return Config(
        vocabulary,
        size,
        widths=(16, 24, 40, 80, 112, 192, 320),
        blocks=(1, 2, 2, 3, 3, 4, 1),
        kernels=(3, 3, 5, 3, 5, 5, 3),
        strides=(1, 2, 2, 2, 1, 2, 1),
    )


class Residual(nn.Module):
    """x_out = x_in + conv2(h(conv1(h(x_in)))): x_in branches (section 14.7), and its two branches are added."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = conv(width, width)
        self.conv2 = conv(width, width, gain=0.4)

    def forward(self, x: Tensor) -> Tensor:
        past, through = F.branch(x)
        return F.add_n(past, self.conv2(F.silu(self.conv1(F.silu(through)))))


class ImageTower(nn.Module):
    """x [B, 3, H, W] → [B, D]. Three scales; each branches to the next scale and to its head; the heads merge."""

    def __init__(self, config: Config):
        super().__init__()
        widths, self.pool = config.widths, config.pool
        sizes = [config.size // 2 ** (i + 1) for i in range(len(widths))]
        convs = [conv(3, widths[0], 6, stride=2), *(conv(c, d) for c, d in zip(widths, widths[1:], strict=False))]
        self.scales = nn.ModuleList(
            nn.Sequential(first, *(Residual(width) for _ in range(n)))
            for first, width, n in zip(convs, widths, config.blocks, strict=True)
        )
        heads = [nn.Sequential(conv(width, n, 1), nn.Flatten()) for width, n in zip(widths, config.planes, strict=True)]
        places = [n * size**2 for n, size in zip(config.planes, sizes, strict=True)]
        heads[-1].extend([nn.Linear(places[-1], config.hidden), nn.SiLU()])
        self.heads = nn.ModuleList(heads)
        self.out = nn.Linear(sum(places[:-1]) + config.hidden, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []
        for scale, head in zip(self.scales, self.heads, strict=True):
            if seen:
                x = F.avg_pool2d(x, self.pool, 2, self.pool // 2 - 1)
            x, to_head = F.branch(F.silu(scale(x)))
            seen.append(head(to_head))
        return self.out(F.merge(*seen))


class LiteTower(nn.Module):
    """x [B, 3, H, W] → [B, D]: EfficientNet-Lite, and a linear layer in place of its classifier."""

    def __init__(self, config: Config):
        super().__init__()
        self.net = EfficientNet(
            config.widths, config.blocks, config.kernels, config.strides, config.stem, config.expand, config.features
        )
        self.out = nn.Linear(config.features, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.net(x))


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
        self.image = LiteTower(config) if self.adversarial else ImageTower(config)
        self.text = TextTower(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    @property
    def adversarial(self) -> bool:
        """Whether it is trained adversarially (training/adversarial.py): it has an EfficientNet-Lite tower."""
        return bool(self.config.kernels)

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


def conv(C: int, M: int, kernel: int = 3, stride: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """A convolution that divides the size by its stride. W is initialized to keep the variance (He et al., 2015)."""
    layer = nn.Conv2d(C, M, kernel, stride, padding=(kernel - stride + 1) // 2)
    W = gain * math.sqrt(2 / (C * kernel**2)) * torch.randn(layer.weight.shape)
    layer.load_state_dict({"weight": W, "bias": torch.zeros(M)})
    return layer
