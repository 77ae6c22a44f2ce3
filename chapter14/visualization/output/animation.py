"""A descent as a film: the pictures after each step, as a GIF, an animated WebP, or an MP4."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...files import MARK, whole
from ..optimization.descent import DescentStep
from .render import as_shown, contact_sheet, flatten_alpha, side_by_side, to_bytes, to_image

HOLD = 1.0  # seconds that the last frame stays
BY_PILLOW = (".gif", ".webp")


class Film:
    """Collects the pictures of `visualize(..., on_step=film)`: every so many steps, and at the last.

    Pictures that are drawn in several batches are shown together. A resumed visualization is shown from where it was
    resumed.

    Raises:
        ValueError: every is below 1; or, at the first step, x is not pictures.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ValueError(f"Film: every, the number of steps between frames, is at least 1; it is {every}.")
        self.every = every
        self.batches: list[list[Tensor]] = []  # the frames of each batch, uint8 [B, C, H, W]
        self._temporary = False  # whether the next frame replaces the last

    def __call__(self, step: DescentStep) -> None:
        if step.i == 0 or not self.batches:
            self.batches.append([])
            self._temporary = False
        if self._temporary:
            self.batches[-1].pop()
        self.batches[-1].append(to_bytes(as_shown(step.x, step.alpha)))
        self._temporary = step.i % self.every != 0

    def frames(self, height: int | None = None, columns: int = 4) -> list[Image.Image]:
        """The frames, each with the pictures of all batches; `height` is that of each picture.

        Raises:
            ValueError: there are no steps in the film.
        """
        if not self.batches:
            raise ValueError("Film: no step was taken; give it to visualize as on_step.")
        length = max(map(len, self.batches))
        padded = [[batch[0]] * (length - len(batch)) + batch for batch in self.batches]
        pictures = [[to_image(x, height) for x in torch.cat(parts)] for parts in zip(*padded, strict=True)]
        return [flatten_alpha(side_by_side(images, columns)) for images in pictures]

    def save(self, path: str | Path, height: int | None = None, columns: int = 4, rate: int = 20) -> None:
        """Writes the film, `rate` frames a second, in the format of its suffix.

        Raises:
            ValueError: as `check_film_path`. NotWritten: it cannot be written.
        """
        path = Path(path)
        check_film_path(path)
        frames = self.frames(height, columns)
        with whole(path) as beside:
            (_save if path.suffix.lower() in BY_PILLOW else _save_mp4)(frames, beside, rate)


def check_film_path(path: Path) -> None:
    """Raises ValueError if there is no such format; or PyAV, which writes MP4, is not installed."""
    if path.suffix.lower() not in (*BY_PILLOW, ".mp4"):
        raise ValueError(f"{path}: the name of a film must end in .gif, .webp or .mp4.")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise ValueError(f"{path}: an MP4 is written by PyAV, which is not installed; pip install av")


def _save(frames: Sequence[Image.Image], path: Path, rate: int) -> None:
    durations = [round(1000 / rate)] * (len(frames) - 1) + [round(1000 * HOLD)]
    metadata: dict[str, Any] = {"xmp": MARK.encode()}
    if path.suffix.lower() == ".gif":
        frames, metadata = _in_one_palette(frames), {"comment": MARK}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, **metadata)


def _in_one_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """In 256 colours, chosen from a few frames: choosing them for each frame takes Pillow a second."""
    chosen = [*frames[:: len(frames) // 16 + 1], frames[-1]]
    few = [frame.resize((64, 64), Image.Resampling.NEAREST) for frame in chosen]
    palette = contact_sheet(few, [""] * len(few), len(few)).quantize(256)
    return [frame.quantize(palette=palette) for frame in frames]


def _save_mp4(frames: Sequence[Image.Image], path: Path, rate: int) -> None:
    import av

    width, height = (n + n % 2 for n in frames[0].size)  # the format needs even numbers
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = MARK
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in [*frames, *[frames[-1]] * round(HOLD * rate)]:
            container.mux(stream.encode(av.VideoFrame.from_image(frame.resize((width, height)))))
        container.mux(stream.encode())
