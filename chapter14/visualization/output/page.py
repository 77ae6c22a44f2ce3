"""One page for many pictures, beside photographs: a file that needs no other, and no network.

`page.html` holds it all but the pictures and what is said of them, which it reads from JSON in its midst.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from ...files import MARK, escaped
from .dataset_examples import DatasetExamples, Photograph, open_photograph
from .provenance import Provenance
from .render import flatten_alpha

TEMPLATE = Path(__file__).with_name("page.html")
LARGEST = 480  # pixels: a picture is shown no larger
PHOTO = 120
POINTS = 200  # of the curve of J


def gallery_page(
    pictures: Sequence[tuple[Provenance, Image.Image]],
    photographs: Sequence[DatasetExamples] | None = None,
    title: str = "What the neurons look for",
) -> str:
    """The page as HTML: each picture with its record, and the photographs that its objective values most and least.

    Args:
        photographs: what `nearest` found for the objective of each picture.

    Raises:
        ValueError: there are no pictures, or not the photographs of each.
    """
    if not pictures:
        raise ValueError("page: there are no pictures.")
    if photographs is not None and len(photographs) != len(pictures):
        raise ValueError(f"page: {len(pictures)} pictures have the photographs of {len(photographs)}.")
    beside = photographs or [DatasetExamples([], [])] * len(pictures)
    every = dict.fromkeys(photo.path for near in beside for photo in (*near.most, *near.least))
    number = {path: i for i, path in enumerate(every)}
    data = {
        "photos": [
            {"name": path.name, "src": _embedded(open_photograph(path, (PHOTO, PHOTO)), "JPEG")} for path in every
        ],
        "cards": [
            _card(record, image) | {"most": _photos(near.most, number), "least": _photos(near.least, number)}
            for (record, image), near in zip(pictures, beside, strict=True)
        ],
    }
    said = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # no "</script>" ends it early
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=html.escape(title), data=said, mark=MARK)


def _card(record: Provenance, image: Image.Image) -> dict[str, Any]:
    image = image.copy()
    image.thumbnail((LARGEST, LARGEST))
    history = [float(J) for J in record.history] or [0.0]
    step = -(-len(history) // POINTS)
    return {
        "name": record.objective,
        "alt": f"What “{record.objective}” looks for, drawn from seed {record.seed}",
        "picture": _embedded(image, "WEBP" if image.has_transparency_data else "JPEG"),
        "size": image.size,
        "seed": record.seed,
        "alive": record.alive,
        "history": history[:-1:step] + history[-1:],
        "steps": len(record.history),
        "command": escaped(record.typed),
        "facts": _facts(record),
    }


def _facts(record: Provenance) -> list[tuple[str, str]]:
    """All that a record says, but for J, whose curve the page shows."""
    facts = {"objective": record.objective, "model": record.model, "weights": record.weights, "seed": record.seed}
    facts["alive"] = "yes" if record.alive else "no, J had no gradient"
    measured = {name: f"{value:.4g}" for name, value in record.quality.items() if value is not None}
    return [(name, _said(value)) for name, value in (facts | measured | record.options | record.versions).items()]


def _said(value: Any) -> str:
    return ", ".join(map(_said, value)) if isinstance(value, list) else "none" if value is None else str(value)


def _photos(photos: Sequence[Photograph], number: dict[Path, int]) -> list[tuple[int, str]]:
    return [(number[photo.path], f"{photo.value:.4g}") for photo in photos]


def _embedded(image: Image.Image, format: str) -> str:
    """As a URI that holds the picture itself."""
    file = io.BytesIO()
    (flatten_alpha(image) if format == "JPEG" else image).save(file, format, quality=90, subsampling=0)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
