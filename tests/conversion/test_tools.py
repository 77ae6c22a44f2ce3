"""PyTorch's own tools that rewrite, trace, quantize or copy models: what they do to a converted one, and after them."""

import copy
import pickle

import pytest
import torch
import torch.ao.quantization as quantization
from torch import fx, nn
from torch.ao.nn import qat, quantized
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx, prepare_qat_fx
from torch.fx.experimental.optimization import fuse
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.testing import assert_close

import chapter14
import chapter14.nn as ours
from chapter14 import audit, convert, freeze

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:.*quantization.*"),
    pytest.mark.filterwarnings("ignore:.*torch.(ao.quantization|jit).* is deprecated"),
    pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch.ao.*"),
    pytest.mark.filterwarnings("ignore:All inputs of this cat operator must share the same quantization parameters"),
]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.drop, self.out = nn.Dropout(0.5), nn.Linear(64, 5)

    def forward(self, x):
        y = self.relu(self.norm(self.conv(x)))
        y = torch.cat([y, y * 2], 1)[:, 2:6] + 1
        return self.out(self.drop(torch.flatten(y, 1)))


def net(training=False):
    torch.manual_seed(14)
    return Net().train(training).double()


def layers():
    torch.manual_seed(14)
    of = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5)
    return nn.Sequential(*of).eval().double()


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(14), dtype=dtype)


def images(dtype=torch.float64):
    return drawn(2, 3, 6, 6, dtype=dtype)


def results(model, x):
    torch.manual_seed(14)
    x = x.clone().requires_grad_()
    x_out = model(x)
    leaves = [x, *(p for p in model.parameters() if p.requires_grad)]
    return x_out.detach(), *torch.autograd.grad(x_out.square().sum(), leaves, allow_unused=True)


def assert_same(model, native, x, fraction=1):
    assert_close(results(model, x), results(native, x))
    assert audit(model(x)).fraction >= fraction


# torch.fx


@pytest.mark.parametrize("make", [net, layers])
def test_fx_trace_of_a_converted_model(make):
    native = make()
    traced = fx.symbolic_trace(convert(native))
    nodes = [(node.op, node.target) for node in traced.graph.nodes]
    assert nodes == [(node.op, node.target) for node in fx.symbolic_trace(native).graph.nodes]
    for again in (traced, copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert_same(again, native, images())
    traced.graph.eliminate_dead_code()
    traced.recompile()
    assert_same(traced, native, images())
    assert_same(traced.train(), native.train(), images())


def test_fx_trace_of_our_modules_and_functions():
    class Ours(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.linear, self.relu = ours.BatchNorm1d(4), ours.Linear(4, 4), ours.ReLU()

        def forward(self, x):
            y = chapter14.functional.linear(self.relu(self.norm(x)), self.linear.weight)
            return chapter14.functional.gelu(chapter14.functional.reshape(y, (4, 5)))

    class Everything(fx.Tracer):
        def is_leaf_module(self, m, name):
            return False

    model, x = Ours().double(), drawn(5, 4)
    model.linear.bias = None
    traced = fx.symbolic_trace(model)
    for training in (True, False):
        model.train(training)
        assert_same(traced.train(training), model, x)
    layers = nn.Sequential(ours.Linear(4, 4), ours.ReLU(), ours.LayerNorm(4)).double()
    assert_same(fx.GraphModule(layers, Everything().trace(layers)), layers, x)


@pytest.mark.parametrize("training", [False, True])
def test_convert_of_an_fx_graph_module(training):
    native = net(training)
    model = convert(fx.symbolic_trace(native))
    for again in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), convert(model)):
        assert_same(again, native, images())
    assert model.training == training and model.norm.num_batches_tracked > 0 or not training


