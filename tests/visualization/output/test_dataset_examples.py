"""Photographs that an objective values most and least, against the values one by one."""

import pytest
import torch
from PIL import Image

import chapter14.nn as nn
from chapter14.models.load import Pretrained, load_network
from chapter14.visualization import Objective, channel, label, neuron, own
from chapter14.visualization.output.dataset_examples import dataset_examples, objective_values, open_photograph

pytestmark = pytest.mark.usefixtures("small_embedded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Greys 0, 20, ..., 180, in a folder and in one in it, as several kinds of picture."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "more").mkdir()
    for i in range(10):
        name = f"{i}.png" if i % 2 else f"more/{i}.JPG"
        Image.new(("RGB", "L", "RGBA", "P")[i % 4 if i % 2 else 0], (30 + i, 20)).save(folder / name)
        Image.new("RGB", (30 + i, 20), (20 * i,) * 3).convert(("RGB", "L", "RGBA")[i % 3 if i % 2 else 0]).save(
            folder / name
        )
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def brightness():
    """Channel 0 is how bright a picture is, channel 1 how dark."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
    torch.nn.init.constant_(model[0].weight[0], 1 / 3)
    torch.nn.init.constant_(model[0].weight[1], -1 / 3)
    return Pretrained(model.train(), 16)


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_most_and_least_of_several_objectives_in_one_pass(batch, folder, brightness):
    passes, seen = [], []
    handle = brightness.model.register_forward_hook(lambda module, inputs, x_out: passes.append(len(x_out)))
    objectives = [channel("0", 0), channel("0", 1), 2 * channel("0", 0) + channel("0", 1)]
    with handle:
        light, dark, sum = dataset_examples(brightness, objectives, folder, 3, batch, None, seen.append)
    assert [p.path.stem for p in light.most] == ["9", "8", "7"] and [p.path.stem for p in light.least] == [
        "0",
        "1",
        "2",
    ]
    assert [p.path for p in dark.most] == [p.path for p in light.least]
    assert light.most[0].value == pytest.approx(180 / 127.5 - 1, abs=0.02)
    assert [p.value for p in sum.most] == pytest.approx([p.value for p in light.most], abs=1e-5)
    assert max(passes, default=0) <= batch and torch.tensor(seen).sum() == 10
    assert brightness.model.training


def test_values_are_the_objectives_own(folder):
    network = load_network()
    objectives = [label("cat"), neuron("image.stages.5", 3), channel("image.stages.3", 7)]
    found = dataset_examples(network, objectives, folder, 10)
    with objective_values(network, objectives) as measure:
        for o, near in enumerate(found):
            assert len(near.most) == 10 and near.most == near.least[::-1]
            for path, value in near.most[:2]:
                pixels = torch.tensor(list(open_photograph(path, (48, 48)).tobytes())).view(1, 48, 48, 3)
                said = measure(pixels.permute(0, 3, 1, 2) / 127.5 - 1)
                assert said[0, o].item() == pytest.approx(value, rel=1e-3, abs=1e-3) and not said.requires_grad


def test_a_photograph_is_upright_and_cut_in_the_middle(tmp_path):
    image = Image.new("RGB", (40, 20), "green")
    image.paste("red", (10, 0, 30, 10))
    image.paste("blue", (10, 10, 30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    seen = open_photograph(tmp_path / "turned.jpg", (20, 20))
    assert seen.size == (20, 20)
    for at, colour in (((5, 2), (0, 0, 255)), ((5, 17), (0, 0, 255)), ((15, 2), (255, 0, 0)), ((15, 17), (255, 0, 0))):
        assert seen.getpixel(at) == pytest.approx(colour, abs=5)
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_photograph(tmp_path / "clear.png", (4, 4)).getpixel((1, 1)) == (255, 255, 255)


def test_what_cannot_be_read_is_left_out_with_a_warning(brightness, tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:50])
    (tmp_path / "c.jpg").write_text("no picture")
    with pytest.warns(UserWarning, match=r"[bc]\.(png|jpg): it cannot be read, and is left out") as warned:
        (near,) = dataset_examples(brightness, channel("0", 0), tmp_path)
    assert [p.path.name for p in near.most] == ["a.png"]
    assert [name for w in warned for name in ("b.png", "c.jpg") if name in str(w.message)] == ["b.png", "c.jpg"]
    (tmp_path / "a.png").unlink()
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="not one picture in it can be read"):
        dataset_examples(brightness, channel("0", 0), tmp_path)


def test_a_folder_without_pictures_is_said(brightness, tmp_path):
    with pytest.raises(ValueError, match="there is no picture in it"):
        dataset_examples(brightness, channel("0", 0), tmp_path)
    with pytest.raises(ValueError, match="there is no such folder"):
        dataset_examples(brightness, channel("0", 0), tmp_path / "nowhere")


def test_what_makes_no_sense_is_said(brightness, folder):
    with pytest.raises(ValueError, match="n and batch are at least 1; they are 0 and 32"):
        dataset_examples(brightness, channel("0", 0), folder, 0)
    together = Objective("diversity", frozenset(["0"]), lambda network: lambda x: x["0"], together=True)
    with pytest.raises(ValueError, match="diversity: it compares pictures"):
        dataset_examples(brightness, [channel("0", 0), together], folder)


def test_photographs_are_shown_in_the_size_that_is_asked_for(folder):
    network = Pretrained(torch.nn.Conv2d(3, 1, 1), 8)
    corner = own(lambda x: x[:, 0, 11, 15])
    assert len(dataset_examples(network, corner, folder, 1, size=(12, 16))[0].most) == 1
    with pytest.raises(IndexError):
        dataset_examples(network, corner, folder, 1)


def test_the_part_of_a_photograph_that_the_value_depends_on(folder, brightness):
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
    corner = own(lambda x: x[:, :, 2:6, 8:16].sum((1, 2, 3)))
    (near,) = dataset_examples(Pretrained(model, 16), corner, folder, 2)
    assert near.boxes == [(10 / 16, 3 / 16, 14 / 16, 5 / 16)] * 2
    (oblong,) = dataset_examples(brightness, channel("0", 0), folder, 2, size=(12, 16))
    assert len(oblong.most) == 2 and not oblong.boxes
    dead = Pretrained(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()), 16)
    torch.nn.init.constant_(dead.model[0].bias, -99)
    assert dataset_examples(dead, channel("1", 0), folder, 1)[0].boxes == [None]
