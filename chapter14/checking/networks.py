"""Networks that nobody here wrote, one of every family of torchvision and a few of other makers.

Small inputs, and small versions where the constructor has them, so that a test suite can go through them all; with
`full=True`, the versions that people use, at the sizes that they use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .sameness import Network


def networks(full: bool = False) -> list[Network]:
    return [*_torchvision(full), *_beyond_classes(full), *_torch(), *_open_clip(full)]


def _images(size: int, n: int = 2) -> Callable[[], tuple]:
    return lambda: (torch.randn(n, 3, size, size).requires_grad_(),)


def _torchvision(full: bool) -> list[Network]:
    from torchvision import models

    names: dict[str, dict[str, Any]] = {
        "alexnet": {"size": 64},
        "resnet18": {"size": 32},
        "resnext50_32x4d": {"size": 32},
        "wide_resnet50_2": {"size": 32},
        "densenet121": {"size": 32},
        "googlenet": {"size": 64, "init_weights": False},
        "inception_v3": {"size": 80, "init_weights": False, "aux_logits": False},
        "squeezenet1_1": {"size": 48},
        "mobilenet_v2": {"size": 32},
        "mobilenet_v3_small": {"size": 32},
        "mnasnet0_5": {"size": 32},
        "shufflenet_v2_x0_5": {"size": 32},
        "efficientnet_b0": {"size": 32},
        "efficientnet_v2_s": {"size": 32},
        "regnet_y_400mf": {"size": 32},
        "convnext_tiny": {"size": 32},
        "swin_t": {"size": 32},
        "swin_v2_t": {"size": 32},
    }

    def maxvit() -> nn.Module:
        if full:
            return models.maxvit_t(weights=None)
        blocks = {"block_channels": [16, 32], "block_layers": [1, 1], "stochastic_depth_prob": 0.1}
        return models.MaxVit((32, 32), stem_channels=16, partition_size=2, head_dim=8, **blocks)

    def vgg() -> nn.Module:
        model = models.vgg11_bn(weights=None, init_weights=full)
        if not full:  # most of it is in its last layers
            model.classifier[0], model.classifier[3] = nn.Linear(512 * 7 * 7, 16), nn.Linear(16, 4096)
        return model

    def vit() -> nn.Module:
        if full:
            return models.vit_b_16(weights=None)
        return models.VisionTransformer(32, 16, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64)

    def network(name: str, size: int, **options: Any) -> Network:
        if full:
            options = {k: v for k, v in options.items() if k in ("init_weights", "aux_logits")}
            size = 299 if name == "inception_v3" else 224
        return Network(name, lambda: getattr(models, name)(weights=None, **options), _images(size))

    of_names = [network(name, **options) for name, options in names.items()]
    made = {"vgg11_bn": vgg, "vit_b_16": vit, "maxvit_t": maxvit}
    return [*of_names, *(Network(name, make, _images(224 if full else 32)) for name, make in made.items())]


def _beyond_classes(full: bool) -> list[Network]:
    """Detection, segmentation, video, optical flow."""
    from torchvision.models import detection, optical_flow, segmentation, video

    size = 128 if full else 64

    def pictures_with_boxes() -> tuple:
        boxes = torch.tensor([[4.0, 6.0, 40.0, 50.0], [10.0, 12.0, 30.0, 28.0]])
        target = {"boxes": boxes, "labels": torch.tensor([1, 2])}
        return [torch.rand(3, size, size).requires_grad_() for _ in range(2)], [target, target]

    def retinanet() -> nn.Module:
        return detection.retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=4, min_size=size, max_size=size
        )

    def pair() -> tuple:
        return tuple(torch.rand(1, 3, 128, 128).requires_grad_() for _ in range(2))

    no = {"weights": None, "weights_backbone": None}
    return [
        Network("retinanet_resnet50_fpn", retinanet, pictures_with_boxes),
        Network("fcn_resnet50", lambda: segmentation.fcn_resnet50(**no, num_classes=4), _images(size)),
        Network("deeplabv3_resnet50", lambda: segmentation.deeplabv3_resnet50(**no, num_classes=4), _images(size)),
        Network("r3d_18", lambda: video.r3d_18(weights=None), lambda: (torch.randn(1, 3, 4, 32, 32).requires_grad_(),)),
        Network("raft_small", lambda: _Fewer(optical_flow.raft_small(weights=None), 2), pair, torch.float32),
    ]


class _Fewer(nn.Module):
    """A RAFT that refines its flow a few times only."""

    def __init__(self, raft: nn.Module, updates: int):
        super().__init__()
        self.raft, self.updates = raft, updates

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.raft(a, b, num_flow_updates=self.updates)


class LanguageModel(nn.Module):
    """Words in, the next words out: an LSTM as its textbook has it, with the embedding tied to the output."""

    def __init__(self, words: int = 50, width: int = 16):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(width, words)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.lstm(self.embedding(tokens))[0])


def _torch() -> list[Network]:
    def sentences() -> tuple:
        return torch.randn(2, 5, 16).requires_grad_(), torch.randn(2, 4, 16).requires_grad_()

    def transformer() -> nn.Module:
        return nn.Transformer(16, 4, 2, 2, 32, batch_first=True)

    return [
        Network("torch.nn.Transformer", transformer, sentences),
        Network("LSTM language model", LanguageModel, lambda: (torch.randint(50, (2, 7)),)),
    ]


def _open_clip(full: bool) -> list[Network]:
    try:
        import open_clip
    except ImportError:
        return []

    def network(name: str, size: int, **smaller: Any) -> Network:
        def make() -> nn.Module:
            config = open_clip.get_model_config(name)
            if not full:
                config["vision_cfg"] |= smaller
                config["text_cfg"] |= {"layers": 2, "vocab_size": 100, "context_length": 8}
            config.pop("custom_text", None)
            cls = open_clip.model.CustomTextCLIP if "hf_model_name" in config["text_cfg"] else open_clip.model.CLIP
            return cls(**config)

        def inputs() -> tuple:
            tokens = torch.randint(1, 100, (2, 77 if full else 8))
            return torch.randn(2, 3, 224 if full else size, 224 if full else size).requires_grad_(), tokens

        return Network(f"open_clip {name}", make, inputs)

    return [
        network("ViT-B-32", 64, image_size=64, layers=2),
        network("RN50", 64, image_size=64, layers=[1, 1, 1, 1]),
        network("convnext_base", 64, image_size=64, timm_model_name="convnext_atto"),
    ]
