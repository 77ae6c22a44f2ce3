"""Files that somebody else wrote: nothing that they name is done, and what is wrong with them is one line.

And files of our own: a checkpoint of any moment is gone on from, nothing is left behind, nothing else is written over.
"""

import io
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from chapter14 import files
from chapter14.cli import main
from chapter14.commands import visualize as command
from chapter14.drawing import figures
from chapter14.models import clip_file
from chapter14.models.clip import CLIP, Config
from chapter14.models.load import load_network
from chapter14.models.state_dict import fingerprint, read_state_dict
from chapter14.models.vocabulary import build_vocabulary
from chapter14.visualization import channel, visualize
from chapter14.visualization.optimization import checkpoint, optimize
from chapter14.visualization.output import animation
from chapter14.visualization.output.provenance import KEY, Provenance, read_provenance, save_with_provenance

from ..interrupt import interrupted_at

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

SHORT = ["--steps=1", "--cycles=none"]
#: What runs where it is imported.
MINE = """
open("RAN", "a").close()
import torch
def net(): return torch.nn.Conv2d(3, 4, 3), {"size": 16}
def prior(x): return x.flatten(1).sum(1)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Image.effect_noise((20, 20), 90).convert("RGB").save("photo.png")
    return tmp_path


def a_record(*words):
    command = ["visualize", *(words or ["a photo of a cat", *SHORT])]
    return Provenance("a photo", "embedded", "0", 0, {}, {}, [0.5, -1.0], True, {}, command)


def stranger(text, path="stranger.png"):
    info = PngInfo()
    info.add_text(KEY, text if isinstance(text, str) else text.json())
    Image.new("RGB", (24, 24)).save(path, pnginfo=info)
    return path


def run(capsys, *words):
    """The status, what was printed, and the lines of errors, without those of a bar."""
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    lines = [line for line in said.err.replace("\r", "\n").splitlines() if line.strip() and "it/s" not in line]
    return status, said.out, lines


def is_said(lines, name):
    """One line, the command's own, that names the file and says more."""
    assert len(lines) == 1 and lines[0].startswith("chapter14 ") and name in lines[0]
    assert lines[0].isprintable() and len(lines[0]) > len(f"chapter14 visualize: {name}: ")


# what a record names

