"""Connectionist temporal classification: the probability of a sequence of labels, over all alignments with the time.

A path has a label or a blank at each time; repeated labels count once, blanks not at all. With l' the labels, a blank
before, between and after them, and x[t] the log probabilities,

    α[t][s] = x[t, l'[s]] + log (exp α[t-1][s] + exp α[t-1][s-1] + exp α[t-1][s-2])      the last where l'[s] ≠ l'[s-2]
    J       = -log sum of exp α[T] at the last blank and the last label
    dJ/dx   = exp x - γ,    γ[t, c] = the probability that the path is at c at t:  exp (α + β - x + J)

β is α from the end. exp x is the derivative of sum exp x - 1, which is 0 for log probabilities: torch adds it, so that
the gradient has no component that leaves these. α and β consist of layers: J has derivatives of every order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import keep, minus, plus, times
from ..core.arrange import flip, narrow, pad, reshape
from ..core.branch import sum_to_size
from ..core.gather import pick, place
from ..core.merge import merge
from ..norm.softmax import logsumexp
from ..pointwise.pointwise import exp
from .loss import reduced, the_reduction

NEVER = -1e30  # the logarithm of probability 0: -inf has no derivative


class Ctc(Layer):
    """x [T, N, C], labels [N, S], lengths of both [N] → [N]."""

    autocast = "float32"
    title = "ctc_loss"
    letters = {"x": "T N C", "labels": "N S"}

    @staticmethod
    def forward(x, labels, durations, lengths, blank, zero_infinity):
        return torch.ctc_loss(x, labels, durations, lengths, blank, 0, zero_infinity)

    @staticmethod
    def backward(needs, g, x, *constants):
        return times(reshape(g, (1, *g.shape, 1)), _slope(x, *constants)), *(None for _ in constants)

    @staticmethod
    def jvp(tangents, x, *constants):
        along = times(tangents[0], _slope(x, *constants))
        return reshape(sum_to_size(along, (1, x.shape[1], 1)), (x.shape[1],))


def _slope(x: Tensor, labels: Tensor, durations: Tensor, lengths: Tensor, blank: int, zero_infinity: bool) -> Tensor:
    """dJ/dx [T, N, C]; NaN if no path is possible, or 0 with `zero_infinity`."""
    T, N, C = x.shape
    path, state = _path(labels, lengths, blank)
    at = path.expand(T, N, path.shape[-1])
    emitted = pick(x, at)
    emitted = _or_never(emitted, emitted.detach() > NEVER)
    inside = torch.arange(T, device=x.device)[:, None] < durations  # [T, N]
    skips = torch.ones_like(path, dtype=torch.bool)
    skips[:, :2], skips[:, 2:] = False, path[:, 2:] != path[:, :-2]
    skips &= path != blank
    ends = (state == 2 * lengths[:, None]) | (state == 2 * lengths[:, None] - 1)
    starts = (state < 2) & (state <= 2 * lengths[:, None])
    alpha = _forward(emitted, starts, skips, inside)
    # From the end it is the same, with times and states reversed.
    beta = flip(_forward(flip(emitted, (0, 2)), ends.flip(1), _turned(skips), inside.flip(0)), (0, 2))
    both = minus(plus(alpha, beta), emitted)
    log_p = logsumexp(both, -1, keepdim=True)  # the same at every time, -J
    gamma = place(keep(exp(minus(both, log_p)), inside[..., None].expand(both.shape)), at, 2, x.shape)
    slope = minus(keep(exp(x), inside[..., None].expand(x.shape)), gamma)
    possible = (log_p.detach()[:1] > NEVER / 2) | (durations[:, None] == 0)
    if zero_infinity:
        return keep(slope, possible.expand(x.shape))
    return plus(slope, torch.where(possible, 0.0, torch.nan).to(x))


def _path(labels: Tensor, lengths: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """l' [N, 2 S + 1], and the number of each of its states."""
    N, S = labels.shape
    there = torch.arange(S, device=labels.device) < lengths[:, None]
    path = labels.new_full((N, 2 * S + 1), blank, dtype=torch.long)
    path[:, 1::2] = torch.where(there, labels, blank)
    return path, torch.arange(2 * S + 1, device=labels.device)[None]


def _turned(skips: Tensor) -> Tensor:
    """The skips of the reversed path: s can be reached from s + 2."""
    return torch.nn.functional.pad(skips, (0, 2))[:, 2:].flip(1)


def _forward(emitted: Tensor, starts: Tensor, skips: Tensor, inside: Tensor) -> Tensor:
    """α [T, N, S']: each path begins at the first time inside."""
    T, N, S = emitted.shape
    never = emitted.new_full((1, N, S), NEVER)
    alphas, before = [], never
    began = torch.zeros_like(inside[0])
    for t in range(T):
        now = narrow(emitted, 0, t, 1)
        one = narrow(pad(before, (1, 0), value=NEVER), 2, 0, S)
        two = _or_never(narrow(pad(before, (2, 0), value=NEVER), 2, 0, S), skips[None])
        go_on = logsumexp(merge(before, one, two, dim=0), 0, keepdim=True)
        first = (inside[t] & ~began)[None, :, None]
        start = starts[None].expand(1, N, S)
        before = plus(now, plus(keep(go_on, ~first.expand(1, N, S)), first * torch.where(start, 0.0, NEVER).to(now)))
        before = _or_never(before, inside[t][None, :, None].expand(1, N, S))
        began = began | inside[t]
        alphas.append(before)
    return merge(*alphas, dim=0)


def _or_never(x: Tensor, mask: Tensor) -> Tensor:
    return plus(keep(x, mask.expand(x.shape)), (~mask).to(x.dtype) * NEVER)


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor | Sequence[int], target_lengths: Tensor | Sequence[int],
    blank: int = 0, reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """log_probs [T, N, C], targets [N, S] or concatenated; lengths [N]. Or one datapoint, without N.

    The mean is of each J over its target's length. As `torch.nn.functional.ctc_loss`, with every order of derivative.
    """
    reduction = the_reduction("ctc_loss", None, None, reduction)
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: it expects log_probs [T, N, C], or [T, C]; {was_given(log_probs=log_probs)}")
    T, *batch, C = log_probs.shape
    x = reshape(log_probs, (T, 1, C)) if not batch else log_probs
    durations, lengths = (_as_lengths(n, x.device) for n in (input_lengths, target_lengths))
    J = Ctc.of(x, _rows(targets, lengths), durations, lengths, blank, zero_infinity)
    if reduction == "mean":
        J = times(J, 1 / lengths.clamp(min=1).to(J.dtype))
    J = reduced(J, reduction, "ctc_loss")
    return reshape(J, ()) if not batch and reduction == "none" else J


def _as_lengths(lengths: Tensor | Sequence[int], device: torch.device) -> Tensor:
    return torch.as_tensor(lengths, dtype=torch.long, device=device).reshape(-1)


def _rows(targets: Tensor, lengths: Tensor) -> Tensor:
    """Concatenated targets as rows [N, S]."""
    if targets.ndim > 1:
        return targets
    if int(lengths.sum()) != targets.numel():
        raise ShapeError(f"ctc_loss: the lengths of targets add up to their number; {was_given(targets=targets)}")
    ends = lengths.cumsum(0)
    at = (ends - lengths)[:, None] + torch.arange(int(lengths.max()) if len(lengths) else 0, device=targets.device)
    at = torch.where(at < ends[:, None], at, 0)
    return targets[at] if targets.numel() else targets.new_zeros(at.shape)
