"""Networks as people train them: J of a batch of each, in usual sizes, and in small ones to test the scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as native


class Cost(nn.Module):
    """J(x, y): the cross entropy of a network's scores."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        scores: Any = self.model(x)
        scores = scores["out"] if isinstance(scores, dict) else scores
        return native.cross_entropy(scores, y)


Trained = tuple[nn.Module, Tensor, Tensor]  # a network, x and y


def mlp(small: bool) -> Trained:
    N, H, B = (16, 8, 4) if small else (784, 512, 64)
    layers = nn.Linear(N, H), nn.ReLU(), nn.Linear(H, H), nn.ReLU(), nn.Linear(H, 10)
    return nn.Sequential(*layers), torch.randn(B, N), torch.randint(10, (B,))


def resnet18(small: bool) -> Trained:
    import torchvision

    return torchvision.models.resnet18(num_classes=100), *_pictures(*((2, 32) if small else (4, 128)))


def vit_tiny(small: bool) -> Trained:
    smaller = {"depth": 1, "embed_dim": 24} if small else {}
    return _timm("vit_tiny_patch16_224", small, 8, **smaller)


def convnext_atto(small: bool) -> Trained:
    smaller = {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)} if small else {}
    return _timm("convnext_atto", small, 4, **smaller)


def _timm(name: str, small: bool, batch: int, **smaller: Any) -> Trained:
    import timm

    sized = {"img_size": 32 if small else 128} if name.startswith("vit") else {}
    model = timm.create_model(name, num_classes=100, **sized, **smaller)
    return model, *_pictures(*((2, 32) if small else (batch, 128)))


def _pictures(batch: int, size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 3, size, size), torch.randint(100, (batch,))


class Block(nn.Module):
    """Causal attention and a feed-forward network, each after a layer norm and with a residual branch."""

    def __init__(self, D: int, heads: int):
        super().__init__()
        self.heads, self.before, self.between = heads, nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.feed_forward = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        parts = self.qkv(self.before(x)).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        heads = native.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(heads.transpose(1, 2).reshape(B, T, D))
        return x + self.feed_forward(self.between(x))


class CausalTransformer(nn.Module):
    def __init__(self, words: int, length: int, D: int, blocks: int, heads: int):
        super().__init__()
        self.embedding, self.place = nn.Embedding(words, D), nn.Embedding(length, D)
        self.blocks = nn.Sequential(*(Block(D, heads) for _ in range(blocks)))
        self.norm, self.out = nn.LayerNorm(D), nn.Linear(D, words)

    def forward(self, tokens: Tensor) -> Tensor:
        place = torch.arange(tokens.shape[1], device=tokens.device)
        return self.out(self.norm(self.blocks(self.embedding(tokens) + self.place(place)))).flatten(0, 1)


def transformer(small: bool) -> Trained:
    words, batch, length, D, blocks = (20, 2, 6, 8, 1) if small else (2000, 4, 128, 256, 4)
    return CausalTransformer(words, length, D, blocks, 2 if small else 4), *_sentences(words, batch, length)


class RecurrentModel(nn.Module):
    def __init__(self, words: int, D: int):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(words, D), nn.LSTM(D, D, num_layers=2, batch_first=True)
        self.out = nn.Linear(D, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.lstm(self.embedding(tokens))[0]).flatten(0, 1)


def lstm(small: bool) -> Trained:
    words, batch, length, D = (20, 2, 4, 8) if small else (2000, 8, 64, 256)
    return RecurrentModel(words, D), *_sentences(words, batch, length)


def _sentences(words: int, batch: int, length: int) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(words, (batch, length + 1))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].flatten()


class UNet(nn.Module):
    """Ronneberger et al., 2015, arXiv:1505.04597, with batch norm and padding."""

    def __init__(self, width: int, depth: int, classes: int):
        super().__init__()
        sizes = [width * 2**i for i in range(depth)]
        self.down = nn.ModuleList(self.double(a, b) for a, b in zip([3, *sizes], sizes, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in reversed(sizes[:-1]))
        self.join = nn.ModuleList(self.double(2 * n, n) for n in reversed(sizes[:-1]))
        self.pool, self.out = nn.MaxPool2d(2), nn.Conv2d(width, classes, 1)

    @staticmethod
    def double(C: int, M: int) -> nn.Sequential:
        def half(C: int) -> list[nn.Module]:
            return [nn.Conv2d(C, M, 3, padding=1, bias=False), nn.BatchNorm2d(M), nn.ReLU(inplace=True)]

        return nn.Sequential(*half(C), *half(M))

    def forward(self, x: Tensor) -> Tensor:
        earlier = []
        for i, down in enumerate(self.down):
            x = down(self.pool(x) if i else x)
            earlier.append(x)
        earlier.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([earlier.pop(), up(x)], 1))
        return self.out(x)


def unet(small: bool) -> Trained:
    batch, size, width, depth = (1, 16, 4, 2) if small else (2, 128, 16, 4)
    return UNet(width, depth, 5), torch.randn(batch, 3, size, size), torch.randint(5, (batch, size, size))


def lraspp(small: bool) -> Trained:
    """Segmentation, on MobileNetV3."""
    from torchvision.models import segmentation

    batch, size = (2, 32) if small else (2, 128)
    model = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5)
    return model, torch.randn(batch, 3, size, size), torch.randint(5, (batch, size, size))


#: A name -> what it is, and its maker.
TRAINED: dict[str, tuple[str, Callable[[bool], Trained]]] = {
    "mlp": ("MLP 784-512-512-10, batch 64", mlp),
    "resnet18": ("resnet18, 4 images of 128", resnet18),
    "vit_tiny": ("vit_tiny of timm, 8 images of 128", vit_tiny),
    "convnext_atto": ("convnext_atto of timm, 4 images of 128", convnext_atto),
    "transformer": ("transformer, 4 blocks of 256, 4 x 128 tokens", transformer),
    "lstm": ("LSTM, 2 layers of 256, 8 x 64 tokens", lstm),
    "unet": ("UNet, 4 levels from 16 channels, 2 images of 128", unet),
    "lraspp": ("LR-ASPP of torchvision, 2 images of 128", lraspp),
}


def cost(name: str, small: bool = False) -> tuple[Cost, Tensor, Tensor]:
    """J of a network in training, x and y."""
    torch.manual_seed(14)
    model, x, y = TRAINED[name][1](small)
    return Cost(model).train(), x, y