NAMES = {
    "a network's file": (["--model=mine.py:net", "--layer=output", "--channel=0"], "run mine.py"),
    "in two words": (["--model", "mine.py:net", "--layer", "output", "--channel", "0"], "run mine.py"),
    "said twice": (["--model=embedded", "--model=mine.py:net", "--layer=output", "--channel=0"], "run mine.py"),
    "a prior's file": (["a photo of a cat", "--prior=mine.py:prior=0.1"], "run mine.py"),
    "among others": (["a photo of a cat", "--prior", "tv=1", "mine.py:prior=0.1"], "run mine.py"),
    "a library that lies here": (["--model=timm:x", "--weights=random", "--layer=a", "--dream"], "timm.py"),
    "a photograph to begin with": (["a photo of a cat", "--start=photo.png"], "read photo.png"),
    "to invert": (["--layer=image.stages.3", "--invert=photo.png"], "read photo.png"),
    "its style": (["--layer=image.stages.3", "--style", "photo.png"], "read photo.png"),
    "to exaggerate": (["--layer=image.stages.3", "--caricature=photo.png"], "read photo.png"),
    "a file of numbers": (["--layer=image.stages.3", "--direction=mine.py"], "read mine.py"),
    "a file of weights": (["--model=mine.safetensors", "a photo of a cat"], "read mine.safetensors"),
    "a device": (["--model=/dev/zero", "a photo of a cat"], "read /dev/zero"),
    "a library's weights": (["--model=torchvision:resnet18", "--class=1"], "download the default weights"),
    "by name": (["--model=timm:resnet18", "--weights=a1_in1k", "--class=1"], "download the a1_in1k weights"),
    "in a file": (["--model=timm:resnet18", "--weights=../w.pth", "--class=1"], "../w.pth"),
    "what a library is made of": (["--model=open_clip:RN50", "--weights=random", "a cat"], "open_clip:RN50"),
}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_record_names_is_done(name, here, capsys):
    words, does = NAMES[name]
    if "lies here" in name:
        Path("timm.py").write_text(MINE)
        sys.path.insert(0, str(here))  # as `python -m` has it
        before = sys.modules.pop("timm", None)
    try:
        status, out, lines = run(capsys, "visualize", "--again", stranger(a_record(*words, *SHORT)))
    finally:
        if "lies here" in name:
            sys.path.remove(str(here))
            sys.modules.pop("timm", None)
            if before is not None:
                sys.modules["timm"] = before
    assert status == 2 and out == "" and does in lines[0] and "--trust" in lines[0]
    is_said(lines, "stranger.png")
    assert not Path("RAN").exists() and not Path("stranger_again.png").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--mod=mine.py:net", "--layer=output", "--channel=0"],
        ["--again=other.png"], ["--list=mine.py:net"], ["a cat", "--out=/x.png"], ["a cat", "--film=x.gif"],
        ["a cat", "--page=x.html"], ["a cat", "--photos=."], ["a cat", "--report", "--second=mine.py:net"],
        ["a cat", "--trust"], ["a cat", "--overwrite"], ["a cat", "--resume"], ["--help"], ["-h"],
        ["a cat", "--seed=x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_record_says_what_is_drawn_and_nothing_else(words, here, capsys):
    status, out, lines = run(capsys, "visualize", "--again", stranger(a_record(*words)), "--trust")
    assert status == 2 and out == ""
    is_said(lines, "stranger.png")
    assert not Path("RAN").exists()


def test_words_that_are_no_options_are_words(here, capsys):
    Path("words").write_text("--model=mine.py:net")
    status, _, lines = run(capsys, "visualize", "--again", stranger(a_record("@words", *SHORT)))
    assert status == 2 and "does not know '@words'" in lines[-1] and not Path("RAN").exists()


def test_with_trust_it_is_done_and_said_first(here, capsys):
    picture = stranger(a_record("--model=mine.py:net", "--layer=output", "--channel=0", *SHORT))
    status, out, _ = run(capsys, "visualize", "--again", picture, "--trust")
    assert status == 0 and out.startswith("stranger.png is trusted to run mine.py (--model=mine.py:net).\n")
    assert Path("RAN").exists() and Path("stranger_again.png").exists()


def test_a_page_does_none_of_it_and_shows_the_others(here, capsys):
    whole = fingerprint(load_network().model.state_dict())
    for i, words in enumerate([["a photo of a cat"], ["--model=mine.py:net", "--layer=output", "--channel=0"],
                               ["--layer=nothing", "--dream"], ["--again=x"]]):  # fmt: skip
        save_with_provenance(Image.new("RGB", (8, 8)), here / "p" / f"{i}.png", Provenance(
            f"n{i}", "embedded", whole, 0, {}, {}, [0.0], True, {}, ["visualize", *words]))  # fmt: skip
    (here / "photos").mkdir()
    os.rename("photo.png", "photos/photo.png")
    assert run(capsys, "page", "p")[0] == 0  # without photographs nothing is asked
    status, _, lines = run(capsys, "page", "p", "--photos", "photos")
    assert status == 0 and not Path("RAN").exists()
    said = [line for line in lines if line.startswith("chapter14 page: ")]
    assert len(said) == 3 and all(f"p/{i}.png is shown without photographs." in "".join(said) for i in (1, 2, 3))
    assert "would run mine.py" in said[0] and "--trust" in said[0]
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', Path("page.html").read_text(), re.S)
    assert [bool(card["most"]) for card in json.loads(data[1])["cards"]] == [True, False, False, False]
    for i in (0, 2, 3):
        os.unlink(f"p/{i}.png")
    status, out, lines = run(capsys, "page", "p", "--photos", "photos", "--out", "other.html")
    assert status == 2 and "--trust" in lines[-1] and not Path("other.html").exists() and not Path("RAN").exists()
    _, out, _ = run(capsys, "page", "p", "--photos", "photos", "--out", "other.html", "--trust")
    assert out.startswith("p/1.png is trusted to run mine.py") and Path("RAN").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["a photo of a cat", "--steps=1000000000"], ["a photo of a cat", "--count=1000000"],
        ["a photo of a cat", "--size=100000"], ["a photo of a cat", "--size=8000", "--count=9"],
        ["a photo of a cat", "--pad=1000000"], ["a photo of a cat", "--jitter=-1000000"],
        ["a photo of a cat", "--to=a photo of a dog", "--between=1000000"], ["a photo of a cat", "--blur=1e9"],
        ["--layer=image.stages.3", "--channels=0-999999999999"], ["a photo of a cat", "--cycles=" + "0.1," * 1000],
        ["--layer=image.stages.3", "--channel=99999999999999999999"], ["a photo of a cat"] * 300,
    ],
    ids=lambda words: words[-1][:20],
)  # fmt: skip
def test_how_much_a_record_asks_for_has_limits(words, here, capsys):
    status, _, lines = run(capsys, "visualize", "--again", stranger(a_record(*words)), "--trust")
    assert status == 2 and "above the limit of" in lines[0]
    is_said(lines, "stranger.png")


