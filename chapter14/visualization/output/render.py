"""Pictures as files: a tensor becomes pixels, and pictures become a sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ...files import MARK, regular, whole

GAP, LINE = 8, 18
#: That are read: Pillow itself reads them, where for others it starts other programs.
READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "AVIF", "JPEG2000")
LARGEST = 2**26  # pixels of a picture that is read
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def to_image(x: Tensor, size: int | None = None) -> Image.Image:
    """x [C, H, W], entries from -1 to 1, as a picture; made `size` pixels high, smoothly, where that is given.

    C is 1, grey; 3, red, green and blue; or 4, with opacity.

    Raises:
        ValueError: x has another shape.
    """
    if x.ndim != 3 or x.shape[0] not in MODES:
        raise ValueError(f"to_image: x is [C, H, W] with C one of 1, 3 and 4; it is {list(x.shape)}.")
    pixels = ((x.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(pixels[..., 0] if x.shape[0] == 1 else pixels)
    if size is None:
        return image
    return image.resize((max(round(size * image.width / image.height), 1), size), Image.Resampling.BICUBIC)


def importance_to_alpha(x: Tensor, importance: Tensor, share: float = 0.2) -> Tensor:
    """x [C, H, W] with C 1 or 3, as transparent as it mattered little → [4, H, W] (Fel et al., 2023).

    Of the pixels with an importance [1, H, W] above 0, the `share` with the largest are opaque.
    """
    importance = importance.float()
    moved = importance[importance > 0]
    most = moved.quantile(1 - share) if len(moved) else 1
    return torch.cat([x.expand(3, -1, -1), 2 * (importance / most).clamp(max=1) - 1])


def flatten_alpha(image: Image.Image, background: str = "white") -> Image.Image:
    """The picture in red, green and blue alone; what is transparent lets the background through."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    over = image.convert("RGBA")
    page = Image.new("RGB", image.size, background)
    page.paste(over, mask=over)
    return page


def contact_sheet(images: Sequence[Image.Image], labels: Sequence[str], columns: int) -> Image.Image:
    """Pictures of one size in rows, each with its label below; an empty label takes no place if all are empty.

    Raises:
        ValueError: there are no pictures, or not one label for each.
    """
    if not images or len(images) != len(labels):
        raise ValueError(f"sheet: one label for each picture; it was given {len(images)} and {len(labels)}.")
    columns = min(columns, len(images))
    width, height = images[0].width + GAP, images[0].height + GAP + (LINE if any(labels) else 0)
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = GAP + i % columns * width, GAP + i // columns * height
        page.paste(flatten_alpha(image), (left, top))
        middle = (left + image.width / 2, top + image.height + 2)
        draw.text(middle, _shortened(label, font, image.width), "black", font, anchor="ma")
    return page


def _shortened(label: str, font: Any, width: int) -> str:
    """Its beginning, as far as there is room."""
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(f"{label}...") > width:
        label = label[:-1]
    return f"{label.rstrip()}..."


def readable_formats() -> list[str]:
    """Of `READ`, those that this Pillow has."""
    Image.init()
    return [name for name in READ if name in Image.OPEN]


def open_image(path: str | Path) -> Image.Image:
    """A picture, whole.

    Raises:
        FileNotFoundError, ValueError: there is none, or it cannot be read.
    """
    regular(Path(path))
    try:
        with Image.open(path, formats=readable_formats()) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"{image.width} x {image.height} pixels are more than {LARGEST}.")
            image.load()
            return image
    except Exception as error:  # of a broken file, Pillow raises errors of many kinds
        raise ValueError(f"{path}: it cannot be read as a picture. {str(error).rstrip('.')}.") from error


def check_image_path(path: Path) -> None:
    """
    Raises:
        ValueError: Pillow writes no format of that name.
    """
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{path}: its name should end as a picture's does, as in .png or .jpg.")


def save_image(image: Image.Image, path: str | Path, said: Mapping[str, str] | None = None) -> None:
    """Write a picture; its name says the format. It is written beside `path`, and then renamed.

    Args:
        said: what a PNG carries as text, by key; other formats do not.

    Raises:
        ValueError: Pillow writes no format of that name.
        NotWritten: it could not be.
    """
    path = Path(path)
    check_image_path(path)
    format = Image.registered_extensions()[path.suffix.lower()]
    kept: dict[str, Any] = {}
    if format == "PNG":
        kept = {"pnginfo": _text({"Software": MARK} if said is None else said)}
    elif format in ("JPEG", "GIF"):
        kept = {"comment": MARK}
    elif format == "WEBP":
        kept = {"xmp": MARK.encode()}
    with whole(path) as beside:
        (flatten_alpha(image) if format == "JPEG" and image.has_transparency_data else image).save(beside, **kept)


def _text(said: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for key, value in said.items():
        info.add_text(key, value)
    return info
