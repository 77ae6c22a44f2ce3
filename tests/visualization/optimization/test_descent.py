"""The loop of section 14.9: many pictures at a time, stopped and gone on with, dead ones and woken ones."""

import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.testing import assert_close

import chapter14
import chapter14.nn as nn
from chapter14.models.load import load_network
from chapter14.visualization import (
    DeadNeuron,
    Decorrelated,
    Fourier,
    Pixels,
    Visualization,
    channel,
    l2,
    neuron,
    text,
    total_variation,
    visualize,
)
from chapter14.visualization.objectives.objective import Objective
from chapter14.visualization.optimization import batch_size
from chapter14.visualization.optimization.redirected_relu import RedirectedRelu

from ...small_clip import TRAINED

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

PROMPTS = ["a photo of a cat", "a photo of a dog", channel("image.stages.3", 7)]
SHORT = {"steps": 4, "cycles": (0.5,)}  # 6 steps


@pytest.fixture(scope="module")
def network():
    return load_network()


def relu_network(relu, bias=0.0):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), relu, torch.nn.Conv2d(4, 2, 3)).double()
    torch.nn.init.constant_(model[0].bias, bias)
    return model


def assert_same(a: Visualization, b: Visualization):
    for ours, theirs in zip(a, b, strict=True):
        assert ours is theirs if isinstance(ours, bool) else torch.equal(ours, theirs)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_pictures_do_not_depend_on_the_batch(batch):
    model = relu_network(torch.nn.Tanh())
    objectives = [channel("2", 0), channel("0", 3)]
    together = visualize(model, objectives, count=3, size=16, batch=6, **SHORT)
    assert together.x.shape == (6, 3, 16, 16) and together.history.shape == (6, 6)
    assert_close(visualize(model, objectives, count=3, size=16, batch=batch, **SHORT), together)


def test_each_objective_has_its_pictures_and_each_seed_its_own():
    network = load_network()
    network.model.double()  # in float32, rounding differs between batch sizes, and a descent amplifies it
    together = visualize(network, PROMPTS, count=2, seed=3, **SHORT)
    for i, objective in enumerate(PROMPTS):
        for j in range(2):
            alone = visualize(network, objective, seed=3 + j, **SHORT)
            assert_close(together.x[2 * i + j], alone.x[0], atol=1e-6, rtol=0)
    assert not torch.equal(together.x[0], together.x[1])


def test_the_batch_is_as_large_as_memory_allows(network, monkeypatch):
    x = torch.randn(1, 3, 48, 48)
    kept = 5 * x.numel() * 4

    def J(x):
        return sum((x * i).exp().sum() for i in range(5))  # keeps five results as large as x

    for room, n in ((kept * 3.5, 3), (kept / 2, 1), (1e12, 32)):
        monkeypatch.setattr(batch_size, "_free_memory", lambda device, room=room: room / batch_size.SHARE)
        assert batch_size.largest_batch(J, x) == n
    monkeypatch.setattr(batch_size, "_free_memory", lambda device: 0)
    assert len(visualize(network, PROMPTS, **SHORT).x) == 3


def test_the_forward_pass_ends_where_the_objective_is():
    class Never(torch.nn.Module):
        def forward(self, x):
            raise AssertionError("it went too far")

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), Never())
    visualize(model, channel("0", 1), size=8, **SHORT)
    with pytest.raises(ValueError, match="AssertionError: it went too far"):
        visualize(model, channel("1", 1), size=8, **SHORT)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_leaves_the_network_as_it_was(error):
    model = relu_network(nn.ReLU(inplace=True)).train()
    before = {name: t.clone() for name, t in model.state_dict().items()}

    def interrupt(step):
        raise error

    with pytest.raises(error):
        visualize(model, channel("2", 0), size=8, through_relu=2, on_step=interrupt)
    assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and model[1].inplace


