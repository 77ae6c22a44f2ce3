"""Provenance: how a picture was drawn, stored with it; enough to describe the picture and to draw it again.

A PNG contains its provenance as text, with the keyword "chapter14"; a JSON file beside every picture holds the same.
It includes the command line that drew the picture.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import platform
import re
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ...files import marked, regular, whole
from ...models.pretrained import Pretrained
from ...models.state_dict import fingerprint
from ...version import __version__
from ..objectives.objective import Objective, text
from ..optimization.checkpoint import differences
from ..optimization.optimize import Visualization, as_pretrained, find_recipes, visualize
from ..optimization.recipe import Recipe
from .render import check_image_path, readable_formats, save_image, unreadable

KEY = "chapter14"
SUFFIXES = {".png", ".jpg", ".jpeg"}
MAX_BYTES = 2**24
#: Arguments of `visualize` whose default depends on the network.
RECIPE = [name for name in inspect.signature(find_recipes).parameters if name not in ("network", "objectives")]
#: Arguments of `visualize` that are stored elsewhere, or do not affect the picture.
OMITTED = {"model", "objective", "seed", "checkpoint", "resume", "on_step"}


class NoProvenance(ValueError):
    """A picture has no provenance."""


@dataclass(frozen=True)
class Provenance:
    objective: str  # its name
    model: str
    weights: str  # fingerprint
    seed: int  # of this picture
    options: dict[str, Any]  # the arguments of `visualize`, including defaults
    versions: dict[str, str]
    history: list[float]  # J before each step
    alive: bool  # whether J had a gradient at the first step
    quality: dict[str, float | None] = field(default_factory=dict)  # quality.py
    command: list[str] = field(default_factory=list)  # the arguments of `chapter14` that draw this picture alone

    @property
    def shell_command(self) -> str:
        """The command as one would type it; empty if no command drew the picture."""
        return shlex.join(["chapter14", *self.command]) if self.command else ""

    def json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def describe(
    drawn: Visualization,
    network: Pretrained | nn.Module,
    objective: str | Objective | Sequence[str | Objective],
    options: Mapping[str, Any],
    *,
    model: str = "",
    commands: Sequence[Sequence[str]] = (),
    quality: Sequence[Mapping[str, float | None]] = (),
) -> list[Provenance]:
    """The provenance of each picture of `drawn = visualize(network, objective, **options)`.

    Args:
        model: the network's name. commands: that draw each picture alone. quality: the metrics of each.
    """
    several = [objective] if isinstance(objective, str | Objective) else objective
    call = inspect.signature(visualize).bind(network, objective, **options)
    call.apply_defaults()
    count, seed = call.arguments["count"], call.arguments["seed"]
    own = {name: call.arguments[name] for name in RECIPE}
    objectives = [text(o) if isinstance(o, str) else o for o in several]
    pretrained = as_pretrained(network, own["size"], own["image"], call.arguments["given"])
    given = {"given": pretrained.given or None}

    def arguments(recipe: Recipe) -> dict[str, Any]:
        followed = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
        values = call.arguments | followed | given
        return {name: _to_json(value) for name, value in values.items() if name not in OMITTED}

    recipes = find_recipes(pretrained, objectives, **own)
    module = pretrained.model
    weights, versions = fingerprint(module.state_dict()), current_versions()
    return [
        Provenance(
            objective=o if isinstance(o, str) else o.name,
            model=model or type(module).__name__,
            weights=weights,
            seed=seed + i,
            options=arguments(recipe),
            versions=versions,
            history=[float(f"{J:.6g}") for J in drawn.history[:, b].tolist()],
            alive=bool(drawn.alive[b]),
            quality=dict(quality[b]) if quality else {},
            command=list(commands[b]) if commands else [],
        )
        for b, (o, recipe, i) in enumerate(
            (o, r, i) for o, r in zip(several, recipes, strict=True) for i in range(count)
        )
    ]


def save_with_provenance(image: Image.Image, path: str | Path, provenance: Provenance) -> None:
    """Writes a picture, and its provenance beside it as JSON, and inside it if it is a PNG.

    Raises:
        ValueError: Pillow writes no format of that suffix.
        NotWritten: one of them cannot be written; then neither is.
    """
    path = Path(path)
    check_image_path(path)
    with whole(path.with_suffix(".json")) as beside:
        beside.write_text(provenance.json(), encoding="utf-8")
        save_image(image, path, {KEY: provenance.json()})


def read_provenance(path: str | Path) -> Provenance:
    """The provenance in a picture or in the JSON file beside it; or in a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        NoProvenance, ValueError: it has no provenance, or a broken one.
    """
    path = regular(Path(path))
    beside = path.with_suffix(".json")
    text = None if path == beside else _in_image(path)
    if text is None and not beside.exists():
        raise NoProvenance(
            f"{path}: it has no provenance, and there is no {beside.name} beside it. Either chapter14 did not draw it, "
            "or another program has saved it since."
        )
    if text is None and regular(beside).stat().st_size > MAX_BYTES:
        raise ValueError(f"{beside}: it is larger than {MAX_BYTES} bytes, and not a provenance.")
    return _parse(beside.read_bytes() if text is None else text, path)


def read_folder(folder: str | Path, warn: Callable[[str], None] = warnings.warn) -> list[tuple[Provenance, Path]]:
    """The pictures of a folder that have a provenance, sorted by name, 2 before 10; others, as sheets, are skipped.

    Args:
        warn: called with a message for each picture that is left out as it, or its provenance, cannot be read.

    Raises:
        ValueError: there is no such folder, or no such picture in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: there is no such folder.")
    found = []
    for path in sorted((p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES), key=_natural_order):
        if path.is_dir():
            continue
        try:
            found.append((read_provenance(path), path))
        except NoProvenance:
            continue
        except (ValueError, OSError) as error:
            warn(f"{error} It is left out.")
    if not found:
        raise ValueError(f"{folder}: no picture in it has a provenance of chapter14.")
    return found


