"""Pictures on one HTML page: a single file without external resources, with dataset examples beside each picture."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from ...files import MARK, escaped
from .dataset_examples import Box, DatasetExamples, Photograph, open_photograph
from .provenance import Provenance
from .render import flatten_alpha

TEMPLATE = Path(__file__).with_name("page.html")
MAX_SIZE = 480  # of a picture on the page, in pixels
PHOTO_SIZE = 120
POINTS = 200  # of the curve of J
TITLE = "What the neurons look for"


def gallery_page(
    pictures: Sequence[tuple[Provenance, Image.Image]],
    photographs: Sequence[DatasetExamples] | None = None,
    title: str = TITLE,
) -> str:
    """The page as HTML: each picture with its provenance and its dataset examples.

    Args:
        photographs: the dataset examples of each picture's objective.

    Raises:
        ValueError: there are no pictures, or not one set of dataset examples for each.
    """
    if not pictures:
        raise ValueError("gallery_page: there are no pictures.")
    if photographs is not None and len(photographs) != len(pictures):
        raise ValueError(f"gallery_page: {len(photographs)} sets of photographs for {len(pictures)} pictures.")
    beside = photographs or [DatasetExamples([], [])] * len(pictures)
    paths = dict.fromkeys(photo.path for examples in beside for photo in (*examples.most, *examples.least))
    number = {path: i for i, path in enumerate(paths)}
    size = (PHOTO_SIZE, PHOTO_SIZE)
    data = {
        "photos": [{"name": path.name, "src": _data_uri(open_photograph(path, size), "JPEG")} for path in paths],
        "cards": [
            _card(provenance, image)
            | {"most": _photos(near.most, number, near.boxes), "least": _photos(near.least, number)}
            for (provenance, image), near in zip(pictures, beside, strict=True)
        ],
    }
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # so that no "</script>" ends the script
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=html.escape(title), data=text, mark=MARK)


def _card(provenance: Provenance, image: Image.Image) -> dict[str, Any]:
    image = image.copy()
    image.thumbnail((MAX_SIZE, MAX_SIZE))
    history = [float(J) for J in provenance.history] or [0.0]
    step = -(-len(history) // POINTS)
    return {
        "name": provenance.objective,
        "alt": f"What “{provenance.objective}” looks for, drawn from seed {provenance.seed}",
        "picture": _data_uri(image, "WEBP" if image.has_transparency_data else "JPEG"),
        "size": image.size,
        "seed": provenance.seed,
        "alive": provenance.alive,
        "history": history[:-1:step] + history[-1:],
        "steps": len(provenance.history),
        "command": escaped(provenance.shell_command),
        "facts": _facts(provenance),
    }


def _facts(provenance: Provenance) -> list[tuple[str, str]]:
    """The provenance without J, whose curve the page shows."""
    facts = {name: getattr(provenance, name) for name in ("objective", "model", "weights", "seed")}
    facts["alive"] = "yes" if provenance.alive else "no, J had no gradient"
    metrics = {name: f"{value:.4g}" for name, value in provenance.quality.items() if value is not None}
    facts |= metrics | provenance.options | provenance.versions
    return [(name, _text(value)) for name, value in facts.items()]


def _text(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else "none" if value is None else str(value)


def _photos(
    photos: Sequence[Photograph], number: dict[Path, int], boxes: Sequence[Box | None] = ()
) -> list[tuple[int, str, Box | None]]:
    pairs = itertools.zip_longest(photos, boxes)
    return [(number[photo.path], f"{photo.value:.4g}", box) for photo, box in pairs]


def _data_uri(image: Image.Image, format: str) -> str:
    file = io.BytesIO()
    (flatten_alpha(image) if format == "JPEG" else image).save(file, format, quality=90, subsampling=0)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
