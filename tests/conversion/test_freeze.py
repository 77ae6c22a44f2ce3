"""freeze: the same outputs and the same g_in, whatever the network, and whatever g comes."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as native

import chapter14

pytestmark = pytest.mark.slow

torch.manual_seed(14)


def settled(model, dtype=torch.float64):
    """At rest, with statistics that look learned."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model.to(dtype).eval()


class Small(nn.Module):
    """One of each step, a branch and a merge, and what is no step between."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(True))
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.left, self.right = nn.Conv2d(6, 5, 1), nn.Conv2d(6, 7, 3, padding=1)
        self.norm, self.down = nn.BatchNorm2d(12), nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=3)
        self.mean, self.last = nn.AvgPool2d(3, 2, 1), nn.Linear(12, 4)

    def forward(self, x):
        x = self.pool(self.first(x))
        x = torch.cat([torch.relu(self.left(x)), native.relu(self.right(x), inplace=True)], 1)
        y = self.down(native.relu(self.norm(x)))
        y += x
        y = torch.sigmoid(self.mean(y.relu()))
        return self.last(torch.flatten(native.adaptive_avg_pool2d(y, (1, 1)), 1))


def both(model, x, until=None, g=None):
    """Outputs and g_in: of the model, and of what it is frozen to."""
    frozen, found = chapter14.freeze(model, until), []
    for f in (model, frozen):
        data = x.clone().requires_grad_()
        y = at(model, until, data) if f is model and until else f(data)
        g = torch.randn_like(y) if g is None else g
        found += [y, torch.autograd.grad(y, data, g)[0]]
    assert chapter14.audit(frozen(x.clone().requires_grad_())).fraction == 1
    return found


def at(model, until, x):
    """What a module gives when the model runs."""
    found = {}
    hook = model.get_submodule(until).register_forward_hook(lambda module, inputs, y: found.update(y=y))
    model(x)
    hook.remove()
    return found["y"]


def near(a, b, tolerance=1e-12):
    assert a.shape == b.shape and (a - b).abs().max() <= tolerance * b.abs().max()


def assert_same(model, x, until=None, g=None):
    y, g_in, y_ours, g_in_ours = both(model, x, until, g)
    near(y_ours, y)
    near(g_in_ours, g_in)


NETWORKS = [
    ("squeezenet1_1", None),
    ("squeezenet1_1", "features.10"),
    ("resnet18", None),
    ("resnet18", "layer2.0"),
    ("mobilenet_v2", None),
    ("mobilenet_v3_small", "features.0"),
    ("densenet121", "features.denseblock2"),
    ("googlenet", "inception3a"),
    ("efficientnet_b0", "features.3"),
    ("vit_b_16", "encoder.layers.encoder_layer_0"),
]


def network(name, **extra):
    import torchvision

    extra |= {"init_weights": False} if name == "googlenet" else {}
    return settled(torchvision.models.get_model(name, weights=None, **extra))


@pytest.mark.parametrize("name, until", NETWORKS)
def test_frozen_networks_equal_their_models(name, until):
    size = 224 if name == "vit_b_16" else 64
    assert_same(network(name), torch.randn(1 if name == "vit_b_16" else 2, 3, size, size, dtype=torch.float64), until)


def test_float32_has_the_same_direction():
    import torchvision

    model = settled(torchvision.models.resnet18(weights=None), torch.float32)
    y, g_in, y_ours, g_in_ours = both(model, torch.randn(2, 3, 64, 64))
    assert native.cosine_similarity(y.flatten(), y_ours.flatten(), 0) > 0.99999
    assert native.cosine_similarity(g_in.flatten(), g_in_ours.flatten(), 0) > 0.999


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_kind_of_step(dtype):
    y, g_in, y_ours, g_in_ours = both(settled(Small(), dtype), torch.randn(3, 3, 33, 29, dtype=dtype))
    near(y_ours, y, 1e-12 if dtype == torch.float64 else 1e-5)
    near(g_in_ours, g_in, 1e-12 if dtype == torch.float64 else 1e-4)


@pytest.mark.parametrize("stride, size, padding", [(1, 3, 1), (1, 5, 0), (2, 3, 0), (2, 7, 3), (3, 5, 1), (4, 11, 2)])
def test_pixels_of_few_channels(stride, size, padding):
    model = nn.Sequential(nn.Conv2d(3, 8, size, stride, padding), nn.ReLU())
    for image in ((37, 40), (32, 32)):
        y, g_in, y_ours, g_in_ours = both(model, torch.randn(2, 3, *image))
        near(y_ours, y, 1e-5)
        near(g_in_ours, g_in, 1e-5)


WINDOWS = [(2, 2, 0, False), (3, 2, 1, False), (3, 2, 0, True), (3, 1, 1, False), (2, 3, 0, False)]


@pytest.mark.parametrize("size, stride, padding, ceil", WINDOWS)
@pytest.mark.parametrize("image", [(9, 11), (24, 24)])
def test_max_pool(size, stride, padding, ceil, image):
    model = nn.Sequential(nn.Conv2d(3, 40, 3), nn.ReLU(), nn.MaxPool2d(size, stride, padding, ceil_mode=ceil))
    assert_same(model.double(), torch.randn(3, 3, *image, dtype=torch.float64))
    assert_same(model[2], torch.randn(3, 3, *image, dtype=torch.float64))


@pytest.mark.parametrize("image", [(9, 9), (16, 13), (8, 14), (20, 20)])
def test_adaptive_average_pooling(image):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d((6, 7)), nn.Flatten(), nn.Dropout(), nn.Linear(168, 5), nn.ReLU()
    )
    model = model.double().eval()
    assert_same(model, torch.randn(2, 3, *image, dtype=torch.float64))
    assert len(chapter14.freeze(model).graph_for(torch.randn(2, 3, *image, dtype=torch.float64)).chains[0].layers) == 2
    assert_same(model[:3], torch.randn(2, 3, *image, dtype=torch.float64))
    assert_same(model[:2], torch.randn(2, 3, *image, dtype=torch.float64))


def chain_model():
    return settled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)))


def test_g_of_any_kind():
    model, x = chain_model(), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    shape = model(x).shape
    g = torch.randn(shape, dtype=torch.float64)
    for kind in (
        torch.ones((), dtype=torch.float64).expand(shape),
        g[:, :1].expand(shape),
        g.contiguous(memory_format=torch.channels_last),
        torch.randn(*reversed(shape), dtype=torch.float64).permute(3, 2, 1, 0),
        torch.randn(2, 4, 8, 8, dtype=torch.float64)[:, :, ::2, ::2][:, :, : shape[2], : shape[3]],
    ):
        assert_same(model, x, g=kind[:, :, : shape[2], : shape[3]])


def test_g_is_only_read():
    frozen = chapter14.freeze(chain_model())
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    y = frozen(x)
    for g in (torch.randn_like(y), torch.randn_like(y).contiguous(memory_format=torch.channels_last)):
        before = g.clone()
        first = torch.autograd.grad(y, x, g, retain_graph=True)[0]
        kept = first.clone()
        assert torch.equal(torch.autograd.grad(y, x, g, retain_graph=True)[0], kept)
        assert torch.equal(first, kept) and torch.equal(g, before)


def test_residual_branch():
    class Twice(nn.Module):
        def forward(self, x):
            return x + self.f(x)

    model = Twice()
    model.f = nn.Conv2d(3, 3, 3, padding=1)
    assert_same(model.double(), torch.randn(2, 3, 8, 8, dtype=torch.float64))


def test_empty_batch():
    for model in (chain_model(), settled(Small())):
        frozen = chapter14.freeze(model)
        x = torch.randn(0, 3, 16, 16, dtype=torch.float64, requires_grad=True)
        y = frozen(x)
        assert y.shape == model(x).shape
        assert torch.autograd.grad(y.sum(), x)[0].shape == x.shape


def test_no_grad_and_saved_tensors():
    model = chain_model().float()
    frozen, x = chapter14.freeze(model), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        y = frozen(x)
    assert not y.requires_grad and not frozen(x).requires_grad
    near(y, model(x), 1e-5)
    model.requires_grad_(False)
    x.requires_grad_()
    assert chapter14.saved_bytes(frozen, x).total * 50 < chapter14.saved_bytes(model, x).total


def test_nan_stays_at_its_positions():
    model = chain_model()
    x = torch.randn(1, 3, 12, 12, dtype=torch.float64)
    x[0, 0, 3, 3] = torch.nan
    y, g_in, y_ours, g_in_ours = both(model, x)
    assert torch.equal(y.isnan(), y_ours.isnan()) and torch.allclose(g_in, g_in_ours, equal_nan=True)


def test_second_derivatives():
    model = settled(Small())
    frozen, x = chapter14.freeze(model), torch.randn(2, 3, 17, 17, dtype=torch.float64, requires_grad=True)
    found = []
    for f in (model, frozen):
        y = f(x)
        g = torch.ones_like(y).requires_grad_()
        (g_in,) = torch.autograd.grad(y.square(), x, g, create_graph=True)
        v = torch.linspace(-1, 1, g_in.numel(), dtype=g_in.dtype).view(g_in.shape)
        found.append(torch.autograd.grad((g_in * v).sum(), (x, g), create_graph=True))
        found.append(torch.autograd.grad(found[-1][0].square().sum(), x))
    for a, b in zip(found[0], found[2], strict=True):
        near(b, a)
    near(found[3][0], found[1][0])


def test_linear_network_has_zero_second_derivative():
    frozen, x = chapter14.freeze(chain_model()), torch.randn(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    y = frozen(x)
    g = torch.randn_like(y).requires_grad_()
    (g_in,) = torch.autograd.grad(y, x, g, create_graph=True)
    assert torch.autograd.gradcheck(lambda g: torch.autograd.grad(frozen(x), x, g, create_graph=True)[0], g)
    assert torch.autograd.grad(g_in.sum(), x, allow_unused=True) == (None,)


def test_modes():
    model = chain_model()
    frozen, x = chapter14.freeze(model), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    v = torch.randn_like(x)
    dy = torch.func.jvp(model, (x,), (v,))[1]
    near(torch.func.jvp(frozen, (x,), (v,))[1], dy)
    grad = torch.func.vmap(torch.func.grad(lambda x: frozen(x[None]).sum()))
    near(grad(x), torch.func.vmap(torch.func.grad(lambda x: model(x[None]).sum()))(x))
    with torch.autograd.forward_ad.dual_level():
        dual = frozen(torch.autograd.forward_ad.make_dual(x, v))
        near(torch.autograd.forward_ad.unpack_dual(dual).tangent, dy)


def test_one_image_without_a_batch():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)).double()
    assert_same(model, torch.randn(3, 12, 12, dtype=torch.float64))


def test_errors_equal_the_models():
    with pytest.raises(chapter14.layer.shape.ShapeError, match="conv: "):
        chapter14.freeze(chain_model())(torch.randn(1, 5, 12, 12, dtype=torch.float64))
    with pytest.raises(chapter14.layer.shape.ShapeError, match=r"conv: .*3, 2, 12"):  # larger than the image
        chapter14.freeze(chain_model().float())(torch.randn(1, 3, 2, 12))


def test_autocast_equals_the_models():
    model = chain_model().float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(
            chapter14.freeze(model)(torch.ones(1, 3, 12, 12)), chapter14.convert(model)(torch.ones(1, 3, 12, 12))
        )


def test_memory_format_equals_the_models():
    model = chain_model()
    frozen, x = chapter14.freeze(model), torch.randn(1, 3, 12, 12, dtype=torch.float64)
    assert frozen(x).is_contiguous()
    flat = nn.Sequential(model, nn.Unflatten(1, (2, 2)))
    assert_same(flat, x)


def test_several_shapes_before_backward():
    model = settled(Small())
    frozen = chapter14.freeze(model)
    inputs = [torch.randn(n, 3, size, size, dtype=torch.float64, requires_grad=True) for n, size in ((2, 17), (1, 24))]
    outputs = [frozen(x) for x in inputs]
    for x, y in zip(inputs, outputs, strict=True):
        near(torch.autograd.grad(y.sum(), x)[0], torch.autograd.grad(model(x).sum(), x)[0])


def test_freeze_until_a_layer():
    model = network("squeezenet1_1")
    with pytest.raises(ValueError, match=r"features\.10"):
        chapter14.freeze(model, "features.10.")
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert chapter14.freeze(model, "features.3")(x).shape == model.features[:4](x).shape

    class Passes(nn.Sequential):
        def forward(self, x):
            return self[0](x)

    with pytest.raises(ValueError, match="does not call '1'"):
        chapter14.freeze(Passes(nn.Linear(2, 2), nn.Linear(2, 2)), "1")(torch.randn(1, 2))


class Depends(nn.Module):
    """Python asks for a value of x: it cannot be traced."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.g = nn.Conv2d(4, 4, 3)

    def forward(self, x, twice=None, *, scale=1.0):
        y = self.f(x)
        if y.sum() > -1e9 and twice:
            y = self.g(y)
        return self.g(y) * scale


