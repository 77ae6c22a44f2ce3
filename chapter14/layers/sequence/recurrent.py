"""Recurrent networks: chains of one cell through time, whose parameters are shared (section 14.8).

    (x_out_t, state_t) = cell(x_t, state_(t-1), θ)        dJ/dθ = sum over t of dJ/dθ^t        (14.47)

`branch` sends θ to every step, and each x_out_t both out and to the next step; their gradients are summed. W_x x + b is
one product for all steps. A sequence has torch's packed layout: the tokens of step 0, of step 1, ..., one below
another, sizes[t] of them, longest sequences first, so that sizes never grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ...layer.shape import check_floating, check_shapes
from ..core.arithmetic import plus
from ..core.arrange import narrow, reshape, transpose
from ..core.branch import branch
from ..core.merge import merge, split
from ..linear.linear import linear
from ..pointwise.dropout import dropout
from ..pointwise.piecewise import torch_relu
from ..pointwise.pointwise import tanh
from .cells import GRUCell, LSTMCell
from .gru import GRUChain
from .lstm import LSTMChain

State = tuple[Tensor, ...]
Cell = Callable[..., State]


# The four networks: (x, steps, parameters) → W_x x + b of all tokens, and the cell, whose first x_out is h.


def _lstm(x, T, W_x, W_h, b_x=None, b_h=None, W_r=None) -> tuple[Tensor, Cell]:
    check_floating("lstm", x=x)
    W, b, P = (_shared(θ, T) for θ in (W_h, b_h, W_r))

    def cell(t, a, h, c):
        h, c = LSTMCell.of(a, h, c, W[t], b[t])
        return h if W_r is None else linear(h, P[t]), c

    return linear(x, W_x, b_x), cell


def _gru(x, T, W_x, W_h, b_x=None, b_h=None) -> tuple[Tensor, Cell]:
    check_floating("gru", x=x)
    W, b = _shared(W_h, T), _shared(b_h, T)
    return linear(x, W_x, b_x), lambda t, a, h: (GRUCell.of(a, h, W[t], b[t]),)


def _rnn(pointwise: Callable[[Tensor], Tensor]) -> Callable:
    def network(x, T, W_x, W_h, b_x=None, b_h=None) -> tuple[Tensor, Cell]:
        W, b = _shared(W_h, T), _shared(b_h, T)
        return linear(x, W_x, b_x), lambda t, a, h: (pointwise(plus(a, linear(h, W[t], b[t]))),)

    return network


def _shared(θ: Tensor | None, T: int) -> Sequence[Any]:
    """The parameter, branched to each step."""
    return (None,) * T if θ is None else branch(θ, T)


_rnn_tanh, _rnn_relu = _rnn(tanh), _rnn(torch_relu)
CHAINS: dict[Callable, Any] = {_lstm: LSTMChain, _gru: GRUChain}


def _chain(cell: Cell, a: Tensor, state: State, sizes: list[int], backwards: bool) -> tuple[Tensor, State]:
    """Runs the cell step by step: x_out of all steps, and the last state."""
    tokens = split(a, sizes, dim=0)
    x_out = list(tokens)
    for t in reversed(range(len(sizes))) if backwards else range(len(sizes)):
        n, B = sizes[t], state[0].shape[0]
        now, others = state, ()
        if n < B:  # the other sequences have ended, or, backwards, not begun
            now, others = zip(*[split(s, [n, B - n], dim=0) for s in state], strict=True)
        h, *rest = cell(t, tokens[t], *now)
        x_out[t], h = branch(h)
        state = (h, *rest)
        if others:
            state = tuple(merge(s, other, dim=0) for s, other in zip(state, others, strict=True))
    return merge(*x_out, dim=0), state


def _through(network, x, state, θ, sizes, backwards) -> tuple[Tensor, State]:
    """One layer, in one direction."""
    B, T = state[0].shape[0], len(sizes)
    if network in CHAINS and len(θ) == 4 and sizes[-1] == B:  # no projection, and all sequences as long: one layer
        W_x, W_h, b_x, b_h = θ
        after = CHAINS[network].of(linear(x, W_x, b_x), *state, W_h, b_h, T, backwards)
        h, *c = after if isinstance(after, tuple) else (after,)
        x_out, h = branch(h)
        return x_out, tuple(narrow(s, 0, 0 if backwards else (T - 1) * B, B) for s in (h, *c))
    a, cell = network(x, T, *θ)
    return _chain(cell, a, state, sizes, backwards)


def _layers(network, x, sizes, state, params, has_biases, num_layers, p, train, bidirectional) -> tuple[Tensor, ...]:
    """Runs all layers, each in one direction or in both: x_out, and the last states of all."""
    if not sizes:
        raise RuntimeError("a recurrent network takes a sequence of at least one token; it was given an empty one.")
    directions = 2 if bidirectional else 1
    n = len(params) // (num_layers * directions)
    starts = [[reshape(s, s.shape[1:]) for s in split(part, 1, dim=0)] for part in state]
    ends: list[list[Tensor]] = [[] for _ in state]
    for layer in range(num_layers):
        x_out = []
        for direction, x_in in enumerate(branch(x, directions)):
            i = layer * directions + direction
            θ = list(params[i * n : (i + 1) * n])
            if not has_biases:
                θ[2:2] = None, None
            start = tuple(start[i] for start in starts)
            y, end = _through(network, x_in, start, θ, sizes, backwards=direction == 1)
            x_out.append(y)
            for ended, s in zip(ends, end, strict=True):
                ended.append(reshape(s, (1, *s.shape)))
        x = merge(*x_out) if bidirectional else x_out[0]
        if layer < num_layers - 1:
            x = dropout(x, p, train)
    return x, *(merge(*ended, dim=0) for ended in ends)


def _call(title: str, network: Callable, args: tuple, many: bool) -> tuple[Tensor, ...]:
    """A call in one of torch's two forms: with a padded sequence, or with a packed one."""
    packed = isinstance(args[3], Sequence)
    x, hx = args[0], args[2 if packed else 1]
    state = tuple(hx) if many else (hx,)
    words = "S N" if packed else "B T N" if args[-1] else "T B N"
    check_shapes(title, x=(x, words), **{f"state {i}": (s, "L B *") for i, s in enumerate(state)})
    if packed:
        return _layers(network, x, args[1].tolist(), state, *args[3:])
    *rest, batch_first = args[2:]
    if batch_first:
        x = transpose(x, 0, 1)
    T, B, N = x.shape
    x_out, *ends = _layers(network, reshape(x, (T * B, N)), [B] * T, state, *rest)
    x_out = reshape(x_out, (T, B, x_out.shape[-1]))
    return (transpose(x_out, 0, 1) if batch_first else x_out), *ends


