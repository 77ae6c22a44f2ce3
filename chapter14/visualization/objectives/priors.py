"""Regularizers: objectives of the picture itself, to be minimized.

    total_variation     mean |x[i + 1, j] - x[i, j]| + |x[i, j + 1] - x[i, j]|, and so along every axis of an Array
    l2                  mean x^2
    blur                mean (x - k * x)^2, with a Gaussian k
    natural_spectrum    mean (log |S| - log A)^2, S the Fourier transform of x, A of photographs; each with a floor
    mean_alpha          mean opacity, from 0 to 1

They are subtracted from an objective: `neuron("layer4", 7) - 0.1 * total_variation()`. They see the picture before the
transforms; each is a mean, whose scale does not depend on the size of the picture.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from ... import functional as F
from ...layers.spectral.image_fft import rfft2
from ..activations.hooks import PICTURE
from ..images.colour import to_components
from ..images.spectrum import natural_amplitudes
from ..transforms.colour import gaussian_blur
from .objective import Objective, mean_per_picture

FLOOR = 0.2  # added to both amplitudes, as noise: otherwise the logs of the smallest would dominate


def total_variation() -> Objective:
    """The mean absolute difference of neighbouring pixels, downwards and to the right."""

    def along(x: Tensor, dim: int) -> Tensor:
        n = x.shape[dim] - 1
        return mean_per_picture(F.absolute(F.sub(F.narrow(x, dim, 1, n), F.narrow(x, dim, 0, n))))

    def value(x: Tensor) -> Tensor:
        if x.ndim < 3:
            raise ValueError(f"total_variation: the entries of a vector have no neighbours; x is {list(x.shape)}.")
        return functools.reduce(F.add, [along(x, dim) for dim in range(2, x.ndim)])

    return _of_data("total variation", value)


def l2() -> Objective:
    """The mean squared distance from grey."""
    return _of_data("distance from grey", lambda x: mean_per_picture(F.square(x)))


def blur(sigma: float = 1.0) -> Objective:
    """The mean squared distance from a copy blurred by a Gaussian of `sigma` pixels."""
    if sigma <= 0:
        raise ValueError(f"blur: sigma is above 0, in pixels; it was given {sigma}.")

    def value(x: Tensor) -> Tensor:
        return mean_per_picture(F.square(F.sub(x, gaussian_blur(x, x.new_full((x.shape[0], 1), sigma), sigma))))

    return _of_picture(f"distance from itself blurred by {sigma:g}", value)


def natural_spectrum() -> Objective:
    """The distance of the picture's amplitude spectrum from that of photographs."""

    def value(x: Tensor) -> Tensor:
        x = F.narrow(x, 1, 0, 3) if x.shape[1] > 3 else x
        A = natural_amplitudes(x)[..., None]
        S = rfft2(to_components(x))
        power = F.add(F.sum(F.square(S), -1, True), FLOOR**2)
        return F.mul(mean_per_picture(F.square(F.sub(F.log(power), (A**2 + FLOOR**2).log()))), 0.25)

    return _of_picture("distance from a natural spectrum", value)


def mean_alpha() -> Objective:
    """The mean opacity of a picture with alpha."""

    def value(x: Tensor) -> Tensor:
        if x.shape[1] not in (2, 4):
            raise ValueError(
                f"mean_alpha: needs a picture with alpha, `image=Alpha(...)`; it has {x.shape[1]} channels."
            )
        return mean_per_picture(F.clamp(F.mul(F.add(F.narrow(x, 1, x.shape[1] - 1, 1), 1), 0.5), 0, 1))

    return _of_picture("mean alpha", value)


def _of_picture(name: str, value: Callable[[Tensor], Tensor]) -> Objective:
    def of_picture(x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"{name}: it is of a picture [B, C, H, W]; this x is {list(x.shape)}.")
        return value(x)

    return _of_data(name, of_picture)


def _of_data(name: str, value: Callable[[Tensor], Tensor]) -> Objective:
    return Objective(name, frozenset([PICTURE]), lambda network: lambda x: value(x[PICTURE]))
