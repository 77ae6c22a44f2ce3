"""Quality metrics of pictures, to compare settings.

    score        the value of the objective
    unseen       its mean under transforms that the descent did not use: rotated, scaled, moved and recoloured
    second       the value of the same objective for another network
    spectrum     the distance of the amplitude spectrum from that of photographs, root mean square, in decibels
    saturated    the share of entries that are as dark or as bright as possible
    chroma       the mean distance of the colours from grey, from 0 to 1

A picture whose score holds under other transforms, and for another network, shows more of the objective and less of the
network's own noise. Photographs are rarely saturated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...files import escaped
from ...models.pretrained import Pretrained
from ..images.spectrum import natural_amplitudes
from ..objectives.objective import Objective, per_picture
from ..optimization.descent import generators
from ..transforms.move import Jitter
from ..transforms.transform import Together
from ..transforms.warp import Rotate, Scale
from .dataset_examples import objective_values

VIEWS = 16  # for each picture
SEED = -14  # no picture is drawn from it
FULL = 1 - 1 / 255  # larger entries are 0 or 255 as a byte


@dataclass(frozen=True)
class Quality:
    score: float
    unseen: float
    spectrum: float
    saturated: float
    chroma: float
    second: float | None = None


def measure_quality(
    network: Pretrained, objectives: Sequence[Objective], x: Tensor, second: Pretrained | None = None, batch: int = 32
) -> list[Quality]:
    """The quality of pictures x [B, C, H, W], entries from -1 to 1, each with its objective.

    Args:
        second: another network with the same objectives; it may take pictures of another size.
        batch: the number of pictures at a time.

    Raises:
        ValueError: there are no pictures, or not one objective for each; or the second network lacks the class, word or
            layer.
    """
    if not len(x) or len(objectives) != len(x):
        raise ValueError(f"measure_quality: one objective for each picture; {len(objectives)} for {len(x)} were given.")
    x = as_taken(x.detach().float(), network.channels)
    scores, unseen, other = [], [], []
    for first in range(0, len(x), batch):
        these, objective = x[first : first + batch], per_picture(objectives[first : first + batch])
        with objective_values(network, [objective]) as value:
            scores.append(value(these)[:, 0])
            unseen.append(torch.stack([value(unseen_view(these, i))[:, 0] for i in range(VIEWS)]).mean(0))
        if second:
            with objective_values(second, [objective]) as value:
                other.append(value(interpolate(these, [second.size] * 2, mode="bilinear", antialias=True))[:, 0])
    metrics = {
        "score": torch.cat(scores).tolist(),
        "unseen": torch.cat(unseen).tolist(),
        "spectrum": spectrum_distance(x).tolist(),
        "saturated": (x.abs() > FULL).flatten(1).float().mean(1).tolist(),
        "chroma": ((x.amax(1) - x.amin(1)) / 2).flatten(1).mean(1).tolist(),
        "second": torch.cat(other).tolist() if second else [None] * len(x),
    }
    return [Quality(**dict(zip(metrics, row, strict=True))) for row in zip(*metrics.values(), strict=True)]


def unseen_view(x: Tensor, i: int) -> Tensor:
    """The pictures under the i-th random transform: rotated, scaled, moved, recoloured, more than in the descent."""
    draws = generators([SEED] * len(x), i)
    x = Together([Rotate(25), Scale(0.7, 1.3), Jitter(max(x.shape[-1] // 6, 1))])(x, draws)
    contrast = 0.7 + 0.6 * torch.rand(1, x.shape[1], 1, 1, generator=draws[0])
    brightness = 0.3 * torch.randn(1, x.shape[1], 1, 1, generator=draws[0])
    return (x * contrast.to(x) + brightness.to(x)).clamp(-1, 1)


def as_taken(x: Tensor, channels: int) -> Tensor:
    """x [B, C, H, W] with the channels that a network takes: of one channel more, the last is alpha, over grey."""
    if x.shape[1] == channels + 1:
        x = x[:, :-1] * (x[:, -1:] + 1) / 2
    return x.expand(-1, channels, -1, -1) if x.shape[1] == 1 else x


def spectrum_distance(x: Tensor) -> Tensor:
    """[B], the distance of the brightness spectrum from that of photographs, whatever the contrast; in decibels."""
    H, W = x.shape[-2:]
    if min(H, W) < 2:  # there are no frequencies
        return x.new_zeros(len(x))
    fy, fx = torch.fft.fftfreq(H, device=x.device)[:, None], torch.fft.rfftfreq(W, device=x.device)
    k = torch.hypot(fy, fx) * min(H, W)
    bright = x.mean(1, keepdim=True)
    difference = torch.fft.rfft2(bright[:, 0]).abs().clamp(min=1e-6).log() - natural_amplitudes(bright)[0].log()
    rings = torch.stack([difference[:, k.round() == f].mean(1) for f in range(1, min(H, W) // 2 + 1)], 1)
    return (rings - rings.mean(1, keepdim=True)).square().mean(1).sqrt() * (20 / math.log(10))


def quality_table(settings: Mapping[str, Sequence[tuple[str, Mapping[str, float | None]]]]) -> str:
    """As text, for each setting the metrics of its pictures, (name, quality), and their mean.

    Raises:
        ValueError: a setting has no pictures.
    """
    names = [field.name for field in dataclasses.fields(Quality)]
    rows = [["", *names]]
    for setting, pictures in settings.items():
        if not pictures:
            raise ValueError(f"{setting}: no picture in it has quality metrics.")
        rows += [[f"  {escaped(name)}", *(_number(q.get(key)) for key in names)] for name, q in pictures]
        columns = [[value for _, q in pictures if (value := q.get(key)) is not None] for key in names]
        means = [_number(sum(column) / len(column) if column else None) for column in columns]
        rows.append([f"{setting}, mean of {len(pictures)}".removeprefix(", "), *means])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _number(n: float | None) -> str:
    return "-" if n is None else f"{n:.4g}"
