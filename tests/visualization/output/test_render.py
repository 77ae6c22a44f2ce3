"""Pictures, sheets and films as files: what is in them, and that a file is there whole or not at all."""

import errno
import io
import sys

import pytest
import torch
from PIL import Image

from chapter14.files import NotWritten, whole
from chapter14.models.load import load_network
from chapter14.visualization import Visualization, visualize
from chapter14.visualization.optimization.descent import DescentStep
from chapter14.visualization.output import render
from chapter14.visualization.output.animation import Film

pytestmark = pytest.mark.usefixtures("small_embedded")


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_tensor_is_a_picture_in_as_many_channels():
    for C, mode in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        values = torch.linspace(-1, 1, C)
        image = render.to_image(values[:, None, None].expand(C, 4, 6))
        assert image.mode == mode and image.size == (6, 4)
        pixel = image.getpixel((5, 3))
        assert (pixel if C > 1 else (pixel,)) == tuple(
            round((v + 1) * 127.5) for v in torch.linspace(-1, 1, C).tolist()
        )
    assert render.to_image(torch.zeros(4, 4, 6), 8).size == (12, 8)


def test_the_pixels_that_mattered_most_are_opaque():
    importance = torch.tensor([0.0, 0, 1, 2, 3, 4, 5, 6])[None, None]
    x = torch.rand(3, 1, 8)
    over = render.importance_to_alpha(x, importance, 0.4)  # of the six that mattered, those from 4 on
    assert torch.equal(over[:3], x)
    assert torch.equal(over[3, 0], torch.tensor([-1, -1, -0.5, 0, 0.5, 1, 1, 1]))
    assert render.to_image(render.importance_to_alpha(x[:1].bfloat16(), importance.bfloat16())).mode == "RGBA"
    assert torch.equal(render.importance_to_alpha(x, 0 * importance)[3], torch.full((1, 8), -1.0))  # a dead neuron's


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4), (1, 3, 4, 4)])
def test_what_is_no_picture_is_said(shape):
    with pytest.raises(ValueError, match=r"x is \[C, H, W\] with C one of 1, 3 and 4"):
        render.to_image(torch.zeros(shape))


@pytest.mark.parametrize(
    "suffix, C, mode", [("png", 4, "RGBA"), ("png", 1, "L"), ("jpg", 4, "RGB"), ("webp", 4, "RGBA")]
)
def test_a_file_has_the_channels_of_its_picture(suffix, C, mode, tmp_path):
    path = tmp_path / "new" / f"picture.{suffix}"
    render.save_image(render.to_image(torch.zeros(C, 8, 8)), path)
    with Image.open(path) as image:
        assert image.mode == mode and image.size == (8, 8)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_is_transparent_lets_the_background_through():
    x = torch.full((4, 2, 2), -1.0)
    assert render.flatten_alpha(render.to_image(x)).getpixel((0, 0)) == (255, 255, 255)
    x[3] = 1
    assert render.flatten_alpha(render.to_image(x)).getpixel((0, 0)) == (0, 0, 0)
    page = render.contact_sheet([render.to_image(torch.full((4, 9, 9), -1.0))], [""], 4)
    assert page.mode == "RGB" and page.getpixel((12, 12)) == (255, 255, 255)


