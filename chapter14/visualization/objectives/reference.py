"""Objectives with a reference image, where a is x_l for that image.

    invert        -|x_l - a|² / |a|²                              Mahendran and Vedaldi, 2015, arXiv:1412.0035
    caricature    mean over places of <x_l, a> max(0.1, cos)^p    as in lucid
    style         -|G - G_a|² / |G_a|²                            Gatys et al., 2015, arXiv:1508.06576

G is the Gram matrix, as in features.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from ... import functional as F
from ...models.pretrained import Pretrained
from ..activations.axes import channels_first
from ..activations.hooks import PICTURE, activations
from .features import gram, projection, short_fingerprint
from .objective import Objective, Value, mean_per_picture


def invert(layer: str, picture: Tensor, *, size: tuple[int, int] | None = None, axis: int | None = None) -> Objective:
    """Reproduces x_l for `picture` [3, H, W], entries from -1 to 1.

    Args:
        size: (height, width) of the pictures that are drawn; by default the network's. `picture` is resized to it.

    Raises:
        ValueError: `picture` has another shape or is not finite; once bound to a network, if a is not finite.
    """
    return _with_reference(f"inversion of {layer}", layer, picture, size, axis, _closeness)


def caricature(
    layer: str,
    picture: Tensor,
    *,
    cosine_power: float = 1.0,
    size: tuple[int, int] | None = None,
    axis: int | None = None,
) -> Objective:
    """Exaggerates x_l for `picture`: the projection onto it, at each place.

    Args, Raises: as `invert`, and as `direction`.
    """

    def value(x_l: Tensor, a: Tensor) -> Tensor:
        return mean_per_picture(projection(x_l, a, cosine_power))

    return _with_reference(f"caricature of {layer}", layer, picture, size, axis, value)


def style(layer: str, picture: Tensor, *, axis: int | None = None) -> Objective:
    """Reproduces the textures of x_l for `picture`, at any place.

    Raises: as `invert`.
    """

    def value(x_l: Tensor, a: Tensor) -> Tensor:
        return _closeness(gram(x_l), a)

    return _with_reference(f"style of {layer}", layer, picture, None, axis, value, gram)


def _closeness(x: Tensor, a: Tensor) -> Tensor:
    size = a.square().mean().clamp(min=1e-12).item()
    return F.mul(mean_per_picture(F.square(F.sub(x, a))), -1 / size)


def _with_reference(
    name: str,
    layer: str,
    picture: Tensor,
    size: tuple[int, int] | None,
    axis: int | None,
    value: Callable[[Tensor, Tensor], Tensor],
    summary: Callable[[Tensor], Tensor] | None = None,
) -> Objective:
    """The objective value(x_l, a); or value(x_l, summary(a)), which may be of another size than x_l."""
    if picture.ndim != 3 or len(picture) != 3 or not picture.isfinite().all():
        raise ValueError(f"{name}: the picture is [3, H, W], and finite; it was given {list(picture.shape)}.")
    name = f"{name} for {short_fingerprint(picture)}"

    def bind(network: Pretrained) -> Value:
        x, wanted = picture[None].detach().float(), size or (network.size, network.size)
        if x.shape[-2:] != wanted:
            x = F.interpolate(x, wanted, mode="bilinear", antialias=True)
        seen = activations(network, frozenset([layer]), x)
        a = channels_first(seen[layer], layer, seen[PICTURE], axis)
        if not a.isfinite().all():
            raise ValueError(f"{name}: the network's x_l for it is not finite.")
        target = summary(a) if summary else a

        def of_activations(x: Mapping[str, Tensor]) -> Tensor:
            x_l = channels_first(x[layer], layer, x[PICTURE], axis)
            if not summary and x_l.shape[1:] != a.shape[1:]:
                raise ValueError(
                    f"{name}: its x_out {list(a.shape[1:])} differs from that of the drawn picture, "
                    f"{list(x_l.shape[1:])}. Give the size of what is drawn, `size` (height, width)."
                )
            return value(x_l, target.to(x_l))

        return of_activations

    return Objective(name, frozenset([layer]), bind)
