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
from ..core.arrange import narrow, reshape, transpose
from ..core.branch import branch
from ..core.merge import merge, split
from ..linear.linear import linear
from ..pointwise.dropout import dropout
from .cell import CellChain, order
from .gru import GRUChain
from .lstm import LSTMChain
from .rnn import RNNReluChain, RNNTanhChain

State = tuple[Tensor, ...]
Network = type[CellChain] | type[LSTMChain]


def _step(network: Network, a: Tensor, state: State, θ: Sequence[Tensor | None], W_r: Tensor | None = None) -> State:
    """The next state, and its h times the projection W_r."""
    new = network.cell.of(a, *state, *θ)
    h, *rest = new if network.many else (new,)
    return h if W_r is None else linear(h, W_r), *rest


def _shared(θ: Tensor | None, T: int) -> Sequence[Any]:
    """The parameter, branched to each step."""
    return (None,) * T if θ is None else branch(θ, T)


def _step_by_step(network: Network, a, state, θ, W_r, sizes: list[int], backwards: bool) -> tuple[Tensor, State]:
    """Runs the cell step by step: x_out of all steps, and the last state."""
    tokens, T = split(a, sizes, dim=0), len(sizes)
    *θ_of, W_r = (_shared(p, T) for p in (*θ, W_r))
    x_out = list(tokens)
    for t in order(T, backwards):
        n, B = sizes[t], state[0].shape[0]
        now, others = state, ()
        if n < B:  # the other sequences have ended, or, backwards, not begun
            now, others = zip(*[split(s, [n, B - n], dim=0) for s in state], strict=True)
        h, *rest = _step(network, tokens[t], now, [p[t] for p in θ_of], W_r[t])
        x_out[t], h = branch(h)
        state = (h, *rest)
        if others:
            state = tuple(merge(s, other, dim=0) for s, other in zip(state, others, strict=True))
    return merge(*x_out, dim=0), state


def _through(network: Network, x, state, params, sizes, backwards) -> tuple[Tensor, State]:
    """One layer, in one direction."""
    W_x, W_h, b_x, b_h = params[:4]
    W_r = params[4] if len(params) > 4 else None
    B, T = state[0].shape[0], len(sizes)
    if W_r is not None or sizes[-1] < B:
        return _step_by_step(network, linear(x, W_x, b_x), state, (W_h, b_h), W_r, sizes, backwards)
    h, *c = network.of_tokens(x, state, W_x, b_x, W_h, b_h, T, backwards)  # all sequences as long: one layer
    x_out, h = branch(h)
    return x_out, (narrow(h, 0, 0 if backwards else (T - 1) * B, B), *c)


def _layers(
    network: Network, x, sizes, state, params, has_biases, num_layers, p, train, bidirectional
) -> tuple[Tensor, ...]:
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
            own = list(params[i * n : (i + 1) * n])
            if not has_biases:
                own[2:2] = None, None
            start = tuple(start[i] for start in starts)
            y, end = _through(network, x_in, start, own, sizes, backwards=direction == 1)
            x_out.append(y)
            for ended, s in zip(ends, end, strict=True):
                ended.append(reshape(s, (1, *s.shape)))
        x = merge(*x_out) if bidirectional else x_out[0]
        if layer < num_layers - 1:
            x = dropout(x, p, train)
    return x, *(merge(*ended, dim=0) for ended in ends)


def _call(network: Network, args: tuple) -> tuple[Tensor, ...]:
    """A call in one of torch's two forms: with a padded sequence, or with a packed one."""
    packed = isinstance(args[3], Sequence)
    x, hx = args[0], args[2 if packed else 1]
    title, state = network.title, tuple(hx) if network.many else (hx,)
    words = "S N" if packed else "B T N" if args[-1] else "T B N"
    check_shapes(title, x=(x, words), **{f"state {i}": (s, "L B *") for i, s in enumerate(state)})
    if not network.cell.integers:
        check_floating(title, x=x)
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


def _sequence(network: Network) -> Callable[..., tuple[Tensor, ...]]:
    """As torch's function of the network's title.

    Or its other form, with a packed sequence: (data, batch_sizes, hx, params, has_biases, ..., bidirectional).
    """

    def f(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        args = (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
        return _call(network, args)

    title, ends = network.title, "h and c" if network.many else "h"
    f.__name__ = f.__qualname__ = title
    f.__doc__ = f"input [T, B, N] → x_out [T, B, H], {ends} after the last token [layers, B, H]. As `torch.{title}`."
    return f


lstm = _sequence(LSTMChain)
gru = _sequence(GRUChain)
rnn_tanh = _sequence(RNNTanhChain)
rnn_relu = _sequence(RNNReluChain)


def _cell(network: Network) -> Callable[..., Any]:
    title, many = network.cell.title, network.many

    def f(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        state = tuple(hx) if many else (hx,)
        check_shapes(title, x=(input, "B N"), **{f"state {i}": (s, "B *") for i, s in enumerate(state)})
        if not network.cell.integers:
            check_floating(title, x=input)
        new = _step(network, linear(input, w_ih, b_ih), state, (w_hh, b_hh))
        return new if many else new[0]

    given, ends = ("hx (h, c) [B, H]", "(h', c')") if many else ("hx [B, H]", "h'")
    f.__name__ = f.__qualname__ = title
    f.__doc__ = f"input [B, N], {given} → {ends}. As `torch.{title}`."
    return f


lstm_cell = _cell(LSTMChain)
gru_cell = _cell(GRUChain)
rnn_tanh_cell = _cell(RNNTanhChain)
rnn_relu_cell = _cell(RNNReluChain)