def is_own_image(path: Path) -> bool:
    """Whether chapter14 wrote a picture, or the JSON file beside one, and so may overwrite it."""
    try:
        return marked(path) or isinstance(read_provenance(path), Provenance)
    except (ValueError, OSError):
        return False


def changes_since(provenance: Provenance, network: Pretrained) -> list[str]:
    """The weights and versions that differ from those that drew the picture: "torch: 2.13, now 2.14"."""
    then = {"weights": provenance.weights, **provenance.versions}
    return differences(then, {"weights": fingerprint(network.model.state_dict()), **current_versions()})


def current_versions() -> dict[str, str]:
    return {"chapter14": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


def _natural_order(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _in_image(path: Path) -> str | None:
    try:
        with Image.open(path, formats=readable_formats()) as image:
            return image.info.get(KEY)
    except Exception as error:  # for a broken file, Pillow raises errors of many kinds
        raise unreadable(path, error) from error


#: What each field holds; another program may have written it.
VALID: dict[str, Callable[[Any], bool]] = {
    "objective": lambda it: isinstance(it, str),
    "model": lambda it: isinstance(it, str),
    "weights": lambda it: isinstance(it, str),
    "seed": lambda it: type(it) is int,
    "options": lambda it: isinstance(it, dict) and all(map(_is_simple, it.values())),
    "versions": lambda it: isinstance(it, dict) and all(isinstance(v, str) for v in it.values()),
    "history": lambda it: isinstance(it, list) and all(map(_is_number, it)),
    "alive": lambda it: isinstance(it, bool),
    "quality": lambda it: isinstance(it, dict) and all(v is None or _is_number(v) or v != v for v in it.values()),
    "command": lambda it: isinstance(it, list) and all(isinstance(word, str) for word in it),
}


def _parse(text: str | bytes, path: Path) -> Provenance:
    try:
        if len(text) > MAX_BYTES:
            raise ValueError
        fields = json.loads(text)
        wrong = [name for name, is_valid in VALID.items() if not is_valid(fields[name])]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: its provenance is not chapter14's, or is broken.") from error
    if wrong:
        raise ValueError(f"{path}: its provenance is broken at {', '.join(wrong)}.")
    return Provenance(**{name: fields[name] for name in VALID})


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -1e300 < value < 1e300


def _is_simple(value: Any, depth: int = 4) -> bool:
    """A string, number, boolean or None; or a list of them."""
    if isinstance(value, list):
        return depth > 0 and all(_is_simple(each, depth - 1) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [f"{name}: {_to_json(v)}" for name, v in value.items()]
    if isinstance(value, list | tuple):
        return [_to_json(v) for v in value]
    if isinstance(value, Tensor):
        return f"{list(value.shape)} {fingerprint({'': value})}"
    return value if _is_simple(value) else str(value)
