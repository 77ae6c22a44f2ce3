"""Section 14.6.5: forward and backward as one bigger network, which is a network like any other."""

import copy
import textwrap
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo  # before a test puts something else in the place of torch.autograd.grad, which it lists
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import chapter14
import chapter14.functional as F
import chapter14.nn as ours
from chapter14.graph.joint.network import Descent
from chapter14.graph.joint.onnx_export import save_onnx
from chapter14.graph.joint.recording import KINDS
from chapter14.layer.shape import ShapeError
from chapter14.models import clip_file
from chapter14.models.load import ASSETS

pytestmark = pytest.mark.slow

DOUBLE = torch.float64


def mlp():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.randn(8, 4)


def conv():
    """Batch norm, a relu in place, and a pool."""
    body = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    return nn.Sequential(*body, nn.Conv2d(8, 8, 3), nn.SiLU(), nn.Flatten(), nn.Linear(32, 5)), torch.randn(4, 3, 8, 8)


def conv_at_rest():
    model, x = conv()
    return model.eval(), x


def residual():
    import torchvision

    return torchvision.models.resnet18(num_classes=7).eval(), torch.randn(2, 3, 32, 32)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, activation="gelu")
        self.table, self.out = nn.Embedding(11, 16), nn.Linear(16, 5)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, tokens):
        return self.out(self.encoder(self.table(tokens)).mean(1))


def transformer():
    return Encoder(), torch.randint(11, (3, 6))


def image_tower():
    model, _ = clip_file.load_clip(ASSETS / "clip.safetensors")
    return model.image.requires_grad_(), torch.randn(2, 3, 48, 48)


def text_tower():
    model, _ = clip_file.load_clip(ASSETS / "clip.safetensors")
    sentences = ["a photo of a cat", "a church"]
    return model.text.requires_grad_(), model.config.vocabulary.tokenize(sentences)


NETWORKS = [mlp, conv, conv_at_rest, residual, transformer, image_tower, text_tower]


def drawn(make):
    """The model as it is natively, the same by hand, x and y, in float64."""
    torch.manual_seed(14)
    model, x = make()
    model, x = model.to(DOUBLE), x.to(DOUBLE) if x.is_floating_point() else x
    y = torch.randint(len(copy.deepcopy(model)(x)[0]), (len(x),))
    return model, chapter14.convert(model), x, y


def native(model, x, y):
    """J, dJ/dθ by name and dJ/dx by autograd; the buffers move."""
    theta = dict(model.named_parameters())
    wanted = [*theta.values(), *([x.requires_grad_()] if x.is_floating_point() else [])]
    J = nn.functional.cross_entropy(model(x), y)
    g = torch.autograd.grad(J, wanted)
    x.requires_grad_(False)
    return J.detach(), dict(zip(theta, g, strict=False)), g[len(theta)] if len(g) > len(theta) else None


class Ran(TorchDispatchMode):
    """The names of the kernels that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))

    @property
    def native_derivatives(self):
        """`correlate`, a forward primitive, is asked for by the name of convolution_backward, for the weight alone."""
        return {name for name in self.names if "backward" in name} - {"convolution_backward"}


def no_autograd(*_, **__):
    raise AssertionError("autograd ran")


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_gradients_equal_autograds_without_using_autograd(make, monkeypatch):
    model, converted, x, y = drawn(make)
    told = native(model, x, y)
    network = chapter14.forward_backward(converted, F.cross_entropy)
    with monkeypatch.context() as patched, torch.autograd.graph.saved_tensors_hooks(no_autograd, no_autograd):
        for name in ("grad", "backward"):
            patched.setattr(torch.autograd, name, no_autograd)
        with Ran() as ran:
            found = network(x, y)
    assert not ran.native_derivatives
    assert all(t.grad_fn is None and not t.requires_grad for t in tree_leaves(found) if t is not None)
    assert list(found[1]) == [name for name, _ in model.named_parameters()]
    close(found, told)
    for name, buffer in converted.named_buffers():  # batch norm has moved its own
        assert torch.allclose(buffer, dict(model.named_buffers())[name], atol=1e-12)
    close(network(x, y), native(model, x, y))


def close(found, told):
    for a, b in zip(tree_leaves(found), tree_leaves(told), strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-10, atol=1e-10))


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_backward_half_is_linear_in_g(make):
    """f(a g + b g') = a f(g) + b f(g')"""
    _, converted, x, y = drawn(make)
    network = chapter14.forward_backward(converted, F.cross_entropy)
    forward, backward = network.parts(x, y)
    J, g_L, remembered = forward(x, y)
    one, other = torch.randn_like(g_L), torch.randn_like(g_L)
    f, f_other = backward(one, remembered), backward(other, remembered)
    both = backward(2 * one - 3 * other, remembered)
    close(both, tree_map(lambda a, b: None if a is None else 2 * a - 3 * b, f, f_other))
    if converted.training:  # batch norm's statistics have moved, and nothing else looks at them
        J = network(x, y)[0]
    close((J, *backward(g_L, remembered)), network(x, y))


PRINTED = """\
Input:  θ = {0.weight [3 x 4], 0.bias [3], 2.weight [2 x 3], 2.bias [2]}
        datapoints {x_0 [8 x 4], y [8 x 2]}
