"""L of a whole chain: the product of its layers' L (14.2), which for an MLP are W (14.16) and H' (14.30).

    dx_L/dx_0 = L_L ... L_2 L_1                [|x_L| x |x_0|]
              = W_3 H'_2 W_2 H'_1 W_1

H' is diagonal. Where a relu's h' is 0, the row of the W before it and the column of the W after it do not matter, and
are left out. What is left is multiplied in the cheaper order: from the output, as the backward pass does, which is
cheaper where x_L is the smaller, or from the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...layer.shape import check_shapes
from .layers import LinearStage
from .preallocated import TINY, seen_by_numpy

#: From this many rows on, leaving out columns of W saves more than copying the others costs.
MANY = 64


class JacobianProduct:
    """dx_L/dx_0 of linear and pointwise layers, by numpy where all W are tiny.

    Raises:
        TypeError: there is another layer.
    """

    def __init__(self, layers: Sequence[Any]):
        for f in layers:
            if not (isinstance(f, LinearStage) or hasattr(f, "slope")):
                raise TypeError(f"Chain.jacobian: it is for linear and pointwise layers; this chain has {f}.")
        thetas = [t for f in layers for t in f.theta]
        self.tiny = all(t.numel() <= TINY for t in thetas) and seen_by_numpy(*thetas)
        self.layers = [(f, *map(self._seen, (getattr(f, "W", None), getattr(f, "b", None)))) for f in layers]
        self.last = max((i for i, f in enumerate(layers) if not isinstance(f, LinearStage)), default=-1)

    def _seen(self, theta: Tensor | None) -> Any:
        return theta.numpy() if self.tiny and theta is not None else theta

    def at(self, x0: Tensor) -> Tensor:
        """dx_L/dx_0 at x_0 [N] → [|x_L| x N], in new memory.

        Raises:
            ShapeError: x_0 is not one datapoint, or a layer does not fit its input.
        """
        if x0.ndim != 1:
            check_shapes("Chain.jacobian", x0=(x0, "N"))
        if not self.tiny:
            Ws, diagonals = self._factors(x0)
            L = _product(Ws, diagonals)
            return L.clone() if L is Ws[0] else L
        if not seen_by_numpy(x0):
            x0 = x0.to("cpu", torch.float64)  # if W has another dtype, `_factors` raises
        Ws, diagonals = self._factors(x0.numpy())
        L = _from_the_output(Ws, diagonals, [None] * len(Ws))  # leaving rows out would take longer than it saves
        return torch.from_numpy(L.copy() if L is Ws[0] else L)

    def _factors(self, x: Any) -> tuple[list[Any], list[Any]]:
        """Each W, the input's first, and the diagonal of the H' after it, or None."""
        Ws: list[Any] = []
        diagonals: list[Any] = []
        for i, (f, W, b) in enumerate(self.layers):
            if W is None:
                if not Ws:
                    Ws, diagonals = [np.eye(len(x), dtype=x.dtype) if self.tiny else torch.eye(len(x)).to(x)], [None]
                x, h_prime = f.slope(x)
                diagonals[-1] = h_prime if diagonals[-1] is None else diagonals[-1] * h_prime
                continue
            if i < self.last:  # H' of a later layer depends on x
                if len(x) != W.shape[1] or x.dtype != W.dtype:
                    f.shape_out(torch.as_tensor(x))
                x = W @ x if b is None else W @ x + b
            Ws.append(W)
            diagonals.append(None)
        return Ws, diagonals


def _product(Ws: list[Any], diagonals: list[Any]) -> Any:
    """H'_n W_n ... H'_1 W_1."""
    rows = [None if h is None else h.nonzero()[:, 0] for h in diagonals]
    k = [len(W) if i is None else len(i) for W, i in zip(Ws, rows, strict=True)]
    M, N = len(Ws[-1]), Ws[0].shape[1]
    inner = range(len(Ws) - 1)
    widths = [N, *k] if M > MANY else [W.shape[1] for W in Ws]
    from_output = M * sum(k[i] * widths[i] for i in inner)
    from_input = N * sum(k[i] * (k[i + 1] if i + 2 < len(Ws) else M) for i in inner)
    return (_from_the_output if from_output <= from_input else _from_the_input)(Ws, diagonals, rows)


def _from_the_output(Ws: list[Any], diagonals: list[Any], rows: list[Any]) -> Any:
    G = Ws[-1] if diagonals[-1] is None else Ws[-1] * diagonals[-1][:, None]
    for i in range(len(Ws) - 2, -1, -1):
        W, h_prime, kept = Ws[i], diagonals[i], rows[i]
        if kept is not None:
            G = G if G.shape[1] == len(kept) else G.index_select(1, kept)
            W, h_prime = W.index_select(0, kept), h_prime.index_select(0, kept)
        if i > 0 and rows[i - 1] is not None and len(G) > MANY:
            W = W.index_select(1, rows[i - 1])
        G = (G if h_prime is None else G * h_prime) @ W
    return G


def _from_the_input(Ws: list[Any], diagonals: list[Any], rows: list[Any]) -> Any:
    P = None
    for i, (W, h_prime, kept) in enumerate(zip(Ws, diagonals, rows, strict=True)):
        if kept is not None and i < len(Ws) - 1:
            W, h_prime = W.index_select(0, kept), h_prime.index_select(0, kept)
        if P is not None:
            W = (W if rows[i - 1] is None else W.index_select(1, rows[i - 1])) @ P
        P = W if h_prime is None else W * h_prime[:, None]
    return P