@pytest.mark.parametrize("batch", [2, 6])
@pytest.mark.parametrize("after", [1, 4, 9])
def test_an_interrupted_descent_goes_on_to_the_same_pictures(batch, after, network, tmp_path):
    file, options = tmp_path / "new" / "cat.part", {"count": 2, "batch": batch, **SHORT}
    whole = visualize(network, PROMPTS, **options)
    steps = []

    def interrupt(step):
        steps.append(step)
        if len(steps) == min(after, 5 if batch == 6 else 9):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualize(network, PROMPTS, checkpoint=file, on_step=interrupt, **options)
    assert [path.name for path in file.parent.iterdir()] == ["cat.part"]
    more = []
    assert_same(visualize(network, PROMPTS, checkpoint=file, resume=True, on_step=more.append, **options), whole)
    assert len(steps) + len(more) == 6 * 6 / batch
    assert [path.name for path in file.parent.iterdir()] == ["cat.part"]
    assert_same(visualize(network, PROMPTS, checkpoint=file, resume=True, on_step=pytest.fail, **options), whole)


def test_what_cannot_be_gone_on_with_is_said(network, tmp_path):
    file = tmp_path / "cat.part"

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(FileNotFoundError, match="there is nothing to resume"):
        visualize(network, PROMPTS[0], checkpoint=file, resume=True)
    with pytest.raises(KeyboardInterrupt):
        visualize(network, PROMPTS[0], checkpoint=file, on_step=interrupt, **SHORT)
    kept = file.read_bytes()
    with pytest.raises(ValueError, match=r"belongs to another call, .* seeds: \[0\], now \[1\]"):
        visualize(network, PROMPTS[0], checkpoint=file, resume=True, seed=1, **SHORT)
    with pytest.raises(ValueError, match="belongs to another call, .* objectives: "):
        visualize(network, text(PROMPTS[0], against="a photo of a dog"), checkpoint=file, resume=True, **SHORT)
    assert file.read_bytes() == kept
    with safe_open(file, "pt") as whole:
        tensors = {name: whole.get_tensor(name) for name in whole.keys() if name != "0.importance"}  # noqa: SIM118
        save_file(tensors, file, whole.metadata())
    with pytest.raises(ValueError, match="is not a checkpoint: it has no '0.importance'"):
        visualize(network, PROMPTS[0], checkpoint=file, resume=True, **SHORT)
    file.write_bytes(kept[:100])
    with pytest.raises(ValueError, match="is not a checkpoint"):
        visualize(network, PROMPTS[0], checkpoint=file, resume=True, **SHORT)


def test_a_dead_neuron_among_others_is_told_apart():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.ReLU())
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([0.0, -1e4, 0.0]))
    drawn = visualize(model, [channel("1", i) for i in range(3)], size=8, **SHORT)
    assert drawn.alive.tolist() == [True, False, True] and drawn.x.isfinite().all()


def test_a_prior_does_not_hide_that_a_neuron_is_dead():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.ReLU())
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([0.0, -1e4, 0.0]))
    with_it = [channel("1", i) - 0.5 * total_variation() for i in range(3)]
    assert visualize(model, with_it, size=8, **SHORT).alive.tolist() == [True, False, True]
    with pytest.raises(DeadNeuron, match="channel 1 of 1 - .* is dead"):
        visualize(model, with_it[1], size=8, **SHORT)
    assert visualize(model, 0 * channel("1", 0) - l2(), size=8, batch=1, count=2, **SHORT).alive.tolist() == [False] * 2
    assert visualize(model, -l2(), size=8, **SHORT).alive.all()


def test_one_that_stays_dead_is_not_said_to_live():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.ReLU())
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([0.0, -1e4, 0.0]))
    plain = {"image": Pixels(), "transforms": (), "cycles": ()}
    asleep = visualize(model, [channel("1", i) for i in range(3)], size=8, through_relu=4, steps=6, **plain)
    assert asleep.alive.tolist() == [True, False, True] and asleep.history[-1, 1] == 0


