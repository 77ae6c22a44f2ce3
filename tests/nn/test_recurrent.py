"""Recurrent networks as modules: parameters, outputs, states and gradients as PyTorch's, and nothing native."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence
from torch.testing import assert_close

import chapter14.nn as ours
from chapter14 import saved_bytes
from chapter14.conversion.audit import audit
from chapter14.conversion.by_hand import by_hand

native = torch.nn
OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True, "dropout": 0.3},
    {"batch_first": True, "bias": False},
]


def made(nn, kind, options):
    torch.manual_seed(1)
    return getattr(nn, kind)(3, 4, **options).double()


def tensors(x_out, state):
    return [getattr(x_out, "data", x_out), *(state if isinstance(state, tuple) else (state,))]


def there_and_back(module, x, *state):
    torch.manual_seed(2)
    found = tensors(*module(x, *state))
    J = sum(t.sin().sum() for t in found)
    return [*found, *torch.autograd.grad(J, module.parameters())]


def a_batch(batch_first=False):
    x = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return x.transpose(0, 1) if batch_first else x


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_equals_pytorchs_and_is_by_hand(kind, options):
    a, b = (made(nn, kind, options) for nn in (ours, native))
    assert repr(a) == repr(b)
    assert_close(a.state_dict(), b.state_dict())
    x = a_batch(options.get("batch_first"))
    assert_close(there_and_back(a, x), there_and_back(b, x))
    assert audit(tensors(*a(x))).fraction == 1


def test_projections_and_relu():
    for kind, options in (("LSTM", {"proj_size": 2, "bidirectional": True}), ("RNN", {"nonlinearity": "relu"})):
        assert_close(*(there_and_back(made(nn, kind, options), a_batch()) for nn in (ours, native)))


@pytest.mark.parametrize(
    "kind, options", [(k, {}) for k in ("LSTM", "GRU", "RNN")] + [("RNN", {"nonlinearity": "relu"})]
)
def test_the_gradient_of_x_where_parameters_are_fixed(kind, options):
    x = a_batch().requires_grad_()
    a, b = (made(nn, kind, options).requires_grad_(False) for nn in (ours, native))
    assert_close(*(torch.autograd.grad(m(x)[0].sin().sum(), x) for m in (a, b)))
    once, layered = (torch.autograd.grad(a(x)[0].sin().sum(), x, create_graph=again) for again in (False, True))
    assert_close(once, layered)


def test_a_relu_network_with_fixed_parameters_saves_bits():
    x = torch.randn(6, 32, 64, requires_grad=True)
    rnn = ours.RNN(64, 64, nonlinearity="relu", bias=False).requires_grad_(False)
    saved = saved_bytes(rnn, x).total
    assert saved == x.numel() // 8


@pytest.mark.parametrize("sorted_", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_packed_sequences_with_and_without_a_state(kind, sorted_):
    lengths = torch.tensor([5, 2, 1] if sorted_ else [2, 5, 1])
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=sorted_)
    h = torch.randn(4, 3, 4, dtype=torch.float64)
    state = (h, h.cos()) if kind == "LSTM" else h
    options = {"num_layers": 2, "bidirectional": True}
    for given in ((), (state,)):
        assert_close(*(there_and_back(made(nn, kind, options), packed, *given) for nn in (ours, native)))
    assert audit(tensors(*made(ours, kind, options)(packed, state))).fraction == 1


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_one_sequence_without_a_batch(kind):
    x, h = a_batch()[:, 0], torch.randn(1, 4, dtype=torch.float64)
    state = (h, h.cos()) if kind == "LSTM" else h
    results = [there_and_back(made(nn, kind, {}), x, state) for nn in (ours, native)]
    assert_close(*results)
    assert results[0][0].shape == (5, 4)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(kind):
    for x in (a_batch()[0], a_batch()[0, 0]):
        results = [made(nn, kind, {})(x) for nn in (ours, native)]
        assert_close(*results)
        assert audit(results[0]).fraction == 1


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell"])
def test_torch_nn_modules_run_by_hand(kind):
    module = made(native, kind, {})
    x = a_batch()[0] if kind == "LSTMCell" else a_batch()
    with by_hand(strict=True):
        x_out = module(x)[0]
    assert audit(x_out).fraction == 1
    assert_close(x_out, module(x)[0])


def test_wrong_input_raises_as_in_pytorch():
    for nn in (ours, native):
        with pytest.raises(RuntimeError):
            made(nn, "GRU", {})(torch.randn(5, 2, 7, dtype=torch.float64))
        with pytest.raises(ValueError):
            made(nn, "LSTM", {})(torch.randn(5, dtype=torch.float64))
        with pytest.raises(RuntimeError):
            made(nn, "LSTM", {})(a_batch(), (torch.zeros(2, 4), torch.zeros(2, 4)))
