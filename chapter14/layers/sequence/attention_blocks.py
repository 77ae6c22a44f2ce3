"""The backward pass of attention, block by block: P and dS [T, S] are never whole in memory.

A block is some rows of P, those of one head or of several. It is computed again from q and k, used, and overwritten by
the next, so that it stays in the processor's cache. With a causal mask, a block ends at the last key that its queries
see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

#: The entries of P in one block: as many as a core's cache holds; on a GPU, as many as occupy it.
CPU_ENTRIES, GPU_ENTRIES = 2**17, 2**26
#: Products of fewer rows are slow.
MIN_ROWS = 128


def attention_backward(
    needs: Sequence[bool], g: Tensor, q: Tensor, k: Tensor, v: Tensor | None, v_shape: Sequence[int],
    mask: Tensor | None, stays: Tensor | None, causal: bool, by: float, up: float, grouped: bool,
) -> list[Tensor | None]:  # fmt: skip
    """g [..., T, E] → dJ/dq, dJ/dk, dJ/dv and dJ/dmask, those that are needed. `Attention` has the other arguments."""
    *batch, H, T, E = (1, *g.shape) if g.ndim == 2 else g.shape
    S, D = k.shape[-2:]
    K, G = (k.shape[-3], H // k.shape[-3]) if grouped else (H, 1)
    sizes = math.prod(batch), K, G

    def of_queries(t: Tensor) -> Tensor:
        return t.expand(*batch, H, *t.shape[-2:]).reshape(*sizes, *t.shape[-2:])

    def of_keys(t: Tensor) -> Tensor:
        return t.expand(*batch, K, *t.shape[-2:]).reshape(*sizes[:2], *t.shape[-2:])

    def of_scores(t: Tensor, S: int) -> Tensor:
        return of_queries(t.expand(*t.shape[:-2], T, S))

    empty = g.new_empty if T else g.new_zeros
    dq = empty(*sizes, T, D) if needs[0] else None
    dk = empty(*sizes[:2], S, D) if needs[1] else None
    dv = empty(*sizes[:2], S, E) if needs[2] else None
    dmask = empty(*sizes, T, S) if needs[3] else None
    shapes = q.shape, k.shape, v_shape, () if mask is None else mask.shape

    term = hidden = nowhere = None
    if mask is not None:
        hides = ~mask if mask.dtype == torch.bool else mask == -math.inf
        nowhere = of_scores(hides.all(-1, keepdim=True), 1)
        hidden, term = (of_scores(hides, S), None) if mask.dtype == torch.bool else (None, of_scores(mask, S))
    stays = None if stays is None else of_scores(stays, S)
    q, g, k, v = of_queries(q), of_queries(g), of_keys(k), None if v is None else of_keys(v)

    n, heads, length = _block(*sizes, T, S, CPU_ENTRIES if g.device.type == "cpu" else GPU_ENTRIES)
    space_P, space_dS = (g.new_empty(n * heads * G * length * S) for _ in range(2))
    later = torch.ones(length, S, dtype=torch.bool, device=g.device).triu_(1) if causal else None
    for at in product(_parts(sizes[0], n), _parts(K, heads)):
        keys = k[at].flatten(0, 1).contiguous()
        values = None if v is None else v[at].flatten(0, 1).contiguous()
        N = len(keys)
        for rows in _parts(T, length):
            last = rows.stop == T  # it comes first
            seen = min(rows.stop, S) if causal and not last else S
            here = *at, slice(None), rows
            q_, g_ = (t[here].flatten(0, 1).flatten(1, 2).contiguous() for t in (q, g))
            k_, size = keys[:, :seen], (N, q_.shape[1], seen)
            P = space_P[: math.prod(size)].view(size).baddbmm_(q_, k_.mT, beta=0, alpha=by)
            scores = P.view(*q[here].shape[:-1], seen)
            first = min(rows.start, seen)  # the first key that is later than some query of the block
            hiding = None if later is None else later[: rows.stop - rows.start, : seen - first]
            _softmax(scores, hiding, *(None if t is None else t[here] for t in (hidden, term, nowhere)))
            kept = None if stays is None else stays[here][..., :seen].to(P.dtype).mul_(up).reshape(size)
            if dv is not None:
                dropped = P if kept is None else P * kept
                dv[at].view(N, S, E)[:, :seen].baddbmm_(dropped.mT, g_, beta=not last)
            if values is None:
                continue
            dS = space_dS[: math.prod(size)].view(size).baddbmm_(g_, values[:, :seen].mT, beta=0)
            if kept is not None:
                dS *= kept
            dS *= P
            dS.addcmul_(P, dS.sum(-1, keepdim=True), value=-1)
            if dmask is not None:
                dmask[here][..., :seen] = dS.view(scores.shape)
            if dq is not None:
                torch.mul(torch.bmm(dS, k_).view(q[here].shape), by, out=dq[here])
            if dk is not None:
                dk[at].view(N, S, D)[:, :seen].baddbmm_(dS.mT, q_, beta=not last, alpha=by)
    leading = (*batch, H), (*batch, K), (*batch, K), (*batch, H)
    return [
        None if t is None else t.view(*axes, *t.shape[-2:]).sum_to_size(shape)
        for t, axes, shape in zip((dq, dk, dv, dmask), leading, shapes, strict=True)
    ]


def _softmax(
    scores: Tensor, later: Tensor | None, hidden: Tensor | None, term: Tensor | None, nowhere: Tensor | None
) -> None:
    """Scores [..., T, S] become weights. `later` hides the last keys; `nowhere` is True for a query without a key."""
    if later is not None:
        scores[..., scores.shape[-1] - later.shape[-1] :].masked_fill_(later, -math.inf)
    if hidden is not None:
        scores.masked_fill_(hidden, -math.inf)
    if term is not None:
        scores += term
    torch.softmax(scores, -1, out=scores)
    if nowhere is not None:
        scores.masked_fill_(nowhere, 0)


def _block(B: int, K: int, G: int, T: int, S: int, entries: int) -> tuple[int, int, int]:
    """How many datapoints, heads of keys, and queries a block of so many scores has: if not all queries, one head."""
    length = max(entries // max(1, G * S), MIN_ROWS)
    if length < T:
        return 1, 1, math.ceil(T / math.ceil(T / length))
    heads = max(1, entries // max(1, G * T * S))
    return min(max(1, heads // max(1, K)), B), min(heads, K), T


def _parts(size: int, part: int) -> list[slice]:
    """The last part first."""
    return [slice(max(0, stop - part), stop) for stop in range(size, 0, -max(1, part))]


def compiled_backward(needs: Sequence[bool], *inputs: Any) -> list[Tensor | None]:
    """`attention_backward` as an operator, into which a compiler does not look."""
    computed = iter(torch.ops.chapter14.attention_backward(list(needs[:4]), *inputs))
    return [next(computed) if needed else None for needed in needs[:4]]


torch.library.define(
    "chapter14::attention_backward",
    "(bool[] needs, Tensor g, Tensor q, Tensor k, Tensor? v, SymInt[] v_shape, Tensor? mask, Tensor? stays, "
    "bool causal, float by, float up, bool grouped) -> Tensor[]",
)


@torch.library.impl("chapter14::attention_backward", "default")
def _computed(*inputs: Any) -> list[Tensor]:
    return [t.contiguous() for t in attention_backward(*inputs) if t is not None]


@torch.library.register_fake("chapter14::attention_backward")
def _shapes(needs, g, q, k, v, v_shape, mask, *_):
    shapes = q.shape, k.shape, v_shape, () if mask is None else mask.shape
    return [g.new_empty(shape) for shape, needed in zip(shapes, needs, strict=True) if needed]