def test_a_checkpoint_that_has_no_room_loses_nothing_that_is_drawn(network, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.warns(UserWarning, match="c.part: it could not be written. No space left on device"):
        drawn = visualize(network, PROMPTS[0], checkpoint=tmp_path / "c.part", **SHORT)
    assert torch.equal(drawn.x, visualize(network, PROMPTS[0], **SHORT).x) and not list(tmp_path.iterdir())


def test_of_another_number_of_steps_not_every_one_is_said(network, tmp_path):
    visualize(network, PROMPTS[0], steps=30, cycles=(), checkpoint=tmp_path / "c.part")
    with pytest.raises(ValueError, match="cannot be resumed by this one. steps has changed$"):
        visualize(network, PROMPTS[0], steps=31, cycles=(), checkpoint=tmp_path / "c.part", resume=True)


class Functional(torch.nn.Module):
    """relu as a function, as a method, and written over."""

    def __init__(self, relu):
        super().__init__()
        self.relu = relu

    def forward(self, x):
        return self.relu(x)


RELUS = {
    "torch.nn.ReLU": lambda: torch.nn.ReLU(),
    "torch.nn.ReLU, in place": lambda: torch.nn.ReLU(inplace=True),
    "chapter14.nn.ReLU": lambda: nn.ReLU(),
    "chapter14.nn.ReLU, in place": lambda: nn.ReLU(inplace=True),
    "torch.nn.ReLU6": lambda: torch.nn.ReLU6(),
    "torch.nn.ReLU6, in place": lambda: torch.nn.ReLU6(inplace=True),
    "chapter14.nn.ReLU6": lambda: nn.ReLU6(),
    "chapter14.nn.ReLU6, in place": lambda: nn.ReLU6(inplace=True),
    "functional.relu6": lambda: Functional(torch.nn.functional.relu6),
    "torch.relu": lambda: Functional(torch.relu),
    "functional.relu": lambda: Functional(lambda x: torch.nn.functional.relu(x, inplace=True)),
    "relu_": lambda: Functional(lambda x: x.relu_()),
}


@pytest.mark.parametrize(("top", "passed"), [(6.0, [0, 1, 1, 1, 1, 0]), (math.inf, [0, 1, 1, 1, 1, 1])])
def test_what_would_move_an_inactive_relu_towards_its_range_passes(top, passed):
    x = torch.tensor([-1.0, -1.0, 3.0, 3.0, 7.0, 7.0], requires_grad=True)
    g = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    RedirectedRelu.of(x, top).backward(g)
    assert torch.equal(x.grad, g * torch.tensor(passed))


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS.keys())
def test_through_relu_wakes_the_dead(relu):
    model = relu_network(relu(), bias=-2.0)
    with pytest.raises(DeadNeuron, match="neuron 0 of 2 is dead.* or through_relu"):
        visualize(model, neuron("2", 0), size=8, **SHORT)
    woken = visualize(
        model, neuron("2", 0), size=8, through_relu=20, steps=40, cycles=(), transforms=(), image=Pixels()
    )
    assert woken.alive.all() and woken.history[-1] < woken.history[0]
    assert model(woken.x).isfinite().all() and not any(m._forward_hooks for m in model.modules())


def test_from_a_picture_it_begins_there_and_adds_no_noise(network):
    start = torch.rand(3, 96, 96) * 2 - 1
    xs = []
    visualize(
        network,
        PROMPTS[0],
        start=start,
        steps=50,
        path_length=0.2,
        transforms=(),
        on_step=lambda step: xs.append(step.x),
    )
    assert len(xs) == 50 and (xs[0] - start).norm() < 0.05 * start.norm()
    several = visualize(network, PROMPTS[:2], start=torch.stack([start, -start]), steps=1, path_length=0.1)
    assert (several.x[0] - start).norm() < (several.x[0] + start).norm()


def test_bfloat16_descends_as_far():
    network = load_network(TRAINED)
    half, whole = (visualize(network, PROMPTS[1], precision=p, steps=8, cycles=()) for p in (torch.bfloat16, None))
    assert half.x.dtype == torch.float32 and not torch.equal(half.x, whole.x)
    assert_close(half.history[0], whole.history[0], atol=0, rtol=0.03)
    assert half.history[-1] < 0.1 * half.history[0]


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # at which Dynamo looks
def test_a_compiled_network_draws_the_same():
    model = relu_network(torch.nn.Tanh())
    compiled, plain = (visualize(model, channel("2", 0), size=8, compile=c, **SHORT) for c in (True, False))
    assert_close(compiled, plain)


