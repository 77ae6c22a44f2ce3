"""The axes of x_l.

    [B, N]          N neurons
    [B, T, N]       N channels at T tokens, in a transformer
    [B, C, H, W]    C channels at H x W places, in a convolutional network
    [B, H, W, C]    the same, channels last: if H x W has the proportions of the picture or is square, and W x C has not

So it is where the network is applied to pictures [B, C, H, W]. Where it is applied to a sequence or a volume, only
[B, N] is told by its shape, and `axis` says it of others: 1 in a convolutional network, 2 for [B, T, N].
The first axis counts the pictures. A transformer's [T, B, N], with tokens first, is transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ... import functional as F


def first_tensor(x_out: Any) -> Any:
    """A module's output, or the first element of it: attention returns its weights, too."""
    while isinstance(x_out, Mapping | list | tuple) and x_out:
        x_out = next(iter(x_out.values() if isinstance(x_out, Mapping) else x_out))
    return x_out


def tokens_first(model: nn.Module) -> bool:
    """Whether any of its layers expects [T, B, N]."""
    return any(getattr(module, "batch_first", True) is False for module in model.modules())


def by_picture(x_out: Any, layer: str, B: int, tokens_first: bool) -> Tensor:
    """x_l, with a row for each of B pictures.

    Raises:
        ValueError: it has no such axis, or two of them.
    """
    x = first_tensor(x_out)
    if not isinstance(x, Tensor) or not x.ndim:
        raise ValueError(f"{layer}: its x_out is {type(x_out).__name__}, not a tensor with a row for each picture.")
    turned = x.ndim == 3 and x.shape[1] == B
    if x.shape[0] == B and not (turned and B > 1 and tokens_first):
        return x
    if x.shape[0] == B:
        raise ValueError(
            f"{layer}: two axes of its x_out {list(x.shape)} are as long as the batch, and either may count the "
            "pictures. Draw another number of pictures at a time (batch)."
        )
    if not turned:
        raise ValueError(
            f"{layer}: its x_out {list(x.shape)} has no row for each of {B} pictures; a layer around it may have."
        )
    return F.transpose(x, 0, 1)


def channels_first(x: Tensor, layer: str, picture: Tensor, axis: int | None = None) -> Tensor:
    """x_l [B, ...] → [B, C, *places]. `axis`: of the channels; by default as in this file's table.

    Raises:
        ValueError: x_l has no such axis.
    """
    if x.ndim < 2 or axis is not None and not (0 < axis < x.ndim or 1 - x.ndim <= axis < 0):
        which = "channels" if axis is None else f"axis {axis}"
        raise ValueError(f"{layer}: its x_out {list(x.shape)} has no {which} besides its pictures.")
    if axis is None and x.ndim > 2 and picture.ndim != 4:
        raise ValueError(f"{layer}: which axis of its x_out {list(x.shape)} has the channels? Give it, as in axis=1.")
    axis = channel_axis(x.shape, picture.shape) if axis is None else axis % x.ndim
    return x if axis == 1 else F.permute(x, (0, axis, *(i for i in range(1, x.ndim) if i != axis)))


def channel_axis(shape: tuple[int, ...], picture: tuple[int, ...]) -> int:
    """The axis of the channels of x_l, for a network applied to `picture` [B, 3, H, W]."""
    if len(shape) == 3:
        return 2
    if len(shape) == 4:
        a, b, c = shape[1:]
        return 3 if _like(a, b, *picture[-2:]) and not _like(b, c, *picture[-2:]) else 1
    return 1


def _like(h: int, w: int, H: int, W: int) -> bool:
    """Whether h x w has the proportions of H x W, up to a pixel, or is square."""
    return h == w or H != W and abs(h - w * H / W) <= 1
