"""The numbers of a picture's quality: each says what it should of pictures that were made for it."""

import pytest
import torch

import chapter14.nn as nn
from chapter14.models.load import Pretrained, load_network
from chapter14.visualization import channel, label, neuron, visualize
from chapter14.visualization.output.dataset_examples import objective_values
from chapter14.visualization.output.quality import (
    Quality,
    measure_quality,
    quality_table,
    spectrum_distance,
    unseen_view,
)

from ...small_clip import TRAINED


@pytest.fixture(scope="module")
def network():
    return load_network(TRAINED)


def of(network, x, **options):
    return measure_quality(network, [label("cat")] * len(x), x, **options)


def test_colours():
    x = torch.stack(
        [torch.zeros(3, 8, 8), torch.ones(3, 8, 8), torch.tensor([1.0, -1, 0]).view(3, 1, 1).expand(3, 8, 8)]
    )
    model = Pretrained(nn.Sequential(nn.Conv2d(3, 2, 1)), 8)
    found = measure_quality(model, [channel("0", 1)] * 3, x)
    assert [q.saturated for q in found] == pytest.approx([0, 1, 2 / 3]) and [q.chroma for q in found] == [0, 0, 1]


def noise(exponent, B=4, N=64):
    """Amplitudes that fall off as frequency to the -exponent."""
    k = torch.hypot(torch.fft.fftfreq(N)[:, None], torch.fft.rfftfreq(N)) * N
    spectrum = torch.fft.rfft2(torch.randn(B, 1, N, N, generator=torch.Generator().manual_seed(0)))
    return torch.fft.irfft2(spectrum / k.clamp(min=1) ** exponent, (N, N)).expand(-1, 3, -1, -1)


def test_the_spectrum_tells_noise_from_photographs():
    white, natural, smooth = (spectrum_distance(noise(e)) for e in (0, 1.2, 2.4))
    assert (natural < 2.5).all() and (white > 5).all() and (smooth > 5).all()
    assert torch.allclose(spectrum_distance(0.1 * noise(0)), white, atol=1e-3)  # whatever the contrast
    assert spectrum_distance(torch.zeros(1, 3, 8, 10)).isfinite().all()


def test_the_score_is_the_objectives_and_falls_where_the_picture_is_moved(network):
    drawn = visualize(network, [label("cat"), neuron("image.stages.3", 7)], steps=20, cycles=())
    objectives = [label("cat"), neuron("image.stages.3", 7)]
    found = measure_quality(network, objectives, drawn.x)
    one_by_one = measure_quality(network, objectives, drawn.x, batch=1)
    assert [q.unseen for q in found] == pytest.approx([q.unseen for q in one_by_one], rel=1e-3)
    assert all(q.second is None and q.score > q.unseen for q in found)
    assert all(q.score > -J for q, J in zip(found, drawn.history[0], strict=True))


def test_views_repeat_and_differ(network):
    x = torch.rand(2, 3, 48, 48) - 0.5
    assert torch.equal(unseen_view(x, 3), unseen_view(x, 3)) and not torch.allclose(
        unseen_view(x, 3), unseen_view(x, 4), atol=0.1
    )
    assert (
        torch.allclose(unseen_view(x, 3)[1:], unseen_view(x[1:], 3), atol=1e-5) and unseen_view(x, 3).abs().max() <= 1
    )
    with objective_values(network, [label("cat")]) as value:
        seen = torch.stack([value(unseen_view(x, i))[:, 0] for i in range(16)])
    assert [q.unseen for q in of(network, x)] == pytest.approx(seen.mean(0).tolist(), rel=1e-3)


def test_a_second_network_is_asked_the_same_at_its_own_size(network):
    x = torch.rand(2, 3, 64, 48) - 0.5
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
    torch.nn.init.constant_(model[0].weight, 1 / 3)
    first, second = Pretrained(model, 48), Pretrained(model, 24)
    found = measure_quality(first, [channel("0", 1)] * 2, x, second)
    assert [q.second for q in found] == pytest.approx(x.mean((1, 2, 3)).tolist(), abs=1e-3)
    with pytest.raises(ValueError, match="no such layer"):
        measure_quality(first, [channel("0", 1)] * 2, x, network)
    with pytest.raises(ValueError, match="one objective for each picture; 1 for 2 were given"):
        measure_quality(first, [channel("0", 1)], x)


@pytest.mark.parametrize("C", [1, 4])
def test_grey_pictures_and_those_with_opacity(C, network):
    x = torch.rand(1, C, 48, 48) - 0.5
    if C == 4:
        x[:, 3] = -1
    (found,) = of(network, x)
    assert found.chroma == 0 and found.saturated == 0
    if C == 4:
        assert found.score == pytest.approx(of(network, torch.zeros(1, 3, 48, 48))[0].score)


def test_the_table_compares_settings():
    a, b, c = (vars(Quality(s, 0.5, 3, 0.25, 0.1)) for s in (1.0, 2.0, 4.0))
    text = quality_table({"pixels": [("cat", a), ("dog", b)], "fourier": [("cat", c | {"second": 7.0})]})
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["score", "unseen", "spectrum", "saturated", "chroma", "second"]
    assert rows[1] == ["cat", "1", "0.5", "3", "0.25", "0.1", "-"]
    assert rows[3] == ["pixels,", "mean", "of", "2", "1.5", "0.5", "3", "0.25", "0.1", "-"]
    assert rows[5][-1] == "7" and len({len(line) for line in text.splitlines()}) == 1
    with pytest.raises(ValueError, match="fourier: no picture in it has quality metrics"):
        quality_table({"fourier": []})