# torch's functions.


def _sequence(title: str, network: Callable, many: bool = False) -> Callable[..., tuple[Tensor, ...]]:
    """As torch's function of that name; `many`: its state is (h, c).

    Or its other form, with a packed sequence: (data, batch_sizes, hx, params, has_biases, ..., bidirectional).
    """

    def f(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        args = (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
        return _call(title, network, args, many)

    ends = "h and c" if many else "h"
    f.__name__ = f.__qualname__ = title
    f.__doc__ = f"input [T, B, N] → x_out [T, B, H], {ends} after the last token [layers, B, H]. As `torch.{title}`."
    return f


lstm = _sequence("lstm", _lstm, many=True)
gru = _sequence("gru", _gru)
rnn_tanh = _sequence("rnn_tanh", _rnn_tanh)
rnn_relu = _sequence("rnn_relu", _rnn_relu)


def _cell(title: str, network: Callable, many: bool = False) -> Callable[..., Any]:
    def f(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        state = tuple(hx) if many else (hx,)
        check_shapes(title, x=(input, "B N"), **{f"state {i}": (s, "B *") for i, s in enumerate(state)})
        a, cell = network(input, 1, w_ih, w_hh, b_ih, b_hh)
        return cell(0, a, *state) if many else cell(0, a, *state)[0]

    given, ends = ("hx (h, c) [B, H]", "(h', c')") if many else ("hx [B, H]", "h'")
    f.__name__ = f.__qualname__ = title
    f.__doc__ = f"input [B, N], {given} → {ends}. As `torch.{title}`."
    return f


lstm_cell = _cell("lstm_cell", _lstm, many=True)
gru_cell = _cell("gru_cell", _gru)
rnn_tanh_cell = _cell("rnn_tanh_cell", _rnn_tanh)
rnn_relu_cell = _cell("rnn_relu_cell", _rnn_relu)
