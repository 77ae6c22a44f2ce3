"""Recurrent networks and their cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .. import functional as F
from .fallback import or_natively


def _network(self: Any, f: Callable[..., tuple], input: Any, hx: Any) -> tuple:
    """`f` of a batch of sequences, a packed batch, or a single sequence: x_out in the same form, and the last state.

    Raises:
        ValueError: input has neither 2 nor 3 axes.
        RuntimeError: input and hx do not fit.
    """
    self._update_flat_weights()
    packed, two_states = isinstance(input, PackedSequence), isinstance(self, nn.LSTM)
    sizes: Any
    x, sizes, order, inverse = input if packed else (input, None, None, None)
    if not packed and x.ndim not in (2, 3):
        raise ValueError(f"{type(self).__name__}: it expects input [T, B, N] or [T, N]; it was given {list(x.shape)}.")
    batch_axis, single = (0 if self.batch_first else 1), not packed and x.ndim == 2
    x = F.unsqueeze(x, batch_axis) if single else x
    if hx is None:
        state = _zeros(self, x, int(sizes[0]) if packed else x.shape[batch_axis])
    else:
        state = list(hx) if two_states else [hx]
        if not packed and any(s.ndim != (2 if single else 3) for s in state):
            shapes = ", ".join(str(list(s.shape)) for s in state)
            raise RuntimeError(f"{type(self).__name__}: input and hx both have a batch, or neither; hx is {shapes}.")
        state = [F.unsqueeze(s, 1) for s in state] if single else state
        state = state if order is None else [F.index_select(s, 1, order) for s in state]
    first = tuple(state) if two_states else state[0]
    self.check_forward_args(x, first, sizes)
    options = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
    x_out, *state = f(x, sizes, first, *options) if packed else f(x, first, *options, self.batch_first)
    if packed:
        x_out = PackedSequence(x_out, sizes, order, inverse)
    if single:
        x_out, state = F.squeeze(x_out, batch_axis), [F.squeeze(s, 1) for s in state]
    if inverse is not None:
        state = [F.index_select(s, 1, inverse) for s in state]
    return x_out, tuple(state) if two_states else state[0]


def _zeros(self: Any, x: Tensor, B: int) -> list[Tensor]:
    sizes = [self.proj_size or self.hidden_size] + [self.hidden_size] * isinstance(self, nn.LSTM)
    layers = self.num_layers * (2 if self.bidirectional else 1)
    return [torch.zeros(layers, B, n, dtype=x.dtype, device=x.device) for n in sizes]


class RNN(nn.RNN):
    @or_natively(nn.RNN.forward)
    def forward(self, input: Any, hx: Tensor | None = None) -> tuple:
        return _network(self, F.rnn_relu if self.nonlinearity == "relu" else F.rnn_tanh, input, hx)


class LSTM(nn.LSTM):
    @or_natively(nn.LSTM.forward)
    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple:
        return _network(self, F.lstm, input, hx)


class GRU(nn.GRU):
    @or_natively(nn.GRU.forward)
    def forward(self, input: Any, hx: Tensor | None = None) -> tuple:
        return _network(self, F.gru, input, hx)


def _cell(self: Any, f: Callable[..., Any], input: Tensor, state: list[Tensor]) -> list[Tensor]:
    """`f` of a batch or of a single datapoint: the next state.

    Raises:
        ValueError: a tensor has neither 1 nor 2 axes.
    """
    for which, t in (("input", input), *(("hx", s) for s in state)):
        if t.ndim not in (1, 2):
            raise ValueError(f"{type(self).__name__}: it expects {which} [B, N] or [N]; it was given {list(t.shape)}.")
    single, two_states = input.ndim == 1, isinstance(self, nn.LSTMCell)
    x, *state = (F.unsqueeze(t, 0) for t in (input, *state)) if single else (input, *state)
    state = state or [x.new_zeros(x.shape[0], self.hidden_size)] * (2 if two_states else 1)
    x_out = f(x, state if two_states else state[0], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
    x_out = x_out if two_states else (x_out,)
    return [F.squeeze(t, 0) if single else t for t in x_out]


class RNNCell(nn.RNNCell):
    @or_natively(nn.RNNCell.forward)
    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: nonlinearity is 'tanh' or 'relu'; it was given {self.nonlinearity!r}.")
        f = F.rnn_relu_cell if self.nonlinearity == "relu" else F.rnn_tanh_cell
        return _cell(self, f, input, [] if hx is None else [hx])[0]


class LSTMCell(nn.LSTMCell):
    @or_natively(nn.LSTMCell.forward)
    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = _cell(self, F.lstm_cell, input, [] if hx is None else list(hx))
        return h, c


class GRUCell(nn.GRUCell):
    @or_natively(nn.GRUCell.forward)
    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return _cell(self, F.gru_cell, input, [] if hx is None else [hx])[0]
