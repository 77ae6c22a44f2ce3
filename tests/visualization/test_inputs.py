"""What is drawn besides whole pictures: some of a network's channels, one of its inputs, and data of any shape."""

import dataclasses

import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close

import chapter14
from chapter14.cli import main
from chapter14.models.pretrained import Pretrained
from chapter14.visualization import (
    ROBUST,
    AddChannels,
    Alpha,
    Array,
    Blur,
    Bounded,
    Chroma,
    Composite,
    Decorrelated,
    Flip,
    Fourier,
    Jitter,
    Noise,
    Pixels,
    Together,
    blur,
    channel,
    direction,
    dream,
    invert,
    l2,
    label,
    mean_alpha,
    natural_spectrum,
    neuron,
    own,
    total_variation,
    visualize,
)
from chapter14.visualization.activations.axes import channels_first
from chapter14.visualization.images.colour import COLOURS, to_components
from chapter14.visualization.optimization.descent import generators, white_noise
from chapter14.visualization.optimization.optimize import find_recipes
from chapter14.visualization.output.animation import Film
from chapter14.visualization.output.provenance import describe, read_provenance, save_with_provenance

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]


def seeded(shape, seed=14):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def the_same_weights():
    torch.manual_seed(14)


# data that is no picture


def sequences():
    return nn.Sequential(nn.Conv1d(2, 6, 9, 2), nn.Tanh(), nn.Conv1d(6, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten())


def volumes():
    return nn.Sequential(nn.Conv3d(1, 5, 3), nn.SiLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 4))


def vectors():
    return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4))


KINDS = {"vector": (vectors, (12,)), "sequence": (sequences, (2, 60)), "volume": (volumes, (1, 6, 8, 7))}
each_kind = pytest.mark.parametrize("make, shape", KINDS.values(), ids=KINDS)


@each_kind
@pytest.mark.parametrize("image", [Array, lambda shape: Bounded(Array(shape))], ids=["free", "bounded"])
@pytest.mark.parametrize("rule", [{}, {"rate": 0.05}, {"cycles": (0.5,)}], ids=["length", "adam", "cycles"])
def test_data_of_any_shape_is_drawn(make, shape, image, rule):
    model = make()
    drawn = visualize(model, label(2), image=image(shape), count=2, steps=12, **rule)
    assert drawn.x.shape == (2, *shape) and (drawn.history[-1] < drawn.history[0]).all()
    assert drawn.importance.shape == (2, 1, *shape[1:]) and not torch.equal(drawn.x[0], drawn.x[1])
    with torch.no_grad():
        assert (model(drawn.x)[:, 2] > -drawn.history[-1] - 1e-3).all()
    alone = visualize(model, label(2), image=image(shape), seed=1, steps=12, **rule)
    assert_close(alone.x[0], drawn.x[1], rtol=1e-3, atol=1e-3)


def test_an_array_has_no_range_and_a_bounded_one_has():
    model = nn.Linear(3, 2)
    far = visualize(model, label(0), image=Array((3,)), steps=5, path_length=50.0)
    near = visualize(model, label(0), image=Bounded(Array((3,))), steps=5, path_length=50.0)
    assert far.x.abs().max() > 10 and near.x.abs().max() <= 1
    start = torch.tensor([7.0, -8.0, 9.0])
    kept = visualize(model, label(0), image=Array((3,)), steps=1, start=start, path_length=1e-6)
    assert_close(kept.x[0], start, rtol=0, atol=1e-4)


@each_kind
def test_the_descent_of_a_linear_function_goes_along_its_weights(make, shape):
    """(14.9): x - x_start is a multiple of the gradient, as long as the path."""
    w = seeded(shape)
    objective = own(lambda x: (x * w.to(x)).flatten(1).sum(1), "picture")
    start = seeded(shape, 3)
    drawn = visualize(make(), objective, image=Array(shape), start=start, steps=7, path_length=2.0)
    moved = drawn.x[0] - start
    assert_close(moved.norm(), torch.tensor(2.0 * (1.3 * w.numel()) ** 0.5))
    assert_close(moved / moved.norm(), w / w.norm(), rtol=1e-4, atol=1e-5)


