"""Tensors as image files, and contact sheets of several images."""

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
#: The formats that are read: those that Pillow decodes itself, without starting another program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "AVIF", "JPEG2000")
MAX_PIXELS = 2**26  # of an image that is read


def to_bytes(x: Tensor) -> Tensor:
    """Entries from -1 to 1 → uint8."""
    return ((x.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu()


def to_image(x: Tensor, height: int | None = None) -> Image.Image:
    """x [C, H, W], entries from -1 to 1, or uint8, as an image, resized to `height`.

    C is 1, grey; 3, RGB; or 4, with alpha.

    Raises:
        ValueError: x has another shape.
    """
    if x.ndim != 3 or x.shape[0] not in (1, 3, 4):
        raise ValueError(f"to_image: x is [C, H, W] with C one of 1, 3 and 4; it is {list(x.shape)}.")
    pixels = (x if x.dtype == torch.uint8 else to_bytes(x)).permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[..., 0] if x.shape[0] == 1 else pixels)
    return image if height is None else with_height(image, height)


def as_shown(x: Tensor, alpha: bool) -> Tensor:
    """Pictures x [B, C, H, W] as `to_image` takes them: grey, RGB, or RGBA where the last channel is alpha.

    Those of other channels are grey, channel beside channel: [B, 1, H, C W].

    Raises:
        ValueError: x is not pictures.
    """
    if x.ndim != 4:
        raise ValueError(f"x {list(x.shape)} is not pictures [B, C, H, W], and cannot be shown as an image.")
    colours = x.shape[1] - alpha
    if colours not in (1, 3):
        return x.transpose(1, 2).flatten(2)[:, None]
    return torch.cat([x[:, :-1].expand(-1, 3, -1, -1), x[:, -1:]], 1) if alpha else x


def with_height(image: Image.Image, height: int) -> Image.Image:
    return image.resize((max(round(height * image.width / image.height), 1), height), Image.Resampling.BICUBIC)


def importance_to_alpha(x: Tensor, importance: Tensor, share: float = 0.2) -> Tensor:
    """x [C, H, n W] with C 1 or 3, and the importance [1, H, W] as alpha → [4, H, n W] (Fel et al., 2023).

    Of the pixels whose importance is above 0, the `share` with the largest are opaque.
    """
    importance = importance.float()
    positive = importance[importance > 0]
    most = positive.quantile(1 - share) if len(positive) else 1
    alpha = 2 * (importance / most).clamp(max=1) - 1
    return torch.cat([x.expand(3, -1, -1), alpha.repeat(1, 1, x.shape[2] // alpha.shape[2])])


def flatten_alpha(image: Image.Image, background: str = "white") -> Image.Image:
    """The image as RGB, over a background if it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    over = image.convert("RGBA")
    page = Image.new("RGB", image.size, background)
    page.paste(over, mask=over)
    return page


def contact_sheet(images: Sequence[Image.Image], labels: Sequence[str], columns: int) -> Image.Image:
    """Images of one size in rows, each with its label below; without space for labels if all are empty.

    Raises:
        ValueError: there are no images, or not one label for each.
    """
    if not images or len(images) != len(labels):
        raise ValueError(f"contact_sheet: one label for each image; it was given {len(images)} and {len(labels)}.")
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


def side_by_side(images: Sequence[Image.Image], columns: int) -> Image.Image:
    """One image as it is; several as a contact sheet without labels."""
    return images[0] if len(images) == 1 else contact_sheet(images, [""] * len(images), columns)


def _shortened(label: str, font: Any, width: int) -> str:
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(f"{label}...") > width:
        label = label[:-1]
    return f"{label.rstrip()}..."


def readable_formats() -> list[str]:
    """Those of `FORMATS` that this Pillow has."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def open_image(path: str | Path) -> Image.Image:
    """An image, decoded completely.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it cannot be read.
    """
    regular(Path(path))
    try:
        with Image.open(path, formats=readable_formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}.")
            image.load()
            return image
    except Exception as error:  # for a broken file, Pillow raises errors of many kinds
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: it cannot be read as a picture. {str(error).rstrip('.')}.")


def check_image_path(path: Path) -> None:
    """Raises ValueError if Pillow writes no format of that suffix."""
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{path}: its name must end as that of an image file, such as .png or .jpg.")


def save_image(image: Image.Image, path: str | Path, text: Mapping[str, str] | None = None) -> None:
    """Writes an image, in the format of its suffix, completely or not at all.

    Args:
        text: text chunks for a PNG, by keyword; ignored for other formats.

    Raises:
        ValueError: Pillow writes no format of that suffix.
        NotWritten: it cannot be written.
    """
    path = Path(path)
    check_image_path(path)
    format = Image.registered_extensions()[path.suffix.lower()]
    metadata: dict[str, Any] = {}
    if format == "PNG":
        info = metadata["pnginfo"] = PngInfo()
        for key, value in ({"Software": MARK} if text is None else text).items():
            info.add_text(key, value)
    elif format in ("JPEG", "GIF"):
        metadata["comment"] = MARK
    elif format == "WEBP":
        metadata["xmp"] = MARK.encode()
    with whole(path) as beside:
        flat = format == "JPEG" and image.has_transparency_data
        (flatten_alpha(image) if flat else image).save(beside, **metadata)
