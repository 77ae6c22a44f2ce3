"""Section 14.9's pictures: J falls, seeds repeat, and nothing of the network is changed."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

import chapter14
import chapter14.nn as nn
from chapter14.models.load import Pretrained, load_network
from chapter14.visualization import DeadNeuron, Pixels, ResizedCrop, channel, label, neuron, text, visualize
from chapter14.visualization.optimization.cost import Settings
from chapter14.visualization.optimization.descent import StepPlan, descend
from chapter14.visualization.optimization.optimize import find_recipes
from chapter14.visualization.optimization.recipe import (
    EMBEDDED,
    inner_recipe,
    output_recipe,
    start_recipe,
)
from chapter14.visualization.output.provenance import describe
from chapter14.visualization.transforms.move import Jitter

from ...small_clip import TRAINED

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]


@pytest.fixture(scope="module")
def network():
    return load_network()


@pytest.fixture(scope="module")
def trained():
    return load_network(TRAINED)


def short(network, objective, **options):
    return visualize(network, objective, **{"steps": 12, "cycles": (), "count": 2} | options)


@pytest.mark.parametrize(
    "objective",
    [
        text("a photo of a cat"),
        text("a dark photo of a church"),
        label("parachute"),
        label(3),
        channel("image.stages.3", 7),
        neuron("image.stages.5", 3),
        neuron("image.stages.5", 3, 0, 1),
        neuron("image.out", 5),
        text("a photo of a cat") - 0.1 * channel("image.stages.1", 3),
    ],
    ids=lambda objective: objective.name,
)
def test_each_objective_rises(objective, trained):
    history = short(trained, objective).history
    assert history.shape == (12, 2) and (history[-1] < history[0]).all()


def test_a_seed_repeats_the_pictures_exactly(network):
    a, b, c = (short(network, "a photo of a cat", seed=seed) for seed in (4, 4, 5))
    assert torch.equal(a.x, b.x) and torch.equal(a.history, b.history) and not torch.equal(a.x, c.x)


def test_nothing_of_the_network_is_changed():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    model[0].weight.requires_grad_(False)
    before, modes = {k: v.clone() for k, v in model.state_dict().items()}, [m.training for m in model.modules()]
    wanted = [p.requires_grad for p in model.parameters()]
    chapter14.visualize(model, channel("1", 2), size=16, steps=3, cycles=())
    with pytest.raises(IndexError):
        chapter14.visualize(model, channel("1", 99), size=16, steps=3)
    assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == wanted
    assert not any(m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_torchs_own_modules_draw_too():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh())
    history = chapter14.visualize(model, channel("1", 2), size=16, steps=8, cycles=()).history
    assert history[-1] < history[0]


def test_a_dead_neuron_is_said_to_be_dead():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(at_zero=0))
    torch.nn.init.constant_(model[0].bias, -1e4)
    for steps in (1, 60):  # longer steps, and shorter
        with pytest.raises(DeadNeuron, match="channel 0 of 1 is dead: dJ/dx is zero everywhere at the start"):
            chapter14.visualize(model, channel("1", 0), size=16, steps=steps)


def test_what_is_not_a_number_is_said():
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    torch.nn.init.constant_(model[0].bias, math.nan)
    with pytest.raises(FloatingPointError, match="at step 0, J is"):
        chapter14.visualize(model, channel("0", 0), size=16)


def test_what_cannot_be_drawn_is_said(network):
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    with pytest.raises(ValueError, match="Sequential needs a size"):
        chapter14.visualize(model, channel("0", 0))
    with pytest.raises(ValueError, match="a text needs a network that reads; Sequential does not"):
        chapter14.visualize(model, "a photo of a cat", size=16)
    with pytest.raises(ValueError, match="unicorn"):
        chapter14.visualize(network, "a photo of a unicorn")
    with pytest.raises(ValueError, match="a picture does not pass through this layer"):
        chapter14.visualize(network, channel("text.out", 0))
    for wrong in ({"size": "big"}, {"size": 0}, {"size": (8,)}):
        with pytest.raises(ValueError, match="size is a number of pixels, or .height, width.; it is "):
            chapter14.visualize(network, "a photo of a cat", **wrong)
    with pytest.raises(ValueError, match=r"start is \[C, H, W\], or \[B, C, H, W\]; it is \[3\]"):
        chapter14.visualize(network, "a photo of a cat", start=torch.zeros(3))
    with pytest.raises(ValueError, match=r"cycles are at least 0 and below 1, .* they are \(2,\)"):
        chapter14.visualize(network, "a photo of a cat", cycles=(2,))


def test_the_loop_is_plain_gradient_descent_on_the_data():
    """(14.9) with J = -x_l[i]: for a linear neuron x moves along its weights, by the lengths of the steps."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2, bias=False))
    w = model[1].weight[1].detach().double()
    xs = []
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    plan = [StepPlan(None, 0.5), StepPlan(None, 0.25)]
    for step in descend(lambda i, x, draws: -x.flatten(1) @ w, Pixels(), x, [0], plan):
        xs.append(step.x)
    direction = (w / w.norm()).view(1, 3, 8, 8)
    assert_close(xs[0], x + 0.5 * direction)
    assert_close(xs[1], x + 0.75 * direction)