@each_kind
def test_its_noise_has_the_deviation_that_it_says(make, shape):
    x = torch.zeros(3, *shape)
    noise = white_noise(Array(shape, noise=0.3), x, generators([1, 2, 3], 0))
    assert_close(noise.square().flatten(1).mean(1).sqrt(), torch.full((3,), 0.3))
    assert visualize(make(), label(0), image=Array(shape), steps=1, path_length=1e-6).noise > 0.99


def test_the_channels_of_a_layer_are_named_by_their_axis():
    model = sequences()
    for objective in (channel("0", 3), neuron("0", 3), dream("0"), direction("0", [1.0] * 6)):
        with pytest.raises(ValueError, match=r"0: which axis of its x_out \[1, 6, 26\] has the channels\? .* axis=1"):
            visualize(model, objective, image=Array((2, 60)), steps=1)
    with pytest.raises(ValueError, match=r"output: which axis of its x_out \[1, 6, 26\] has the channels"):
        visualize(model[:2], label(3), image=Array((2, 60)), steps=1)
    by_name = visualize(model, channel("0", 3, axis=1), image=Array((2, 60)), steps=3)
    by_hand = visualize(model, own(lambda x: x[:, 3].mean(1), "0"), image=Array((2, 60)), steps=3)
    assert_close(by_name.x, by_hand.x)
    at = visualize(model, neuron("0", 3, 5, axis=1), image=Array((2, 60)), steps=1).importance[0, 0]
    assert at[10:19].all() and not at[:10].any() and not at[19:].any()  # its receptive field
    tokens = channels_first(torch.zeros(1, 7, 5), "layer", torch.zeros(1, 2, 60), 2)
    assert tokens.shape == (1, 5, 7)


def test_regularizers_of_arrays():
    x = seeded((2, 3, 5))
    picture = {"picture": x}
    expected = (x[:, :, 1:] - x[:, :, :-1]).abs().flatten(1).mean(1)
    assert_close(total_variation().bind(None)(picture), expected)
    assert_close(l2().bind(None)(picture), x.square().flatten(1).mean(1))
    volume = seeded((1, 1, 2, 3, 4))
    differences = [volume.diff(dim=dim).abs().mean() for dim in (2, 3, 4)]
    assert_close(total_variation().bind(None)({"picture": volume})[0], sum(differences))
    for prior in (blur(), natural_spectrum(), mean_alpha()):
        with pytest.raises(ValueError, match=r"it is of a picture \[B, C, H, W\]; this x is \[1, 2, 60\]"):
            visualize(sequences(), label(0) - prior, image=Array((2, 60)), steps=1)
    with pytest.raises(ValueError, match="the entries of a vector have no neighbours"):
        visualize(vectors(), label(0) - total_variation(), image=Array((12,)), steps=1)


def test_transforms_of_arrays():
    x = seeded((2, 3, 10))
    draws = generators([0, 1], 0)
    moved = Jitter(4)(x, draws)
    shifts = [int(torch.randint(-4, 5, (1,), generator=g)) for g in generators([0, 1], 0)]
    assert_close(moved, torch.stack([own.roll(n, 1) for own, n in zip(x, shifts, strict=True)]))
    model, image = sequences(), Array((2, 60))
    own_transform = [lambda x, draws: x * 2]
    transforms = (Together([Jitter(3), Noise(0.1)]), *own_transform)
    history = visualize(model, label(0), image=image, transforms=transforms, steps=8).history
    assert history[-1] < history[0]
    for transform in (Flip(), Blur(0, 1), *ROBUST[:1]):
        with pytest.raises(ValueError, match=r"it is for pictures \[B, C, H, W\]; this x is \[1, 2, 60\]"):
            visualize(model, label(0), image=image, transforms=(transform,), steps=1)
    with pytest.raises(ValueError, match="a vector has no axis to roll along"):
        visualize(vectors(), label(0), image=Array((12,)), transforms=(Jitter(1),), steps=1)


