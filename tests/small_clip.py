"""A small random CLIP in place of the embedded network, for tests of what the tools do and not of what it sees."""

import contextlib
import dataclasses

import pytest
import torch

from chapter14.models import load
from chapter14.models.clip import CLIP
from chapter14.models.clip_file import load_clip, save_clip

TRAINED = load.ASSETS / "clip.safetensors"
SIZES = {
    "widths": (16, 8, 8, 80, 8, 8, 16),
    "blocks": (1,) * 7,
    "kernels": (3,) * 7,
    "stem": 8,
    "expand": 1,
    "features": 16,
    "text_width": 16,
    "text_blocks": 1,
    "dim": 16,
}


@contextlib.contextmanager
def as_embedded(folder):
    """`load_network()` loads a network of fewer and smaller layers, with the same labels and words."""
    trained, about = load_clip(TRAINED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        small = CLIP(dataclasses.replace(trained.config, **SIZES)).eval()
        with torch.no_grad():  # a random network's outputs are all but equal: from their mean, they differ
            small.image.out.bias -= small.image(torch.randn(32, 3, small.config.size, small.config.size)).mean(0)
    save_clip(small, folder / "clip.safetensors", **about)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "ASSETS", folder)
        yield