def test_traced_model_keeps_what_its_own_deepcopy_drops():
    native = fx.symbolic_trace(net())
    native.register_forward_hook(lambda module, x, x_out: x_out * 2)
    native.conv.register_forward_hook(lambda module, x, x_out: x_out + 1)
    native.unused, native.note = nn.Linear(2, 2), ["note"]
    whole = nn.Sequential(native, nn.Tanh())
    model = convert(whole)
    assert_same(model, whole, images(), fraction=0.8)  # the hooks are native
    assert repr(model) == repr(whole) and list(model.state_dict()) == list(whole.state_dict())
    assert model[0].note == ["note"] and model[0].note is not native.note
    assert model[0].graph.owning_module is model[0] and native.graph.owning_module is native
    code = native.code
    assert convert(native, inplace=True) is native and native.code != code
    assert_close(freeze(whole)(images()), whole(images()))


class Stubborn(nn.Identity):
    def __setattr__(self, name, value):
        if name == "__class__":
            raise KeyboardInterrupt
        super().__setattr__(name, value)


def test_interrupted_convert_restores_a_traced_model():
    model = nn.Sequential(fx.symbolic_trace(net()), parametrizations.weight_norm(nn.Linear(5, 5).double()), Stubborn())
    code, classes = model[0].code, [type(m) for m in model.modules()]
    with pytest.raises(KeyboardInterrupt):
        convert(model, inplace=True)
    assert model[0].code == code and [type(m) for m in model.modules()] == classes
    assert audit(model(images())).fraction == 0


@pytest.mark.parametrize("nodes", [["layer1", "fc"], ["layer1.0.conv1", "layer2.0.add"]])
def test_feature_extractors(nodes):
    from torchvision.models import feature_extraction, resnet18

    torch.manual_seed(14)
    native, x = resnet18(num_classes=5).double(), drawn(2, 3, 32, 32)
    model = convert(native)
    assert feature_extraction.get_graph_node_names(model) == feature_extraction.get_graph_node_names(native)
    make = lambda of: feature_extraction.create_feature_extractor(of, nodes)  # noqa: E731
    for training in (False, True):
        native.train(training)
        for found in (make(convert(native)), convert(make(native))):
            features = make(copy.deepcopy(native))
            assert [m.training for m in found.modules()] == [m.training for m in features.modules()]
            assert repr(convert(features)) == repr(features)
            for _ in range(2):
                ours, theirs = found(x), features(x)
                assert_close(ours, theirs)
                assert audit(ours.values()).fraction == 1
                found.train(not training)
                features.train(not training)


# fusing


def test_fusing():
    native, x = net(), images()
    for model in (fuse(convert(native)), convert(fuse(native))):
        assert_close(model(x), native(x))
        assert audit(model(x)).fraction == 1
    model = convert(native)
    fused = nn.utils.fusion.fuse_conv_bn_eval(model.conv, model.norm)
    assert_close(fused(x), native.norm(native.conv(x)))
    assert type(fused) is ours.Conv2d
    fused = quantization.fuse_modules(native, ["conv", "norm", "relu"])
    assert_same(convert(fused), fused, x)
    with pytest.raises(AssertionError, match=r"did not find fuser method for: .*chapter14.nn.Conv2d"):
        quantization.fuse_modules(convert(native), ["conv", "norm", "relu"])


# quantization


class Quantized(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.d = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.out = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))

    def forward(self, x):
        return self.d(self.out(self.relu(self.norm(self.conv(self.q(x))))))


def prepared(training):
    torch.manual_seed(14)
    model = Quantized().train(training)
    fuse_modules = quantization.fuse_modules_qat if training else quantization.fuse_modules
    fuse_modules(model, ["conv", "norm", "relu"], inplace=True)
    get = quantization.get_default_qat_qconfig if training else quantization.get_default_qconfig
    model.qconfig = get("fbgemm")
    return (quantization.prepare_qat if training else quantization.prepare)(model, inplace=True)


def in_sequence(training):
    model = prepared(training)
    return nn.Sequential(model.q, model.conv, model.out, model.d)


