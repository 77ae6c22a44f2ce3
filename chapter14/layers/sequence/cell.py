"""Recurrent cells, and all steps of one as one layer: the same as step after step (section 14.8), but faster.

    a = W_x x + b_x             from the token, for all tokens at once
    u = W h + b                 from the state, h or h and c
    h_t, c_t = cell(a_t, u_t, h_(t-1), c_(t-1))

    dh_t  = g_t + du_(t+1) W + dh_(t+1) H                from outside, and from the next step; H as the cell has it
    du_t  = dh_t L^u,  da_t = dh_t L^a
    dJ/dW = sum over t of du_t^T h_(t-1),  dJ/db = sum over t of du_t                    (14.47)

What does not depend on dh, L^u and L^a, is computed for all steps at once; so is the sum (14.47). The steps are one
below another, [T B, ...].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.modes import is_eager
from ..core.arithmetic import added, scale, shift, times
from ..core.arrange import transpose
from ..core.branch import broadcast_to
from ..core.complex import conj, conjugates
from ..core.merge import merge, split
from ..core.product import mm, repeated
from ..linear.linear import Linear, linear


class Cell(Layer):
    """a [B, G H], the state (h, or h and c) [B, H], W [G H, H], b [G H] → the next state.

    A subclass states `forward`, `jvp`, `slopes` and `back`; for its chain also the last two and forward in place.
    """

    autocast = "lower"
    opmath = "derivatives"
    title: ClassVar[str]

    #: How many tensors the state has.
    states: ClassVar[int] = 1
    #: Whether u is only added to a; then da = du.
    adds: ClassVar[bool] = True
    #: Whether it takes integers, as PyTorch's does.
    integers: ClassVar[bool] = False

    @staticmethod
    def slopes(saved: Any, *inputs: Any) -> tuple[Tensor, ...]:
        """L^u, an entry for each of du; unless `adds`, L^a; then what else `back` takes. Of one step or of several.

        Args:
            saved: a, or what `remember` has in its place.
        """
        raise NotImplementedError

    @staticmethod
    def back(*gradients_and_slopes: Any) -> tuple[Tensor, Tensor, tuple[Tensor | None, ...]]:
        """Of dJ / d(next state) and the slopes: da, du, and dJ / d(state) but for du W; None is 0."""
        raise NotImplementedError

    @staticmethod
    def stepper(a: Tensor, T: int, W: Tensor, b: Tensor | None) -> Callable[..., Any]:
        """`forward` in place: (t, *state, *the next state, which it writes into); a is that of all T steps."""
        raise NotImplementedError

    @classmethod
    def slopes_once(cls, saved: Any, *inputs: Any) -> tuple[Tensor, ...]:
        """`slopes` in plain torch operations, in memory that `back_once` may write into; parts of them may follow."""
        raise NotImplementedError

    @staticmethod
    def back_once(*slopes_and_gradients: Any) -> None:
        """`back` in place, of the slopes, dJ / d(next state) and dJ / d(state).

        It turns L^u and L^a into du and da, and adds to dJ / d(state), which then lacks du W.
        """
        raise NotImplementedError

    @staticmethod
    def restored(saved: Any, shape: torch.Size) -> Any:
        """What `remember` has in the place of a, as `slopes` takes it; `shape` is that of h'."""
        return saved

    @classmethod
    def backward(cls, needs, g, saved, *inputs):
        g = g if cls.many else (g,)
        slopes = cls.slopes(*conjugates(cls.restored(saved, g[0].shape), *inputs))
        da, du, (dh, *others) = cls.back(*g, *slopes)
        n = cls.states
        through_W, dW, db = Linear.backward((needs[1], *needs[1 + n :]), du, inputs[0], inputs[n])
        dstate = (added(dh, through_W) if needs[1] else None, *others)
        return (
            da if needs[0] else None,
            *(x if need else None for x, need in zip(dstate, needs[1:], strict=False)),
            dW,
            db,
        )


def one_minus(x: Tensor) -> Tensor:
    return shift(scale(x, -1), 1)


def sigmoid_prime(s: Tensor) -> Tensor:
    return times(s, one_minus(s))  # and not s - s²: near 1, all its digits cancel


def tanh_prime(t: Tensor) -> Tensor:
    return one_minus(times(t, t))


def sum_tangent(a, also, h, dh, W, dW) -> Tensor:
    """The tangent of W h, plus terms that broadcast to a."""
    terms = [None if t is None else broadcast_to(t, a.shape) for t in also]
    terms += [None if dh is None else linear(dh, W), None if dW is None else linear(h, dW)]
    return added(*terms) if any(t is not None for t in terms) else torch.zeros_like(a)


