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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..models.weights import fingerprint
from ..models.zoo import Pretrained
from . import render
from ..files import whole
from .objective import Objective
from .optimize import Visualization, visualize

KEY = "chapter14"
ENDINGS = {".png", ".jpg", ".jpeg"}
#: What `visualize` is given that is said elsewhere in a record, or that no picture depends on.
ELSEWHERE = {"model", "objective", "seed", "checkpoint", "resume", "on_step"}


@dataclass(frozen=True)
class Record:
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


def records(
    drawn: Visualization,
    network: Pretrained | nn.Module,
    objective: str | Objective | Sequence[str | Objective],
    options: Mapping[str, Any],
    *,
    model: str = "",
    commands: Sequence[Sequence[str]] = (),
    quality: Sequence[Mapping[str, float | None]] = (),
) -> list[Record]:
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
        Record(
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


def save(image: Image.Image, path: str | Path, record: Record) -> None:
    """Write a picture with its record, in the file if it is a PNG, and beside it as JSON.

    Raises:
        ValueError: Pillow writes no format of that name.
        NotWritten: they could not be; then neither is there.
    """
    path = Path(path)
    render.check(path)
    with whole(path.with_suffix(".json")) as beside:
        beside.write_text(record.json(), encoding="utf-8")
        render.save(image, path, {KEY: record.json()})


def record_of(path: str | Path) -> Record:
    """The record that a picture carries, or that lies beside it, or that is in this JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no record.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    beside = path.with_suffix(".json")
    said = None if path == beside else _carried(path)
    if said is None and not beside.is_file():
        raise ValueError(
            f"{path}: it does not say how it was drawn, and there is no {beside.name} beside it. Either chapter14 did "
            "not draw it, or another program has saved it since."
        )
    return _read(beside.read_bytes() if said is None else said, path)


def records_in(folder: str | Path) -> list[tuple[Record, Path]]:
    """The pictures of a folder that say how they were drawn, by name, 2 before 10; others, as sheets, are passed over.

    Raises:
        ValueError: there is no such folder, or no such picture in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: there is no such folder.")
    found = []
    for path in sorted(
        (p for p in Path(folder).iterdir() if p.suffix.lower() in ENDINGS and p.is_file()), key=_by_number
    ):
        try:
            found.append((record_of(path), path))
        except ValueError:
            continue
    if not found:
        raise ValueError(f"{folder}: there is no picture in it that says how it was drawn.")
    return found


def changed(record: Record, network: Pretrained) -> list[str]:
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
        with Image.open(path) as image:
            return image.info.get(KEY)
    except Exception as error:  # of a broken file, Pillow raises whatever its reader comes by
        raise ValueError(f"{path}: it is no picture.") from error


def _read(said: str | bytes, path: Path) -> Record:
    kinds = {"objective": str, "model": str, "weights": str, "seed": int, "options": dict, "versions": dict,
             "history": list, "alive": bool, "quality": dict, "command": list}  # fmt: skip
    try:
        fields = json.loads(said)
        wrong = [name for name, kind in kinds.items() if not isinstance(fields[name], kind)]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: what it says of how it was drawn is not chapter14's, or is broken.") from error
    if wrong:
        raise ValueError(f"{path}: what it says of how it was drawn is broken at {', '.join(wrong)}.")
    return Record(**{name: fields[name] for name in kinds})


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return f"{list(value.shape)} {fingerprint({'': value})}"
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
