"""How far a visualization has come, in memory and, where it is asked for, in a file to go on from."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...files import NotWritten, regular, whole
from ...models.state_dict import fingerprint
from .descent import DescentStep

SAVE_INTERVAL = 60  # seconds


class FinishedBatch(NamedTuple):
    """Pictures that are finished."""

    x: Tensor
    history: Tensor  # [steps, B]
    alive: Tensor
    importance: Tensor  # the sum of |dJ/dx|, a mean over channels


class CurrentBatch(NamedTuple):
    """Pictures that are being drawn, after some steps."""

    theta: Tensor
    steps: int
    living: Tensor
    asked: Tensor  # the sum of |dJ/dx| so far


class Checkpoint:
    """Pictures that are finished, and of those that are being drawn: θ, J at each step so far, the sum of |dJ/dx|.

    As a context, it keeps `path` up to date: once a minute, and at the end, also after an error or an interrupt. One
    assignment to `at` changes all of the state, so that what an interrupt at any line saves is the state between two
    steps.

    Args:
        path: a safetensors file, or None. Where two processes write to one, the last to write wins, whole.
        said: what the call was, as JSON has it. A file goes on with the same call alone.
        resume: begin with what is in the file. device: of its tensors.

    Raises:
        FileNotFoundError: there is nothing to resume.
        ValueError: what is there is of another call, or no such file.
    """

    def __init__(self, path: Path | None, said: dict[str, Any], resume: bool, device: torch.device):
        self.device, self.path, self.said = device, path, json.dumps(said, sort_keys=True)
        self.at: tuple[tuple[FinishedBatch, ...], CurrentBatch | None] = ((), None)
        self.kept: object = self.at  # as it was when it was last written, or began
        self.J: list[Tensor] = []  # of the pictures that are being drawn; the first `steps` of them count
        self.saved = time.monotonic()
        if resume:
            self._load()

    def __len__(self) -> int:
        """How many pictures are finished."""
        return sum(len(batch.x) for batch in self.at[0])

    @property
    def current(self) -> CurrentBatch | None:
        return self.at[1]

    @property
    def steps(self) -> int:
        """How many are behind the pictures that are being drawn."""
        return self.at[1].steps if self.at[1] else 0

    def took(self, step: DescentStep, through_relu: int = 0) -> None:
        """Of the first `through_relu` steps, whose gradient came through shut relus, none says who is alive."""
        finished, before = self.at
        asked, n = step.g.abs().mean(1, keepdim=True), self.steps
        living = step.alive if before is None or step.i <= through_relu else before.living
        self.J[n:] = [step.J.detach()]
        self.at = finished, CurrentBatch(step.theta, n + 1, living, before.asked + asked if before else asked)
        if self.path and time.monotonic() - self.saved > SAVE_INTERVAL:
            with _warned():
                self.save()

    def finished(self, x: Tensor) -> None:
        """The pictures that were being drawn are x."""
        finished, last = self.at
        assert last is not None
        self.at = (*finished, FinishedBatch(x, torch.stack(self.J[: last.steps]), last.living, last.asked)), None

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.keep(error)

    def keep(self, error: BaseException | None = None) -> None:
        """Writes what is not in the file yet. After an error, one in writing is not reported: it is not the cause."""
        if self.path is not None and self.at is not self.kept:
            at = self.at
            with suppress(NotWritten) if error else _warned():
                self.save()
            self.kept = at

    def save(self) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        assert self.path is not None
        finished, last = self.at
        tensors: dict[str, Tensor] = {}
        for i, batch in enumerate(finished):
            tensors |= {f"{i}.{name}": t for name, t in batch._asdict().items()}
        if last is not None:
            J = torch.stack(self.J[: last.steps])
            tensors |= {"theta": last.theta, "J": J, "living": last.living, "asked": last.asked}
        tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        self.saved = time.monotonic()
        with whole(self.path) as beside:
            try:
                save_file(tensors, beside, {"said": self.said, "fingerprint": fingerprint(tensors)})
            except SafetensorError as error:
                raise NotWritten(f"{self.path}: it could not be written. {error}") from error

    def _load(self) -> None:
        if self.path is None or not self.path.exists():
            raise FileNotFoundError(f"{self.path}: there is nothing here to resume.")
        about, tensors = _read(self.path, self.device)
        if (said := about.get("said")) != self.said:
            raise ValueError(
                f"{self.path} is of another call, and cannot be resumed by this one: {_differing(said, self.said)}"
            )
        batches = range(sum(name.endswith(".x") for name in tensors))
        needed = [f"{i}.{name}" for i in batches for name in FinishedBatch._fields]
        needed += ["J", "living", "asked"] if "theta" in tensors else []
        if missing := [name for name in needed if name not in tensors]:
            raise ValueError(f"{self.path} is not a visualization to resume: it has no {missing[0]!r}.")
        if about.get("fingerprint") != fingerprint(tensors):
            raise ValueError(
                f"{self.path} is not a visualization to resume: its tensors are not those that were written."
            )
        last = None
        if "theta" in tensors:
            self.J = list(tensors["J"])
            last = CurrentBatch(tensors["theta"], len(self.J), tensors["living"], tensors["asked"])
        self.at = (
            tuple(FinishedBatch(*(tensors[f"{i}.{name}"] for name in FinishedBatch._fields)) for i in batches),
            last,
        )


def is_checkpoint(path: Path) -> bool:
    """Whether a file is one that `Progress` wrote."""
    try:
        return "said" in _read(path, None)[0]
    except (ValueError, OSError):
        return False


def _read(path: Path, device: torch.device | None) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What a checkpoint says of itself, and its tensors; without a device, none."""
    from safetensors import safe_open

    regular(path)
    try:
        with safe_open(path, "pt", device=str(device or "cpu")) as file:
            names = file.keys() if device else []
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except Exception as error:  # of a broken file, safetensors and torch raise errors of many kinds
        raise ValueError(f"{path} is not a visualization to resume: {error}") from error


@contextmanager
def _warned() -> Iterator[None]:
    """Where a checkpoint cannot be written, the drawing goes on, and what is drawn is given back."""
    try:
        yield
    except NotWritten as error:
        warnings.warn(str(error), stacklevel=4)


def _differing(said: str | None, now: str) -> str:
    try:
        then, this = json.loads(said or ""), json.loads(now)
        return "; ".join(_was(key, then.get(key), this[key]) for key in this if then.get(key) != this[key])
    except (ValueError, AttributeError, RecursionError):
        return "it does not say of which."


def _was(key: str, then: object, now: object) -> str:
    said = f"{key} was {then}, and is {now}"
    return said if len(said) <= 300 else f"its {key} are others"
