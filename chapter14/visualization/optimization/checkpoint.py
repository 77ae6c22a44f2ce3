"""The state of a visualization, in memory and, if asked for, in a file from which it can be resumed."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
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


class Batch(NamedTuple):
    """Pictures that are drawn together, after len(J) steps."""

    theta: Tensor
    moments: Tensor  # of Adam; empty in a finished batch
    J: tuple[Tensor, ...]  # [B] before each step
    alive: Tensor
    importance: Tensor  # the sum of |dJ/dx| over the steps, averaged over channels


class State(NamedTuple):
    finished: tuple[Batch, ...]
    current: Batch | None


class Checkpoint:
    """The state of a visualization: the finished batches, and the one in progress.

    As a context manager, it writes `path` once a minute and at the end, also after an error or an interrupt. A single
    assignment to `state` completes a step, so that an interrupt at any line saves the state between two steps.

    Args:
        path: a safetensors file, or None.
        call: the arguments of the call, for JSON. Only an equal call resumes the file.
        resume: start from the file. device: of its tensors.

    Raises:
        FileNotFoundError: there is nothing to resume.
        ValueError: the file belongs to another call, or is not a checkpoint.
    """

    def __init__(self, path: Path | None, call: dict[str, Any], resume: bool, device: torch.device):
        self.device, self.path, self.call = device, path, json.dumps(call, sort_keys=True)
        self.state = State((), None)
        self.written = self.state  # the state in the file, or at the start
        self.saved = time.monotonic()
        if resume:
            self._load()

    def __len__(self) -> int:
        """The number of finished pictures."""
        return sum(len(batch.theta) for batch in self.state.finished)

    @property
    def steps(self) -> int:
        """The number of steps that the current batch has done."""
        return len(self.state.current.J) if self.state.current else 0

    def add_step(self, step: DescentStep, through_relu: int = 0) -> None:
        """The first step after `through_relu` tells which pictures are alive."""
        finished, before = self.state
        after = Batch(step.theta, step.moments, (step.J.detach(),), step.alive, step.g.abs().mean(1, keepdim=True))
        if before:
            alive = step.alive if step.i <= through_relu else before.alive
            after = Batch(step.theta, step.moments, before.J + after.J, alive, before.importance + after.importance)
        self.state = State(finished, after)
        if self.path and time.monotonic() - self.saved > SAVE_INTERVAL:
            with _as_warning():
                self.save()

    def finish_batch(self) -> None:
        assert self.state.current is not None
        batch = self.state.current
        self.state = State((*self.state.finished, batch._replace(moments=batch.moments[:0])), None)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush(error)

    def flush(self, error: BaseException | None = None) -> None:
        """Writes the state if the file does not hold it. After an error, an error in writing is not reported."""
        if self.path is not None and self.state is not self.written:
            state = self.state
            with suppress(NotWritten) if error else _as_warning():
                self.save()
            self.written = state

    def save(self) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        assert self.path is not None
        finished, current = self.state
        tensors = {"finished": torch.tensor(len(finished))}
        for i, batch in enumerate([*finished, current] if current else finished):
            for name, value in batch._asdict().items():
                t = torch.stack(value) if name == "J" else value
                tensors[f"{i}.{name}"] = t.detach().cpu().contiguous()
        self.saved = time.monotonic()
        with whole(self.path) as beside:
            try:
                save_file(tensors, beside, {"call": self.call, "fingerprint": fingerprint(tensors)})
            except SafetensorError as error:
                raise NotWritten(f"{self.path}: it could not be written. {error}") from error

    def _load(self) -> None:
        if self.path is None or not self.path.exists():
            raise FileNotFoundError(f"{self.path}: there is nothing to resume.")
        metadata, tensors = _read(self.path, self.device)
        if (call := metadata.get("call")) != self.call:
            raise ValueError(
                f"{self.path} belongs to another call, and cannot be resumed by this one. {_changes(call, self.call)}"
            )
        count = sum(name.endswith(".theta") for name in tensors)
        rows = [[f"{i}.{name}" for name in Batch._fields] for i in range(count)]
        if missing := [name for row in [["finished"], *rows] for name in row if name not in tensors]:
            raise ValueError(f"{self.path} is not a checkpoint: it has no {missing[0]!r}.")
        if metadata.get("fingerprint") != fingerprint(tensors):
            raise ValueError(f"{self.path} is not a checkpoint: its tensors were changed.")
        values = [[tensors[name] for name in row] for row in rows]
        batches = [Batch(theta, moments, tuple(J), *others) for theta, moments, J, *others in values]
        n = int(tensors["finished"])
        self.state = State(tuple(batches[:n]), batches[n] if n < count else None)


def is_checkpoint(path: Path) -> bool:
    """Whether `Checkpoint` wrote a file."""
    try:
        return "call" in _read(path, None)[0]
    except (ValueError, OSError):
        return False


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The values that have changed: "torch: 2.13, now 2.14"; without them, if they are long."""
    changed = {key: f"{key}: {then.get(key)}, now {value}" for key, value in now.items() if then.get(key) != value}
    return [text if len(text) <= 300 else f"{key} has changed" for key, text in changed.items()]


def _changes(then: str | None, now: str) -> str:
    try:
        return "; ".join(differences(json.loads(then or ""), json.loads(now)))
    except (ValueError, AttributeError, RecursionError):
        return "It does not say which."


def _read(path: Path, device: torch.device | None) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata of a checkpoint and, if there is a device, its tensors."""
    from safetensors import safe_open

    regular(path)
    try:
        with safe_open(path, "pt", device=str(device or "cpu")) as file:
            names = file.keys() if device else []
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except Exception as error:  # for a broken file, safetensors and torch raise errors of many kinds
        raise ValueError(f"{path} is not a checkpoint: {error}") from error


@contextmanager
def _as_warning() -> Iterator[None]:
    """Warns if the checkpoint cannot be written: the visualization continues, and returns its pictures."""
    try:
        yield
    except NotWritten as error:
        warnings.warn(str(error), stacklevel=4)