Output: J, dJ/dθ, dJ/dx = g_0

Forward pass:
  x_1 = linear(x_0, 0.weight, 0.bias)  [8 x 3] 0
  x_2 = relu(x_1)                      [8 x 3] 1
  x_3 = linear(x_2, 2.weight, 2.bias)  [8 x 2] 2
  J = l2_loss(x_3, y)                  []

Backward pass:
  g_J = 1                             []
  g_3 = mul(scale(g_J), sub(x_3, y))  [8 x 2]
  g_2 = linear(g_3, 2.weightᵀ)        [8 x 3]
  dJ/d2.weight = outer(g_3, x_2)      [2 x 3]
  dJ/d2.bias = sum_to_size(g_3)       [2]
  g_1 = keep(g_2, x_1)                [8 x 3]
  g_0 = linear(g_1, 0.weightᵀ)        [8 x 4]
  dJ/d0.weight = outer(g_1, x_0)      [3 x 4]
  dJ/d0.bias = sum_to_size(g_1)       [3]"""


def test_printed_as_algorithm_14_1():
    torch.manual_seed(14)
    model = nn.Sequential(ours.Linear(4, 3), ours.ReLU(), ours.Linear(3, 2))
    network = chapter14.forward_backward(model, F.l2_loss, torch.randn(8, 4), torch.randn(8, 2))
    assert network.algorithm() == PRINTED
    page = (Path(__file__).parents[2] / "docs" / "forward_backward.md").read_text(encoding="utf-8")
    assert textwrap.indent(PRINTED[PRINTED.index("Forward") :], " " * 4) in page
    assert f"# {network.plan}: each value is freed" in page


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_every_line_reads_values_of_earlier_lines(make):
    _, converted, x, y = drawn(make)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y)
    known, lines = {"y"}, network.algorithm().splitlines()
    known |= {name for name, _ in (*converted.named_parameters(), *converted.named_buffers())}
    assert "Forward pass:" in lines and "Backward pass:" in lines
    for line in lines[4:]:
        if " = " in line:
            called, made = line.strip().split("  ")[0].split(" = ")
            words = made.replace("(", ",").replace(")", ",").replace(" of ", ",").split(",")
            for word in words:
                word = word.strip().removesuffix("ᵀ")
                if word.startswith(("x_", "g_")) and word != "x_0":
                    assert word in known or word.rpartition("_")[0] in known, line
            known.add(called)


def test_nodes_have_the_chapters_names_and_colours():
    _, converted, x, y = drawn(conv)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y).latest
    names = [node.name for node in network.module.graph.nodes]
    assert network.L == 8 and network.x_L == ["x_8"] and network.g_L == ["g_8"]
    assert {f"x_{i}" for i in range(10)} | {"J", "g_J", "dJ_dtheta_0_weight"} <= set(names)
    places = [names.index(name) for name in ("x_0", "x_1", "x_8", "J", "g_J", "g_8", "g_5", "g_1", "g_0")]
    assert places == sorted(places)
    kinds = {node.name: node.meta["kind"] for node in network.module.graph.nodes if node.op != "output"}
    assert set(kinds.values()) == set(KINDS)
    assert kinds["x_3"] == "data forward" and kinds["g_3"] == "data backward"
    assert kinds["theta_0_weight"] == "params forward" and kinds["dJ_dtheta_0_weight"] == "params backward"
    node = network.node("x_1")
    assert node.meta["module"] == "0" and node.meta["shape"] == (4, 8, 8, 8) and node.meta["layer"].__name__ == "Conv"
    with pytest.raises(KeyError, match="no value 'x_77'"):
        network.node("x_77")


def dot(output, v):
    """dJ/dθ · v, out of layers: its gradient is H v."""
    _, gradients, _ = output
    return F.add_n(*(F.sum_to_size(F.mul(g, v[name]), ()) for name, g in gradients.items()))


@pytest.mark.parametrize("make", [mlp, conv_at_rest, transformer], ids=lambda f: f.__name__)
def test_its_forward_backward_is_a_hessian_vector_product(make):
    model, converted, x, y = drawn(make)
    theta = {name: p.detach() for name, p in model.named_parameters()}
    v = {name: torch.randn_like(p) for name, p in theta.items()}

    def J(theta):
        return nn.functional.cross_entropy(torch.func.functional_call(model, theta, (x,)), y)

    with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        _, told = torch.func.jvp(torch.func.grad(J), (theta,), (v,))
    bigger = chapter14.forward_backward(chapter14.forward_backward(converted, F.cross_entropy), dot)
    with Ran() as ran:
        _, Hv, _ = bigger((x, y), v)
    close({name.removeprefix("model."): g for name, g in Hv.items()}, told)
    assert not ran.native_derivatives


@pytest.mark.parametrize("make", [mlp, conv], ids=lambda f: f.__name__)
def test_compiles_as_one_graph(make):
    _, converted, x, y = drawn(make)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y)
    told = copy.deepcopy(network)(x, y)
    close(torch.compile(network, fullgraph=True, backend="aot_eager")(x, y), told)


def test_a_network_is_not_recorded_while_it_is_compiled_or_exported():
    _, converted, x, y = drawn(mlp)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y)
    with pytest.raises(RuntimeError, match="cannot record a network while it is compiled"):
        torch.export.export(network, (x[:3], y[:3]), strict=False)
    told = copy.deepcopy(network)(x[:5], y[:5])
    close(torch.compile(network, backend="eager")(x[:5], y[:5]), told)  # but before, where the graph may break


def test_a_network_is_recorded_where_a_compiled_function_breaks_its_graph():
    """Dynamo, which compiles each function that is called there, is to leave the recording alone."""
    _, converted, x, y = drawn(mlp)
    network = chapter14.forward_backward(converted, F.cross_entropy)

    def broken(x, y):
        torch._dynamo.graph_break()
        return network(x, y)

    close(torch.compile(broken, backend="eager")(x, y), copy.deepcopy(network)(x, y))


@pytest.mark.parametrize("make", [mlp, conv_at_rest], ids=lambda f: f.__name__)
def test_export(make):
    _, converted, x, y = drawn(make)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y)
    close(torch.export.export(network, (x, y)).module()(x, y), network(x, y))


@pytest.mark.parametrize("make", [mlp, conv_at_rest], ids=lambda f: f.__name__)
def test_onnx_file_takes_a_step(make, tmp_path):
    """In float32, which is what onnxruntime has kernels for."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch.manual_seed(14)
    model, x = make()
    y = torch.randint(2, (len(x),))
    network = chapter14.forward_backward(chapter14.convert(model), F.cross_entropy, x, y)
    path = save_onnx(network, tmp_path / "step.onnx", x, y)
    assert [p.name for p in tmp_path.iterdir()] == ["step.onnx"] and b"site-packages" not in path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    theta = {name: p.detach() for name, p in model.named_parameters()}
    names = [f"theta.{name}" for name in theta]
    assert [value.name for value in session.get_outputs()] == [*(f"{name}.next" for name in names), "J", "x_L"]
    *moved, J, x_L = session.run(None, {"x": x.numpy(), "y": y.numpy(), "eta": np.array(0.1, np.float32)})
    told = native(model, x, y)
    for found, (name, p) in zip(moved, theta.items(), strict=True):
        np.testing.assert_allclose(found, (p - 0.1 * told[1][name]).numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(J, told[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(x_L, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_step_as_a_module():
    model, converted, x, y = drawn(mlp)
    J, gradients, _ = native(model, x, y)
    theta = {name: p.detach() for name, p in model.named_parameters()}
    network = chapter14.forward_backward(converted, F.cross_entropy)
    moved, J_found, x_L = Descent(network, x, y)(theta, x, y, torch.tensor(0.1, dtype=DOUBLE))
    close((moved, J_found, x_L), ({n: p - 0.1 * gradients[n] for n, p in theta.items()}, J, model(x).detach()))


def test_onnx_file_cannot_update_buffers(tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    _, converted, x, y = drawn(conv)
    network = chapter14.forward_backward(converted, F.cross_entropy)
    with pytest.raises(ValueError, match="writes into 1.*evaluation mode first"):
        save_onnx(network, tmp_path / "step.onnx", x, y)


# memory


def test_each_value_is_freed_after_its_last_use():
    """Of a chain of tanh, which remembers x_out: what is there between the passes, and that it goes."""
    torch.manual_seed(14)
    layers = [ours.Linear(16, 16, bias=False) for _ in range(4)]
    model = nn.Sequential(*(f for layer in layers for f in (layer, ours.Tanh()))).to(DOUBLE)
    x, y = torch.randn(32, 16, dtype=DOUBLE), torch.randn(32, 16, dtype=DOUBLE)
    network = chapter14.forward_backward(model, F.l2_loss, x, y)
    one, W = 32 * 16 * 8, 16 * 16 * 8
    assert network.plan.kept == 5 * one  # x_0, and what tanh gave, four times: what linear gave is gone
    assert network.plan.kept < chapter14.saved_bytes(lambda x: F.l2_loss(model(x), y), x.requires_grad_()).total + one
    run = Interpreter(network, x.detach(), y)
    assert network.plan.peak == max(run.alive) + one  # x_0 is there to the end
    assert network.plan.kept == run.alive[run.turn] - 8 + one  # but for J, which nobody waits for but the caller
    assert network.plan.values > 2 * network.plan.peak > 2 * network.plan.kept + 2 * W
    code = network.latest.module.code
    assert "x_1 = None" in code.split("x_4 =")[0]  # linear's, once tanh has it
    assert "x_2 = None" in code.split("g_2 =")[1].split("g_0 =")[0]  # tanh's, once g has gone back through it


class Interpreter(torch.fx.Interpreter):
    """Runs the graph, each value let go after its last use, and counts the bytes that are there after each node."""

    def __init__(self, network, x, y):
        super().__init__(network.latest.module)
        self.made, self.alive, self.turn = [], [], None
        given = network.given(x, y)
        with torch.no_grad():
            self.run(*given.x, *given.y, *given.theta.values(), *given.buffers.values())

    def run_node(self, node):
        if node.meta.get("turn"):
            self.turn = len(self.alive) - 1
        value = super().run_node(node)
        if isinstance(value, torch.Tensor) and node.op.startswith("call"):
            self.made.append(weakref.ref(value))
        there = [t().untyped_storage() for t in self.made if t() is not None]
        self.alive.append(sum({memory.data_ptr(): memory.nbytes() for memory in there}.values()))
        return value


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_saves_at_most_what_autograd_saves(make):
    model, converted, x, y = drawn(make)
    kept = chapter14.forward_backward(converted, F.cross_entropy, x, y).plan.kept
    theirs = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), y)}
    saved = {}

    def keep(t):
        if t.untyped_storage().data_ptr() not in theirs:
            saved[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        J = nn.functional.cross_entropy(model(x.requires_grad_() if x.is_floating_point() else x), y)
    assert J.requires_grad and kept <= 1.02 * sum(saved.values())


def test_plan_is_deterministic():
    _, converted, x, y = drawn(residual)
    plans = {str(chapter14.forward_backward(converted, F.cross_entropy, x, y).plan) for _ in range(3)}
    assert len(plans) == 1


# what a network may do


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = ours.Linear(4, 4), ours.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(F.tanh(self.a(x)))


class InPlace(nn.Module):
    """Views, and writing into them."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 3)

    def forward(self, x):
        h = self.a(x).clone()
        h[:, 0] = 1.0
        h += x[:, :3]
        first, rest = h[:, :1], h[:, 1:]
        rest.mul_(2)
        return h.relu_() + first


class Masked(nn.Module):
    """What is no layer: a mask of x, a count, positions."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        h = self.a(x)
        there = (x > 0) & ~(x > 2)
        h = torch.where(there, h, h * 0.5) + torch.arange(h.shape[1], dtype=h.dtype)
        return h * there.to(h.dtype).sum(1, keepdim=True)


@pytest.mark.parametrize("make", [Tied, InPlace, Masked])
def test_supported_networks(make):
    torch.manual_seed(14)
    model = make().to(DOUBLE)
    for x in torch.randn(2, 8, 4, dtype=DOUBLE):  # recorded on the one, and right for the other
        y = torch.randint(3, (8,))
        converted = chapter14.convert(model)
        network = chapter14.forward_backward(converted, F.cross_entropy, torch.randn(8, 4, dtype=DOUBLE), y)
        close(network(x, y), native(model, x, y))
        assert list(network(x, y)[1]) == [name for name, _ in model.named_parameters()]


def test_dropout_draws_a_new_mask():
    torch.manual_seed(14)
    model = nn.Sequential(ours.Linear(4, 32), ours.Dropout(0.5)).to(DOUBLE)
    x, y = torch.randn(8, 4, dtype=DOUBLE), torch.randint(32, (8,))
    network = chapter14.forward_backward(model, F.cross_entropy, x, y)
    torch.manual_seed(0)
    first = network(x, y)
    assert network(x, y)[0] != first[0]
    torch.manual_seed(0)
    close(first, network(x, y))
    torch.manual_seed(0)
    close(first, native(model, x, y))
    model.eval()  # is another network
    close(network(x, y), native(model, x, y))


def test_autocast_records_another_network():
    torch.manual_seed(14)
    model, x, y = chapter14.convert(mlp()[0]), torch.randn(8, 4), torch.randint(2, (8,))
    network = chapter14.forward_backward(model, F.cross_entropy)
    J = network(x, y)[0]
    with torch.autocast("cpu", torch.bfloat16):
        found, x = network(x, y), x.requires_grad_()
        J_lower = F.cross_entropy(model(x), y)
        g = torch.autograd.grad(J_lower, [*model.parameters(), x])
    assert found[0] != J and network.latest.node("x_2").meta["dtype"] == torch.bfloat16
    for a, b in zip(tree_leaves(found), (J_lower, *g), strict=True):
        assert torch.equal(a, b)  # by the same layers, in the same order


def test_parameters_without_requires_grad_or_without_effect():
    _, converted, x, y = drawn(mlp)
    converted[0].requires_grad_(False)
    converted.unused = nn.Parameter(torch.ones(2))
    J, gradients, g_0 = chapter14.forward_backward(converted, F.cross_entropy)(x, y)
    assert set(gradients) == {"2.weight", "2.bias", "unused"} and g_0.shape == x.shape
    assert torch.equal(gradients["unused"], torch.zeros(2))


class Scaled(nn.Module):
    """A loss that learns."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=DOUBLE))

    def forward(self, x, y):
        return F.cross_entropy(
            F.mul(x, self.scale.expand(x.shape) if False else F.broadcast_to(self.scale, x.shape)), y
        )


def test_loss_with_parameters():
    model, converted, x, y = drawn(mlp)
    loss = Scaled()
    J, gradients, _ = chapter14.forward_backward(converted, loss)(x, y)
    told = torch.autograd.grad(nn.functional.cross_entropy(model(x) * loss.scale, y), [loss.scale, model[0].weight])
    close((gradients["loss.scale"], gradients["0.weight"]), told)
    converted.loss = Scaled()
    with pytest.raises(ValueError, match="have the names of the loss's"):
        chapter14.forward_backward(converted, loss)


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = ours.Linear(4, 3)

        def forward(self, x, weight):
            return F.mul(self.a(x), weight)

    torch.manual_seed(14)
    model, x = Two().to(DOUBLE), torch.randn(8, 4, dtype=DOUBLE)
    weight, y = torch.randn(8, 3, dtype=DOUBLE), torch.randn(8, 3, dtype=DOUBLE)
    _, _, g_0 = chapter14.forward_backward(model, F.l2_loss)((x, weight), y)
    J = F.l2_loss(model(x.requires_grad_(), weight.requires_grad_()), y)
    close(g_0, torch.autograd.grad(J, (x, weight)))


def test_copy_records_again():
    _, converted, x, y = drawn(mlp)
    network = chapter14.forward_backward(converted, F.cross_entropy, x, y)
    other = copy.deepcopy(network)
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        other.algorithm()
    close(other(x, y), network(x, y))


# errors


class Reads(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.a, self.how = ours.Linear(4, 3), how

    def forward(self, x):
        return self.how(self.a(x))


@pytest.mark.parametrize(
    "how, says",
    [
        (lambda h: h if h.detach().sum() > 0 else F.relu(h), "Python reads a tensor by __bool__ in 'inner'"),
        (lambda h: F.mul(h, h.detach().max().item()), "Python reads a tensor by item in 'inner'"),
        (
            lambda h: F.index_select(h, 0, (h.detach()[:, 0] > 0).nonzero()[:, 0]),
            "a shape depends on a tensor by nonzero",
        ),
        (lambda h: h * 2, "mul in 'inner' is PyTorch's, and not written by hand"),
        (
            lambda h: F.add(h, torch.add(h.detach(), 1, out=torch.empty(0, dtype=DOUBLE))),
            r"add\(..., out=...\) in 'inner'",
        ),
        (lambda h: F.relu(h).add_(1), "add_ in 'inner' writes into a tensor with a gradient"),
    ],
)
def test_unsupported_model_error_says_where(how, says):
    model = nn.Sequential()
    model.add_module("inner", Reads(how))
    with pytest.raises(TypeError, match=f"forward_backward: {says}"):
        chapter14.forward_backward(model.to(DOUBLE), F.l2_loss)(
            torch.randn(8, 4, dtype=DOUBLE), torch.randn(8, 3, dtype=DOUBLE)
        )


def test_errors_repeat_the_call():
    model, converted, x, y = drawn(mlp)
    with pytest.raises(TypeError, match="model is a torch.nn.Module; it was given int"):
        chapter14.forward_backward(3, F.cross_entropy)
    with pytest.raises(TypeError, match="loss is a function of the output and y; it was given 3"):
        chapter14.forward_backward(converted, 3)
    with pytest.raises(TypeError, match="linear in '0' is PyTorch's.* give it to chapter14.convert"):
        chapter14.forward_backward(model, F.cross_entropy, x, y)
    with pytest.raises(TypeError, match="cross_entropy is PyTorch's"):
        chapter14.forward_backward(converted, nn.functional.cross_entropy, x, y)
    with pytest.raises(ShapeError, match=r"cross_entropy: .* it was given input \[8, 2\] float64, target \[7\] int64"):
        chapter14.forward_backward(converted, F.cross_entropy)(x, y[:7])
    with pytest.raises(ShapeError, match=r"linear: .* it was given x \[8, 3\]"):
        chapter14.forward_backward(converted, F.cross_entropy)(x[:, :3], y)
    with pytest.raises(ShapeError, match=r"the loss is one number, J \[\]; it gave \[8\] float64"):
        chapter14.forward_backward(converted, lambda x, y: F.cross_entropy(x, y, reduction="none"))(x, y)
    with pytest.raises(TypeError, match="gives J; it gave None"):
        chapter14.forward_backward(converted, lambda x, y: None)(x, y)
    with pytest.raises(TypeError, match="x is a tensor, or several; it was given str"):
        chapter14.forward_backward(converted, F.cross_entropy)("x", y)
    with pytest.raises(TypeError, match="J does not depend on x or θ"):
        chapter14.forward_backward(converted, lambda x, y: torch.ones(()))(x, y)
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        chapter14.forward_backward(converted, F.cross_entropy).algorithm()
