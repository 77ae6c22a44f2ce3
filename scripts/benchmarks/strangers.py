"""Thirty networks of timm and thirty of transformers: small, or a sample of them in the usual size; random weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

LIBRARIES = "timm", "transformers"

#: The smallest of thirty families, and what makes it smaller.
TIMM: dict[str, dict[str, Any]] = {
    "test_byobnet": {},
    "test_convnext": {},
    "test_convnext2": {},
    "test_efficientnet": {},
    "test_efficientnet_evos": {},
    "test_mambaout": {},
    "test_nfnet": {},
    "test_resnet": {},
    "test_vit": {"img_size": 64},
    "test_vit2": {"img_size": 64},
    "resnet10t": {},
    "resnetv2_18": {},
    "seresnet18": {},
    "res2net50_14w_8s": {},
    "resnest14d": {},
    "densenet121": {},
    "dla46_c": {},
    "edgenext_xx_small": {},
    "fbnetc_100": {},
    "ghostnet_050": {},
    "hardcorenas_a": {},
    "lcnet_035": {},
    "mobilenetv1_100": {},
    "mobilenetv3_small_050": {},
    "mobilevit_xxs": {},
    "regnetx_002": {},
    "repvgg_a0": {},
    "starnet_s1": {},
    "repghostnet_050": {},
    "cait_xxs24_224": {"img_size": 64, "depth": 2, "embed_dim": 64},
}
TIMM_USUAL = "resnet50", "efficientnet_b0", "convnext_tiny", "vit_small_patch16_224", "swin_tiny_patch4_window7_224"

#: What makes a model of transformers small, by the names that most configurations have.
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}
GROUPED = {**SMALL, "num_key_value_heads": 2, "head_dim": 8}
OF_TWO = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 100,
}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "albert": {**SMALL, "embedding_size": 16},
    "bert": SMALL,
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100},
    "codegen": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "vocab_size": 100},
    "deberta-v2": SMALL,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 100},
    "electra": {**SMALL, "embedding_size": 16},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100},
    "gemma": GROUPED,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100},
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    "gpt_neox": SMALL,
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "vocab_size": 100},
    "llama": GROUPED,
    "mistral": GROUPED,
    "mpnet": SMALL,
    "olmo": GROUPED,
    "opt": {**SMALL, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "phi": {**SMALL, "num_key_value_heads": 4},
    "qwen2": GROUPED,
    "roberta": {**SMALL, "max_position_embeddings": 66},
    "roformer": {**SMALL, "embedding_size": 32},
    "bart": OF_TWO,
    "marian": {**OF_TWO, "pad_token_id": 0},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 100},
    "beit": VISION,
    "dinov2": VISION,
    "vit": VISION,
    "convnext": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 2, 1]},
    "resnet": {"embedding_size": 8, "hidden_sizes": [16, 16, 32, 32], "depths": [1, 1, 2, 1]},
}
TRANSFORMERS_USUAL = "bert", "distilbert", "gpt2", "t5", "vit"
IMAGES = "beit", "dinov2", "vit", "convnext", "resnet"
DECODERS = "bart", "marian", "t5"


@dataclass(frozen=True)
class Stranger:
    name: str
    library: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], dict[str, Tensor]]


class Added(nn.Module):
    """J: the sum of all entries of all outputs."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Tensor:
        outputs = [t for t in tree_leaves(self.model(**inputs)) if isinstance(t, Tensor) and t.is_floating_point()]
        return torch.stack([t.sum() for t in outputs]).sum()


def strangers(usual: bool) -> list[Stranger]:
    found = _timm(usual) if importlib.util.find_spec("timm") else []
    return found + (_transformers(usual) if importlib.util.find_spec("transformers") else [])


def _timm(usual: bool) -> list[Stranger]:
    def make(name: str) -> Callable[[], nn.Module]:
        def made() -> nn.Module:
            import timm

            return Added(timm.create_model(name, num_classes=10, **({} if usual else TIMM[name])))

        return made

    def pixels() -> dict[str, Tensor]:
        return {"x": torch.randn(2, 3, 224, 224) if usual else torch.randn(2, 3, 64, 64)}

    return [Stranger(f"timm {name}", "timm", make(name), pixels) for name in (TIMM_USUAL if usual else TIMM)]


def _transformers(usual: bool) -> list[Stranger]:
    def make(name: str) -> Callable[[], nn.Module]:
        def made() -> nn.Module:
            from transformers import AutoConfig, AutoModel

            return Added(AutoModel.from_config(AutoConfig.for_model(name, **({} if usual else TRANSFORMERS[name]))))

        return made

    def inputs(name: str) -> Callable[[], dict[str, Tensor]]:
        def drawn() -> dict[str, Tensor]:
            if name in IMAGES:
                return {"pixel_values": torch.randn(2, 3, 224, 224) if usual else torch.randn(2, 3, 32, 32)}
            tokens = torch.randint(4, 100, (2, 128 if usual else 16))
            return {"input_ids": tokens, **({"decoder_input_ids": tokens.flip(1)} if name in DECODERS else {})}

        return drawn

    names = TRANSFORMERS_USUAL if usual else TRANSFORMERS
    return [Stranger(f"transformers {name}", "transformers", make(name), inputs(name)) for name in names]