VAIN = ["--rotate=1e308", "--noise=1e308", "--device=a\x1b[31mb", "--device=hpu", "--size=0x0", "--only=7",
        "\x1b]0;title\x07", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("word", VAIN, ids=ascii)
def test_what_a_record_asks_for_in_vain_is_one_line(word, here, capsys):
    status, out, lines = run(capsys, "visualize", "--again", stranger(a_record("a photo of a cat", word, *SHORT)))
    assert status == 2 and out.isascii() and "\x1b" not in out
    is_said(lines[-1:], "stranger.png")


def test_nothing_moves_the_terminal(here, capsys):
    name = "p/a\x1b[2J\u202eb\x07.png"
    save_with_provenance(Image.new("RGB", (8, 8)), name, a_record())
    for words in (["page", "p"], ["visualize", "--again", name, "--out", "\x1b]0;a.png"]):
        status, out, lines = run(capsys, *words)
        assert status == 0 and all(line.isprintable() for line in (*out.splitlines(), *lines))
    Path(name).write_bytes(b"")
    status, out, lines = run(capsys, "visualize", "--again", name)
    assert status == 2
    is_said(lines, "p/a\\x1b[2J\\u202eb\\x07.png")
    assert files.escaped("é日\n\t\x85\u2028\u200b") == "é日\\n\\t\\x85\\u2028\\u200b"


# files that are broken


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks, width=8, height=8):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = b"\0" * ((3 * width + 1) * height if width * height < 1e6 else 1)
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")])


TEXT = chunk(b"tEXt", KEY.encode() + b"\0" + a_record().json().encode())
FIELDS = json.loads(a_record().json())


def with_text(text):
    return png(chunk(b"tEXt", KEY.encode() + b"\0" + text.encode()))


PICTURES = {
    "nothing": b"",
    "text": b"no picture",
    "half": png(TEXT)[:-60],
    "more pixels than a picture has": png(TEXT, width=2**31 - 1, height=2**31 - 1),
    "more than there is memory for": png(TEXT, width=9000, height=9000),
    "a chunk without an end": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
    "a text that grows": png(chunk(b"zTXt", KEY.encode() + b"\0\0" + zlib.compress(b"a" * 10**7))),
    "a long text": with_text("[" * 2 * 10**7),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
    "deep lists": with_text("[" * 10**5),
    "deep options": with_text(json.dumps(FIELDS | {"options": {"a": 0}}).replace("0}", "[" * 900 + "]" * 900 + "}")),
    "a long number": with_text(json.dumps(FIELDS).replace('"seed": 0', '"seed": ' + "9" * 5000)),
    "no numbers": with_text(json.dumps(FIELDS | {"history": [10**400]})),
    "NaN": with_text(json.dumps(FIELDS | {"history": [float("nan")]})),
    "words in place of numbers": with_text(json.dumps(FIELDS | {"quality": {"score": "high"}})),
    "one word in place of several": with_text(json.dumps(FIELDS | {"command": "visualize --model=mine.py:net"})),
    "words within words": with_text(json.dumps(FIELDS | {"command": ["visualize", ["a"]]})),
    "a list": with_text("[1]"),
}