@pytest.mark.parametrize("until", [None, "f", "f.0"])
def test_untraceable_models_run_by_hand(until):
    assert_same(settled(Depends()), torch.randn(1, 3, 12, 12, dtype=torch.float64), until)


def test_other_arguments():
    model, x = settled(Depends()), torch.randn(1, 3, 12, 12, dtype=torch.float64)
    frozen = chapter14.freeze(model)
    near(frozen(x, True, scale=2.0), model(x, True, scale=2.0))


def test_in_place_on_a_shared_value():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            y = self.a(x)
            flat = y.view(y.size(0), -1)
            native.relu(y, inplace=True)
            return self.b(y) + flat.sum()

    assert_same(Odd().double(), torch.randn(2, 3, 8, 8, dtype=torch.float64))


def test_random_numbers_and_hooks_still_work():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.rand(1)

    frozen = chapter14.freeze(Noisy())
    assert not torch.equal(frozen(torch.zeros(1)), frozen(torch.zeros(1)))

    model = chain_model()
    model[0].register_forward_hook(lambda module, inputs, x_out: x_out * 2)
    assert_same(model, torch.randn(1, 3, 12, 12, dtype=torch.float64))


def test_model_is_unchanged():
    model = settled(Small()).train()
    before, classes = copy.deepcopy(model.state_dict()), [type(m) for m in model.modules()]
    frozen = chapter14.freeze(model)
    frozen(torch.randn(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert model.training and classes == [type(m) for m in model.modules()]
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(a, before[name]) for name, a in model.state_dict().items())


def test_large_parameters_are_not_copied():
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))
    frozen = chapter14.freeze(model)
    there = {p.data_ptr() for p in model.parameters()}
    (chain,) = frozen.graph_for(torch.randn(2, 64)).chains
    assert {b.data_ptr() for b in chain.buffers()} <= there
    assert not any(p.requires_grad for p in frozen.parameters())