def test_a_sheet_is_in_rows_and_labels_stay_below_their_pictures():
    black = Image.new("RGB", (48, 48))
    assert render.contact_sheet([black] * 5, [""] * 5, 3).size == (3 * 56 + 8, 2 * 56 + 8)
    page = render.contact_sheet([black] * 2, ["channel 12345 of image.stages.3.0", ""], 2)
    assert page.size == (2 * 56 + 8, 56 + 18 + 8)
    below = page.crop((0, 57, page.width, page.height)).convert("L")
    assert below.getextrema()[0] < 128
    assert below.crop((58, 0, below.width, below.height)).getextrema() == (255, 255)  # it was shortened
    with pytest.raises(ValueError, match="one label for each image; it was given 2 and 1"):
        render.contact_sheet([black] * 2, [""], 2)


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_full_disk_leaves_what_was_there(before, tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    if before:
        path.write_bytes(before)
    write = Image.Image.save

    def half(image, file, *args, **how):
        write(image, file, *args, **how)
        full_disk()

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(NotWritten, match="picture.png: it could not be written. No space left on device"):
        render.save_image(Image.new("RGB", (8, 8)), path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="Not a directory|File exists"):
        render.save_image(Image.new("RGB", (8, 8)), tmp_path / "file" / "picture.png")


def test_an_error_of_another_kind_leaves_nothing_either(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def steps(n, B=1, size=8):
    """White that grows darker, step by step."""
    for i in range(n):
        x = torch.full((B, 3, size, size), 1 - 2 * i / (n - 1))
        yield DescentStep(torch.zeros(B), x, x, x, torch.zeros(0, B), torch.ones(B, dtype=torch.bool), i, False)


def shades(film):
    return [frame.getpixel((0, 0))[0] for frame in film.frames()]


@pytest.mark.parametrize("every, frames", [(1, 11), (5, 3), (4, 4), (99, 2)])
def test_a_film_has_every_so_many_steps_and_the_last(every, frames):
    film = Film(every)
    for step in steps(11):
        film(step)
    seen = shades(film)
    assert len(seen) == frames and seen[0] == 255 and seen[-1] == 0 and seen == sorted(seen, reverse=True)


def test_batches_are_seen_together():
    film = Film(5)
    for B in (2, 1):
        for step in steps(11, B):
            film(step)
    frames = film.frames(columns=3)
    assert [f.size for f in frames] == [(3 * 16 + 8, 16 + 8)] * 3
    assert [f.getpixel((8 + i * 16, 8))[0] for f in frames[-1:] for i in range(3)] == [0, 0, 0]


def test_a_film_of_a_descent(tmp_path):
    film = Film(2)
    drawn = visualize(load_network(), "a photo of a cat", steps=5, cycles=(), on_step=film)
    assert film.frames()[-1].tobytes() == render.to_image(drawn.x[0]).tobytes()
    for suffix in ("gif", "webp"):
        film.save(tmp_path / f"cat.{suffix}", 96, rate=10)
        with Image.open(tmp_path / f"cat.{suffix}") as file:
            assert (file.n_frames, file.size, file.info["loop"]) == (3, (96, 96), 0)
            assert file.info["duration"] == 100 if suffix == "gif" else True
    assert len(list(tmp_path.iterdir())) == 2


def test_an_mp4(tmp_path):
    av = pytest.importorskip("av")
    film = Film()
    for step in steps(6, size=15):  # odd, which an MP4 is not
        film(step)
    film.save(tmp_path / "film.mp4", rate=5)
    with av.open(tmp_path / "film.mp4") as file:
        frames = [frame.to_ndarray(format="rgb24").mean() for frame in file.decode(video=0)]
        assert (file.streams.video[0].width, file.streams.video[0].height) == (16, 16)
    assert len(frames) == 6 + 5 and frames[0] > 245 and max(frames[5:]) < 10


def test_what_films_cannot_be_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="at least 1; it is 0"):
        Film(0)
    with pytest.raises(ValueError, match="no step was taken"):
        Film().frames()
    film = Film()
    for step in steps(2):
        film(step)
    with pytest.raises(ValueError, match="in .gif, .webp or .mp4"):
        film.save(tmp_path / "film.mov")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="pip install av"):
        film.save(tmp_path / "film.mp4")
    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(NotWritten, match="No space left"):
        film.save(tmp_path / "film.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_visualization_is_a_picture(tmp_path):
    """In a notebook, in a viewer, and as a file."""
    drawn = Visualization(torch.rand(2, 3, 8, 6) * 2 - 1, *torch.zeros(4, 2).unbind(), False)
    drawn.save(tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as saved, Image.open(io.BytesIO(drawn._repr_png_())) as shown:
        assert saved.size == shown.size == drawn.image().size and saved.tobytes() == shown.tobytes()
    assert drawn._replace(x=drawn.x[:1]).image(16).size == (12, 16)


@pytest.mark.parametrize(("channels", "mode", "width"), [(1, "L", 6), (2, "L", 12), (3, "RGB", 6), (4, "L", 24)])
def test_a_fourth_channel_is_transparent_where_it_is_alpha_alone(channels, mode, width):
    drawn = Visualization(torch.rand(1, channels, 8, 6) * 2 - 1, *torch.zeros(4, 1).unbind(), False)
    assert (drawn.image().mode, drawn.image().size) == (mode, (width, 8))
    if channels in (2, 4):
        shown = drawn._replace(alpha=True).image()
        assert (shown.mode, shown.size) == ("RGBA", (6, 8))
        assert shown.getchannel("A").tobytes() == bytes(render.to_bytes(drawn.x[0, -1]).flatten().tolist())
