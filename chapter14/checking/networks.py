"""Networks of other libraries, to convert and compare: one of every family of torchvision, and a few others.

Small versions with small inputs, so that a test suite can run them all; with `full=True`, the usual versions and sizes.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from .network_comparison import ComparedNetwork
from .torchvision_classifiers import classifiers, images


def networks(full: bool = False) -> list[ComparedNetwork]:
    return [*classifiers(full), *_beyond_classes(full), *_torch(), *_open_clip(full)]


def _beyond_classes(full: bool) -> list[ComparedNetwork]:
    """Detection, segmentation, video, optical flow."""
    # A strided convolution of a single pixel must not occur: in bfloat16 PyTorch leaves a part of W's gradient unset.
    size, detected = (128, 128) if full else (64, 96)

    def version(name: str, **options: Any) -> nn.Module:
        from torchvision import models

        model: Any = models.get_model(name, weights=None, weights_backbone=None, **options)
        if not full:  # one block of each stage of the backbone
            backbone = getattr(model.backbone, "body", model.backbone)
            for i in range(1, 5):
                del backbone[f"layer{i}"][1:]
        return model

    def images_with_boxes() -> tuple:
        boxes = torch.tensor([[4.0, 6.0, 40.0, 50.0], [10.0, 12.0, 30.0, 28.0]])
        target = {"boxes": boxes, "labels": torch.tensor([1, 2])}
        return [torch.rand(3, detected, detected).requires_grad_() for _ in range(2)], [target, target]

    def retinanet() -> nn.Module:
        sizes = {"min_size": detected, "max_size": detected}
        # an untrained network has no detections above the default threshold
        detects = {"score_thresh": 0.0, "detections_per_img": 20, "topk_candidates": 20}
        return version("retinanet_resnet50_fpn", num_classes=4, **sizes, **detects)

    def pair() -> tuple:
        return tuple(torch.rand(1, 3, 128, 128).requires_grad_() for _ in range(2))

    def clip() -> tuple:
        return (torch.randn(1, 3, 8, 32, 32).requires_grad_(),)

    def fcn() -> nn.Module:
        return version("fcn_resnet50", num_classes=4)

    def deeplab() -> nn.Module:
        return version("deeplabv3_resnet50", num_classes=4)

    def r3d() -> nn.Module:
        from torchvision.models import video

        return video.r3d_18(weights=None)

    def raft() -> nn.Module:
        from torchvision.models import optical_flow

        return _ShortRaft(optical_flow.raft_small(weights=None), 2)

    return [
        ComparedNetwork("retinanet_resnet50_fpn", retinanet, images_with_boxes),
        ComparedNetwork("fcn_resnet50", fcn, images(size)),
        ComparedNetwork("deeplabv3_resnet50", deeplab, images(size)),
        ComparedNetwork("r3d_18", r3d, clip),
        ComparedNetwork("raft_small", raft, pair, torch.float32),
    ]


class _ShortRaft(nn.Module):
    """RAFT with fewer refinement steps."""

    def __init__(self, raft: nn.Module, updates: int):
        super().__init__()
        self.raft, self.updates = raft, updates

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.raft(a, b, num_flow_updates=self.updates)


class LanguageModel(nn.Module):
    """Predicts the next word: an LSTM with tied input and output embeddings."""

    def __init__(self, words: int = 50, width: int = 16):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(width, words)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.lstm(self.embedding(tokens))[0])


def _torch() -> list[ComparedNetwork]:
    def sentences() -> tuple:
        return torch.randn(2, 5, 16).requires_grad_(), torch.randn(2, 4, 16).requires_grad_()

    def transformer() -> nn.Module:
        return nn.Transformer(16, 4, 2, 2, 32, batch_first=True)

    return [
        ComparedNetwork("torch.nn.Transformer", transformer, sentences),
        ComparedNetwork("LSTM language model", LanguageModel, lambda: (torch.randint(50, (2, 7)),)),
    ]


def _open_clip(full: bool) -> list[ComparedNetwork]:
    if importlib.util.find_spec("open_clip") is None:
        return []

    def network(name: str, size: int, **smaller: Any) -> ComparedNetwork:
        def make() -> nn.Module:
            import open_clip

            config = open_clip.get_model_config(name)
            if not full:
                config["vision_cfg"] |= smaller
                config["embed_dim"] = 64
                config["text_cfg"] |= {"layers": 2, "width": 64, "heads": 2, "vocab_size": 100, "context_length": 8}
            config.pop("custom_text", None)
            cls = open_clip.model.CustomTextCLIP if "hf_model_name" in config["text_cfg"] else open_clip.model.CLIP
            return cls(**config)

        def inputs() -> tuple:
            tokens = torch.randint(1, 100, (2, 77 if full else 8))
            return torch.randn(2, 3, 224 if full else size, 224 if full else size).requires_grad_(), tokens

        return ComparedNetwork(f"open_clip {name}", make, inputs)

    return [
        network("ViT-B-32", 64, image_size=64, layers=2, width=64, head_width=32),
        network("RN50", 64, image_size=64, layers=[1, 1, 1, 1], width=16, head_width=32),
        network("convnext_base", 64, image_size=64, timm_model_name="convnext_atto"),
    ]