def test_what_does_not_fit_an_array_is_said():
    model, image = sequences(), Array((2, 60))
    with pytest.raises(ValueError, match=r"Array: shape is of one x, as \(1, 16000\); it was given \(2, 0\)"):
        Array((2, 0))
    with pytest.raises(ValueError, match="size is of pictures, and Array"):
        visualize(model, label(0), image=image, size=60)
    with pytest.raises(ValueError, match=r"start is \[2, 60\], or \[B, 2, 60\]; it is \[2, 61\]"):
        visualize(model, label(0), image=image, start=torch.zeros(2, 61))
    for colours in (Decorrelated(Array((3, 60))), Alpha(image), Bounded(Bounded(image))):
        with pytest.raises(ValueError, match="an Array has no colours"):
            visualize(model, label(0), image=colours)
    with pytest.raises(
        ValueError, match=r"Sequential: it cannot take x \[1, 3, 60\]\. ShapeError: conv: W does not fit"
    ):
        visualize(model, label(0), image=Array((3, 60)))
    with pytest.raises(ValueError, match=r"the picture is \[3, H, W\]"):
        visualize(model, invert("0", torch.zeros(2, 60), axis=1), image=image)


def test_an_array_is_not_shown_as_an_image(tmp_path):
    drawn = visualize(sequences(), label(0), image=Array((2, 60)), steps=2)
    assert drawn._repr_png_() is None
    for show in (drawn.image, lambda: drawn.save(tmp_path / "x.png")):
        with pytest.raises(ValueError, match=r"x \[1, 2, 60\] is not pictures \[B, C, H, W\], and cannot be shown"):
            show()
    steps = []
    film = Film()
    with pytest.raises(ValueError, match="is not pictures"):
        visualize(sequences(), label(0), image=Array((2, 60)), on_step=lambda step: (steps.append(step), film(step)))
    assert len(steps) == 1 and not list(tmp_path.iterdir())


def test_an_array_resumes_and_has_a_record(tmp_path):
    model, image, path = sequences(), Array((2, 60)), tmp_path / "state.part"
    whole = visualize(model, label(1), image=image, steps=6, count=2)

    def interrupt(step):
        if step.i == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualize(model, label(1), image=image, steps=6, count=2, checkpoint=path, on_step=interrupt)
    again = visualize(model, label(1), image=image, steps=6, count=2, checkpoint=path, resume=True)
    for a, b in zip(whole, again, strict=True):
        assert a is b if isinstance(a, bool) else torch.equal(a, b)
    with pytest.raises(ValueError, match="belongs to another call"):
        visualize(model, label(1), image=Array((2, 60), noise=0.2), steps=6, count=2, checkpoint=path, resume=True)
    entry = describe(whole, model, label(1), {"image": image, "steps": 6, "count": 2})[1]
    assert entry.options["image"] == "Array(shape=(2, 60), noise=0.1, path_length=0.9)" and entry.seed == 1
    assert entry.options["transforms"] == [] and entry.options["path_length"] == 0.9 and entry.options["size"] is None


