"""Recurrent networks, as torch.nn's modules call them."""

from __future__ import annotations

from ...layers.sequence import recurrent as sequence
from ..table import stands_for

for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"):
    stands_for(_name)(getattr(sequence, _name))
