"""What a picture should be besides good for the neuron: numbers of the picture itself, to be lowered.

    total_variation     mean |x[i + 1, j] - x[i, j]| + |x[i, j + 1] - x[i, j]|
    l2                  mean x^2
    blur                mean (x - k * x)^2, with a Gaussian k
    natural_spectrum    mean (log |S| - log A)^2, S the Fourier transform of x, A of photographs; each with a floor
    mean_alpha          mean of how opaque it is, from 0 to 1

They are objectives, to be taken off another: `neuron("layer4", 7) - 0.1 * total_variation()`. They look at the picture
as it is drawn, before the transforms; each is a mean, of the same size whatever the size of the picture.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ... import functional as F
from ...layers.spectral.image_fft import rfft2
from ..activations.hooks import PICTURE
from ..images.colour import COLOURS, mixed
from ..images.spectrum import natural
from ..transforms.colour import blurred
from .objective import Objective

FLOOR = 0.2  # added to both amplitudes, as noise is: next to nothing, whose log has no end, would say most


def total_variation() -> Objective:
    """How much neighbours differ, downwards and to the right."""

    def value(x: Tensor) -> Tensor:
        H, W = x.shape[2:]
        down = F.sub(F.narrow(x, 2, 1, H - 1), F.narrow(x, 2, 0, H - 1))
        right = F.sub(F.narrow(x, 3, 1, W - 1), F.narrow(x, 3, 0, W - 1))
        return F.add(_mean(F.absolute(down)), _mean(F.absolute(right)))

    return _of_the_picture("total variation", value)


def l2() -> Objective:
    """How far the picture is from grey."""
    return _of_the_picture("distance from grey", lambda x: _mean(F.square(x)))


def blur(sigma: float = 1.0) -> Objective:
    """How far the picture is from its own blurred copy, by a Gaussian of so many pixels."""
    if sigma <= 0:
        raise ValueError(f"blur: sigma is above 0, in pixels; it was given {sigma}.")

    def value(x: Tensor) -> Tensor:
        return _mean(F.square(F.sub(x, blurred(x, x.new_full((x.shape[0], 1), sigma), sigma))))

    return _of_the_picture(f"distance from itself blurred by {sigma:g}", value)


def natural_spectrum() -> Objective:
    """How far the amounts of the picture's frequencies are from those of photographs."""

    def value(x: Tensor) -> Tensor:
        x = F.narrow(x, 1, 0, 3) if x.shape[1] > 3 else x
        A = natural(x)[..., None]
        S = rfft2(mixed(x, COLOURS.inverse()) if x.shape[1] == 3 else x)
        power = F.add(F.sum(F.square(S), -1, True), FLOOR**2)
        return F.mul(_mean(F.square(F.sub(F.log(power), (A**2 + FLOOR**2).log()))), 0.25)

    return _of_the_picture("distance from a natural spectrum", value)


def mean_alpha() -> Objective:
    """How much of a picture with alpha is opaque."""

    def value(x: Tensor) -> Tensor:
        if x.shape[1] not in (2, 4):
            raise ValueError(
                f"mean_alpha: needs a picture with alpha, `image=Alpha(...)`; it has {x.shape[1]} channels."
            )
        return _mean(F.clamp(F.mul(F.add(F.narrow(x, 1, x.shape[1] - 1, 1), 1), 0.5), 0, 1))

    return _of_the_picture("mean alpha", value)


def _of_the_picture(name: str, value: Callable[[Tensor], Tensor]) -> Objective:
    return Objective(name, frozenset([PICTURE]), lambda network: lambda x: value(x[PICTURE]))


def _mean(x: Tensor) -> Tensor:
    """The mean of each picture; 0 of no entries, as a picture one pixel wide has no neighbours to the right."""
    mean = F.mean if x.numel() else F.sum
    return mean(x, range(1, x.ndim))