def test_moving_and_copying():
    model = chain_model()
    frozen, x = chapter14.freeze(model), torch.randn(1, 3, 12, 12, dtype=torch.float64)
    near(copy.deepcopy(frozen)(x), model(x))
    near(frozen.float()(x.float()).double(), model(x), 1e-5)


def test_converted_models_and_our_own():
    import torchvision

    model, x = settled(torchvision.models.squeezenet1_1(weights=None)), torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert_same(chapter14.convert(model), x, "features.4")
    assert len(chapter14.freeze(chapter14.convert(model)).graph_for(x).chains) == 1
    ours = nn.Sequential(chapter14.nn.Conv2d(3, 4, 3), chapter14.nn.BatchNorm2d(4), chapter14.nn.ReLU())
    assert_same(ours.double().eval(), x)


def test_parallel_use():
    from concurrent.futures import ThreadPoolExecutor

    frozen = chapter14.freeze(chain_model())
    inputs = [torch.randn(2, 3, 12, 12, dtype=torch.float64) for _ in range(8)]

    def g_in(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(frozen(x).square().sum(), x)[0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(g_in, inputs))
    assert all(torch.equal(a, g_in(x)) for a, x in zip(found, inputs, strict=True))


def test_freeze_rejects_functions():
    with pytest.raises(TypeError, match="given function"):
        chapter14.freeze(lambda x: x)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "vit_b_16"])