def test_pictures_may_be_oblong():
    drawn = visualize(relu_network(torch.nn.Tanh()), channel("2", 0), size=(8, 12), **SHORT)
    assert drawn.x.shape == (1, 3, 8, 12)


def test_pictures_that_look_at_each_other_are_drawn_together(network):
    sizes = []

    def value(x):
        sizes.append(len(x["output"]))
        return x["output"].sum(1)

    pair = Objective("pair", frozenset(["output"]), lambda network: value, together=True)
    visualize(network, [pair, text(PROMPTS[1])], count=3, batch=1, **SHORT)
    assert set(sizes) == {3}


def test_a_layer_that_another_writes_over_is_seen_as_it_was():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(inplace=True)).double()
    alone, beside = (
        visualize(model, objective, size=8, **SHORT)
        for objective in (channel("0", 0), channel("0", 0) + 0.0 * channel("1", 1))
    )
    assert_close(alone, beside)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # at which Dynamo looks
def test_a_layer_that_another_writes_over_is_seen_as_it_was_compiled():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(inplace=True)).double()
    compiled, plain = (visualize(model, channel("0", 0), size=8, compile=c, **SHORT) for c in (True, False))
    assert_close(compiled, plain)  # though the compiled pass goes on to the end


@pytest.mark.parametrize("layer", ["2", "output"])
def test_one_layer_is_looked_at_through_one_chain(layer):
    audits = []
    visualize(
        relu_network(torch.nn.ReLU()),
        channel(layer, 0),
        size=8,
        image=Pixels(),  # decorrelated colours are a convolution too
        on_step=lambda step: audits.append(chapter14.audit(step.J).by_hand),
        **SHORT,
    )
    assert all(by_hand["FrozenForward"] == 1 and "Conv" not in by_hand for by_hand in audits)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_descends_where_no_gradient_is_wanted(mode, network):
    with mode():
        inside = visualize(network, PROMPTS[0], **SHORT)
    assert_close(inside, visualize(network, PROMPTS[0], **SHORT))


def test_every_derivative_is_by_hand_whoever_wrote_the_network():
    audits = []
    visualize(
        relu_network(torch.nn.ReLU()),
        channel("2", 0),
        size=8,
        on_step=lambda step: audits.append(chapter14.audit(step.J)),
        **SHORT,
    )
    assert all(audit.fraction == 1 for audit in audits)


def test_what_a_neuron_does_not_see_is_of_no_importance():
    at_5_4 = visualize(relu_network(torch.nn.Tanh()), neuron("2", 0, 5, 4), size=16, transforms=(), **SHORT).importance
    seen = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    seen[..., 5:10, 4:9] = True  # two convolutions, of 3 pixels each
    assert torch.equal(at_5_4 > 0, seen)


@pytest.mark.parametrize("image", [Pixels(), Decorrelated(Fourier())], ids=str)
def test_importance_is_how_much_each_pixel_is_asked_to_change(image):
    model, steps = relu_network(torch.nn.Tanh()), []
    options = {"size": 16, "count": 2, "image": image, "transforms": (), "on_step": steps.append}
    drawn = visualize(model, channel("2", 0), **options, **SHORT)
    expected = 0
    for step in steps:  # J's own gradient at the picture before the step
        before = steps[step.i - 1].x if step.i else None
        if before is not None and step.i != 4:  # where noise is mixed in
            x = before.detach().requires_grad_()
            (g,) = torch.autograd.grad(-model(x)[:, 0].mean((1, 2)).sum(), x)
            assert_close(step.g, g)
        expected = expected + step.g.abs().mean(1, keepdim=True) / len(steps)
    assert_close(drawn.importance, expected)
