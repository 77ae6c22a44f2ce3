"""Photographs as arrays, drawn in batches, with the attribute that a caption names really applied to the picture."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

SMALLEST, SMALLEST_FACE = 0.78, 0.88  # crops, of the side of a photograph, and of an aligned face, which keeps its ears
MARGIN = 6  # how many pixels larger than the network's a photograph is kept, for crops to differ


def black_and_white(x: Tensor) -> Tensor:
    luminance = torch.tensor([0.299, 0.587, 0.114], device=x.device).view(3, 1, 1)
    return (x * luminance).sum(1, keepdim=True).expand(x.shape)


def blurry(x: Tensor) -> Tensor:
    small = interpolate(x, scale_factor=0.25, mode="area")
    return interpolate(small, size=x.shape[-2:], mode="bicubic").clamp(-1, 1)


def close_up(x: Tensor) -> Tensor:
    size = x.shape[-1]
    edge = size // 4
    return interpolate(x[..., edge : size - edge, edge : size - edge], size=size, mode="bilinear")


ATTRIBUTES: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda x: x,
    "black and white": black_and_white,
    "blurry": blurry,
    "dark": lambda x: (x + 1) * 0.35 - 1,
    "bright": lambda x: 1 - (1 - x) * 0.5,
    "close up": close_up,
}
#: Never trained on, so that evaluation can ask whether the parts of a sentence compose.
HELD_OUT = frozenset(
    {("church", "black and white"), ("parachute", "dark"), ("golf ball", "bright"), ("gas pump", "close up")}
)


@dataclass(frozen=True)
class Photographs:
    """By label, uint8 [n, 3, H, W]: `whole` ones, with a margin, and `faces`, aligned, of the labels that have them."""

    size: int
    whole: dict[str, Tensor]
    faces: dict[str, Tensor]

    @property
    def labels(self) -> list[str]:
        return list(self.whole)

    def draw(self, label: str, faces: float, generator: torch.Generator) -> Tensor:
        """One photograph [3, size, size], entries from -1 to 1: a random crop, flipped half of the time.

        `faces` is the share of aligned ones, where there are any.
        """

        def below(n: int) -> int:
            return int(torch.randint(n, (), generator=generator))

        aligned = label in self.faces and below(1000) < 1000 * faces
        pool = self.faces[label] if aligned else self.whole[label]
        x = pool[below(len(pool))]
        longest = x.shape[-1]
        side = longest - below(1 + round(longest * (1 - (SMALLEST_FACE if aligned else SMALLEST))))
        top, left = below(longest - side + 1), below(longest - side + 1)
        x = _signed(x[:, top : top + side, left : left + side])
        if side != self.size:
            x = interpolate(x[None], size=self.size, mode="bicubic", antialias=True)[0].clamp(-1, 1)
        return x.flip(-1) if below(2) else x

    def centre(self, label: str, first: int) -> Tensor:
        """The first photographs of a label [n, 3, size, size], cut in the middle."""
        x = self.whole[label][:first]
        edge = (x.shape[-1] - self.size) // 2
        return _signed(x[..., edge : edge + self.size, edge : edge + self.size])


def _signed(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1


def read(folder: str | Path, split: str, size: int) -> Photographs:
    """The photographs of one split, "train" or "val".

    `folder` has photos96.zip, whose files are photos96/{split}/{label}/*.jpg, and may have catfaces96.zip, whose files
    are aligned faces of cats, for training.

    Raises:
        FileNotFoundError: there is no photos96.zip.
    """
    whole: dict[str, list[np.ndarray]] = {}
    for name, data in _files(Path(folder) / "photos96.zip"):
        _, its_split, label = PurePosixPath(name).parts[:3]
        if its_split == split:
            whole.setdefault(label.replace("_", " "), []).append(_pixels(data, size + MARGIN))
    faces: dict[str, list[np.ndarray]] = {}
    if split == "train" and (Path(folder) / "catfaces96.zip").exists():
        faces["cat"] = [_pixels(data, size, edge=2) for _, data in _files(Path(folder) / "catfaces96.zip")]
    return Photographs(size, _stacked(whole), _stacked(faces))


def _files(path: Path) -> Iterable[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            yield name, archive.read(name)


def _pixels(data: bytes, size: int, edge: int = 0) -> np.ndarray:
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = picture.size
    picture = picture.crop((edge, edge, width - edge, height - edge))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def _stacked(pictures: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
    return {label: torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2) for label, x in sorted(pictures.items())}
