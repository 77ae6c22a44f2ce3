"""Priors: what they measure, their gradients, and that a picture heeds them."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.audit import audit
from chapter14.models.load import load_network
from chapter14.visualization import (
    MACO,
    TRANSFORMS,
    Alpha,
    Composite,
    Objective,
    Pixels,
    blur,
    channel,
    l2,
    mean_alpha,
    natural_spectrum,
    text,
    total_variation,
    visualize,
)
from chapter14.visualization.activations.hooks import PICTURE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

PRIORS = {
    "total_variation": total_variation(),
    "l2": l2(),
    "blur": blur(0.6),
    "natural_spectrum": natural_spectrum(),
    "mean_alpha": mean_alpha(),
}
each_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)


def of(prior, x):
    """What it says of pictures x; it asks no network."""
    return prior.bind(None)({PICTURE: x})


def pictures(*shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(14)) * 2 - 1


@each_prior
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_one_number_for_each_picture_with_its_gradient_by_hand(prior, channels):
    if (channels % 2 and prior is PRIORS["mean_alpha"]) or (channels == 2 and prior is PRIORS["natural_spectrum"]):
        pytest.skip("it is not for pictures of so many channels")
    x = pictures(3, channels, 5, 6).requires_grad_()
    value = of(prior, F.mul(x, 1))
    assert isinstance(prior, Objective) and value.shape == (3,) and (value > 0).all()
    assert audit(value).fraction == 1
    assert gradcheck(lambda x: of(prior, x), x)
    assert_close(of(prior, x[1:2]), value[1:2], rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1), (48, 33)], ids=str)
@each_prior
def test_pictures_of_any_size(prior, size):
    x = pictures(2, 4, *size).requires_grad_()
    (g,) = torch.autograd.grad(of(prior, x).sum(), x)
    assert g.isfinite().all() and of(prior, x).isfinite().all()


def test_what_they_measure():
    flat, x = torch.full((1, 3, 6, 6), 0.5, dtype=torch.float64), torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    assert_close(of(total_variation(), flat), torch.zeros(1, dtype=torch.float64))
    assert_close(of(blur(), flat), torch.zeros(1, dtype=torch.float64))
    assert of(l2(), flat) == pytest.approx(0.25)
    x[..., 2:] = 1  # an edge, which one of three differences to the right is over
    assert of(total_variation(), x) == pytest.approx(1 / 3)
    alpha = torch.tensor([-2.0, -1, 0, 1]).view(1, 1, 2, 2)
    assert of(mean_alpha(), torch.cat([alpha] * 4, 1)) == pytest.approx((0 + 0 + 0.5 + 1) / 4)
    natural = MACO().picture(MACO().parameters(pictures(1, 3, 32, 32)))
    assert of(natural_spectrum(), natural) < 0.1 < of(natural_spectrum(), pictures(1, 3, 32, 32))
    assert of(natural_spectrum(), 10 * natural) > 10 * of(natural_spectrum(), natural)


@pytest.mark.parametrize(
    "prior, weight", [(total_variation(), 300), (l2(), 300), (blur(), 1000), (natural_spectrum(), 300)]
)
def test_a_picture_heeds_them(prior, weight):
    network, sentence = load_network(), text("a photo of a cat")
    free, held = (
        visualize(network, objective, steps=20, cycles=(), count=2)
        for objective in (sentence, sentence - weight * prior)
    )
    assert (of(prior, held.x) < of(prior, free.x)).all()


def test_a_picture_with_alpha_is_less_opaque():
    transforms, network, sentence = (Composite(), *TRANSFORMS), load_network(), text("a photo of a cat")
    options = {"steps": 20, "cycles": (), "image": Alpha(Pixels()), "transforms": transforms}
    free, held = (visualize(network, o, **options) for o in (sentence, sentence - 1000 * mean_alpha()))
    assert (of(mean_alpha(), held.x) < of(mean_alpha(), free.x)).all()


def test_a_prior_is_an_objective_of_its_own():
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    x = visualize(model, -1 * l2(), size=16, steps=40, cycles=()).x
    assert x.square().mean() < 0.4
    both = channel("0", 1) - 0.1 * total_variation()
    assert both.layers == {"0", PICTURE} and both.name == "channel 1 of 0 - 1 (0.1 (total variation))"


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="mean_alpha: needs a picture with alpha, .* it has 3 channels"):
        of(mean_alpha(), pictures(1, 3, 4, 4))
    with pytest.raises(ValueError, match="blur: sigma is above 0, in pixels; it was given 0"):
        blur(0)
    with pytest.raises(ValueError, match="three channels or one; the picture has 2"):
        of(natural_spectrum(), pictures(1, 2, 4, 4))