@pytest.mark.parametrize("kind", [*PICTURES, "a pipe", "a device", "a loop"])
def test_a_broken_picture_is_a_line_and_the_others_a_page(kind, here, capsys):
    save_with_provenance(Image.new("RGB", (8, 8)), here / "p" / "good.png", a_record())
    path = here / "p" / "bad.png"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a loop":
        path.symlink_to("bad.png")
    else:
        path.write_bytes(PICTURES[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        status, out, lines = run(capsys, "page", "p")
        assert (status, out) == (0, "The page of 1 pictures is page.html.\n")
        is_said(lines, "p/bad.png")
        status, out, lines = run(capsys, "visualize", "--again", "p/bad.png")
    assert status == 2 and out == ""
    is_said(lines, "p/bad.png")


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "no text", "zeros"])
def test_broken_json_is_a_line(kind, here, capsys):
    Image.new("RGB", (8, 8)).save("a.jpg")
    if kind == "a pipe":
        os.mkfifo("a.json")
    elif kind == "a folder":
        os.mkdir("a.json")
    else:
        Path("a.json").write_bytes(b"\xff\xfe" if kind == "no text" else b"")
        os.truncate("a.json", 2 if kind == "no text" else 10**10)
    status, _, lines = run(capsys, "visualize", "--again", "a.jpg")
    assert status == 2
    is_said(lines, "a.j")


def header(text, after=b""):
    return struct.pack("<Q", len(text)) + text.encode() + after


def compressed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\0" * 10**7)


def cyclic():
    its = {}
    its["model"] = its
    return its


ONE = torch.zeros(1)
LARGE = '{"w": {"dtype": "F32", "shape": [1000000, 1000000], "data_offsets": [0, 4000000000000]}}'
WEIGHTS = {
    "nothing.pth": b"",
    "text.pth": b"no weights",
    "nothing.safetensors": b"",
    "a long header.safetensors": struct.pack("<Q", 10**12) + b"{}",
    "a large tensor.safetensors": header(LARGE),
    "deep.safetensors": header("[" * 5000),
    "deep.pth": b"\x80\x02" + b"(" * 10**5 + b"t" * 10**5 + b".",
    "zip.pth": b"PK\x03\x04" + b"\0" * 50,
    "tar.pth": b"sys_info" + b"\0" * 1016,
    "grows.pth": compressed,
    "a folder.pth": Path.mkdir,
    "a pipe.pth": os.mkfifo,
    "one entry for all.pth": lambda path: torch.save({"w": ONE.expand(10**6, 10**6)}, path),
    "sparse.pth": lambda path: torch.save({"w": torch.ones(2, 2).to_sparse()}, path),
    "meta.pth": lambda path: torch.save({"w": torch.ones(2, device="meta")}, path),
    "numbers.pth": lambda path: torch.save({1: ONE}, path),
    "a list.pth": lambda path: torch.save([1], path),
    "cyclic.pth": lambda path: torch.save(cyclic(), path),
    "a module.pth": lambda path: torch.save(torch.nn.Linear(2, 2), path),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, of what it saves
@pytest.mark.parametrize("name", WEIGHTS)
def test_broken_weights_are_a_line(name, here, capsys):
    make = WEIGHTS[name]
    Path(name).write_bytes(make) if isinstance(make, bytes) else make(Path(name))
    words = ["--model", "torchvision:squeezenet1_1", "--weights", name, "--layer", "features.0", "--channel", "0"]
    status, out, lines = run(capsys, "visualize", *words)
    assert status == 2 and out == ""
    is_said(lines, name)


CONFIGS = [{"size": 10**9}, {"blocks": [10**9] * 3}, {"blocks": [10**5] * 3}, {"features": 10**6}, {"text_heads": 3},
           {"text_heads": 0}, {"widths": []}, {"widths": "abc"}, {"stem": True}, {"extra": 1}, {"vocabulary": 5},
           {"vocabulary": {"words": [1, 2], "context": 5}}]  # fmt: skip


def tiny():
    torch.manual_seed(0)
    return CLIP(
        Config(build_vocabulary(["a photo of a cat"], 8), 16, (4, 6), (1, 1), (3, 3), (1, 2), 4, 1, 8, 8, 1, 2, 4)
    ).eval()


@pytest.mark.parametrize("change", [*CONFIGS, "labels", "deep", "none"], ids=str)
def test_a_broken_network_is_a_line(change, here, capsys):
    import dataclasses

    model = tiny()
    said = {"config": dataclasses.asdict(model.config) | (change if isinstance(change, dict) else {}), "labels": ["a"]}
    said = {name: json.dumps(value) for name, value in said.items() if change != "none"}
    said |= {"labels": "[1]"} if change == "labels" else {"about": "[" * 10**5} if change == "deep" else {}
    save_file(model.state_dict(), "c.safetensors", said)
    status, _, lines = run(capsys, "visualize", "--model", "c.safetensors", "a photo of a cat", *SHORT)
    assert status == 2
    is_said(lines, "c.safetensors")


def mutated(content, draw):
    """A file that has been cut, or of which some bytes, or digits, or bits are others."""
    its, i = bytearray(content), draw.randrange(len(content))
    kind = draw.randrange(6)
    if kind == 0:
        return content[:i]
    if kind == 1:
        for _ in range(draw.choice([1, 2, 16])):
            its[draw.randrange(len(its))] = draw.randrange(256)
    elif kind == 2:
        its[draw.randrange(min(len(its), 400))] ^= 1 << draw.randrange(8)
    elif kind == 3:
        its[i : i + draw.choice([1, 4, 8])] = draw.choice([b"\xff", b"\0", b"\x7f"]) * draw.choice([1, 4, 8])
    elif kind == 4:
        del its[i : i + draw.choice([1, 4, 30])]
    else:
        digits = [i for i, c in enumerate(its) if chr(c).isdigit()]
        its[draw.choice(digits)] = draw.choice(b'0123456789-e.[{"')
    return bytes(its)


STEPS = {"size": 8, "steps": 3, "cycles": (), "batch": 1}


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Tanh())


