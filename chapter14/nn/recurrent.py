"""Recurrent networks and their cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .. import functional as F
from .fallback import or_natively


def _through_time(self: Any, f: Callable[..., tuple], input: Any, hx: Any) -> tuple:
    """A batch of sequences, packed ones, or one alone: x_out as the input is, and the last state."""
    self._update_flat_weights()
    packed = isinstance(input, PackedSequence)
    sizes: Any = None
    x, sizes, order, back = input if packed else (input, None, None, None)
    if not packed and x.ndim not in (2, 3):
        raise ValueError(f"{type(self).__name__}: it expects input [T, B, N] or [T, N]; it was given {list(x.shape)}.")
    batch, alone = (0 if self.batch_first else 1), not packed and x.ndim == 2
    x = _unsqueezed(x, batch) if alone else x
    B = int(sizes[0]) if packed else x.shape[batch]
    state = _zeros(self, x, B) if hx is None else list(hx) if isinstance(self, nn.LSTM) else [hx]
    if hx is not None and not packed:
        if any(s.ndim != (2 if alone else 3) for s in state):
            shapes = ", ".join(str(list(s.shape)) for s in state)
            raise RuntimeError(f"{type(self).__name__}: input and hx both have a batch, or neither; hx is {shapes}.")
        state = [_unsqueezed(s, 1) for s in state] if alone else state
    if hx is not None and order is not None:
        state = [F.index_select(s, 1, order) for s in state]
    given = tuple(state) if isinstance(self, nn.LSTM) else state[0]
    self.check_forward_args(x, given, sizes)
    where, what = ((x, sizes), ()) if packed else ((x,), (self.batch_first,))
    options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
    x_out, *state = f(*where, given, self._flat_weights, *options, *what)
    if packed:
        x_out = PackedSequence(x_out, sizes, order, back)
    if alone:
        x_out, state = _squeezed(x_out, batch), [_squeezed(s, 1) for s in state]
    if back is not None:
        state = [F.index_select(s, 1, back) for s in state]
    return x_out, tuple(state) if isinstance(self, nn.LSTM) else state[0]


def _zeros(self: Any, x: Tensor, B: int) -> list[Tensor]:
    sizes = [self.proj_size or self.hidden_size] + [self.hidden_size] * isinstance(self, nn.LSTM)
    layers = self.num_layers * (2 if self.bidirectional else 1)
    return [torch.zeros(layers, B, n, dtype=x.dtype, device=x.device) for n in sizes]


def _unsqueezed(x: Tensor, dim: int) -> Tensor:
    return F.reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


def _squeezed(x: Tensor, dim: int) -> Tensor:
    return F.reshape(x, (*x.shape[:dim], *x.shape[dim + 1 :]))


class RNN(nn.RNN):
    @or_natively(nn.RNN.forward)
    def forward(self, input: Any, hx: Tensor | None = None) -> tuple:
        return _through_time(self, F.rnn_relu if self.nonlinearity == "relu" else F.rnn_tanh, input, hx)


class LSTM(nn.LSTM):
    @or_natively(nn.LSTM.forward)
    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple:
        return _through_time(self, F.lstm, input, hx)


class GRU(nn.GRU):
    @or_natively(nn.GRU.forward)
    def forward(self, input: Any, hx: Tensor | None = None) -> tuple:
        return _through_time(self, F.gru, input, hx)


def _one_step(self: Any, f: Callable[..., Any], input: Tensor, state: list[Tensor]) -> list[Tensor]:
    name = type(self).__name__
    for which, t in (("input", input), *(("hx", s) for s in state)):
        if t.ndim not in (1, 2):
            raise ValueError(f"{name}: it expects {which} [B, N] or [N]; it was given {list(t.shape)}.")
    alone = input.ndim == 1
    x, *state = (_unsqueezed(t, 0) for t in (input, *state)) if alone else (input, *state)
    given = state or [x.new_zeros(x.shape[0], self.hidden_size)] * (2 if isinstance(self, nn.LSTMCell) else 1)
    x_out = f(x, given if isinstance(self, nn.LSTMCell) else given[0], *_parameters(self))
    x_out = x_out if isinstance(x_out, tuple) else (x_out,)
    return [_squeezed(t, 0) if alone else t for t in x_out]


def _parameters(self: Any) -> tuple[Tensor | None, ...]:
    return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh


class RNNCell(nn.RNNCell):
    @or_natively(nn.RNNCell.forward)
    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: nonlinearity is 'tanh' or 'relu'; it was given {self.nonlinearity!r}.")
        f = F.rnn_relu_cell if self.nonlinearity == "relu" else F.rnn_tanh_cell
        return _one_step(self, f, input, [] if hx is None else [hx])[0]


class LSTMCell(nn.LSTMCell):
    @or_natively(nn.LSTMCell.forward)
    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = _one_step(self, F.lstm_cell, input, [] if hx is None else list(hx))
        return h, c


class GRUCell(nn.GRUCell):
    @or_natively(nn.GRUCell.forward)
    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return _one_step(self, F.gru_cell, input, [] if hx is None else [hx])[0]