FILE = """
import torch
from torch import nn

def audio():
    return nn.Sequential(nn.Conv1d(2, 6, 9), nn.Tanh())

def two():
    return Two(), {"size": 16}

def stereo():
    return Two(), {"size": 16, "given": {"right": torch.ones(1, 3, 16, 16)}}

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, left, right):
        return (self.conv(left) * self.conv(right)).mean((2, 3))
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize("command", [["--layer", "0", "--channel", "1"], ["--class", "1"]], ids=lambda c: c[0])
def test_the_command_line_says_that_a_network_takes_no_pictures(file, capsys, command):
    assert main(["visualize", "--model", "nets.py:audio", *command, "--steps", "1"]) != 0
    said = capsys.readouterr().err
    assert "Its first layer is a Conv1d. Inputs that are no pictures are drawn in Python, by image=Array(shape)" in said
    assert not (file / "pictures").exists()


# several inputs


class Stereo(nn.Module):
    """Correlates features of two pictures; has a layer of its own for each, and one of both."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3)
        self.both = nn.Sequential(nn.Conv2d(12, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.out = nn.Linear(8, 5)

    def forward(self, left, right, gain=1.0):
        seen = torch.cat([torch.relu(self.left(left)), torch.relu(self.right(right))], 1)
        return self.out(self.both(seen)) * gain


def test_one_input_is_drawn_and_the_others_are_given():
    model, other = Stereo(), seeded((1, 3, 16, 16))
    options = {"size": 16, "count": 2, "steps": 6, "image": Pixels(), "transforms": (), "cycles": ()}
    for given, f in (
        ({"right": other}, lambda x: model(x, other.expand(len(x), -1, -1, -1))),
        ({"left": other, "gain": 2.0}, lambda x: model(other.expand(len(x), -1, -1, -1), x, 2.0)),
    ):
        drawn = visualize(model, label(3), given=given, **options)
        alone = visualize(nn.Module(), own(lambda x, f=f: f(x)[:, 3], "picture"), **options)
        assert (drawn.history[-1] < drawn.history[0]).all()
        assert_close(drawn.x, alone.x, rtol=1e-3, atol=1e-3)
        assert_close(drawn.history, alone.history, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer, n", [("left", 6), ("right", 6), ("both.0", 8), ("out", 5)])
def test_layers_keep_their_names(layer, n):
    model = Stereo()
    options = {"size": 16, "given": {"right": seeded((1, 3, 16, 16))}, "steps": 3, "image": Pixels(), "transforms": ()}
    if layer == "right":  # x is not in it
        with pytest.raises(ValueError, match="channel 1 of right: its value does not depend on what is drawn"):
            visualize(model, channel(layer, 1), **options)
        return
    history = visualize(model, channel(layer, n - 1), **options).history
    assert history[-1] < history[0]
    with pytest.raises(IndexError, match=f"{layer}: there is no channel {n}"):
        visualize(model, channel(layer, n), **options)


def test_what_cannot_be_given_is_said():
    model, x = Stereo(), torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="Stereo: it has no argument 'depth' to be given; it has left, right, gain"):
        visualize(model, label(0), size=16, given={"depth": x})
    with pytest.raises(ValueError, match="every argument that it names is given, left, right, gain; none is left"):
        visualize(model, label(0), size=16, given={"left": x, "right": x, "gain": 2})
    with pytest.raises(ValueError, match=r"right is given as one row \[1, ...\], .*; it is \[2, 3, 16, 16\]"):
        visualize(model, label(0), size=16, given={"right": x.expand(2, -1, -1, -1)})
    with pytest.raises(ValueError, match="missing 1 required .* A network of several inputs needs the others, `given`"):
        visualize(model, label(0), size=16)


def test_what_is_given_belongs_to_the_call_and_to_the_record(tmp_path):
    model, path = Stereo(), tmp_path / "state.part"
    a, b = {"right": seeded((1, 3, 16, 16), 1)}, {"right": seeded((1, 3, 16, 16), 2)}
    options = {"size": 16, "steps": 3}
    drawn = visualize(model, label(1), given=a, checkpoint=path, **options)
    assert torch.equal(visualize(model, label(1), given=a, checkpoint=path, resume=True, **options).x, drawn.x)
    with pytest.raises(ValueError, match="belongs to another call.*given"):
        visualize(model, label(1), given=b, checkpoint=path, resume=True, **options)
    records = [describe(drawn, model, label(1), options | {"given": given})[0] for given in (a, b)]
    kept = [record.options["given"] for record in records]
    assert kept[0][0].startswith("right: [1, 3, 16, 16] ") and kept[0] != kept[1]
    in_network = Pretrained(model, 16, given=a)
    assert describe(drawn, in_network, label(1), {"steps": 3})[0].options["given"] == kept[0]
    save_with_provenance(drawn.image(), tmp_path / "a.png", records[0])
    assert read_provenance(tmp_path / "a.png") == records[0]


def test_a_file_gives_the_other_inputs_on_the_command_line(file, capsys):
    command = ["--class", "2", "--steps", "2", "--out", "a.png"]
    assert main(["visualize", "--model", "nets.py:two", *command]) != 0
    assert "A network of several inputs needs the others, `given` by name." in capsys.readouterr().err
    assert main(["visualize", "--model", "nets.py:stereo", *command]) == 0
    assert main(["visualize", "--list", "nets.py:stereo"]) == 0
    assert "conv" in capsys.readouterr().out
    assert main(["visualize", "--again", "a.png", "--trust"]) == 0
    assert "It is identical to a.png." in capsys.readouterr().out


# some channels


def with_depth():
    return nn.Sequential(nn.Conv2d(4, 6, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))


def test_channels_that_are_given_are_seen_by_the_network_and_not_drawn():
    model, depth = with_depth(), seeded((1, 16, 16))
    options = {"size": 16, "steps": 4, "count": 2, "image": Pixels(), "cycles": ()}
    drawn = visualize(model, label(1), transforms=(AddChannels(depth),), **options)
    f = own(lambda x: model(torch.cat([x, depth.expand(len(x), 1, 16, 16)], 1))[:, 1], "picture")
    alone = visualize(nn.Module(), f, transforms=(), **options)
    assert drawn.x.shape == (2, 3, 16, 16) and drawn.importance.shape == (2, 1, 16, 16)
    assert_close(drawn.x, alone.x, rtol=1e-3, atol=1e-3)
    assert drawn.image().mode == "RGB" and drawn._repr_png_()


def test_they_may_be_anywhere_and_move_with_the_picture():
    x, given = seeded((2, 3, 5, 6)), seeded((2, 5, 6), 3)
    for first in (0, 1, 3, None):
        n = 3 if first is None else first
        expected = torch.cat([x[:, :n], given.expand(2, 2, 5, 6), x[:, n:]], 1)
        assert torch.equal(AddChannels(given, first)(x, ()), expected)
    together = Together([AddChannels(given), Jitter(2)])(x, generators([0, 1], 0))
    for row, same in zip(together, expected, strict=True):
        assert any(torch.equal(row, same.roll((i, j), (1, 2))) for i in range(-2, 3) for j in range(-2, 3))
    with pytest.raises(ValueError, match=r"AddChannels\(given=\[2, 5, 6\] .* does not fit x "):
        AddChannels(given)(seeded((2, 3, 5, 7)), ())
    with pytest.raises(ValueError, match="does not fit"):
        AddChannels(given, 4)(x, ())


def test_by_default_the_other_channels_are_drawn():
    network, depth = Pretrained(with_depth(), 16, channels=4), torch.zeros(1, 16, 16)
    transforms = (AddChannels(depth), Flip())
    (recipe,) = find_recipes(network, [label(1)], transforms=transforms)
    assert recipe.image.channels == 3 and recipe.transforms == transforms
    assert recipe.image == find_recipes(dataclasses.replace(network, channels=3), [label(1)])[0].image
    drawn = visualize(network, label(1), transforms=transforms, steps=6)
    assert drawn.x.shape == (1, 3, 16, 16) and drawn.history[-1] < drawn.history[0]


def test_alpha_with_given_channels():
    model, depth, image = with_depth(), torch.zeros(1, 16, 16), Alpha(Pixels())
    with pytest.raises(ValueError, match="a picture with alpha needs a background"):
        visualize(model, label(1), size=16, image=image, transforms=(AddChannels(depth),))
    transforms = (Composite(), AddChannels(depth))
    assert visualize(model, label(1), size=16, image=image, transforms=transforms, steps=2).x.shape[1] == 4


def test_given_channels_belong_to_the_call_and_to_the_record(tmp_path):
    model, path = with_depth(), tmp_path / "state.part"
    a, b = ({"size": 16, "steps": 3, "transforms": (AddChannels(seeded((1, 16, 16), i)),)} for i in (1, 2))
    drawn = visualize(model, label(1), checkpoint=path, **a)
    assert torch.equal(visualize(model, label(1), checkpoint=path, resume=True, **a).x, drawn.x)
    with pytest.raises(ValueError, match="belongs to another call"):
        visualize(model, label(1), checkpoint=path, resume=True, **b)
    kept = [describe(drawn, model, label(1), options)[0].options["transforms"] for options in (a, b)]
    assert kept[0][0].startswith("AddChannels(given=[1, 16, 16] ") and kept[0] != kept[1]


def photograph(size=(16, 16)):
    return seeded((3, *size), 5).mul(0.2).clamp(-0.5, 0.5)


CHROMA = {
    "pixels": lambda x: Chroma(Pixels(noise=0.1, channels=2), x),
    "fourier": lambda x: Chroma(Fourier(channels=2), x),
    "bounded": lambda x: Chroma(Bounded(Pixels(noise=0.1, channels=2)), x),
}


@pytest.mark.parametrize("image", CHROMA.values(), ids=CHROMA)
def test_chroma_is_drawn_and_brightness_kept(image):
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), photograph()
    plain = {"size": 16, "image": image(x), "transforms": (), "cycles": ()}
    drawn = visualize(model, channel("0", 1), steps=8, path_length=0.1, count=2, **plain)
    assert (drawn.history[-1] < drawn.history[0]).all() and drawn.x.abs().max() < 1
    kept, before = to_components(drawn.x), to_components(x[None].expand(2, -1, -1, -1))
    assert_close(kept[:, 0], before[:, 0], rtol=0, atol=1e-4)
    assert (kept[:, 1:] - before[:, 1:]).abs().mean() > 0.01
    near = visualize(model, channel("0", 1), steps=1, path_length=1e-4, **plain)
    assert near.noise > 0.95  # whatever the photograph is
    start = visualize(model, channel("0", 1), steps=1, path_length=1e-6, start=x, **plain)
    if image is not CHROMA["bounded"]:
        assert_close(start.x[0], x, rtol=0, atol=1e-3)


@pytest.mark.parametrize("image", CHROMA.values(), ids=CHROMA)
def test_chroma_is_a_parameterization(image):
    x = photograph((6, 5)).double()
    image = image(x)
    theta = seeded(image.parameters(x[None]).shape).double()
    change = theta.flip(-1) + 1
    out, moved = torch.func.jvp(image.picture, (theta,), (change,))
    assert_close(image.jvp(theta, change), moved)
    assert_close(image.parameters(image.picture(theta)), theta, atol=1e-5, rtol=1e-5)
    assert torch.autograd.gradcheck(image.picture, theta.clone().requires_grad_(), fast_mode=True)
    noise = white_noise(image, torch.zeros_like(x)[None], generators([0], 0))
    assert_close(noise.square().mean().sqrt(), torch.tensor(image.noise, dtype=torch.float64))
    assert_close(to_components(noise)[:, 0], torch.zeros(1, 6, 5, dtype=torch.float64), atol=1e-9, rtol=0)
    share = COLOURS[:, 1:].square().sum() / COLOURS.square().sum()
    assert_close((image.noise / image.image.noise) ** 2, share.item())


def test_what_chroma_cannot_be_is_said():
    x = photograph()
    with pytest.raises(ValueError, match=r"Chroma: a photograph \[3, H, W\], and an image of two channels"):
        Chroma(Pixels(channels=2), x[:1])
    with pytest.raises(ValueError, match="it was given .* 1 channels"):
        Chroma(Pixels(channels=1), x)
    with pytest.raises(ValueError, match=r"Chroma\(Bounded\(...\)\) keeps it"):
        Bounded(Chroma(Pixels(channels=2), x))
    with pytest.raises(ValueError, match="Chroma: the photograph has 16 x 16 pixels, and the picture 12 x 12"):
        visualize(nn.Conv2d(3, 2, 3), channel("output", 0), size=12, image=Chroma(Pixels(channels=2), x))
    reprs = {repr(Chroma(Pixels(channels=2), y)) for y in (x, x + 0.1)}
    assert len(reprs) == 2 and all(len(each) < 150 for each in reprs)


def test_a_picture_of_chroma_is_written_as_any_other(tmp_path):
    model, x = nn.Conv2d(3, 2, 3), photograph()
    options = {"size": 16, "image": Chroma(Pixels(channels=2), x), "steps": 2}
    film = Film()
    drawn = chapter14.visualize(model, channel("output", 0), on_step=film, **options)
    drawn.save(tmp_path / "x.png")
    film.save(tmp_path / "x.gif")
    with Image.open(tmp_path / "x.png") as image:
        assert image.mode == "RGB" and image.size == (16, 16)
    entry = describe(drawn, model, channel("output", 0), options)[0]
    assert entry.options["image"] == repr(options["image"])


class Patches(torch.nn.Module):
    """A vision transformer's beginning: it has a token of its own before its first layer."""

    def __init__(self):
        super().__init__()
        self.token = torch.nn.Parameter(torch.zeros(1, 1, 5))
        self.embed = torch.nn.Conv2d(4, 5, 8, 8)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(x), 1, 5), x], 1).tanh().mean(1)


def test_channels_of_a_network_with_a_parameter_of_its_own():
    assert visualize(Patches(), neuron("output", 1), size=16, steps=2, cycles=()).x.shape == (1, 4, 16, 16)
