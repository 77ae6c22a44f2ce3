"""Pictures as files: a tensor becomes pixels, pictures become a sheet, and a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP, LINE = 8, 18


def to_image(x: Tensor, size: int | None = None) -> Image.Image:
    """x [3, H, W], entries from -1 to 1, as a picture; made `size` pixels high, smoothly, where that is given."""
    pixels = ((x.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(pixels)
    if size is None:
        return image
    return image.resize((round(size * image.width / image.height), size), Image.Resampling.BICUBIC)


def sheet(images: Sequence[Image.Image], labels: Sequence[str], columns: int) -> Image.Image:
    """Pictures of one size in rows, each with its label below; an empty label takes no place if all are empty.

    Raises:
        ValueError: there are no pictures, or not one label for each.
    """
    if not images or len(images) != len(labels):
        raise ValueError(f"sheet: one label for each picture; it was given {len(images)} and {len(labels)}.")
    width, height = images[0].width + GAP, images[0].height + GAP + (LINE if any(labels) else 0)
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = GAP + i % columns * width, GAP + i // columns * height
        page.paste(image, (left, top))
        draw.text((left + image.width / 2, top + image.height + 2), label, "black", font, anchor="ma")
    return page


def check(path: Path) -> None:
    """
    Raises:
        ValueError: Pillow writes no format of that name.
    """
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{path}: its name should end as a picture's does, as in .png or .jpg.")


def save(image: Image.Image, path: str | Path) -> None:
    """Write a picture; its name says the format. It is written beside `path`, and then renamed.

    Raises:
        ValueError: Pillow writes no format of that name.
    """
    path = Path(path)
    check(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        image.save(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
