"""freeze: what a graph cannot state runs as it was written, in its place, and the rest of the network is a chain."""

import copy
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as native

import chapter14

from .test_freeze import near, settled

pytestmark = pytest.mark.slow

torch.manual_seed(14)


class Reverse(Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -3 * g


class Rounded(Function):
    """Straight through; its forward is numpy's, which PyTorch does not see."""

    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(numpy.round(x.detach().numpy() * 4) / 4)

    @staticmethod
    def backward(ctx, g):
        return g


def scale(g):
    return 5 * g


def question(f):
    """f as a module's forward; it gives 1 or 2, by what it asks of x."""

    class Asks(nn.Module):
        def forward(self, x):
            return x * f(x)

    return Asks


def reads(x):
    try:
        float(x)
    except (TypeError, ValueError, RuntimeError):
        return 2.0
    return 1.0


def reads_one(x):
    try:
        return 1.0 + float(x.flatten()[0] > 0)
    except Exception:
        return 7.0


QUESTIONS = {
    "is_tensor": lambda x: 1.0 if torch.is_tensor(x) else 2.0,
    "isinstance": lambda x: 1.0 if isinstance(x, torch.Tensor) else 2.0,
    "type": lambda x: 1.0 if type(x) is torch.Tensor else 2.0,
    "hasattr": lambda x: 1.0 if hasattr(x, "untyped_storage") else 2.0,
    "float": reads,
    "float of an entry": reads_one,
    "requires_grad": lambda x: 1.0 if x.requires_grad else 2.0,
    "grad_fn": lambda x: 1.0 if x.grad_fn is not None else 2.0,
    "is_leaf": lambda x: 1.0 if x.is_leaf else 2.0,
    "grad mode": lambda x: 1.0 if torch.is_grad_enabled() else 2.0,
    "shape": lambda x: 1.0 if x.shape[0] > 2 else 2.0,
    "strides": lambda x: 1.0 if x.is_contiguous() else 2.0,
    "values": lambda x: 1.0 if x.sum() > 0 else 2.0,
    "any": lambda x: 1.0 if (x > 2).any() else 2.0,
    "numpy": lambda x: float(numpy.sign(x.detach().numpy().sum())) + 1.5,
    "tolist": lambda x: 1.0 + (x.flatten()[:1].tolist()[0] > 0),
    "version": lambda x: 1.0 + x._version,
    "text": lambda x: 1.0 if "-" in str(x.flatten()[:1].tolist()) else 2.0,
}


class NoGrad(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            k = x.relu()
        return x.sin() + k


class Inference(nn.Module):
    def forward(self, x):
        with torch.inference_mode():
            k = x.relu()
        return x + k.clone()


class EnablesGrad(nn.Module):
    def forward(self, x):
        with torch.enable_grad():
            return x.relu() * 2


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.f(x.float()).to(x.dtype)


class Detached(nn.Module):
    def forward(self, x):
        return x * x.detach().relu() + x.data


class Own(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function.apply(x)


class TensorHook(nn.Module):
    def forward(self, x):
        x = x * 2
        if x.requires_grad:
            x.register_hook(scale)
        return x.relu()


class Remembers(nn.Module):
    """It does something else at each call."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class RemembersInAList(Remembers):
    def __init__(self):
        super().__init__()
        self.past = {"shapes": []}

    def forward(self, x):
        self.past["shapes"].append(x.shape)
        return x * len(self.past["shapes"])


class Averages(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 4, 1, 1, dtype=torch.float64))

    def forward(self, x):
        with torch.no_grad():
            self.mean.mul_(0.5).add_(x.mean((0, 2, 3), keepdim=True), alpha=0.5)
        return x - self.mean


class Draws(nn.Module):
    def forward(self, x):
        return native.dropout(x, 0.5, True) + torch.rand_like(x)


class DrawsInPython(nn.Module):
    def forward(self, x):
        return x * (random.random() + numpy.random.rand())


class Energy(nn.Module):
    """A gradient inside of the forward."""

    def forward(self, x):
        with torch.enable_grad():
            z = x if x.requires_grad else x.detach().requires_grad_()
            (g,) = torch.autograd.grad(z.square().sum() / 2, z, create_graph=True)
        return g.relu()


class Gathers(nn.Module):
    def forward(self, x):
        return x * x[x > 0].mean()


class WritesIntoWhatIsGiven(nn.Module):
    def forward(self, x):
        x.add_(torch.rand(()) * 0 + 1)
        return x.relu()


class WritesThroughAnAlias(nn.Module):
    def forward(self, x):
        y, z = x * 1, x * 2
        y.detach().mul_(2)
        z.data[:, 0] = 3
        return y.sin() + z


class KeepsWhatItSaw(nn.Module):
    def forward(self, x):
        self.seen = x
        return x.relu()


class Native(nn.Module):
    """Of an operation that has no layer."""

    def forward(self, x):
        return torch.segment_reduce(x, "sum", lengths=torch.tensor([len(x)])).expand_as(x) * x


MODULES = {
    "no_grad": NoGrad,
    "inference_mode": Inference,
    "enable_grad": EnablesGrad,
    "detach": Detached,
    "Function": lambda: Own(Reverse),
    "Function out of sight": lambda: Own(Rounded),
    "tensor hook": TensorHook,
    "counter": Remembers,
    "list": RemembersInAList,
    "buffer": Averages,
    "draws": Draws,
    "draws in Python": DrawsInPython,
    "gradient inside": Energy,
    "shape of data": Gathers,
    "writes into x": WritesIntoWhatIsGiven,
    "writes through an alias": WritesThroughAnAlias,
    "keeps x": KeepsWhatItSaw,
    "native": Native,
} | {f"asks: {name}": question(f) for name, f in QUESTIONS.items()}


def around(middle):
    """A network with the module in its middle."""
    first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
    last = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    return settled(nn.Sequential(first, middle, last))


def called(model, x, wants=True):
    """Three calls, of other values: outputs and g_in, and what is drawn afterwards."""
    torch.manual_seed(1), random.seed(1), numpy.random.seed(1)
    found = []
    for i in (1, -1, 3):
        data = (x * i).requires_grad_(wants)
        y = model(data)
        found += [y.detach(), *(torch.autograd.grad(y.square().sum(), data) if wants else ())]
    return [*found, torch.rand(2), torch.tensor([random.random(), numpy.random.rand()])]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("wants", [True, False])
def test_frozen_network_equals_its_model(name, wants):
    model, x = around(MODULES[name]()), torch.randn(3, 3, 9, 9, dtype=torch.float64)
    frozen = chapter14.freeze(copy.deepcopy(model))
    model.requires_grad_(False)
    for a, b in zip(called(frozen, x, wants), called(model, x, wants), strict=True):
        near(a, b)
    if name in ("no_grad", "detach", "Function", "tensor hook", "counter", "buffer", "draws", "asks: float"):
        assert len(frozen.graph_for(x.requires_grad_(wants)).chains) >= 2  # the rest is lean


@pytest.mark.parametrize("name", ["no_grad", "Function", "tensor hook", "counter", "draws", "asks: values"])
def test_frozen_module_equals_its_model(name):
    model, x = MODULES[name]().double().eval(), torch.randn(3, 4, 5, 5, dtype=torch.float64)
    for a, b in zip(called(chapter14.freeze(copy.deepcopy(model)), x), called(model, x), strict=True):
        near(a, b)


def test_autocast_inside():
    model, x = around(Autocast()).float(), torch.randn(3, 3, 9, 9)
    for a, b in zip(called(chapter14.freeze(model), x), called(model, x), strict=True):
        near(a, b, 0.02)
    middle = chapter14.freeze(Autocast().eval())
    assert torch.equal(middle(x[:, :1].expand(3, 4, 9, 9)), middle.model(x[:, :1].expand(3, 4, 9, 9)))


HOOKS = {
    "forward": lambda m: m.register_forward_hook(lambda module, inputs, y: y * 2),
    "forward_pre": lambda m: m.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,)),
    "full_backward": lambda m: m.register_full_backward_hook(lambda module, g_in, g_out: (g_in[0] * 2,)),
    "full_backward_pre": lambda m: m.register_full_backward_pre_hook(lambda module, g_out: (g_out[0] * 2,)),
}


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("where", ["0", "1", "2.1"])
def test_hooks_of_modules(kind, where):
    model, x = around(nn.Conv2d(4, 4, 1)), torch.randn(3, 3, 9, 9, dtype=torch.float64)
    HOOKS[kind](model.get_submodule(where))
    frozen = chapter14.freeze(copy.deepcopy(model))
    for a, b in zip(called(frozen, x), called(model, x), strict=True):
        near(a, b)


def test_hooks_registered_after_freeze():
    model, x = around(nn.Identity()), torch.randn(3, 3, 9, 9, dtype=torch.float64)
    frozen = chapter14.freeze(model)
    frozen(x)
    hook = frozen.model[1].register_forward_hook(lambda module, inputs, y: y * 2)
    near(frozen(x), model[2](2 * model[0](x)))
    hook.remove()
    near(frozen(x), model(x))


@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"])
def test_global_hooks(kind):
    model, x = around(nn.Identity()), torch.randn(3, 3, 9, 9, dtype=torch.float64, requires_grad=True)
    frozen, heard = chapter14.freeze(model), []
    wanted = called(model, x.detach())
    frozen(x)
    hook = getattr(nn.modules.module, f"register_module_{kind}")(lambda *_: heard.append(type(_[0]).__name__))
    try:
        found = called(frozen, x.detach())
    finally:
        hook.remove()
    assert heard.count("Conv2d") == 3 * 4
    for a, b in zip(found, wanted, strict=True):
        near(a, b)


def test_changed_parameters_are_used():
    model, x = around(nn.Identity()), torch.randn(3, 3, 9, 9, dtype=torch.float64)
    frozen = chapter14.freeze(model)
    frozen(x)
    with torch.no_grad():
        for t in (*model.parameters(), *model.buffers()):
            if t.is_floating_point():
                t.mul_(1.5)
    for a, b in zip(called(frozen, x), called(model, x), strict=True):
        near(a, b)


def test_shapes_layouts_and_modes_have_their_own_trace():
    class Any(nn.Module):
        def forward(self, x):
            x = x.flatten(1) if x.shape[1] == 2 else x * x.stride(1)
            return x if torch.is_grad_enabled() else -x

    model = around(Any())
    frozen = chapter14.freeze(model)
    for n, size in ((1, 9), (2, 9), (2, 12), (1, 9)):
        x = torch.randn(n, 3, size, size, dtype=torch.float64)
        for image in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3)):
            near(frozen(image), model(image))
            with torch.no_grad():
                near(frozen(image), model(image))


@pytest.mark.parametrize("at", [None, (0, 1)])
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_traces_of_other_shapes_share_their_chain(at, precision):
    frozen = chapter14.freeze(
        settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())).float(), None, precision, at
    )
    chains = {frozen.graph_for(torch.randn(n, 3, 9, 9 + n)).chains[0] for n in (1, 2, 3)}
    assert len(chains) == 1


def test_a_network_in_bfloat16_is_one_chain():
    model, x = around(nn.ReLU()).bfloat16(), torch.randn(2, 3, 9, 9).bfloat16()
    frozen = chapter14.freeze(model)
    near(frozen(x).double(), model(x).double(), 0.05)
    assert len(frozen.graph_for(x).chains) == 1


def test_in_place_writes():
    class Odd(nn.Module):
        """In-place activations behind views, and of what is used again."""

        def __init__(self):
            super().__init__()
            self.pool, self.act, self.f = nn.AdaptiveAvgPool2d(1), nn.SiLU(inplace=True), nn.Linear(4, 4)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            flat = self.act(self.pool(x).flatten(1))
            flat = self.relu(self.f(flat).view(-1, 2, 2)).flatten(1)
            y = x * 1
            y[:, 1:].mul_(2)
            twice = y + y
            y[:, :2] += 1
            self.relu(y)
            return self.relu(twice) + y * flat[:, :, None, None]

    model, x = around(Odd()), torch.randn(3, 3, 9, 9, dtype=torch.float64)
    frozen = chapter14.freeze(model)
    for a, b in zip(called(frozen, x), called(model, x), strict=True):
        near(a, b)
    assert len(frozen.graph_for(x).chains) >= 2


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_nan_is_kept(bad, dtype):
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
    last = nn.Conv2d(8, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.ReLU()
    model = settled(nn.Sequential(*layers, *last), dtype)
    x = torch.randn(20, 3, 12, 12).to(dtype)
    x[0, 0, 2, 2], x[1, 1, 8, 9] = bad, -bad
    x = x.contiguous(memory_format=torch.channels_last)  # oneDNN's kernel for bfloat16 spreads inf in this layout
    for part in range(1, len(model) + 1):
        y, ours = model[:part](x), chapter14.freeze(model[:part])(x)
        assert torch.equal(y.isnan(), ours.isnan())
    many = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).to(dtype)
    rows = x[:, :, 2, 2].contiguous()
    assert torch.equal(many(rows).isnan(), chapter14.freeze(many)(rows).isnan())


def test_intermediate_overflow_is_kept():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    for m in model[::2]:
        m.weight.data.mul_(1e20)
    x = torch.randn(1, 3, 12, 12)
    assert model(x).isnan().any() and torch.equal(model(x).isnan(), chapter14.freeze(model)(x).isnan())


def test_freeze_in_threads_leaves_other_models_unchanged():
    call, get = nn.Module.__call__, nn.Module.__getattr__
    net, wrong, stop = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), [], threading.Event()
    rows = torch.randn(2, 3)
    wanted = net(rows)

    def run():
        while not stop.is_set():
            try:
                if not torch.equal(net(rows), wanted):
                    wrong.append("another output")
            except Exception as error:
                wrong.append(repr(error))

    def frozen(_):
        model = nn.Sequential(*[m for _ in range(3) for m in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())])
        near(chapter14.freeze(model)(x), model(x), 1e-5)

    x = torch.randn(1, 3, 8, 8)
    others = [threading.Thread(target=run) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(frozen, range(24)))
    finally:
        stop.set()
        for thread in others:
            thread.join()
    assert not wrong and (nn.Module.__call__, nn.Module.__getattr__) == (call, get)


def test_first_calls_from_many_threads():
    model = around(NoGrad())
    frozen = chapter14.freeze(model)
    inputs = [torch.randn(1 + i % 3, 3, 9, 9, dtype=torch.float64) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(frozen, inputs))
    for x, y in zip(inputs, found, strict=True):
        near(y, model(x))


def test_first_calls_of_forward_backward_from_many_threads():
    model = chapter14.convert(around(nn.Identity()))
    inputs = [torch.randn(1 + i % 3, 3, 9, 9, dtype=torch.float64) for i in range(12)]
    loss = chapter14.functional.l2_loss
    networks = [chapter14.forward_backward(model, loss) for _ in range(2)]

    def J_and_gradients(i):
        x = inputs[i]
        return networks[i % 2](x, torch.zeros(len(x), 2, 5, 5, dtype=torch.float64))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(J_and_gradients, range(len(inputs))))
    for x, (J, gradients, g_0) in zip(inputs, found, strict=True):
        data = x.clone().requires_grad_()
        wanted = loss(y := model(data), torch.zeros_like(y))
        g, *dtheta = torch.autograd.grad(wanted, [data, *model.parameters()])
        near(J, wanted.detach())
        near(g_0, g)
        for a, b in zip(gradients.values(), dtheta, strict=True):
            near(a, b)


def test_visualize_of_one_network_from_many_threads():
    from chapter14.visualization import channel, visualize

    model = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)), torch.float32).train()

    def picture(i):
        return visualize(model, channel("2", i), size=16, steps=3, cycles=(), seed=i).x

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(picture, range(4)))
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert not any(vars(m)["_forward_hooks"] for m in model.modules())
    for i, x in enumerate(found):
        assert torch.equal(x, picture(i))


@pytest.mark.parametrize(
    "middle, why",
    [
        (TensorHook, "register_hook in '1' belongs to autograd"),
        (question(QUESTIONS["grad_fn"]), "grad_fn in '1' belongs to autograd"),
        (WritesThroughAnAlias, "shares memory with another is written into in '1'"),
    ],
)
def test_forward_backward_rejects_what_its_graph_cannot_state(middle, why):
    model, x = chapter14.convert(around(middle())), torch.randn(2, 3, 9, 9, dtype=torch.float64)
    with pytest.raises(TypeError, match=why):
        chapter14.forward_backward(model, chapter14.functional.l2_loss)(x, torch.zeros(2, 2, 5, 5))


def test_recorded_by_forward_backward():
    model = around(nn.Identity())
    frozen, x = chapter14.freeze(model), torch.randn(2, 3, 9, 9, dtype=torch.float64)
    y = torch.zeros_like(model(x))
    J, _, g_0 = chapter14.forward_backward(frozen, chapter14.functional.l2_loss)(x, y)
    data = x.clone().requires_grad_()
    wanted = chapter14.functional.l2_loss(model(data), y)
    near(J, wanted.detach())
    near(g_0, torch.autograd.grad(wanted, data)[0])


def test_outputs_of_any_structure():
    class Several(nn.Module):
        def forward(self, x):
            y = torch.relu(x)
            return {"y": y, "pair": (y.sum(1), [x, None, 3])}

    model, x = Several().eval(), torch.randn(2, 3, 4)
    ours, theirs = chapter14.freeze(model)(x), model(x)
    assert type(ours["pair"]) is tuple and ours["pair"][1][1:] == [None, 3] and ours["pair"][1][0] is x
    assert torch.equal(ours["y"], theirs["y"]) and torch.equal(ours["pair"][0], theirs["pair"][0])


def test_names_are_found_where_the_network_fails():
    import torchvision

    model = torchvision.models.resnet18(weights=None).eval()
    with pytest.raises(chapter14.layer.shape.ShapeError, match="conv: "):
        chapter14.freeze(model)(torch.randn(1, 4, 64, 64))
