"""A descent as a film: what is drawn, step by step, as a GIF, an animated WebP, or an MP4."""

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
from .render import contact_sheet, flatten_alpha, to_image

HOLD = 1.0  # seconds that the last picture stays
BY_PILLOW = (".gif", ".webp")


class Film:
    """Collects what `visualize(..., on_step=film)` draws: every so many steps, and at the last.

    Where pictures are drawn a batch after the other, they are seen together nevertheless. A visualization that was
    resumed is seen from where it went on.

    Raises:
        ValueError: every is below 1.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ValueError(f"Film: every is how many steps there are from frame to frame, at least 1; it is {every}.")
        self.every = every
        self.batches: list[list[Tensor]] = []  # of each, its frames, uint8 [B, C, H, W]
        self._passing = False  # whether the last frame is there only until there is a later one

    def __call__(self, step: DescentStep) -> None:
        if step.i == 0 or not self.batches:
            self.batches.append([])
            self._passing = False
        if self._passing:
            self.batches[-1].pop()
        self.batches[-1].append(((step.x.detach().clamp(-1, 1) + 1) * 127.5).round().byte().cpu())
        self._passing = step.i % self.every != 0

    def frames(self, size: int | None = None, columns: int = 4) -> list[Image.Image]:
        """The pictures of each moment, as one; `size` is the height of each.

        Raises:
            ValueError: there is no step in the film.
        """
        if not self.batches:
            raise ValueError("Film: no step was taken; it is given to visualize as on_step.")
        length = max(map(len, self.batches))
        padded = [[batch[0]] * (length - len(batch)) + batch for batch in self.batches]
        return [_frame(torch.cat(parts), size, columns) for parts in zip(*padded, strict=True)]

    def save(self, path: str | Path, size: int | None = None, columns: int = 4, rate: int = 20) -> None:
        """Write the film, `rate` frames a second; its name says the format.

        Raises:
            ValueError: the name ends otherwise than in .gif, .webp or .mp4; PyAV, which writes MP4, is not installed.
            NotWritten: it could not be written.
        """
        path = Path(path)
        check_film_path(path)
        frames = self.frames(size, columns)
        with whole(path) as beside:
            (_save if path.suffix.lower() in BY_PILLOW else _save_mp4)(frames, beside, rate)


def check_film_path(path: Path) -> None:
    """
    Raises:
        ValueError: there is no such film; PyAV, which writes MP4, is not installed.
    """
    if path.suffix.lower() not in (*BY_PILLOW, ".mp4"):
        raise ValueError(f"{path}: its name should end as a film's does, in .gif, .webp or .mp4.")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise ValueError(f"{path}: an MP4 is written by PyAV, which is not installed; pip install av")


def _frame(pixels: Tensor, size: int | None, columns: int) -> Image.Image:
    images = [to_image(x.float() / 127.5 - 1, size) for x in pixels]
    return flatten_alpha(images[0]) if len(images) == 1 else contact_sheet(images, [""] * len(images), columns)


def _save(frames: Sequence[Image.Image], path: Path, rate: int) -> None:
    durations = [round(1000 / rate)] * (len(frames) - 1) + [round(1000 * HOLD)]
    kept: dict[str, Any] = {"xmp": MARK.encode()}
    if path.suffix.lower() == ".gif":
        frames, kept = _in_one_palette(frames), {"comment": MARK}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, **kept)


def _in_one_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Of 256 colours, chosen from a few frames: one for each frame takes Pillow a second each."""
    chosen = [*frames[:: len(frames) // 16 + 1], frames[-1]]
    few = [frame.resize((64, 64), Image.Resampling.NEAREST) for frame in chosen]
    palette = contact_sheet(few, [""] * len(few), len(few)).quantize(256)
    return [frame.quantize(palette=palette) for frame in frames]


def _save_mp4(frames: Sequence[Image.Image], path: Path, rate: int) -> None:
    import av

    width, height = (n + n % 2 for n in frames[0].size)  # of what it writes, both are even
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = MARK
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in [*frames, *[frames[-1]] * round(HOLD * rate)]:
            container.mux(stream.encode(av.VideoFrame.from_image(frame.resize((width, height)))))
        container.mux(stream.encode())
