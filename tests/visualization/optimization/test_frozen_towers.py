"""A network that reads sentences, or has several inputs, is drawn through frozen chains as any other."""

import importlib.util
import json

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from chapter14.models.load import load_network
from chapter14.models.pretrained import Pretrained
from chapter14.visualization import channel, dream, label, text
from chapter14.visualization.activations.hooks import OUTPUT, activation_hooks, frozen_parameters
from chapter14.visualization.optimization.cost import Settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(1, 4, 3, 2)
        self.out = nn.Sequential(nn.Conv2d(8, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, picture, depth):
        return self.out(torch.cat([self.left(picture), self.right(depth)], 1))


def embedded():
    return load_network()


def open_clip(tmp_path):
    if importlib.util.find_spec("open_clip") is None:
        pytest.skip("open_clip is not installed")
    import open_clip

    path = tmp_path / "tiny-of-towers.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return load_network(f"open_clip:{path.stem}", "random")


def several():
    torch.manual_seed(14)
    return Pretrained(Two(), 20, given={"depth": torch.randn(1, 1, 20, 20, dtype=torch.float64)})


NETWORKS = {
    "embedded": (lambda path: embedded(), "image.out"),
    "open_clip": (open_clip, "visual.transformer.resblocks.0"),
    "several inputs": (lambda path: several(), "out.0"),
}


@pytest.mark.parametrize("layer", [OUTPUT, "inner"])
@pytest.mark.parametrize("make, inner", NETWORKS.values(), ids=NETWORKS)
def test_the_chain_has_the_activations_and_gradients_of_the_network(make, inner, layer, tmp_path):
    network = make(tmp_path)
    network.model.double()
    layer = inner if layer == "inner" else layer
    objective = label(1) if layer == OUTPUT and not network.reads else channel(layer, 1)
    ((chain, part),) = Settings(()).chains(network, objective)
    assert part is objective
    x = torch.randn(2, 3, network.size, network.size, dtype=torch.float64, requires_grad=True)
    with frozen_parameters(network.model), activation_hooks(network, objective.layers) as collect:
        expected = collect(x)[layer]
    found = chain(x)[layer]
    assert_close(found, expected, rtol=1e-9, atol=1e-9)
    g = torch.randn(expected.shape, dtype=expected.dtype)
    for a, b in zip(torch.autograd.grad(found, x, g), torch.autograd.grad(expected, x, g), strict=True):
        assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_an_encode_that_is_not_the_models_own_runs_as_it_is():
    """A copy of the network would not be what it calls."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    for encode, n in ((None, 1), (model.forward, 1), (lambda x: model(x) * 2, 0), (nn.ReLU(), 0)):
        assert len(Settings(()).chains(Pretrained(model, 16, encode=encode), dream("output"))) == n


def test_sentences_are_drawn_through_the_chain():
    network = embedded()
    ((chain, objective),) = Settings(()).chains(network, text("a photo of a cat"))
    seen = chain(torch.zeros(1, 3, network.size, network.size))
    assert objective.bind(network)(seen).shape == (1,)
