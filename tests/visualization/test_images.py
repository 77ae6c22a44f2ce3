"""An image as parameters: its picture, its way back, and what each kind holds fixed."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
from chapter14.conversion.audit import audit
from chapter14.layers.spectral.image_fft import hartley, rfft2
from chapter14.models.load import load_network
from chapter14.visualization import (
    MACO,
    TRANSFORMS,
    Alpha,
    Bounded,
    Composite,
    Decorrelated,
    Fourier,
    Grey,
    Pixels,
    Pyramid,
    channel,
    visualize,
)
from chapter14.visualization.images.colour import COLOURS, mix_channels
from chapter14.visualization.images.spectrum import SPECTRUM, measure_amplitudes, natural_amplitudes, save_spectrum
from chapter14.visualization.optimization.descent import generators, white_noise

from ..small_clip import TRAINED

pytestmark = pytest.mark.usefixtures("small_embedded")

LINEAR = {
    "pixels": Pixels(),
    "pyramid": Pyramid(),
    "fourier": Fourier(),
    "colours": Decorrelated(Pixels()),
    "fourier colours": Decorrelated(Fourier()),
    "grey": Grey(Fourier()),
    "alpha": Alpha(Decorrelated(Pyramid())),
    "grey alpha": Alpha(Grey(Fourier())),
}
BOUNDED = {"bounded": Bounded(Decorrelated(Fourier())), "bounded alpha": Alpha(Bounded(Pixels()))}
IMAGES = LINEAR | BOUNDED | {"maco": MACO(), "grey maco": Grey(MACO())}
SIZES = [(48, 48), (6, 9), (9, 6), (7, 5), (1, 2)]

each_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)


def photograph(image, size=(6, 9), count=2, dtype=torch.float64):
    """Pictures that this image has: grey, where it is."""
    x = torch.rand(count, image.channels, *size, generator=torch.Generator().manual_seed(14), dtype=dtype) * 2 - 1
    inner = image.image if isinstance(image, Alpha) else image
    return torch.cat([x[:, :1].expand(-1, 3, -1, -1), x[:, 3:]], 1) if isinstance(inner, Grey) else x


def parameters(image, **options):
    x = photograph(image, **options)
    return torch.randn(image.parameters(x).shape, generator=torch.Generator().manual_seed(4), dtype=x.dtype)


@pytest.mark.parametrize("dtype, within", [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("image", LINEAR.values(), ids=LINEAR)
def test_a_photograph_is_given_back(image, size, dtype, within):
    x = photograph(image, size, dtype=dtype)
    assert_close(image.picture(image.parameters(x)), x, atol=within, rtol=0)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_maco_has_the_phases_of_a_photograph_and_the_amplitudes_of_all(size):
    image, x = MACO(), photograph(MACO(), size)
    x_out = image.picture(image.parameters(x))
    before, S = (torch.view_as_complex(rfft2(mix_channels(t, torch.linalg.inv(COLOURS)))) for t in (x, x_out))
    real = S.imag.abs() < 1e-9  # of these, the amplitude is the largest that they may have
    assert_close(torch.where(real, 1, S / S.abs()), torch.where(real, 1, before / before.abs()))
    A = natural_amplitudes(x)
    assert_close(torch.where(real, A, S.abs()), A.expand(S.shape))
    assert (S.abs() <= A + 1e-9).all() and real[0, 0].sum() <= 4
    assert_close(image.picture(image.parameters(x_out)), x_out)


@pytest.mark.parametrize("image", BOUNDED.values(), ids=BOUNDED)
def test_a_bounded_image_stays_in_range(image):
    x = photograph(image)
    assert_close(image.picture(image.parameters(x)), x.clamp(-0.99, 0.99))
    far = image.picture(image.parameters(x) + 100 * torch.randn(image.parameters(x).shape, dtype=x.dtype))
    assert far.abs().max() <= 1 and far.isfinite().all()


@pytest.mark.parametrize("image", LINEAR.values(), ids=LINEAR)
def test_a_linear_image_is_linear(image):
    a, b = parameters(image), parameters(image).flip(0)
    assert_close(image.picture(2 * a - b), 2 * image.picture(a) - image.picture(b))


@each_image
def test_moved_is_the_jvp(image):
    theta = parameters(image)
    change = theta.flip(-1) + 1
    x, moved = torch.func.jvp(image.picture, (theta,), (change,))
    assert_close(image.jvp(theta, change), moved)
    assert_close(image.picture(theta), x)


@each_image
def test_gradients_are_right_and_by_hand(image):
    theta = parameters(image, size=(4, 5), count=1).requires_grad_()
    assert gradcheck(image.picture, theta, fast_mode=True) and gradgradcheck(image.picture, theta, fast_mode=True)
    assert audit(image.picture(F.mul(theta, 1))).fraction == 1


@each_image
def test_a_picture_does_not_depend_on_its_neighbours(image):
    theta, x = parameters(image), photograph(image)
    assert_close(image.picture(theta[1:]), image.picture(theta)[1:], rtol=0, atol=0)
    drawn = white_noise(image, x, generators([3, 4], 0))
    assert_close(white_noise(image, x[1:], generators([4], 0)), drawn[1:], rtol=1e-12, atol=1e-12)
    assert_close(drawn.square().flatten(1).mean(1).sqrt(), torch.full((2,), image.noise, dtype=torch.float64))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_hartley_is_its_own_inverse_and_transpose(size):
    x = torch.randn(2, *size, dtype=torch.float64)
    assert_close(hartley(hartley(x)), x)
    L = torch.func.jacrev(hartley)(x[0]).reshape(x[0].numel(), -1)
    assert_close(L, L.mT)


def test_fourier_moves_coarse_waves_first():
    image = Fourier()
    x = image.picture(torch.randn(1, 3, 64, 64, dtype=torch.float64))
    waves = hartley(x).abs()
    coarse, fine = waves[..., 1:4, 1:4].mean(), waves[..., 28:36, 28:36].mean()
    assert coarse / fine == pytest.approx(math.sqrt(32**2 + 32**2) / math.sqrt(2**2 + 2**2), rel=0.35)
    assert_close(Fourier(decay=0).picture(x), hartley(x))


def test_a_pyramid_adds_up_its_levels():
    image = Pyramid(levels=3)
    theta = torch.zeros(1, 3, 9, 13, dtype=torch.float64)  # of pictures 9 x 9
    theta[:, :, 0:4, 9:13] = 0.5  # 4 x 4
    theta[:, :, 4:6, 9:11] = 0.25  # 2 x 2
    assert_close(image.picture(theta), torch.full((1, 3, 9, 9), 0.75, dtype=torch.float64))
    assert_close(Pyramid(levels=1).picture(theta), theta[..., :9])


def test_the_spectrum_is_what_was_measured(tmp_path):
    x = photograph(Pixels(), (8, 8), 5)
    save_spectrum(measure_amplitudes(x) / 5, tmp_path / "spectrum.safetensors", {})
    A = natural_amplitudes(x, tmp_path / "spectrum.safetensors")
    S = torch.view_as_complex(rfft2(mix_channels(torch.cat([x, x.flip(2)]), torch.linalg.inv(COLOURS)))).abs().mean(0)
    assert_close(A, S, atol=1e-6, rtol=1e-6)
    larger = natural_amplitudes(torch.zeros(1, 3, 16, 16, dtype=torch.float64), tmp_path / "spectrum.safetensors")
    assert_close(larger[:, 0, 0], 2 * A[:, 0, 0])  # a mean is a mean, in a picture of any size
    assert_close(larger[:, ::2, ::2][:, 1:, 1:], A[:, 1:, 1:], atol=1e-6, rtol=1e-6)  # and a cycle a pixel is one


def test_the_spectrum_that_is_shipped_falls_off_and_has_most_of_brightness():
    A = natural_amplitudes(torch.zeros(1, 3, 224, 224))
    brightness = A[0].flatten()[1:]
    assert brightness.max() > 100 * brightness.min() > 0 and (A[0, 1:, 1:].mean() > A[1:, 1:, 1:].mean((1, 2))).all()


# As `visualize` draws them.


@pytest.fixture(scope="module")
def network():
    return load_network()


@pytest.fixture(scope="module")
def trained():
    return load_network(TRAINED)


def drawn(network, image, **options):
    alpha = (Composite(), *TRANSFORMS) if isinstance(image, Alpha) else TRANSFORMS
    options = {"steps": 12, "cycles": (), "count": 2, "transforms": alpha} | options
    return visualize(network, "a photo of a cat", image=image, **options)


@each_image
def test_each_image_descends(image, trained):
    x, history, *_ = drawn(trained, image)
    assert x.shape == (2, image.channels, 128, 128) and x.abs().max() <= 1
    assert (history[-1] < history[0]).all()


@pytest.mark.parametrize("image", [MACO(), Alpha(Pixels())], ids=["maco", "alpha"])
def test_a_seed_draws_the_same_picture_in_any_batch(image):
    network = load_network()
    network.model.double()  # in float32, rounding differs between batch sizes, and a descent amplifies it
    together, alone = drawn(network, image, steps=3), drawn(network, image, steps=3, batch=1)
    assert_close(together.x, alone.x, atol=1e-6, rtol=0)


def test_a_photograph_without_alpha_begins_opaque(network):
    x = photograph(Pixels(), (96, 96), 1, torch.float32)[0]
    assert drawn(network, Alpha(Pixels()), start=x, steps=1, count=1).x[0, 3].mean() > 0.95


@pytest.mark.parametrize("image", [Pixels(channels=1), Fourier(channels=1), MACO(channels=1)], ids=str)
def test_a_network_that_takes_one_channel(image):
    torch.manual_seed(14)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh())
    x, history, *_ = chapter14.visualize(
        model, channel("1", 2), size=(16, 21), steps=64, cycles=(), image=image, transforms=()
    )
    assert x.shape == (1, 1, 16, 21) and history[-1] < history[0]


def test_what_does_not_fit_is_said(network, tmp_path):
    with pytest.raises(ValueError, match=r"Fourier\(64\): expects pictures 64 pixels wide; this is 128 x 128"):
        drawn(network, Fourier(64))
    with pytest.raises(ValueError, match=r"needs a background: transforms=\(Composite\(\), ...\)"):
        drawn(network, Alpha(Pixels()), transforms=TRANSFORMS)
    with pytest.raises(ValueError, match="has 3 channels, and start has 1"):
        drawn(network, Pixels(), start=torch.zeros(1, 96, 96))
    with pytest.raises(ValueError, match="colours have three channels"):
        Decorrelated(Pixels(channels=1))
    with pytest.raises(ValueError, match="Pyramid: levels is at least 1; it was given levels=0"):
        Pyramid(levels=0)
    with pytest.raises(ValueError, match="three channels or one; it was given channels=4"):
        MACO(channels=4)
    with pytest.raises(ValueError, match="three channels or one; the picture has 4"):
        drawn(network, Alpha(MACO()))
    (tmp_path / "other").write_bytes(b"no spectrum")
    with pytest.raises(ValueError, match="is not a spectrum that scripts/measure_spectrum.py wrote"):
        MACO(spectrum=tmp_path / "other").parameters(torch.zeros(1, 3, 8, 8))
    with pytest.raises(FileNotFoundError):
        MACO(spectrum=tmp_path / "nothing").parameters(torch.zeros(1, 3, 8, 8))
    assert SPECTRUM.exists()