def test_bfloat16_error_is_at_most_autocasts(name):
    model = network(name, **{"image_size": 64} if name == "vit_b_16" else {}).float()
    if name == "vit_b_16":
        nn.init.normal_(model.heads.head.weight, 0, 0.02)
    x = torch.randn(2, 3, 64, 64)

    def g_in(f, x, autocast=False):
        x = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y = f(x)
        torch.manual_seed(1)
        return y, torch.autograd.grad(y, x, torch.randn(y.shape, dtype=torch.float64).to(y.dtype))[0]

    frozen = chapter14.freeze(model, precision=torch.bfloat16)
    y, ours = g_in(frozen, x)
    assert y.dtype == torch.bfloat16 and ours.dtype == torch.float32 and chapter14.audit(y).fraction == 1
    _, autocast = g_in(model, x, autocast=True)
    _, truth = g_in(copy.deepcopy(model).double(), x.double())
    far = [1 - native.cosine_similarity(truth.flatten(), g.double().flatten(), 0) for g in (ours, autocast)]
    assert far[0] <= 1.5 * far[1] + 1e-3


def test_bfloat16_leaves_the_model_unchanged():
    model = settled(Small(), torch.float32)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    chapter14.freeze(model, precision=torch.bfloat16)(torch.randn(2, 3, 32, 32))
    assert all(t.dtype == before[name].dtype and torch.equal(t, before[name]) for name, t in model.state_dict().items())
    with pytest.raises(ValueError, match="precision is torch.bfloat16 or torch.float16; it was given torch.int8"):
        chapter14.freeze(model, precision=torch.int8)
