"""A picture says how it was drawn, and is drawn again from that."""

import errno
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from chapter14.cli import main
from chapter14.commands.page import recorded_options
from chapter14.files import NotWritten
from chapter14.models.load import Pretrained, load_network
from chapter14.visualization import Fourier, channel, label, visualize
from chapter14.visualization.output.provenance import (
    KEY,
    Provenance,
    changes_since,
    describe,
    read_folder,
    read_provenance,
    save_with_provenance,
)
from chapter14.visualization.output.render import to_image

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

OBJECTIVES = [label("cat"), channel("image.stages.3", 7)]
OPTIONS = {"steps": 3, "cycles": (), "count": 2, "seed": 5, "image": Fourier(128)}


@pytest.fixture(scope="module")
def network():
    return load_network()


@pytest.fixture(scope="module")
def drawn(network):
    return visualize(network, OBJECTIVES, **OPTIONS)


@pytest.fixture
def its_records(drawn, network):
    return describe(drawn, network, OBJECTIVES, OPTIONS, model="embedded")


@pytest.fixture
def a_record():
    return Provenance(
        "a “photo”", "embedded", "0", 0, {"steps": 3}, {"torch": "2"}, [0.5, -1.0], True, command=["visualize", "a b"]
    )


def test_each_picture_has_its_record(its_records, drawn):
    assert [(r.objective, r.seed) for r in its_records] == [
        ("class cat", 5), ("class cat", 6), ("channel 7 of image.stages.3", 5), ("channel 7 of image.stages.3", 6)
    ]  # fmt: skip
    for b, record in enumerate(its_records):
        assert record.history == pytest.approx(drawn.history[:, b].tolist(), rel=1e-5) and record.alive
        assert set(record.versions) == {"chapter14", "torch", "python"} and len(record.weights) == 16


def test_every_option_is_in_it_those_too_that_were_not_given(its_records):
    options = its_records[0].options
    assert options["steps"] == 3 and options["cycles"] == [] and options["image"].startswith("Fourier(width=128")
    assert options["transforms"][0] == "Flip()" and options["through_relu"] == 0
    assert not {"model", "objective", "on_step", "checkpoint"} & options.keys()


def test_options_that_json_does_not_know_are_in_it_too(network, drawn):
    options = OPTIONS | {"start": torch.zeros(3, 128, 128), "precision": torch.bfloat16, "on_step": print}
    kept = describe(drawn, network, OBJECTIVES, options)[0].options
    assert kept["start"].startswith("[3, 128, 128] ") and kept["precision"] == "torch.bfloat16"
    json.dumps(kept)


def test_a_network_and_a_sentence_are_as_visualize_takes_them(network):
    drawn = visualize(network, "a photo of a cat", steps=1, cycles=())
    assert describe(drawn, network, "a photo of a cat", {"steps": 1})[0].objective == "a photo of a cat"
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    options = {"size": 8, "steps": 1, "cycles": ()}
    (kept,) = describe(visualize(module, channel("0", 1), **options), module, channel("0", 1), options)
    assert kept.model == "Sequential" and changes_since(kept, Pretrained(module, 8)) == []


def test_options_that_visualize_does_not_have_are_refused(network, drawn):
    with pytest.raises(TypeError, match="colour"):
        describe(drawn, network, OBJECTIVES, {"colour": "red"})


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.json"])
def test_a_record_is_read_back_from_the_picture_or_beside_it(name, a_record, tmp_path):
    save_with_provenance(Image.new("RGBA", (4, 4)), tmp_path / name.replace("json", "png"), a_record)
    assert read_provenance(tmp_path / name) == a_record
    (tmp_path / "a.json").unlink()
    if name == "a.png":
        assert read_provenance(tmp_path / name) == a_record  # it carries its own
    else:
        with pytest.raises((ValueError, FileNotFoundError)):
            read_provenance(tmp_path / name)


def test_a_png_says_it_to_any_program(a_record, tmp_path):
    save_with_provenance(Image.new("L", (4, 4)), tmp_path / "a.png", a_record)
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.text[KEY])["objective"] == "a “photo”" and image.mode == "L"


def write(path, text):
    path.write_text(text)
    return path


def test_what_has_no_record_is_said(tmp_path, a_record):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    broken, other = json.loads(a_record.json()) | {"history": 3}, {"objective": "cat"}
    for path, message in [
        (tmp_path / "plain.png", "plain.png: it has no provenance, and there is no plain.json beside it"),
        (write(tmp_path / "text.png", "text"), "text.png: it cannot be read as a picture"),
        (write(tmp_path / "list.json", "[1]"), "is not chapter14's, or is broken"),
        (write(tmp_path / "half.json", '{"objective": '), "is not chapter14's, or is broken"),
        (write(tmp_path / "other.json", json.dumps(other)), "is not chapter14's, or is broken"),
        (write(tmp_path / "broken.json", json.dumps(broken)), "is broken at history"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_provenance(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_provenance(tmp_path / "nowhere.png")


@pytest.mark.parametrize("ending", [".png", ".json"])
def test_a_full_disk_leaves_neither_picture_nor_record(ending, a_record, tmp_path, monkeypatch):
    """Whichever of the two is written when there is no more room."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((Image.Image, "save") if ending == ".png" else (Path, "write_text")), full)
    with pytest.raises(NotWritten, match=rf"a\{ending}: it could not be written. No space left on device$"):
        save_with_provenance(Image.new("RGB", (4, 4)), tmp_path / "a.png", a_record)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_its_pictures_by_name(a_record, tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read_folder(tmp_path / "nowhere")
    Image.new("RGB", (4, 4)).save(tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="no picture in it has a provenance"):
        read_folder(tmp_path)
    for name in ("b10.png", "b9.png"):
        save_with_provenance(Image.new("RGB", (4, 4)), tmp_path / name, a_record)
    assert [path.name for _, path in read_folder(tmp_path)] == ["b9.png", "b10.png"]


def test_what_is_no_longer_as_it_was_is_said(its_records, network, a_record):
    assert changes_since(its_records[0], network) == []
    said = changes_since(a_record, network)
    assert any(line.startswith("weights: 0, now ") for line in said)
    assert f"torch: 2, now {torch.__version__}" in said


def test_the_command_of_a_record_draws_the_picture_again(network, tmp_path):
    """To the last bit: from what the file says, and nothing else."""
    words = ["visualize", "--class", "cat", "--steps", "2", "--seed"]
    node = label("cat")
    options = {"steps": 2, "count": 2, "seed": 3, "batch": 1}  # as the command draws it: two at a time round otherwise
    both = visualize(network, node, **options)
    kept = describe(both, network, node, options, commands=[[*words, seed] for seed in "34"])
    save_with_provenance(to_image(both.x[1], 480), tmp_path / "first.png", kept[1])
    read = read_provenance(tmp_path / "first.png")
    assert read.shell_command == "chapter14 visualize --class cat --steps 2 --seed 4"
    assert main([*read.command, "--out", str(tmp_path / "again.png")]) == 0
    with Image.open(tmp_path / "first.png") as first, Image.open(tmp_path / "again.png") as again:
        assert first.tobytes() == again.tobytes()
    assert recorded_options(read).label == ["cat"]


def test_a_picture_that_no_command_drew_says_so(its_records):
    assert its_records[0].shell_command == ""
    with pytest.raises(ValueError, match="class cat: no command drew it"):
        recorded_options(its_records[0])
