"""`chapter14 visualize` and its options: what is asked for is drawn, kept, gone on with, and drawn again."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from PIL import Image

from chapter14.cli import main
from chapter14.commands import visualize as command
from chapter14.commands.shared.options import command_words, requested_objectives
from chapter14.commands.shared.picture_options import make_recipe
from chapter14.commands.shared.signals import interrupt_on_signals
from chapter14.files import NotWritten
from chapter14.models import load
from chapter14.models.load import load_network
from chapter14.visualization import text
from chapter14.visualization.optimization.optimize import find_recipes
from chapter14.visualization.output.provenance import read_provenance

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

SHORT = ["--steps", "3", "--cycles", "none", "--height", "48"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo(here):
    Image.effect_noise((80, 60), 90).convert("RGB").save("photo.png")
    return "photo.png"


def visualize(*arguments, status=0):
    assert main(["visualize", *SHORT, *map(str, arguments)]) == status


def test_default_options_give_the_default_recipe():
    network, objectives = load_network(), [text("a photo of a dog")]
    ours, (python,) = make_recipe(options(), network, objectives, None), find_recipes(network, objectives)
    assert repr(ours.transforms) == repr([*python.transforms])
    assert dataclasses.replace(ours, transforms=python.transforms) == python


PHOTOGRAPHS = ("--invert", "--caricature", "--style", "--start")


def options(*arguments):
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(a) for a in arguments])


EVERY = {
    "--image": "maco",
    "--decorrelated": None,
    "--robust": None,
    "--pad": "4",
    "--jitter": "2",
    "--rotate": "5",
    "--scale": "0.1",
    "--crop": "0.8",
    "--colour": "0.1",
    "--blur": "1",
    "--noise": "0.1",
    "--no-flip": None,
    "--through-relu": "2",
    "--batch": "1",
    "--bf16": None,
    "--path-length": "0.5",
    "--prior": "tv=0.1",
    "--guidance": "1",
    "--against": "a photo of a dog",
    "--softmax": None,
    "--size": "40x48",
    "--seed": "7",
}


@pytest.mark.parametrize("option", EVERY)
def test_each_option_changes_the_picture_or_its_provenance(option, here):
    prompt, value = "a photo of a cat", EVERY[option]
    words = [option] if value is None else [f"{option}={value}"]
    if option == "--decorrelated":
        words.append("--image=fourier")
    if option == "--softmax":
        words += ["--against=a photo of a dog", "--guidance=1"]
    visualize(prompt, *words, "--out", "a.png")
    visualize(prompt, *words[1:], "--out", "b.png")
    a, b = read_provenance("a.png"), read_provenance("b.png")
    assert set(words) <= set(a.command) and a.command != b.command
    with Image.open("a.png") as x, Image.open("b.png") as y:
        assert (x.size != y.size or x.tobytes() != y.tobytes()) != (option == "--batch")


@pytest.mark.parametrize(
    "words",
    [
        ["--dream"],
        ["--direction", ",".join(["1"] + ["0"] * 79)],
        ["--invert", "photo.png"],
        ["--caricature", "photo.png"],
        ["--style", "photo.png"],
        ["--channel", "3"],
        ["--neuron", "3,1,1"],
        ["--channel", "3", "--start", "photo.png"],
        ["--channel", "3", "--alpha", "--image", "fourier", "--prior", "alpha=1"],
        ["--channel", "3", "--grey", "--image", "pyramid"],
        ["--channel", "3", "--importance", "--image", "maco"],
    ],
    ids=" ".join,
)
def test_every_objective_of_a_layer_is_reproduced_from_the_picture(words, photo, capsys):
    visualize("--layer", "image.stages.3", *words, "--out", "a.png")
    os.unlink("a.json")
    photograph = [f"a.png is trusted to read photo.png ({word})" for word in words if word in PHOTOGRAPHS]
    assert main(["visualize", "--again", "a.png"]) == (2 if photograph else 0)
    assert ("would read photo.png" in capsys.readouterr().err) == bool(photograph)
    assert main(["visualize", "--again", "a.png", "--trust"]) == 0
    said = capsys.readouterr().out
    assert "It is identical to a.png." in said and all(said.startswith(line) for line in photograph)
    with Image.open("a.png") as image:
        opacity = {"--alpha", "--importance"} & set(words)
        assert image.mode == ("RGBA" if opacity else "RGB") and image.height == 48


def test_several_pictures_and_their_contact_sheet(here, capsys):
    visualize("--layer", "image.stages.3", "--channels", "0-1,7", "--count", "2", "--report")
    folder = here / "pictures" / "embedded_image_stages_3"
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == 6 and folder.with_suffix(".png").exists()
    assert [(read_provenance(p).objective, read_provenance(p).seed) for p in pictures] == [
        (f"channel {i} of image.stages.3", seed) for i in (0, 1, 7) for seed in (0, 1)
    ]
    assert "--channel=7" in read_provenance(pictures[-1]).command and read_provenance(pictures[-1]).quality["unseen"]
    assert "saturated" in capsys.readouterr().out
    assert main(["visualize", "--again", str(pictures[-1])]) == 0
    said = capsys.readouterr().out
    assert "identical to" in said or "by at most 1 of 255: another batch size" in said


def test_contact_sheet_labels_begin_with_what_differs(here, monkeypatch):
    (here / "mine.py").write_text(
        "import torch\n\n\ndef net():\n    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())\n"
        "    torch.nn.init.constant_(model[0].bias[:1].data, -1e4)\n    return model, {'size': 16}\n"
    )
    labels = []
    monkeypatch.setattr(command.render, "contact_sheet", lambda images, said, columns: labels.extend(said) or images[0])
    visualize("--model", "mine.py:net", "--layer", "1", "--channels", "all", "--prior", "tv=0.5", "--out", "two.png")
    assert labels == ["dead: channel 0 - 0.5 (total variation)", "channel 1 - 0.5 (total variation)"]


def test_all_channels(here):
    visualize("--layer", "image.stages.0", "--channels", "all")
    assert len(list((here / "pictures" / "embedded_image_stages_0").glob("*.png"))) == 16


def test_interpolation_between_sentences(here, capsys):
    visualize("a photo of a cat", "--to", "a photo of a dog", "--between", "3", "--out", "way.png")
    middle = sorted((here / "way").glob("*.png"))[1]
    assert read_provenance(middle).objective == "0.5 (a photo of a cat) + 0.5 (a photo of a dog)"
    assert "--only=1" in read_provenance(middle).command
    assert main(["visualize", "--again", str(middle)]) == 0
    assert "of 255" in (said := capsys.readouterr().out) or "identical to" in said


def test_diverse_pictures(here, capsys):
    visualize("--layer", "image.stages.3", "--channel", "3", "--diverse", "10", "--count", "2", "--out", "two.png")
    picture = sorted((here / "two").glob("*.png"))[1]
    assert main(["visualize", "--again", str(picture)]) == 0
    assert "identical to" in capsys.readouterr().out


def test_film_page_and_photographs(photo, here, capsys):
    (here / "photos").mkdir()
    os.rename("photo.png", "photos/one.png")
    visualize(
        "--layer", "image.stages.3", "--style", "photos/one.png", "--report", "--page", "b.html", "--photos", "photos"
    )
    visualize("a photo of a cat", "a photo of a dog", "--film", "a.gif", "--page", "a.html", "--photos", "photos")
    said = capsys.readouterr().out
    assert "The film is a.gif." in said and "The page is a.html." in said
    page = (here / "a.html").read_text()
    assert "a photo of a dog" in page and "one.png" in page
    with Image.open("a.gif") as film:
        assert film.n_frames == 3


def test_interrupted_command_resumes(here, monkeypatch, capsys):
    visualize("a photo of a cat", "--out", "whole.png")
    monkeypatch.setattr(command, "audit", lambda J: (_ for _ in ()).throw(KeyboardInterrupt))
    visualize("a photo of a cat", "--out", "cat.png", status=130)
    assert "and --resume" in capsys.readouterr().err
    assert {p.name for p in here.iterdir() if p.name.startswith("cat")} == {"cat.png", "cat.part"}
    monkeypatch.undo()
    monkeypatch.chdir(here)
    visualize("a photo of a cat", "--out", "cat.png", "--resume")
    assert not (here / "cat.part").exists()
    with Image.open("cat.png") as a, Image.open("whole.png") as b:
        assert a.tobytes() == b.tobytes()
    assert read_provenance("cat.png").history == read_provenance("whole.png").history


def test_sigterm_and_sighup_keep_the_pictures(here):
    command = [
        sys.executable,
        "-m",
        "chapter14",
        "visualize",
        "a photo of a cat",
        "--steps",
        "5000",
        "--out",
        "cat.png",
    ]
    for told in (signal.SIGTERM, signal.SIGHUP):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=here) as process:
            said = ""
            while "J=" not in said:  # it draws
                said += process.stderr.read(1)
            process.send_signal(told)
            said += process.stderr.read()
        assert process.returncode == 130 and "and --resume" in said
        assert {p.name for p in here.iterdir()} == {"cat.png", "cat.part"}


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with interrupt_on_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_list_into_a_closed_pipe(here):
    list = subprocess.Popen(
        [sys.executable, "-m", "chapter14", "visualize", "--list", "embedded"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here,
    )  # fmt: skip
    list.stdout.close()
    assert list.stderr.read() == "" and list.wait() == 0
    list.stderr.close()


def test_full_disk_error_names_the_part_file(here, monkeypatch, capsys):
    def full(image, path, *_):
        raise NotWritten(f"{path}: it could not be written. No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(command.provenance, "save_with_provenance", full)
        visualize("a photo of a cat", "--out", "cat.png", status=2)
    said = "No space left on device. The pictures are in cat.part: continue with the same command and --resume."
    assert said in capsys.readouterr().err
    visualize("a photo of a cat", "--out", "cat.png", "--resume")


def test_failed_write_is_resumed(here, monkeypatch, capsys):
    def full(*arguments):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(command.provenance, "save_with_provenance", full)
        visualize("a photo of a cat", "a photo of a dog", "--out", "two.png", status=2)
    assert "the disk is full" in capsys.readouterr().err
    visualize("a photo of a cat", "a photo of a dog", "--out", "two.png", "--resume")
    visualize("a photo of a cat", "a photo of a dog", "--out", "both.png")
    for path in (here / "two").glob("*.png"):
        with Image.open(path) as a, Image.open(here / "both" / path.name) as b:
            assert a.tobytes() == b.tobytes()
    assert not list(here.glob("*.part"))


def test_random_weights_are_reproducible(here, capsys):
    words = ["--model", "torchvision:squeezenet1_1", "--weights", "random", "--layer", "features.0", "--size", "32"]
    visualize(*words, "--channel", "0", "--out", "a.png")
    assert main(["visualize", "--again", "a.png"]) == 0
    assert "It is identical to a.png." in capsys.readouterr().out


def test_comparison_includes_alpha_and_colour(here):
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGBA", (4, 4), colour).save(name)
    assert "by at most 255 of 255" in command._comparison(here / "a.png", here / "b.png", [])


def test_again_with_other_output_options(here, capsys):
    visualize("a photo of a cat", "--out", "a.png")
    assert main(["visualize", "--again", "a.png", "--film", "b.gif", "--out", "b.png", "--device", "cpu"]) == 0
    assert "identical to" in capsys.readouterr().out and (here / "b.gif").exists()
    assert main(["visualize", "--again", "a.png", "--seed", "3"]) == 2
    assert "--again draws a picture as it was drawn, and cannot be given --seed=3" in capsys.readouterr().err
    assert main(["visualize", "--again", "a.json"]) == 2
    assert "a.json: --again needs the picture itself" in capsys.readouterr().err


def test_repeated_options_add_up(here):
    visualize("a photo of a cat", "--prior", "tv=1", "--prior", "l2=2", "--against", "a photo of a dog",
              "--against", "a photo of a church", "--out", "a.png")  # fmt: skip
    both = "a photo of a cat against a photo of a dog, a photo of a church"
    assert read_provenance("a.png").objective == f"{both} - 1 (total variation) - 2 (distance from grey)"


def test_user_defined_prior(here, capsys):
    (here / "mine.py").write_text("def edges(x):\n    return (x[:, :, 1:] - x[:, :, :-1]).abs().flatten(1).mean(1)\n")
    visualize("a photo of a cat", "--prior", "mine.py:edges=100", "--report", "--out", "a.png")
    visualize("a photo of a cat", "--out", "b.png")
    assert read_provenance("a.png").objective == "a photo of a cat - 100 (mine.py:edges)"
    assert main(["visualize", "--again", "a.png", "--trust"]) == 0
    assert "identical to" in capsys.readouterr().out
    with Image.open("a.png") as a, Image.open("b.png") as b:
        assert a.tobytes() != b.tobytes()


def test_report_ignores_priors_and_takes_a_second_network(here, capsys):
    words = ["--layer", "features.0", "--channel", "1", "--model", "torchvision:squeezenet1_1", "--weights", "random",
             "--size", "32"]  # fmt: skip
    second = ["--second", words[5], "--second-weights", "random"]
    visualize(*words, "--alpha", "--prior", "alpha=1", "--report", *second, "--out", "a.png")
    quality = read_provenance("a.png").quality
    assert quality["second"] is not None
    assert "\nmean of 1 " in capsys.readouterr().out
    visualize("a photo of a cat", "--size", "1", "--report", "--out", "b.png")
    assert read_provenance("b.png").quality["spectrum"] == 0


@pytest.mark.parametrize("words", [["--page", "there"], ["--film", "there.gif"], ["--out", "there.png"],
                                   ["--out", "file/a.png"], ["--page", "file/a.html"]])  # fmt: skip
def test_unwritable_output_fails_before_drawing(words, here, capsys, monkeypatch):
    for name in ("there", "there.gif", "there.png"):
        (here / name).mkdir()
    (here / "file").touch()
    monkeypatch.setattr(command.Drawing, "draw", lambda _: pytest.fail("it was drawn"))
    visualize("a photo of a cat", *words, status=2)
    assert capsys.readouterr().err.splitlines()[-1].endswith(("it is a folder.", "is no folder."))


def test_list_has_the_shapes_for_the_given_size(capsys):
    assert main(["visualize", "--list", "torchvision:squeezenet1_1", "--size", "64x96"]) == 0
    assert "64 x 31 x 47" in capsys.readouterr().out


def test_list_prints_the_layers(capsys):
    assert main(["visualize", "--list", "torchvision:squeezenet1_1"]) == 0
    said = capsys.readouterr().out
    assert "features.10 " in said and "384 x 13 x 13" in said


def test_dead_channel_is_reported(here, capsys):
    (here / "mine.py").write_text(
        "import torch\n\n\ndef net():\n    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())\n"
        "    torch.nn.init.constant_(model[0].bias[:1].data, -1e4)\n    return model, {'size': 16}\n"
    )
    visualize("--model", "mine.py:net", "--layer", "1", "--channels", "all", "--out", "two.png")
    said = capsys.readouterr().out
    assert "Dead at the start, and so noise: channel 0 of 1. --through-relu" in said
    visualize("--model", "mine.py:net", "--layer", "1", "--channel", "0", status=2)
    assert "channel 0 of 1 is dead" in capsys.readouterr().err
    visualize("--model", "mine.py:net", "--layer", "1", "--channels", "all", "--out", "two.png", "--through-relu", "2")
    assert "Dead after --through-relu 2, and so noise: channel 0 of 1. More steps" in capsys.readouterr().out


def test_file_names_have_a_maximum_length():
    assert len(command._slug("日本" * 60).encode()) <= 160 and command._slug("?") == "picture"


def test_several_processes_share_the_channels(here):
    network = str(load.ASSETS / "clip.safetensors")
    command = ["visualize", "--model", network, "--layer", "image.stages.3", "--channels", "0-3", *SHORT]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    done = subprocess.run([*launch, "-m", "chapter14", *command, "--out", "two.png"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert main([*command, "--out", "one.png", "--batch", "2"]) == 0
    for mine in sorted((here / "one").glob("*.png")):
        theirs = here / "two" / mine.name
        with Image.open(mine) as a, Image.open(theirs) as b:
            assert a.tobytes() == b.tobytes()
    assert (here / "two.png").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--layer", "image.stages.3", "--channels", "7-"], "it is all, or numbers and ranges"),
        (["--layer", "image.stages.3", "--channels", "5-3"], "it is all, or numbers and ranges"),
        (["a photo of a cat", "--batch", "-1"], "--batch -1: it is at least 1"),
        (["a photo of a cat", "--guidance", "nan"], "J is [nan]"),
        (["a photo of a cat", "--rotate", "nan"], "--rotate nan: it is a finite number"),
        (["a photo of a cat", "--blur", "inf"], "--blur inf: it is a finite number"),
        (["a photo of a cat", "--scale", "1"], "--scale 1: Scale(low=0.0, high=2.0): factors are 0 < low"),
        (["a photo of a cat", "--crop", "1.5"], "--crop 1.5: "),
        (["a photo of a cat", "--through-relu", "-3"], "through_relu at least 0"),
        (["a photo of a cat", "--device", "meta"], "no data"),
        (["a photo of a cat", "--second", "embedded"], "--second needs --report"),
        (["a photo of a cat", "--second-weights", "random"], "need a --second network"),
        (["a photo of a cat", "--second", "nothing", "--report"], "nothing: no such network"),
        (
            [
                "--layer",
                "image.stages.3",
                "--dream",
                "--report",
                "--second",
                "torchvision:squeezenet1_1",
                "--second-weights",
                "random",
            ],
            "image.stages.3: the network has no such layer",
        ),
        (["a photo of a cat", "--size", "1000000"], "it takes 12000000.0 MB, and "),
        (["--layer", "image.stages.3", "--direction", ",".join(["0.123456"] * 90)], "it has 90 entries"),
        (["a photo of a cat", "--prior", "nothing.py:edges=1"], "nothing.py: there is no such file"),
        (["--list", "embedded", "--size", "big"], "it is a number of pixels"),
        (["--layer", "image.stages.3", "--channels", "79-81"], "there is no channel 80"),
        (["--layer", "image.stages.3", "--neuron", "1,2"], "it is a number, or CHANNEL,ROW,COLUMN"),
        (["--layer", "image.stages.3", "--direction", "a"], "numbers with commas"),
        (["--layer", "image.stages.3", "--direction", "1,2"], "80"),
        (["--layer", "image.stages.3", "--invert", "nothing.png"], "there is no such file"),
        (["--layer", "image.stages.3", "--dream", "--channel", "1"], "--layer takes one of"),
        (["--layer", "image.stage.3", "--dream"], "image.stages.3"),
        (["a photo of a cat", "--prior", "tv"], "it is NAME=WEIGHT"),
        (["a photo of a cat", "--prior", "beauty=1"], "it is NAME=WEIGHT, with a name of tv"),
        (["a photo of a cat", "--cycles", "2"], "numbers from 0 to below 1"),
        (["a photo of a cat", "--size", "big"], "it is a number of pixels"),
        (["a photo of a cat", "--count", "0"], "it is at least 1"),
        (["a photo of a cat", "--film", "a.avi"], "must end in .gif"),
        (["a photo of a cat", "--photos", "."], "--photos needs a --page"),
        (["a photo of a cat", "--page", "a.html", "--photos", "nowhere"], "there is no such folder"),
        (["a photo of a cat", "--resume"], "there is nothing to resume"),
        (["a photo of a cat", "--diverse", "1"], "at least 2"),
        (["a photo of a cat", "--only", "1"], "there are 1"),
        (["a photo of a cat", "--grey", "--decorrelated"], "--grey has no colours"),
        (["a photo of a cat", "--image", "maco", "--alpha"], "--image maco has no --alpha"),
        (["a photo of a cat", "--alpha", "--importance"], "--alpha and --importance both determine the opacity"),
        (["--class", "cat", "--against", "a photo of a dog"], "need a sentence"),
        (["--again", "nothing.png"], "there is no such file"),
        (["--list", "nothing"], "no such network"),
        (["--model", "torchvision:resnet19", "--layer", "layer1", "--dream"], "resnet18"),
        (["--model", "torchvision:vgg11", "--weights", "no.pth", "--layer", "classifier", "--dream"], "no.pth"),
    ],
    ids=lambda it: it if isinstance(it, str) else " ".join(it),
)
def test_invalid_commands_fail_and_write_nothing(words, message, here, capsys):
    visualize(*words, status=2)
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error and error.startswith("chapter14 visualize: ")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("where", ["the network", "the picture"])
def test_out_of_memory_error(where, here, monkeypatch, capsys):
    def no_room(*arguments):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    if where == "the picture":
        monkeypatch.setattr("chapter14.visualization.images.image.Pyramid.parameters", no_room)
    else:
        monkeypatch.setattr("chapter14.models.efficientnet.EfficientNet.forward", no_room)
    visualize("a photo of a cat", status=2)
    assert "more memory than there is" in capsys.readouterr().err.splitlines()[-1]


def test_unreadable_photograph_or_direction(here, capsys):
    (here / "a.png").write_text("no picture")
    visualize("--layer", "image.stages.3", "--invert", "a.png", status=2)
    assert "a.png: it cannot be read as a picture" in capsys.readouterr().err
    (here / "v.txt").write_bytes(b"\xff\xfe\0")
    visualize("--layer", "image.stages.3", "--direction", "v.txt", status=2)
    assert "--direction v.txt: it is numbers with commas" in capsys.readouterr().err


def test_command_words_parse_to_the_same_options():
    words = ["a photo of a cat", "--against", "a photo of a dog", "a photo of a church", "--no-flip", "--prior", "tv=1"]
    words += ["--path-length", "-0.5", "--seed", "3"]
    once = options(*words)
    twice = options(*command_words(once, {}))
    assert vars(once) == vars(twice)
    assert vars(options(*command_words(once, {"seed": 5}))) == vars(once) | {"seed": 5}


def test_direction_from_a_file(here):
    (here / "v.txt").write_text("\n".join(["1"] + ["0"] * 79))
    network = load_network()
    (asked,) = requested_objectives(options("--layer", "image.stages.3", "--direction", "v.txt"), network)
    x_l = {"image.stages.3": torch.randn(2, 80, 6, 6), "picture": torch.zeros(2, 3, 96, 96)}
    torch.testing.assert_close(asked.objective.bind(network)(x_l), x_l["image.stages.3"][:, 0].mean((1, 2)))


def test_record_is_json(here):
    visualize("a photo of a cat", "--out", "cat.png")
    assert json.loads((here / "cat.json").read_text())["objective"] == "a photo of a cat"


@pytest.mark.parametrize(
    "channels, mode, size", [(1, "L", (20, 16)), (2, "L", (40, 16)), (3, "RGB", (20, 16)), (4, "L", (80, 16))]
)
def test_network_of_another_number_of_channels(channels, mode, size, photo, here):
    (here / "mine.py").write_text(
        "import torch\n\n\ndef net():\n"
        f"    return torch.nn.Sequential(torch.nn.Conv2d({channels}, 2, 3)), {{'size': 16}}\n"
    )
    words = ["--model", "mine.py:net", "--layer", "0", "--channel", "1", "--size", "16x20", "--height", "16"]
    visualize(*words, "--out", "a.png", "--film", "a.gif")
    with Image.open("a.png") as drawn:
        assert (drawn.mode, drawn.size) == (mode, size)
    visualize(*words, "--out", "important.png", "--importance", "--report")
    with Image.open("important.png") as drawn:
        assert (drawn.mode, drawn.size) == ("RGBA", size)
    if channels in (1, 3):  # there is no photograph of the others
        (here / "photos").mkdir()
        os.rename(photo, "photos/one.png")
        more = ["--start", "photos/one.png", "--report", "--page", "b.html", "--photos", "photos"]
        visualize(*words, *more, "--out", "b.png")
        assert "one.png" in (here / "b.html").read_text()