class CellChain(Layer):
    """a [T B, G H], the first state [B, H], W, b as the cell's, T, backwards → the state after each step [T B, H]."""

    autocast = "lower"
    opmath = "derivatives"
    title: ClassVar[str]

    cell: ClassVar[type[Cell]]

    @classmethod
    def of_tokens(cls, x, state, W_x, b_x, *others):
        """From the tokens x [T B, N]: h after each step, and what else the last state has."""
        return (cls.of(linear(x, W_x, b_x), *state, *others),)

    @classmethod
    def forward(cls, a, *inputs):
        state, θ, T, backwards = cls._parts(inputs)
        B = len(state[0])
        if is_eager(a, *state, *θ):
            x_out = tuple(torch.empty(T * B, *s.shape[1:], dtype=a.dtype, device=a.device) for s in state)
            after = list(zip(*[x.split([B] * T) for x in x_out], strict=True))
            step = cls.cell.stepper(a, T, *θ)
            for t in order(T, backwards):
                step(t, *state, *after[t])
                state = after[t]
            return x_out if cls.many else x_out[0]
        return cls.step_by_step(a, *inputs)

    @classmethod
    def step_by_step(cls, a, *inputs):
        """`forward` by the cell's."""
        state, θ, T, backwards = cls._parts(inputs)
        steps, after = a.split([len(state[0])] * T), [state] * T
        for t in order(T, backwards):
            new = cls.cell.forward(steps[t], *state, *θ)
            after[t] = state = new if cls.many else (new,)
        x_out = tuple(torch.cat(x) for x in zip(*after, strict=True))
        return x_out if cls.many else x_out[0]

    @classmethod
    def remember(cls, needs, inputs, x_out):
        return *inputs, *(x_out if cls.many else (x_out,))

    @classmethod
    def backward(cls, needs, g, *remembered):
        n, (g, B, inputs, T, backwards) = cls.cell.states, cls._opened(g, *remembered)
        h, W = inputs[1], inputs[1 + n]
        slopes = cls.cell.slopes(*conjugates(*inputs))
        steps = list(zip(*[split(x, [B] * T, dim=0) for x in (*g, *slopes)], strict=True))
        W_back = transpose(conj(W))
        da, du = [g[0]] * T, [g[0]] * T
        back: Sequence[Tensor | None] = [None] * n
        for k in reversed(order(T, backwards)):
            dstate = map(added, steps[k][:n], back)
            da[k], du[k], (dh, *rest) = cls.cell.back(*dstate, *steps[k][n:])
            back = [added(dh, linear(du[k], W_back)), *rest]
        every_du = merge(*du, dim=0)
        _, dW, db = Linear.backward((False, *needs[1 + n : -2]), every_du, h, W)
        every_da = every_du if cls.cell.adds else merge(*da, dim=0)
        wanted = (x if need else None for x, need in zip((every_da, *back), needs, strict=False))
        return *wanted, dW, db, None, None

    @classmethod
    def backward_once(cls, needs, g, *remembered):
        """The same in place. The gradients of all states are one tensor, into which each step adds what goes back."""
        n, (g, B, inputs, T, backwards) = cls.cell.states, cls._opened(g, *remembered)
        h, W = inputs[1], inputs[1 + n]
        slopes = cls.cell.slopes_once(*inputs)
        da, du, dstate = cls.back_through(slopes, g, W, B, T, backwards)
        dW, db = mm(du.t(), h) if needs[1 + n] else None, du.sum(0) if needs[2 + n] else None
        wanted = (x if need else None for x, need in zip((da, *dstate), needs, strict=False))
        return *wanted, dW, db, None, None

    @classmethod
    def back_through(cls, slopes, g, W, B, T, backwards):
        """da and du of all steps, in the memory of the slopes, and dJ / d(first state)."""
        through_W = repeated(W.t(), None, B, T)
        first = [torch.zeros_like(x[:B]) for x in g]
        dstates = [torch.cat((x, x_0) if backwards else (x_0, x)) for x, x_0 in zip(g, first, strict=True)]
        dstate = list(zip(*[x.split([B] * (T + 1)) for x in dstates], strict=True))
        steps = list(zip(*[x.split([B] * T) for x in slopes], strict=True))
        for k in reversed(order(T, backwards)):
            into, to = (dstate[k], dstate[k + 1]) if backwards else (dstate[k + 1], dstate[k])
            cls.cell.back_once(*steps[k], *into, *to)
            to[0].add_(through_W(steps[k][0]))
        return slopes[0 if cls.cell.adds else 1], slopes[0], dstate[T if backwards else 0]

    @classmethod
    def jvp(cls, tangents, a, *inputs):
        (state, θ, T, backwards), (da, *others) = cls._parts(inputs), tangents
        dstate, dθ, _, _ = cls._parts(others)
        sizes = [len(state[0])] * T
        moves = [None] * T if da is None else split(da, sizes, dim=0)
        steps, after = split(a, sizes, dim=0), [dstate] * T
        for k in order(T, backwards):
            dnew = cls.cell.jvp((moves[k], *dstate, *dθ), steps[k], *state, *θ)
            new = cls.cell.of(steps[k], *state, *θ)
            after[k] = dstate = dnew if cls.many else (dnew,)
            state = new if cls.many else (new,)
        dx_out = tuple(merge(*x, dim=0) for x in zip(*after, strict=True))
        return dx_out if cls.many else dx_out[0]

    @classmethod
    def _parts(cls, inputs: Sequence[Any]) -> tuple[Any, Any, int, bool]:
        """The state, the parameters, T and backwards."""
        *tensors, T, backwards = inputs
        return tuple(tensors[: cls.cell.states]), tensors[cls.cell.states :], T, backwards

    @classmethod
    def _opened(cls, g: Any, saved: Any, *others: Any) -> tuple[Sequence[Tensor], int, Sequence[Any], int, bool]:
        """The gradients of the states, B, what `slopes` of all steps takes, T and backwards."""
        g, n = g if cls.many else (g,), cls.cell.states
        state, θ, T, backwards = cls._parts(others[:-n])
        before = [states_before(first, after, backwards) for first, after in zip(state, others[-n:], strict=True)]
        return g, len(g[0]) // T, (cls.cell.restored(saved, g[0].shape), *before, *θ), T, backwards


def order(T: int, backwards: bool) -> list[int]:
    return list(reversed(range(T))) if backwards else list(range(T))


def states_before(first: Tensor | None, after: Tensor | None, backwards: bool) -> Any:  # None where one of them is
    """The state before each step [T B, H], from the first one [B, H] and those after each step [T B, H]."""
    if first is None or after is None:
        return None
    B, n = len(first), len(after)
    _, others = split(after, [B, n - B], dim=0) if backwards else reversed(split(after, [n - B, B], dim=0))
    return merge(others, first, dim=0) if backwards else merge(first, others, dim=0)