class Killed(BaseException):
    pass


def cut_short(model, path, after, **options):
    """A checkpoint of a drawing that came to an end after so many steps."""
    left = [after]

    def stop(step):
        left[0] -= 1
        if not left[0]:
            raise Killed

    with pytest.raises(Killed):
        visualize(model, channel("1", 1), checkpoint=path, on_step=stop, **STEPS, **options)
    return Path(path).read_bytes()


def same(a, b):
    return all(x is y if isinstance(x, bool) else torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_files_of_which_some_bytes_are_others(seed, here, capsys):
    draw, model = random.Random(seed), network()
    state = model.state_dict()
    save_with_provenance(Image.effect_noise((24, 24), 80).convert("RGB"), here / "p" / "bad.png", a_record())
    picture, record = Path("p/bad.png").read_bytes(), Path("p/bad.json").read_bytes()
    save_with_provenance(Image.new("RGB", (8, 8)), here / "p" / "good.png", a_record())
    save_file(state, "w.safetensors")
    torch.save({"model": state, "epoch": 3}, "w.pth")
    torch.save(state, "w.pt", _use_new_zipfile_serialization=False)
    clip_file.save_clip(tiny(), "c.safetensors", labels=["cat"])
    of_weights = {name: Path(name).read_bytes() for name in ("w.safetensors", "w.pth", "w.pt")}
    clip, checkpoint = Path("c.safetensors").read_bytes(), cut_short(model, "c.part", 4, count=2)
    expected = visualize(model, channel("1", 1), count=2, **STEPS)

    def one_line(name, f):
        """Whether it works; a ValueError that names the file where it does not."""
        try:
            return f()
        except ValueError as error:
            assert name in str(error) and len(str(error)) > len(name) + 4
        except FileNotFoundError:
            pytest.fail("it is there")

    for _ in range(30):
        Path("p/bad.png").write_bytes(mutated(picture, draw))
        status, _, lines = run(capsys, "page", "p")
        assert status == 0
        if lines:
            is_said(lines, "bad.png")
        Path("p/bad.png").unlink()
        Path("a.json").write_bytes(mutated(record, draw))
        Image.new("RGB", (8, 8)).save("a.jpg")
        status, out, lines = run(capsys, "visualize", "--again", "a.jpg", "--out", "again.png")
        assert status in (0, 2)
        if status:
            is_said(lines[-1:], "a.jpg")
        for name, content in of_weights.items():
            Path(name).write_bytes(mutated(content, draw))
            one_line(name, lambda name=name: read_state_dict(Path(name)))
        Path("c.safetensors").write_bytes(mutated(clip, draw))
        one_line("c.safetensors", lambda: clip_file.load_clip("c.safetensors"))
        Path("c.part").write_bytes(mutated(checkpoint, draw))
        resumed = {"checkpoint": "c.part", "resume": True, "count": 2}
        found = one_line("c.part", lambda more=resumed: visualize(model, channel("1", 1), **more, **STEPS))
        assert found is None or same(found, expected)


# checkpoints


@pytest.mark.parametrize("image", ["pixels", "fourier"])
@pytest.mark.parametrize("after", range(1, 7))
def test_a_checkpoint_of_any_step_is_gone_on_from(after, image, tmp_path):
    from chapter14.visualization import Decorrelated, Fourier, Pixels

    its = {"pixels": Pixels(), "fourier": Decorrelated(Fourier())}[image]
    model, path, more = network(), tmp_path / "c.part", {"count": 2, "image": its, "through_relu": 1}
    expected = visualize(model, channel("1", 1), **more, **STEPS)
    cut_short(model, path, after, **more)
    resumed = visualize(model, channel("1", 1), checkpoint=path, resume=True, **more, **STEPS)
    assert same(resumed, expected)


@pytest.mark.parametrize("every", [60, -1], ids=["at the end", "at each step"])
def test_an_interrupt_at_any_line_is_gone_on_from(every, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_INTERVAL", every)
    model, path, line, interrupted = network(), tmp_path / "c.part", 0, True
    options = {"size": 8, "steps": 1, "cycles": (), "batch": 1, "count": 2, "checkpoint": path}
    expected, right = visualize(model, channel("1", 1), **options), set()
    while interrupted:
        line += 1
        path.unlink(missing_ok=True)
        where, steps = [], []
        interrupted = interrupted_at(
            line,
            lambda steps=steps: visualize(model, channel("1", 1), on_step=steps.append, **options),
            of_visualize,
            where,
        )
        assert [p.name for p in tmp_path.iterdir()] in ([], ["c.part"]), where
        if not path.exists():
            assert not steps, where
        elif (its := tensors_of(path)) not in right:
            right.add(its)
            assert same(visualize(model, channel("1", 1), resume=True, **options), expected), where
    assert line > 60 and len(right) == 4  # after the first step and the first batch, the second step and the second


def tensors_of(path):
    """What is in a checkpoint, whose metadata have no order."""
    content = path.read_bytes()
    (n,) = struct.unpack("<Q", content[:8])
    return json.dumps(json.loads(content[8 : 8 + n]), sort_keys=True).encode() + content[8 + n :]


def of_visualize(code):
    return code.co_filename == checkpoint.__file__ or (
        code.co_filename == optimize.__file__ and code.co_name == "visualize"
    )


# what is left behind, and what is written over


def test_what_a_killed_command_left_is_removed_by_the_next(here, capsys):
    write = f"""
import importlib.util, os, pathlib
spec = importlib.util.spec_from_file_location("files", {files.__file__!r})
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
with files.whole(pathlib.Path("p/cat.png")) as beside:
    beside.write_text("half")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", write]).returncode == -signal.SIGKILL
    (left,) = (here / "p").iterdir()
    assert left.name.endswith(".part") and (left / "cat.png").read_text() == "half"
    others = [here / "p" / name for name in ("cat.part.png", "chapter14.part.png", "cat.1234.part.png", "notes.part")]
    for other in others:
        other.write_text("another's")
    with files.whole(here / "p" / "other.png") as beside:  # which is being written
        beside.write_text("whole")
        assert run(capsys, "visualize", "a photo of a cat", *SHORT, "--out", "p/cat.png")[0] == 0
    names = {path.name for path in (here / "p").iterdir()}
    assert names == {"cat.png", "cat.json", "other.png", *(other.name for other in others)}
    assert all(other.read_text() == "another's" for other in others)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("where", ["the page", "the sheet", "the page of a folder"])
def test_one_that_is_told_to_stop_while_it_writes_leaves_nothing(where, told, here, capsys, monkeypatch):
    def stop(*_, **__):
        os.kill(os.getpid(), told)

    words = ["a photo of a cat", "a photo of a dog", *SHORT, "--out", "two.png", "--page", "two.html"]
    with monkeypatch.context() as patch:
        if where == "the sheet":
            patch.setattr(Image.Image, "save", stop)
            patch.setattr(command.provenance, "save_with_provenance", lambda image, path, its: stand_in(path, its))
        else:
            patch.setattr(Path, "write_text", stop)
            patch.setattr(command.provenance, "save_with_provenance", lambda image, path, its: stand_in(path, its))
        if where == "the page of a folder":
            stand_in(here / "two" / "a.png", a_record())
            assert run(capsys, "page", "two", "--out", "two.html")[0] == 130
        else:
            assert run(capsys, "visualize", *words)[0] == 130
    left = {path.name for path in here.iterdir()} - {"two", "mine.py", "photo.png"}
    assert left == ({"two.part", "two.png"} if where == "the page" else {"two.part"} if where == "the sheet" else set())
    assert not [path for path in here.rglob("chapter14-*")]
    if where != "the page of a folder":
        assert run(capsys, "visualize", *words, "--resume")[0] == 0
        assert Path("two.html").exists() and Path("two.png").exists() and not Path("two.part").exists()


def stand_in(path, its):
    """A picture with a record, written without what the test has replaced."""
    path.parent.mkdir(exist_ok=True)
    content = io.BytesIO(png(chunk(b"tEXt", KEY.encode() + b"\0" + its.json().encode())))
    path.write_bytes(content.getvalue())
    path.with_suffix(".json").write_bytes(its.json().encode())


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_film_that_had_no_room_is_written_by_resume(ending, here, capsys, monkeypatch):
    words = ["visualize", "a photo of a cat", "--steps=3", "--cycles=none", "--height=48"]
    assert run(capsys, *words, "--out", "whole.png", "--film", f"whole.{ending}")[0] == 0
    words += ["--out", "cat.png", "--film", f"cat.{ending}"]
    with monkeypatch.context() as patch:
        patch.setattr(animation, "_save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        status, _, lines = run(capsys, *words)
    assert status == 2 and "No space left on device" in lines[-1] and "and --resume" in lines[-1]
    assert not Path(f"cat.{ending}").exists() and Path("cat.part").exists()
    assert run(capsys, *words, "--resume")[0] == 0
    assert Path(f"cat.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes()
    assert not Path("cat.part").exists()


def test_of_two_commands_that_draw_to_one_place_the_first_goes_on(here, capsys):
    with files.alone(Path("cat.part")):
        for name in ("cat.png", "cat.jpg", "./p/../cat.png"):  # whose checkpoint and record would be the same
            status, _, lines = run(capsys, "visualize", "a photo of a cat", *SHORT, "--out", name)
            assert status == 2 and "cat.part: another command draws there" in lines[-1]
        assert run(capsys, "visualize", "a photo of a cat", *SHORT, "--out", "p/cat.png")[0] == 0
    assert {path.name for path in here.iterdir()} == {"mine.py", "photo.png", "p"}
    assert run(capsys, "visualize", "a photo of a cat", *SHORT, "--out", "cat.png")[0] == 0


def test_names_of_files_that_are_being_written_are_no_one_elses(tmp_path):
    with files.whole(tmp_path / "a.png") as one, files.whole(tmp_path / "a.png") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
        files.clean(tmp_path)
        assert one.exists() and other.exists()
    assert (tmp_path / "a.png").read_text() == "one" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".html", ".safetensors", ".mp4"])
def test_a_file_is_locked_however_it_is_written(suffix, tmp_path):
    """Some writers put another file in its place: safetensors does."""
    if suffix == ".mp4":
        pytest.importorskip("av")
    with files.whole(tmp_path / f"a{suffix}") as beside:
        if suffix == ".safetensors":
            save_file({"a": torch.zeros(2)}, beside)
        elif suffix == ".html":
            beside.write_text("a")
        elif suffix == ".mp4":
            animation._save_mp4([Image.new("RGB", (8, 8))] * 2, beside, 20)
        else:
            Image.new("RGB", (8, 8)).save(beside)
        files.clean(tmp_path)
        assert beside.exists()


CAT = ["a photo of a cat", *SHORT, "--out", "cat.png"]
TWO = ["a photo of a cat", "a photo of a dog", *SHORT, "--out", "cat.png"]
OTHERS = {
    "a photograph": ("cat.png", CAT),
    "JSON beside it": ("cat.json", CAT),
    "a download": ("cat.part", CAT),
    "a page": ("notes.html", [*CAT, "--page", "notes.html"]),
    "no page": ("notes.json", [*CAT, "--page", "notes.json"]),
    "a film": ("cat.gif", [*CAT, "--film", "cat.gif"]),
    "a sheet": ("cat.png", TWO),
    "among pictures": ("cat/0000_a_photo_of_a_cat_seed_0.png", TWO),
    "beside one of them": ("cat/0001_a_photo_of_a_dog_seed_0.json", TWO),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_an_unrelated_file_is_written_over_only_where_that_is_asked_for(kind, here, capsys, monkeypatch):
    name, words = OTHERS[kind]
    Path(name).parent.mkdir(exist_ok=True)
    content = Path("photo.png").read_bytes() if name.endswith(".png") else b'{"notes": "of chapter14"}'
    Path(name).write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(command.Drawing, "draw", lambda _: pytest.fail("it was drawn"))
        status, _, lines = run(capsys, "visualize", *words)
    assert status == 2 and "--overwrite" in lines[-1]
    is_said(lines, name)
    assert Path(name).read_bytes() == content
    assert run(capsys, "visualize", *words, "--overwrite")[0] == 0
    assert not Path(name).exists() if name == "cat.part" else Path(name).read_bytes() != content
    assert run(capsys, "visualize", *words)[0] == 0  # what it wrote itself it writes over


def test_a_page_a_lesson_and_figures_write_over_their_own_alone(here, capsys):
    save_with_provenance(Image.new("RGB", (8, 8)), here / "p" / "0.png", a_record())
    for words, name in [
        (["page", "p", "--out"], "p/0.png"),
        (["page", "p", "--out"], "notes.html"),
        (["lesson", "--out"], "notes.html"),
        (["figures", "--page"], "notes.md"),
    ]:
        if name.startswith("notes"):
            Path(name).write_text("# notes of chapter14")
        before = Path(name).read_bytes()
        status, _, lines = run(capsys, *words, name)
        assert status == 2 and Path(name).read_bytes() == before and "--overwrite" in lines[0]
        is_said(lines, name)
        if words[0] in ("page", "lesson") and name.startswith("notes"):
            assert run(capsys, *words, name, "--overwrite")[0] == 0 == run(capsys, *words, name)[0]
    figures.write_page(here / "notes.md", here / "f", ["14.2"])
    assert figures.is_page(here / "notes.md")


@pytest.mark.parametrize("words", [["--page", "cat.png"], ["--page", "cat.json"], ["--page", "cat.part"],
                                   ["--page", "a.gif", "--film", "a.gif"], ["--page", "./x/../cat.json"]])  # fmt: skip
def test_two_things_are_not_written_to_one_place(words, here, capsys):
    status, _, lines = run(capsys, "visualize", *CAT, *words)
    assert status == 2 and "written there" in lines[-1]


def test_a_picture_is_not_compared_with_itself(here, capsys):
    assert run(capsys, "visualize", *CAT)[0] == 0
    status, _, lines = run(capsys, "visualize", "--again", "cat.png", "--out", "cat.png")
    assert status == 2 and "would be compared with itself" in lines[-1]


def test_an_interrupted_picture_is_drawn_once_more_without_asking(here, capsys, monkeypatch):
    for name in ("cat.png", "cat.jpg", "cat.bmp"):
        words = ["visualize", *CAT[:-1], name]
        with monkeypatch.context() as patch:
            patch.setattr(command, "audit", lambda J: (_ for _ in ()).throw(KeyboardInterrupt))
            assert run(capsys, *words)[0] == 130
        assert run(capsys, *words)[0] == 0
        assert read_provenance(name).objective == "a photo of a cat"
        Path("cat.json").unlink()


# threads


def test_weights_are_loaded_from_many_threads(tmp_path, monkeypatch):
    state, environment = network().state_dict(), dict(os.environ)
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")

    class Dangerous:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"w": Dangerous()}, tmp_path / "d.pth")
    whole = load_network("torchvision:squeezenet1_1", "random").model.state_dict()
    wrong = []

    def work():
        try:
            for name in ("w.pth", "w.safetensors") * 10:
                assert torch.equal(read_state_dict(tmp_path / name)["0.weight"], state["0.weight"])
                with pytest.raises(ValueError, match="is not loaded"):
                    read_state_dict(tmp_path / "d.pth")
                assert os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD") is None
            its = load_network("torchvision:squeezenet1_1", "random").model.state_dict()
            assert all(torch.equal(its[name], t) for name, t in whole.items())
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and dict(os.environ) == environment and not (tmp_path / "sprung").exists()
