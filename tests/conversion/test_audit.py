"""audit and saved_bytes: whose derivatives a network runs on, and what they keep."""

import gc
import weakref

import pytest
import torch

import chapter14
import chapter14.nn as nn
from chapter14.commands.audit import audit_image_gradient, audit_training_step
from chapter14.models.load import load_network


def test_embedded_network_is_all_by_hand():
    network = load_network()
    for found in (audit_image_gradient(network), audit_training_step(network)):
        assert found.native == {} and found.fraction == 1 and sum(found.by_hand.values()) > 40
    assert not any(p.requires_grad for p in network.model.parameters())


def test_native_nodes_are_found_anywhere_in_the_graph():
    x = torch.randn(3, 4, requires_grad=True)
    found = chapter14.audit(nn.ReLU()(nn.Linear(4, 4)(x).exp()))
    assert found.native == {"ExpBackward0": 1} and found.by_hand == {"Relu": 1, "Linear": 1}
    assert found.fraction == pytest.approx(2 / 3)
    first, *table = str(found).splitlines()
    assert first == "67% by hand: 2 of 3 nodes"
    assert [row.split() for row in table] == [
        ["native", "ExpBackward0", "1"], ["by", "hand", "Linear", "1"], ["by", "hand", "Relu", "1"]
    ]  # fmt: skip


LAYERS = {
    "convolution": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), [(2, 3, 8, 8)]),
    "LSTM": (nn.LSTM(8, 8, 2), [(2, 5, 8)]),
    "encoder": (nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), [(2, 5, 8)]),
    "decoder": (nn.TransformerDecoderLayer(8, 2, 16), [(5, 2, 8), (4, 2, 8)]),
}


@pytest.mark.parametrize("model, shapes", LAYERS.values(), ids=LAYERS)
def test_graph_of_a_gradient(model, shapes):
    """No AddBackward0 either: where a tensor is used twice, these say branch. Natively all of it is PyTorch's."""
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    x_out = model(*inputs)
    x_out = x_out if isinstance(x_out, torch.Tensor) else x_out[0]
    g_in = torch.autograd.grad(x_out, inputs, torch.ones_like(x_out), create_graph=True)
    found = chapter14.audit([g for g in g_in if g.requires_grad])
    assert found.native == {} and sum(found.by_hand.values()) > 5
    table = {tuple(row.split()[2:]) for row in str(found).splitlines()[1:]}
    assert table == {(name, str(n)) for name, n in found.by_hand.items()}


def test_several_outputs_are_one_graph():
    x = torch.randn(3, 4, requires_grad=True)
    h = nn.Linear(4, 4)(x)
    assert chapter14.audit([nn.ReLU()(h), nn.Tanh()(h)]).by_hand == {"Relu": 1, "Tanh": 1, "Linear": 1}


def test_output_without_a_graph_raises():
    with pytest.raises(ValueError, match="no backward graph"):
        chapter14.audit(torch.zeros(3))


def test_saved_bytes_counts_each_memory_once_by_the_layer_that_keeps_it():
    """Linear keeps x [3, 4] for W's gradient; relu a byte an entry; the last linear, relu's output [3, 5]."""
    x = torch.randn(3, 4, requires_grad=True)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    assert chapter14.saved_bytes(model, x).layers == {"0": 3 * 4 * 4, "1": 3 * 5, "2": 3 * 5 * 4}
    frozen = chapter14.saved_bytes(model.requires_grad_(False), x)
    assert frozen.layers == {"1": 3 * 5} and frozen.total == 15
    native = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).requires_grad_(False)
    assert chapter14.saved_bytes(native, x).layers == {"1": 3 * 5 * 4}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in [*model.modules(), *native.modules()])


def test_saved_bytes_of_a_function_that_raises():
    x = torch.randn(3, 4, requires_grad=True)
    assert chapter14.saved_bytes(torch.exp, x).layers == {"": 48}
    assert str(chapter14.saved_bytes(torch.exp, x)).splitlines()[0].split() == ["(itself)", "48"]
    model = nn.Sequential(nn.Linear(5, 5))
    with pytest.raises(ValueError):
        chapter14.saved_bytes(model, x)
    assert not model[0]._forward_hooks and not model._forward_pre_hooks


def test_saved_bytes_ours_beside_native():
    x = torch.randn(3, 4, requires_grad=True)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU()).requires_grad_(False)
    table = chapter14.saved_bytes(chapter14.convert(model), x).beside(chapter14.saved_bytes(model, x))
    assert [row.split() for row in table.splitlines()] == [
        ["bytes", "ours", "native"], ["1", "15", "60"], ["in", "all", "15", "60"]
    ]  # fmt: skip


def test_saved_bytes_keeps_no_graph_alive():
    """A hook that gives back the tensor itself would keep the graph of whatever remembers its own output."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Sigmoid())
    chapter14.saved_bytes(model, torch.ones(2, 3))
    alive = [weakref.ref(p) for p in model.parameters()]
    del model
    gc.collect()
    assert not any(p() is not None for p in alive)