@pytest.mark.parametrize("make", [prepared, in_sequence])
@pytest.mark.parametrize("training", [True, False], ids=["aware", "after"])
def test_convert_of_a_model_prepared_for_quantization(make, training):
    x = images(torch.float32)
    native, model = make(training), convert(make(training))
    assert_close(results(model, x), results(native, x))
    native(x)  # each as often: it learns the range of what it sees
    assert audit(model(x)).native.keys() <= {
        "FusedMovingAvgObsFqHelperBackward0",
        "FakeQuantizePerTensorAffineCachemaskBackward0",
    }
    for m in (model, native):
        optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
        for _ in range(2):
            m.zero_grad()
            m(x).square().mean().backward()
            optimizer.step()
    assert_close(model.state_dict(), native.state_dict())
    done = [quantization.convert(m.eval()) for m in (model, native)]
    assert_close(done[0](x), done[1](x))
    assert any(isinstance(m, quantized.Linear) for m in done[0].modules())


def test_convert_of_single_quantization_modules():
    linear = qat.Linear(4, 3, qconfig=quantization.get_default_qat_qconfig("fbgemm"))
    model, x = convert(copy.deepcopy(linear)), drawn(5, 4, dtype=torch.float32)
    assert_same(model, linear, x, fraction=0.5)
    assert "AddmmBackward0" not in audit(model(x)).native


def test_preparing_a_converted_model_for_quantization_raises():
    model, get = convert(nn.Sequential(nn.Linear(4, 4), nn.ReLU())), quantization.get_default_qat_qconfig
    assert not hasattr(model[0], "qconfig")
    model.qconfig = get("fbgemm")
    for prepare in (
        quantization.prepare_qat,
        lambda m: quantization.quantize_dynamic(m, {nn.Linear}),
    ):
        message = "does not know chapter14.nn.linear.Linear. Prepare the model first, then convert it."
        with pytest.raises(TypeError, match=message):
            prepare(model)


@pytest.mark.parametrize("training", [True, False], ids=["aware", "after"])
def test_convert_of_a_model_prepared_for_quantization_by_fx(training):
    x, mapping = images(torch.float32), quantization.get_default_qat_qconfig_mapping("fbgemm")
    if not training:
        mapping = quantization.get_default_qconfig_mapping("fbgemm")
    native = (prepare_qat_fx if training else prepare_fx)(net(training).float(), mapping, (x,))
    native, model = copy.deepcopy(native), convert(native)
    assert_close(results(model, x), results(native, x))
    assert audit(copy.deepcopy(model)(x)).fraction > 0.5
    done = [convert_fx(m.eval()) for m in (model, native)]
    assert_close(done[0](x), done[1](x))
    assert "quantized" in done[0].code


# parametrizations


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_parametrizations_are_removed_from_one_model_only(norm):
    torch.manual_seed(14)
    native, x = nn.Sequential(norm(nn.Linear(4, 4)), nn.ReLU()).eval().double(), drawn(3, 4)
    model = convert(native)
    assert repr(model) == repr(native)
    others = convert(native), convert(model)
    x_out = native(x)
    assert type(parametrize.remove_parametrizations(model[0], "weight")) is ours.Linear
    assert_close(model(x), x_out)
    for other in (*others, native):
        assert parametrize.is_parametrized(other[0])
        assert_close(other(x), x_out)
    parametrize.remove_parametrizations(native[0], "weight")
    assert_same(others[0], convert(others[1]), x)
    assert type(native[0]) is nn.Linear and type(convert(model)[0]) is ours.Linear


