"""Objectives that have a picture to go by: a is what x_l is for it.

    invert        -|x_l - a|² / |a|²                              Mahendran and Vedaldi, 2015, arXiv:1412.0035
    caricature    mean over places of <x_l, a> max(0.1, cos)^p    as lucid's
    style         -|G - G_a|² / |G_a|²                            Gatys et al., 2015, arXiv:1508.06576

G is as in features.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from ... import functional as F
from ...models.pretrained import Pretrained
from ..activations.axes import channels_first
from ..activations.hooks import PICTURE, activations
from .features import along, gram, mean, said
from .objective import Objective, Value


def invert(layer: str, picture: Tensor, *, size: tuple[int, int] | None = None, axis: int | None = None) -> Objective:
    """How near x_l comes to what it is for `picture` [3, H, W], entries from -1 to 1.

    Args:
        size: (height, width) of the pictures that are drawn; by default the network's. `picture` is made that large.

    Raises:
        ValueError: the picture is no picture; or, when a network is at hand, it says nothing finite of it.
    """
    return _to(f"inversion of {layer}", layer, picture, size, axis, _nearness)


def caricature(
    layer: str,
    picture: Tensor,
    *,
    cosine_power: float = 1.0,
    size: tuple[int, int] | None = None,
    axis: int | None = None,
) -> Objective:
    """How far x_l goes, place by place, to where it goes for `picture`: what is there, and more of it.

    Args, Raises: as `invert`, and as `direction`.
    """
    name = f"caricature of {layer}"
    return _to(name, layer, picture, size, axis, lambda x_l, a: mean(along(x_l, a, cosine_power)))


def style(layer: str, picture: Tensor, *, axis: int | None = None) -> Objective:
    """How near the textures of x_l come to those of `picture`, whatever is where.

    Raises: as `invert`.
    """
    return _to(f"style of {layer}", layer, picture, None, axis, lambda x_l, a: _nearness(gram(x_l), a), gram)


def _nearness(x: Tensor, a: Tensor) -> Tensor:
    size = a.square().mean().clamp(min=1e-12).item()
    return F.mul(mean(F.square(F.sub(x, a))), -1 / size)


def _to(
    name: str,
    layer: str,
    picture: Tensor,
    size: tuple[int, int] | None,
    axis: int | None,
    value: Callable[[Tensor, Tensor], Tensor],
    summary: Callable[[Tensor], Tensor] | None = None,
) -> Objective:
    """A function of x_l and of a; or of a summary of a, which has no places to agree with."""
    if picture.ndim != 3 or len(picture) != 3 or not picture.isfinite().all():
        raise ValueError(f"{name}: the picture is [3, H, W], and finite; it was given {list(picture.shape)}.")
    name = f"{name} for {said(picture)}"

    def bind(network: Pretrained) -> Value:
        shown, wanted = picture[None].detach().float(), size or (network.size, network.size)
        if shown.shape[-2:] != wanted:
            shown = F.interpolate(shown, wanted, mode="bilinear", antialias=True)
        seen = activations(network, frozenset([layer]), shown)
        a = channels_first(seen[layer], layer, seen[PICTURE], axis)
        if not a.isfinite().all():
            raise ValueError(f"{name}: what the network says of it is not finite.")
        of_it = summary(a) if summary else a

        def of_all(x: Mapping[str, Tensor]) -> Tensor:
            x_l = channels_first(x[layer], layer, x[PICTURE], axis)
            if not summary and x_l.shape[1:] != a.shape[1:]:
                raise ValueError(
                    f"{name}: x_out of what is drawn is {list(x_l.shape[1:])}, and of the picture {list(a.shape[1:])}. "
                    "They are of one size: `size`, (height, width), is of what is drawn."
                )
            return value(x_l, of_it.to(x_l))

        return of_all

    return Objective(name, frozenset([layer]), bind)
