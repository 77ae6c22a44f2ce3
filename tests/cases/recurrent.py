"""Recurrent networks and their cells."""

import torch

import chapter14.functional as F

from .declare import case

SKIP = {
    "half_precision_accuracy": "W x and U h are rounded before they are added, in PyTorch too: in the hundreds "
    "that decides which gates are open; tests/layers/test_half_precision.py tests smaller values",
    "per_datapoint_gradients": "it needs a batch axis, as PyTorch's",
    "memory_at_most_native": "a step is recomputed from W, which counts as saved here",
    "wrong_shapes": "PyTorch broadcasts a batch that is missing; here each has the shape that the equation says",
}
NO_BFLOAT16 = (
    {}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported()
    else {"autocast_agrees": "PyTorch's refuses bfloat16 on this processor, which has none"}
)
FUSED = {
    "forward_agrees": "PyTorch's fused bfloat16 kernel rounds elsewhere; backward_agrees compares x_out in float64"
}
STATE = {"autocast_agrees": "all in the lower precision, as on a GPU; on a CPU PyTorch keeps the state in float32"}


def lstm_step(z, h, c):
    i, f, n, o = z.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * n.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(a, u, h):
    (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), u.chunk(3, -1)
    n = (a_n + (a_r + u_r).sigmoid() * u_n).tanh()
    return n + (a_z + u_z).sigmoid() * (h - n)


def lstm_cell(x, h, c, W_x, W_h, b_x, b_h):
    return lstm_step(x @ W_x.T + b_x + h @ W_h.T + b_h, h, c)


def gru_cell(x, h, W_x, W_h, b_x, b_h):
    return gru_step(x @ W_x.T + b_x, h @ W_h.T + b_h, h)


def rnn_tanh_cell(x, h, W_x, W_h, b_x, b_h):
    return (x @ W_x.T + b_x + h @ W_h.T + b_h).tanh()


def rnn_relu_cell(x, h, W_x, W_h, b_x, b_h):
    return (x @ W_x.T + b_x + h @ W_h.T + b_h).relu()


def through_time(cell):
    """The cell, step after step: x [T, B, N]; states and parameters are those of one layer."""

    def network(x, *others):
        *state, W_x, W_h, b_x, b_h = others
        state, x_out = [s[0] for s in state], []
        for x_t in x:
            new = cell(x_t, *state, W_x, W_h, b_x, b_h)
            state = new if isinstance(new, tuple) else (new,)
            x_out.append(state[0])
        return torch.stack(x_out), *(s[None] for s in state)

    return network


OPTIONS = (True, 1, 0.0, False, False, False)  # biases, one layer, no dropout, at rest, one direction, time first


def network(name, states, gates, cell, skip=SKIP):
    def call(f):
        def of(x, *others):
            state, parameters = others[:states], list(others[states:])
            return f(x, state if states == 2 else state[0], parameters, *OPTIONS)

        return of

    def inputs(draw, n):
        state = [draw(1, n, 3) for _ in range(states)]
        return draw(3, n, 2), *state, *(draw(gates * 3, *k) for k in ((2,), (3,), (), ()))

    return case(name, call(getattr(F, name)), call(getattr(torch, name)), inputs, through_time(cell), skip=skip)


def one_step(name, states, gates, cell, skip=SKIP):
    def call(f):
        return lambda x, *others: f(x, others[:2] if states == 2 else others[0], *others[states:])

    def inputs(draw, n):
        state = [draw(n, 3) for _ in range(states)]
        return draw(n, 2), *state, *(draw(gates * 3, *k) for k in ((2,), (3,), (), ()))

    return case(name, call(getattr(F, name)), call(getattr(torch, name)), inputs, cell, skip=skip)


CASES = [
    network("lstm", 2, 4, lstm_cell, SKIP | FUSED | NO_BFLOAT16),
    network("gru", 1, 3, gru_cell, SKIP | STATE),
    network("rnn_tanh", 1, 1, rnn_tanh_cell),
    network("rnn_relu", 1, 1, rnn_relu_cell),
    one_step("lstm_cell", 2, 4, lstm_cell, SKIP | STATE),
    one_step("gru_cell", 1, 3, gru_cell, SKIP | STATE),
    one_step("rnn_tanh_cell", 1, 1, rnn_tanh_cell),
    one_step("rnn_relu_cell", 1, 1, rnn_relu_cell),
]
