"""Transforms: what they do, that each picture draws its own, and their gradients."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.audit import audit
from chapter14.layers.resample.warp import affine, warp
from chapter14.visualization import (
    ROBUST,
    TRANSFORMS,
    Affine,
    Blur,
    Colour,
    Composite,
    Crop,
    Flip,
    Jitter,
    Noise,
    Pad,
    ResizedCrop,
    Rotate,
    Scale,
    Together,
)
from chapter14.visualization.optimization.descent import generators

H, W = 7, 10
CASES = [
    (Jitter(2), (H, W)),
    (Flip(), (H, W)),
    (Rotate(10), (H, W)),
    (Scale(0.9, 1.1), (H, W)),
    (Affine(10, 0.9, 1.1, 2), (H, W)),
    (ResizedCrop(0.5, 0.8), (H, W)),
    (ResizedCrop(0.5, 0.8, (5, 4)), (5, 4)),
    (ResizedCrop(0.5, 0.8, degrees=20), (H, W)),
    (Crop(4), (4, 4)),
    (Crop((6, 3)), (6, 3)),
    (Pad(2, value=0.5), (H + 4, W + 4)),
    (Pad(2, "reflect"), (H + 4, W + 4)),
    (Pad(1, "circular"), (H + 2, W + 2)),
    (Pad(2, "noise", 0.3), (H + 4, W + 4)),
    (Pad(-2), (H - 4, W - 4)),
    (Noise(0.1), (H, W)),
    (Colour(0.1, 0.2, 0.3, 0.1), (H, W)),
    (Blur(0.3, 0.8), (H, W)),
    (Composite(), (H, W)),
    (Together(TRANSFORMS), (H, W)),
    (Together(ROBUST), (H, W)),
]
NOT_RANDOM = {str(t) for t in (Pad(2, value=0.5), Pad(2, "reflect"), Pad(1, "circular"), Pad(-2))}

each_transform = pytest.mark.parametrize("transform, size", CASES, ids=lambda value: str(value)[:60])


def pictures(count=2, channels=4, size=(H, W)):
    """With alpha, which is for most of them a channel like others."""
    return torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(14), dtype=torch.float64)


def one():
    return [torch.Generator().manual_seed(0)]


@each_transform
def test_shape_and_seed(transform, size):
    x = pictures()
    a, b = (transform(x, generators([3, 4], 0)) for _ in range(2))
    assert a.shape == (2, 3 if isinstance(transform, Composite) else 4, *size) and a.dtype == x.dtype
    assert_close(a, b, rtol=0, atol=0)
    draws = generators([3, 4], 1)
    assert any(not torch.equal(transform(x, draws), a) for _ in range(8)) or str(transform) in NOT_RANDOM


@each_transform
def test_a_picture_is_changed_alike_in_any_batch(transform, size):
    x = pictures(3)
    together = transform(x, generators([3, 4, 5], 0))
    alone = [transform(x[i : i + 1], generators([3 + i], 0)) for i in range(3)]
    assert_close(torch.cat(alone), together, rtol=1e-12, atol=1e-12)


@each_transform
def test_gradients_are_right_and_by_hand(transform, size):
    x = (pictures() / 10).requires_grad_()  # alpha is clamped where it is not from -1 to 1

    def changed(x):
        return transform(x, generators([3, 4], 0))

    assert gradcheck(changed, x, fast_mode=True) and gradgradcheck(changed, x, fast_mode=True)
    assert audit(changed(F.mul(x, 1))).fraction == 1
    t = torch.ones_like(x)
    moved = changed(x + t) - changed(x)
    assert_close(torch.func.jvp(changed, (x.detach(),), (t,))[1], moved) if transform != Composite() else None


# What each of them does.


def test_jitter_rolls():
    x = pictures(1)
    down, right = torch.randint(-3, 4, (2,), generator=one()[0]).tolist()
    assert_close(Jitter(3)(x, one()), x.roll((down, right), (2, 3)), rtol=0, atol=0)
    assert_close(Jitter(0)(x, one()), x, rtol=0, atol=0)


def test_flip_is_the_picture_or_its_mirror_image():
    x = pictures(16)
    flipped = [torch.equal(a, b.flip(2)) for a, b in zip(Flip()(x, generators(range(16), 0)), x, strict=True)]
    assert 0 < sum(flipped) < 16
    same = [torch.equal(a, b) for a, b in zip(Flip()(x, generators(range(16), 0)), x, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))


def test_crop_is_a_part_of_the_picture():
    x = torch.arange(H * W, dtype=torch.float64).view(1, 1, H, W)
    part = Crop((3, 4))(x, one())
    top, left = divmod(int(part[0, 0, 0, 0]), W)
    assert_close(part, x[..., top : top + 3, left : left + 4], rtol=0, atol=0)
    assert_close(Crop((H, W))(x, one()), x, rtol=0, atol=0)


def test_pads():
    x = pictures(1)
    for mode in ("reflect", "replicate", "circular"):
        assert_close(Pad(3, mode)(x, one()), native.pad(x, (3,) * 4, mode), rtol=0, atol=0)
    assert_close(Pad(3, value=0.5)(x, one()), native.pad(x, (3,) * 4, value=0.5), rtol=0, atol=0)
    border = Pad(40, "noise", 0.3)(x, one())
    assert_close(border[..., 40:-40, 40:-40], x, rtol=0, atol=0)
    assert border[..., :40, :].std() == pytest.approx(0.3, rel=0.05)
    assert_close(Pad(-3)(Pad(3)(x, one()), one()), x, rtol=0, atol=0)


def test_warp_is_grid_sample():
    x, g = pictures().requires_grad_(), pictures(size=(5, 6))
    grid = torch.randn(2, 5, 6, 2, dtype=torch.float64) * 5 + 3
    places = ((2 * grid + 1) / torch.tensor([H, W]) - 1).flip(-1)
    expected = native.grid_sample(x, places, padding_mode="border", align_corners=False)
    x_out = warp(x, grid)
    assert_close(x_out, expected)
    assert_close(torch.autograd.grad(x_out, x, g), torch.autograd.grad(expected, x, g))
    half = warp(x.detach().bfloat16(), grid.float())
    assert half.dtype == torch.bfloat16
    assert_close(half.double(), x_out, atol=0.05, rtol=0.05)


def test_rotate_and_scale_are_about_the_centre():
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[0, 0, 4, 6] = 1  # two right of the centre
    c, s = math.cos(math.pi / 2), math.sin(math.pi / 2)
    A = torch.tensor([[[c, -s], [s, c]]], dtype=torch.float64)
    turned = warp(x, affine(A, torch.zeros(1, 2), (9, 9), (9, 9)))
    assert_close(turned, torch.rot90(x, -1, (2, 3)))
    assert_close(Rotate(0)(x, one()), x)
    assert Scale(2, 2)(x, one())[0, 0, 4, 8] == pytest.approx(1)
    assert_close(Scale(1, 1)(pictures(), generators([0, 1], 0)), pictures())
    assert_close(Affine(20)(pictures(), generators([0, 1], 0)), Rotate(20)(pictures(), generators([0, 1], 0)))


def test_a_resized_crop_lies_within_the_picture_and_keeps_a_slope():
    ramp = torch.arange(64, dtype=torch.float64).expand(1, 1, 64, 64)
    assert_close(ResizedCrop(1, 1)(ramp, one()), ramp)
    for seed in range(20):
        part = ResizedCrop(0.25, 0.25, 32)(ramp, generators([seed], 0))[0, 0, 0]
        assert_close(part[2:-2].diff(), torch.full((27,), 0.5, dtype=torch.float64))
        assert part.min() >= 0 and part.max() <= 63
    assert_close(ResizedCrop(1, 1, 32)(ramp, one())[0, 0, 0], 2 * torch.arange(32) + 0.5, check_dtype=False)


def test_noise_and_colour_are_as_strong_as_they_say():
    x = torch.zeros(1, 3, 99, 99, dtype=torch.float64)
    assert Noise(0.2)(x, one()).std() == pytest.approx(0.2, rel=0.02)
    x = pictures(1, 3)
    brighter = Colour(brightness=0.3)(x, one()) - x
    assert_close(brighter, brighter[:, :1, :1, :1].expand_as(x)) and 0 < brighter.abs().max() <= 0.3
    shifted = (Colour(shift=0.3)(x, one()) - x)[0, :, 0, 0]
    assert len(set(shifted.tolist())) == 3 and shifted.abs().max() <= 0.3
    contrast = Colour(contrast=0.3)(x, one()) / x
    assert_close(contrast, contrast[:, :1, :1, :1].expand_as(x))
    saturated = Colour(saturation=1)(x, one())
    assert_close(saturated.mean(1), x.mean(1))
    ratio = (saturated - saturated.mean(1, keepdim=True)) / (x - x.mean(1, keepdim=True))
    assert_close(ratio, ratio[:, :1, :1, :1].expand_as(x))


def test_blur_is_a_gaussian_of_each_pictures_own_width():
    x = torch.zeros(2, 1, 31, 31, dtype=torch.float64)
    x[..., 15, 15] = 1
    blurred = Blur(1, 3)(x, generators([0, 1], 0))
    assert_close(blurred.sum((1, 2, 3)), torch.ones(2, dtype=torch.float64))
    rows = torch.arange(31, dtype=torch.float64) - 15
    sigma = (blurred.sum((1, 3)) * rows**2).sum(1).sqrt()
    drawn = torch.stack([1 + 2 * torch.rand(1, generator=its) for its in generators([0, 1], 0)])[:, 0]
    assert_close(sigma, drawn.double(), atol=0.05, rtol=0)
    flat = torch.full((1, 3, 5, 5), 0.7, dtype=torch.float64)
    assert_close(Blur(2, 2)(flat, one()), flat)
    assert_close(Blur(0, 0)(pictures(1), one()), pictures(1))


def test_composite_shows_the_background_where_it_is_not_opaque():
    x = pictures(1)
    opaque, clear = (torch.cat([x[:, :3], torch.full_like(x[:, :1], alpha)], 1) for alpha in (1, -1))
    assert_close(Composite()(opaque, one()), x[:, :3])
    background = Composite(0.3)(clear, one())
    assert background.square().mean().sqrt() == pytest.approx(0.3)
    half = torch.cat([x[:, :3], torch.zeros_like(x[:, :1])], 1)
    assert_close(Composite(0.3)(half, one()), (x[:, :3] + background) / 2)
    assert Composite()(pictures(1, 2), one()).shape == (1, 1, H, W)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Jitter(-1), "Jitter: pixels is at least 0; it was given -1"),
        (lambda: Scale(0, 1), r"Scale\(low=0, high=1\): factors are 0 < low <= high"),
        (lambda: Affine(low=1.2), r"Affine\(.*low=1.2, high=1.0, .*\): factors are 0 < low"),
        (lambda: ResizedCrop(0.5, 1.5), "ResizedCrop: 0 < low <= high <= 1; it was given 0.5, 1.5"),
        (lambda: Pad(2, "mirror"), "Pad: mode is one of constant, reflect, .* it was given 'mirror'"),
        (lambda: Pad(-4)(pictures(), one()), r"Pad\(-4\): nothing would be left of a picture of 7 x 10 pixels"),
        (lambda: Pad(7, "reflect")(pictures(), one()), "pads an axis of 7 by 6 at most"),
        (lambda: Crop(8)(pictures(), one()), "a part of 8 x 8 pixels does not fit into a picture of 7 x 10"),
        (lambda: Noise(-1), "Noise: sigma is at least 0; it was given -1"),
        (lambda: Colour(contrast=2), "contrast and saturation are from 0 to 1"),
        (lambda: Blur(2, 1), "Blur: 0 <= low <= high, in pixels; it was given 2, 1"),
        (
            lambda: Composite()(pictures(1, 1), one()),
            "Composite: the last channel is alpha; it was given x .1, 1, 7, 10",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        call()
