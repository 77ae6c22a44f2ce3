"""Dropout: a random gate, and what is left scaled up to make good for it. L = diag m / (1 - p), as relu's (14.30).

    dropout         x_out = x m / (1 - p)
    alpha_dropout   x_out = a (x m - α (1 - m)) + a α p,  a = ((α² p + 1) (1 - p))^(-1/2)

What selu makes of -∞ is -α: to drop to that, a and a α p undo what it does to mean and variance. m is 0 with
probability p, for each entry, or for each channel of each datapoint; one seed gives the m that PyTorch has.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from ...layer.accepted_tensors import check_dense
from ...layer.shape import check_floating, in_words
from ..core.arithmetic import numbers, plus, scale
from ..core.inplace import in_place
from ..core.linear_maps import SymmetricMap

_ALPHA = 1.7580993408473766


class Drop(SymmetricMap):
    """x_out = s m x, where m is a mask of ones and zeros that broadcasts, one byte an entry, and s a number."""

    @staticmethod
    def forward(x, mask, s):
        return x * numbers(mask, x.dtype).mul_(s)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """0 with probability p, else x / (1 - p). As `torch.nn.functional.dropout`; one seed, the same entries."""
    return _dropout("dropout", input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 after `selu`; as `torch.nn.functional.alpha_dropout`."""
    return _dropout("alpha_dropout", input, p, training, inplace, alpha=True)


def feature_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input [B, C, ...]: whole channels at once, as `torch.feature_dropout`."""
    return _dropout("feature_dropout", input, p, training, inplace, features=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """input [B, C, ...]: `alpha_dropout` of whole channels; as `torch.nn.functional.feature_alpha_dropout`."""
    return _dropout("feature_alpha_dropout", input, p, training, inplace, features=True, alpha=True)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input [B, C, L] or [C, L], whole channels at once; as `torch.nn.functional.dropout1d`.

    Raises:
        RuntimeError: input has other axes.
    """
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: it expects input [B, C, L] or [C, L]; it was given input {in_words(input)}.")
    return _dropout("dropout1d", input, p, training, inplace, features=True, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input [B, C, H, W], whole channels at once; as `torch.nn.functional.dropout2d`, which takes others too."""
    if input.ndim != 4:
        warnings.warn(f"dropout2d: it expects input [B, C, H, W], and takes {in_words(input)} for that.", stacklevel=2)
    return _dropout("dropout2d", input, p, training, inplace, features=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input [B, C, D, H, W] or [C, D, H, W], whole channels at once; as `torch.nn.functional.dropout3d`."""
    if input.ndim not in (4, 5):
        warnings.warn(f"dropout3d: it expects input [..., C, D, H, W]; it was given {in_words(input)}.", stacklevel=2)
    return _dropout("dropout3d", input, p, training, inplace, features=True, batched=input.ndim == 5)


def _dropout(
    name: str, x: Tensor, p: float, training: bool, inplace: bool, features: bool = False, alpha: bool = False,
    batched: bool = True,
) -> Tensor:  # fmt: skip
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability; it was given p={p}.")
    if not training or p == 0 or not x.numel():
        return x
    check_dense(name, x)  # before random numbers are drawn
    x_out = scale(x, 0) if p == 1 else _gated(name, x, p, features, alpha, batched)
    return in_place(x, x_out) if inplace else x_out


def _gated(name: str, x: Tensor, p: float, features: bool, alpha: bool, batched: bool) -> Tensor:
    check_floating(name, input=x)
    if features and x.ndim < 2:
        raise RuntimeError(f"{name}: it expects input [B, C, ...]; it was given input {in_words(x)}.")
    each = 2 if batched else 1  # axes of the channels
    like = x.real if x.is_complex() else x
    m = like.new_empty(*x.shape[:each], *[1] * (x.ndim - each)) if features else torch.empty_like(like)
    m.bernoulli_(1 - p)
    if not alpha:
        return Drop.of(x, m.bool(), 1 / (1 - p))
    a = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    dropped = (m - 1).mul_(_ALPHA * a).add_(_ALPHA * a * p)
    return plus(Drop.of(x, m.bool(), a), dropped)
