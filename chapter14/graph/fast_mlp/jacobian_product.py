"""L of a whole chain: the product of its layers' L (14.2), which for an MLP are W (14.16) and H' (14.30).

    dx_L/dx_0 = L_L ... L_2 L_1                [|x_L| x |x_0|]
              = W_3 H'_2 W_2 H'_1 W_1

H' is diagonal, and 0 where a relu is shut: a row of the W before it and a column of the W after it count for nothing
there, and are left out. What is left is multiplied in the cheaper order: from the output, as the way back goes, where
x_L is the smaller, or from the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...layer.shape import check_shapes
from .layers import Linear
from .passes import TINY, seen_by_numpy

#: With as many rows, a product is worth the copy of a W without the columns that count for nothing.
MANY = 64


class Factors:
    """L_1, ..., L_L of linear and pointwise layers, as a chain has them; where all are tiny, as numpy's arrays.

    Raises:
        TypeError: there is another layer.
    """

    def __init__(self, layers: Sequence[Any]):
        for f in layers:
            if not (isinstance(f, Linear) or hasattr(f, "slope")):
                raise TypeError(f"Chain.jacobian: it is for linear and pointwise layers; this chain has {f}.")
        thetas = [t for f in layers for t in f.theta]
        self.tiny = all(t.numel() <= TINY for t in thetas) and seen_by_numpy(*thetas)
        self.layers = [(f, *self._seen(f)) for f in layers]
        self.last = max((i for i, f in enumerate(layers) if not isinstance(f, Linear)), default=-1)

    def _seen(self, f: Any) -> tuple[Any, Any]:
        W, b = (f.W, f.b) if isinstance(f, Linear) else (None, None)
        return (t.numpy() if self.tiny and t is not None else t for t in (W, b))  # type: ignore[return-value]

    def product(self, x0: Tensor) -> Tensor:
        """dx_L/dx_0 at x_0 [N] → [|x_L| x N].

        Raises:
            ShapeError: x_0 is not one datapoint, or a layer does not fit what comes to it.
        """
        if x0.ndim != 1:
            check_shapes("Chain.jacobian", x0=(x0, "N"))
        if not self.tiny:
            return self._product(*self._at(x0))
        if not seen_by_numpy(x0):
            x0 = x0.to("cpu", torch.float64)  # it is refused by what it meets
        return torch.from_numpy(self._product(*self._at(x0.numpy())))

    def _at(self, x: Any) -> tuple[list[Any], list[Any]]:
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
            if i < self.last:  # later x do not matter
                if len(x) != W.shape[1] or x.dtype != W.dtype:
                    f.shape_out(torch.as_tensor(x))
                x = W @ x if b is None else W @ x + b
            Ws.append(W)
            diagonals.append(None)
        return Ws, diagonals

    def _product(self, Ws: list[Any], diagonals: list[Any]) -> Any:
        """H'_n W_n ... H'_1 W_1. In what is tiny nothing is left out: it would take longer than it saves."""
        if self.tiny:
            L = _from_the_output(Ws, diagonals, [None] * len(Ws))
            return L.copy() if L is Ws[0] else L  # a W is the layer's own
        open_ = [None if h is None else h.nonzero()[:, 0] for h in diagonals]
        k = [len(W) if i is None else len(i) for W, i in zip(Ws, open_, strict=True)]
        M, N = len(Ws[-1]), Ws[0].shape[1]
        inner = range(len(Ws) - 1)
        widths = [N, *k] if M > MANY else [W.shape[1] for W in Ws]
        of_output = M * sum(k[i] * widths[i] for i in inner)
        of_input = N * sum(k[i] * (k[i + 1] if i + 2 < len(Ws) else M) for i in inner)
        L = (_from_the_output if of_output <= of_input else _from_the_input)(Ws, diagonals, open_)
        return L.clone() if L is Ws[0] else L


def _from_the_output(Ws: list[Any], diagonals: list[Any], open_: list[Any]) -> Any:
    G = Ws[-1] if diagonals[-1] is None else Ws[-1] * diagonals[-1][:, None]
    for i in range(len(Ws) - 2, -1, -1):
        W, h_prime, rows = Ws[i], diagonals[i], open_[i]
        if rows is not None:
            G = G if G.shape[1] == len(rows) else G.index_select(1, rows)
            W, h_prime = W.index_select(0, rows), h_prime.index_select(0, rows)
        if i > 0 and open_[i - 1] is not None and len(G) > MANY:
            W = W.index_select(1, open_[i - 1])
        G = (G if h_prime is None else G * h_prime) @ W
    return G


def _from_the_input(Ws: list[Any], diagonals: list[Any], open_: list[Any]) -> Any:
    P = None
    for i, (W, h_prime, rows) in enumerate(zip(Ws, diagonals, open_, strict=True)):
        if rows is not None and i < len(Ws) - 1:
            W, h_prime = W.index_select(0, rows), h_prime.index_select(0, rows)
        if P is not None:
            W = (W if open_[i - 1] is None else W.index_select(1, open_[i - 1])) @ P
        P = W if h_prime is None else W * h_prime[:, None]
    return P
