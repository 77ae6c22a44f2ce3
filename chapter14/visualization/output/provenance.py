"""How a picture was drawn, kept with it: enough to say what it shows, and to draw it again.

A PNG carries its record as text, under the key "chapter14"; beside every picture lies the same as JSON. Whoever sends
the picture on sends its record with it.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
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
from ...models.load import Pretrained
from ...models.state_dict import fingerprint
from ..objectives.objective import Objective
from ..optimization.optimize import Visualization, visualize
from . import render

KEY = "chapter14"
ENDINGS = {".png", ".jpg", ".jpeg"}
LARGEST = 2**24  # bytes of a record
#: What `visualize` is given that is said elsewhere in a record, or that no picture depends on.
ELSEWHERE = {"model", "objective", "seed", "checkpoint", "resume", "on_step"}


class NoProvenance(ValueError):
    """A picture does not say how it was drawn."""


@dataclass(frozen=True)
class Provenance:
    objective: str  # by name
    model: str
    weights: str  # fingerprint
    seed: int  # of this picture
    options: dict[str, Any]  # of `visualize`, those too that were left as they are
    versions: dict[str, str]
    history: list[float]  # J before each step
    alive: bool  # whether J had a gradient at the first step
    quality: dict[str, float | None] = field(default_factory=dict)  # quality.py
    command: list[str] = field(default_factory=list)  # the words after `chapter14` that draw this picture, and no other

    @property
    def typed(self) -> str:
        """The command as one would type it; empty where no command drew it."""
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
    """A record of each picture that `visualize(network, objective, **options)` drew.

    Args:
        model: the network's name. commands: that draw each picture again. quality: what `quality.measure` says of each.
    """
    several = [objective] if isinstance(objective, str | Objective) else objective
    call = inspect.signature(visualize).bind(network, objective, **options)
    call.apply_defaults()
    count, seed = call.arguments["count"], call.arguments["seed"]
    kept = {name: _plain(value) for name, value in call.arguments.items() if name not in ELSEWHERE}
    module = network.model if isinstance(network, Pretrained) else network
    weights, now = fingerprint(module.state_dict()), versions()
    return [
        Provenance(
            objective=o if isinstance(o, str) else o.name,
            model=model or type(module).__name__,
            weights=weights,
            seed=seed + i,
            options=kept,
            versions=now,
            history=[float(f"{J:.6g}") for J in drawn.history[:, b].tolist()],
            alive=bool(drawn.alive[b]),
            quality=dict(quality[b]) if quality else {},
            command=list(commands[b]) if commands else [],
        )
        for b, (o, i) in enumerate((o, i) for o in several for i in range(count))
    ]


def save_with_provenance(image: Image.Image, path: str | Path, record: Provenance) -> None:
    """Write a picture with its record, in the file if it is a PNG, and beside it as JSON.

    Raises:
        ValueError: Pillow writes no format of that name.
        NotWritten: they could not be; then neither is there.
    """
    path = Path(path)
    render.check_image_path(path)
    with whole(path.with_suffix(".json")) as beside:
        beside.write_text(record.json(), encoding="utf-8")
        render.save_image(image, path, {KEY: record.json()})


def read_provenance(path: str | Path) -> Provenance:
    """The record that a picture carries, or that lies beside it, or that is in this JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no record.
    """
    path = regular(Path(path))
    beside = path.with_suffix(".json")
    said = None if path == beside else _carried(path)
    if said is None and not beside.exists():
        raise NoProvenance(
            f"{path}: it does not say how it was drawn, and there is no {beside.name} beside it. Either chapter14 did "
            "not draw it, or another program has saved it since."
        )
    if said is None and regular(beside).stat().st_size > LARGEST:
        raise ValueError(f"{beside}: it has more than {LARGEST} bytes, and is no record.")
    return _read(beside.read_bytes() if said is None else said, path)


def read_folder(folder: str | Path, broken: Callable[[str], None] = warnings.warn) -> list[tuple[Provenance, Path]]:
    """The pictures of a folder that say how they were drawn, by name, 2 before 10; others, as sheets, are passed over.

    Args:
        broken: is told of each picture that cannot be read, or whose record cannot; it is left out.

    Raises:
        ValueError: there is no such folder, or no such picture in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: there is no such folder.")
    found = []
    for path in sorted((p for p in Path(folder).iterdir() if p.suffix.lower() in ENDINGS), key=_by_number):
        if path.is_dir():
            continue
        try:
            found.append((read_provenance(path), path))
        except NoProvenance:
            continue
        except (ValueError, OSError) as error:
            broken(f"{error} It is left out.")
    if not found:
        raise ValueError(f"{folder}: there is no picture in it that says how it was drawn.")
    return found


def is_own_image(path: Path) -> bool:
    """Whether a picture, or the JSON beside one, is chapter14's own, which it may write over."""
    try:
        return marked(path) or isinstance(read_provenance(path), Provenance)
    except (ValueError, OSError):
        return False


def changes_since(record: Provenance, network: Pretrained) -> list[str]:
    """What is no longer as it was when the picture was drawn: "torch was 2.13, and is 2.14"."""
    then = {"weights": record.weights, **record.versions}
    now = {"weights": fingerprint(network.model.state_dict()), **versions()}
    return [f"{name} was {then.get(name)}, and is {now[name]}" for name in now if then.get(name) != now[name]]


def versions() -> dict[str, str]:
    try:
        own = importlib.metadata.version("chapter14")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {"chapter14": own, "torch": str(torch.__version__), "python": platform.python_version()}


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _carried(path: Path) -> str | None:
    try:
        with Image.open(path, formats=render.readable_formats()) as image:
            return image.info.get(KEY)
    except Exception as error:  # of a broken file, Pillow raises errors of many kinds
        raise ValueError(f"{path}: it is no picture that can be read. {str(error).rstrip('.')}.") from error


#: What each field of a record holds, which another program may have written.
KINDS: dict[str, Callable[[Any], bool]] = {
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


def _read(said: str | bytes, path: Path) -> Provenance:
    try:
        if len(said) > LARGEST:
            raise ValueError
        fields = json.loads(said)
        wrong = [name for name, holds in KINDS.items() if not holds(fields[name])]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: what it says of how it was drawn is not chapter14's, or is broken.") from error
    if wrong:
        raise ValueError(f"{path}: what it says of how it was drawn is broken at {', '.join(wrong)}.")
    return Provenance(**{name: fields[name] for name in KINDS})


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -1e300 < value < 1e300


def _is_simple(value: Any, depth: int = 4) -> bool:
    """A word or a number, or a list of them."""
    if isinstance(value, list):
        return depth > 0 and all(_is_simple(each, depth - 1) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return f"{list(value.shape)} {fingerprint({'': value})}"
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