def test_user_defined_parametrizations():
    class Symmetric(nn.Module):
        def forward(self, X):
            return X.triu() + X.triu(1).mT

        def right_inverse(self, A):
            return A.triu()

    class Bilinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.A, self.n = nn.Parameter(drawn(4, 4)), nn.Parameter(drawn(4, 4))

        def forward(self, x):
            return x @ self.A + x @ self.n

    native, x = Bilinear(), drawn(3, 4)
    parametrize.register_parametrization(native, "A", Symmetric())
    parametrize.register_parametrization(native, "n", Symmetric())
    model = convert(native)
    assert_same(model, native, x)
    assert_close(freeze(model)(x), native(x))
    model.A = torch.eye(4, dtype=torch.float64)
    assert_close(model.A, torch.eye(4, dtype=torch.float64))
    with parametrize.cached():  # each has a cache of its own
        assert not torch.equal(native(x), model(x))
    parametrize.remove_parametrizations(model, "A")
    assert parametrize.is_parametrized(model, "n") and parametrize.is_parametrized(native, "A")
    parametrize.remove_parametrizations(model, "n", leave_parametrized=False)
    assert type(model) is type(convert(Bilinear()))
    parametrize.register_parametrization(model, "A", Symmetric())  # after convert
    assert_same(convert(model), model, x)


def test_weights_computed_by_hooks():
    native, x = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4)).double(), drawn(3, 4)
    prune.l1_unstructured(native[1], "weight", 0.5)
    native(x)
    model = convert(native)
    assert_same(model, native, x)
    x_out = native(x)
    nn.utils.remove_weight_norm(model[0])
    prune.remove(model[1], "weight")
    nn.utils.spectral_norm(convert(nn.Linear(4, 4)))
    assert_close(model(x), x_out)
    assert_close(native(x), x_out)
    assert_same(convert(model), model, x)


# others


def test_averaged_models():
    native = net(training=True)
    averages = [AveragedModel(m, use_buffers=True) for m in (native, convert(native))]
    for average in averages:
        average.update_parameters(native)
    assert_same(averages[1], averages[0], images())
    assert_same(convert(averages[0]), averages[0], images())
    update_bn([images()], averages[1])


def test_synchronized_batch_norm():
    model = nn.SyncBatchNorm.convert_sync_batchnorm(net(training=True))
    assert_same(convert(model), net(training=True), images())


def test_initialization_and_parameter_vectors():
    model, native = convert(net()), net()
    for m in (model, native):
        m.apply(lambda m: isinstance(m, nn.Linear) and nn.init.constant_(m.weight, 0.5))
        vector = nn.utils.parameters_to_vector(m.parameters()) * 1.1
        nn.utils.vector_to_parameters(vector.detach(), m.parameters())
        nn.utils.convert_conv2d_weight_memory_format(m, torch.channels_last)
    assert_same(model, native, images())


def test_torchscript():
    for native in (net(), layers()):
        model = convert(native)
        for refused in (lambda m=model: torch.jit.script(m), lambda m=model: torch.jit.trace(m, images())):
            with pytest.raises(TypeError, match=r"torch.jit.(script|trace): TorchScript cannot contain"):
                refused()


def test_wrappers_before_and_after_convert():
    native = net()
    for wrap in (nn.DataParallel, lambda m: torch.compile(m, backend="aot_eager")):
        torch._dynamo.reset()
        assert_close(results(convert(wrap(native)), images()), results(native, images()))
        assert_close(results(wrap(convert(native)), images()), results(native, images()))
    model = convert(native)
    assert type(model._replicate_for_data_parallel()) is type(model)
    exported = torch.export.export(model, (images(),)).module()
    assert_close(exported(images()), native(images()))
    assert_close(convert(exported)(images()), native(images()))
    assert chapter14.audit(convert(nn.DataParallel(native))(images())).fraction == 1


def test_freeze_of_a_feature_extractor():
    from torchvision.models import feature_extraction, resnet18

    torch.manual_seed(14)
    nodes = {"layer2": "features"}
    native = feature_extraction.create_feature_extractor(resnet18(num_classes=5).double().eval(), nodes)
    x = drawn(1, 3, 32, 32)
    for model in (native, convert(native)):
        frozen = freeze(model)
        assert_close(frozen(x)["features"], native(x)["features"])
        assert not any(m.training for m in frozen.modules())