def test_adam_takes_the_steps_of_torchs():
    """From a start and after a mixture with noise, which begins it afresh; and picture by picture."""
    target = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    plan = [StepPlan(None, 0.1), StepPlan(None, 0.05), StepPlan(0.5, 0.1), StepPlan(None, 0.1)]

    def J(i, x, draws):
        return (x - target[: len(x)]).square().flatten(1).sum(1)

    steps = list(descend(J, Pixels(), torch.zeros_like(target), [0, 1], plan, adam=True))
    for begin, end in ((0, 2), (2, 4)):
        before = steps[end - 2].g / 2 + target  # where the gradient was taken
        x = before.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], eps=1e-8)
        for step in steps[begin:end]:
            optimizer.param_groups[0]["lr"] = plan[step.i].length
            optimizer.zero_grad()
            J(0, x, ()).sum().backward()
            optimizer.step()
            assert_close(step.x, x.detach())
    again = steps[1]
    rest = list(descend(J, Pixels(), again.x, [0, 1], plan, 2, again.theta, again.moments, True))
    middle = steps[2]
    last = list(descend(J, Pixels(), middle.x, [0, 1], plan, 3, middle.theta, middle.moments, True))
    assert torch.equal(rest[-1].x, steps[-1].x) and torch.equal(last[-1].x, steps[-1].x)


def test_the_recipe_depends_on_the_network_and_yields_to_what_is_given(network):
    other, out = Pretrained(convolutions(), 64), [label(1)]
    assert find_recipes(network, out) == [EMBEDDED] == find_recipes(network, out, image=EMBEDDED.image)
    assert find_recipes(other, out, start=torch.zeros(3, 64, 64)) == [start_recipe(other)]
    (recipe,) = find_recipes(other, out)
    assert recipe == output_recipe(other, (64, 64)) and recipe.path_length is None
    assert find_recipes(other, [*out, channel("0", 1)]) == [recipe, inner_recipe(other, (64, 64))]
    assert find_recipes(other, out, steps=3) == [replace(recipe, steps=3)]
    assert find_recipes(other, out, path_length=2.0) == [replace(recipe, rate=None, path_length=2.0)]
    assert find_recipes(other, out, image=Pixels()) == [replace(recipe, image=Pixels(), rate=None, path_length=0.9)]
    with pytest.raises(ValueError, match="give one of them"):
        find_recipes(other, out, path_length=1.0, rate=0.1)


def test_a_picture_does_not_depend_on_what_is_drawn_beside_it(tmp_path):
    """A class and a neuron inside have other transforms and noise; also after an interrupt between them."""
    other, both = Pretrained(convolutions(), 32), [label(1), neuron("0", 1)]
    alone = [chapter14.visualize(other, o, count=2, steps=4) for o in both]
    beside = chapter14.visualize(other, both, count=2, steps=4, batch=3)
    assert_close(beside.x, torch.cat([one.x for one in alone]))
    assert_close(beside.history, torch.cat([one.history for one in alone], 1))

    def interrupt(step):
        if (taken := next(steps)) == 5:
            raise KeyboardInterrupt
        assert taken < 5

    steps, how = itertools.count(), {"count": 2, "steps": 4, "checkpoint": tmp_path / "part"}
    with pytest.raises(KeyboardInterrupt):
        chapter14.visualize(other, both, on_step=interrupt, **how)
    assert_close(chapter14.visualize(other, both, resume=True, **how).x, beside.x)
    first, *_, last = describe(beside, other, both, {"count": 2, "steps": 4})
    assert first.options["transforms"] != last.options["transforms"]


def test_crops_are_seen_smaller_where_the_network_takes_it():
    """So one object fills the picture; but not by a network of one size, which it would stop from running."""
    one_size = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 5)).double()
    for model, fixed, size in (
        (convolutions(), False, (45, 45)),
        (convolutions(), True, None),
        (one_size, False, None),
    ):
        (recipe,) = find_recipes(Pretrained(model, 64, fixed=fixed), [label(1)])
        assert [t.size for t in recipe.transforms if isinstance(t, ResizedCrop)] == [size]
    assert chapter14.visualize(one_size, label(1), size=64, steps=2).history[1] < 0


def test_how_much_of_its_noise_is_left(trained):
    near = chapter14.visualize(trained, "a photo of a cat", steps=1, cycles=(), path_length=0.01)
    far = chapter14.visualize(trained, "a photo of a cat", steps=8, cycles=(), path_length=3)
    assert near.noise > 0.95 > 0.8 > far.noise
    start = torch.zeros(3, 96, 96)
    assert chapter14.visualize(trained, "a photo of a cat", steps=1, start=start).noise == 0


def convolutions():
    torch.manual_seed(14)
    first = torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Conv2d(8, 6, 3, padding=1)
    rest = torch.nn.ReLU(), torch.nn.Conv2d(6, 5, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(*first, *rest).double().eval()


@pytest.mark.parametrize("place", [(), (2,), (1, -2)], ids=str)
def test_of_one_neuron_no_more_than_its_place_is_computed(place):
    network, one = Pretrained(convolutions(), 32), neuron("5", 3, *place)
    whole, settings = replace(one, place=None), Settings((Jitter(3),))
    (look, there), (_, all_of_it) = settings.chains(network, one)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    assert there is one.place[1] and all_of_it is one and look(x)["5"].shape == (2, 5, 1, 1)
    pictures = [visualize(network, o, count=2, steps=5, transforms=(Jitter(3),)) for o in (one, whole)]
    for a, b in zip(*pictures, strict=True):
        assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_a_neuron_that_sees_all_or_that_is_not_there():
    network, settings = Pretrained(convolutions(), 32), Settings(())
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    for o in (neuron("7", 3), 2 * neuron("5", 3), neuron("5", 3, axis=1)):
        *places, (_, last) = settings.chains(network, o)
        assert last is o  # no place of an image, more than a neuron, or no saying which axis
        assert all(look(x) is None for look, _ in places)
    with pytest.raises(IndexError, match="5: there is no row 9; it has 5, 0 to 4"):
        visualize(network, neuron("5", 3, 9, 0), steps=1)
