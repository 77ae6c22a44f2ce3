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


class FinishedBatch(NamedTuple):
    x: Tensor
    history: Tensor  # [steps, B]
    alive: Tensor
    importance: Tensor  # the sum of |dJ/dx| over all steps, averaged over channels


class CurrentBatch(NamedTuple):
    theta: Tensor
    steps: int
    alive: Tensor
    importance: Tensor  # the sum so far


class Checkpoint:
    """The finished pictures, and for those in progress θ, J at each step so far, and the sum of |dJ/dx|.

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
        self.state: tuple[tuple[FinishedBatch, ...], CurrentBatch | None] = ((), None)
        self.written: object = self.state  # the state in the file, or at the start
        self.J: list[Tensor] = []  # of the current batch; the first `steps` of them count
        self.saved = time.monotonic()
        if resume:
            self._load()

    def __len__(self) -> int:
        """The number of finished pictures."""
        return sum(len(batch.x) for batch in self.state[0])

    @property
    def current(self) -> CurrentBatch | None:
        return self.state[1]

    @property
    def steps(self) -> int:
        """The number of steps that the current batch has done."""
        return self.state[1].steps if self.state[1] else 0

    def add_step(self, step: DescentStep, through_relu: int = 0) -> None:
        """The first step after `through_relu` tells which pictures are alive."""
        finished, before = self.state
        importance, n = step.g.abs().mean(1, keepdim=True), self.steps
        alive = step.alive if before is None or step.i <= through_relu else before.alive
        self.J[n:] = [step.J.detach()]
        total = before.importance + importance if before else importance
        self.state = finished, CurrentBatch(step.theta, n + 1, alive, total)
        if self.path and time.monotonic() - self.saved > SAVE_INTERVAL:
            with _as_warning():
                self.save()

    def finish_batch(self, x: Tensor) -> None:
        """The current batch is finished; x are its pictures."""
        finished, last = self.state
        assert last is not None
        history = torch.stack(self.J[: last.steps])
        self.state = (*finished, FinishedBatch(x, history, last.alive, last.importance)), None

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
        finished, last = self.state
        tensors = {f"{i}.{name}": t for i, batch in enumerate(finished) for name, t in batch._asdict().items()}
        if last is not None:
            J = torch.stack(self.J[: last.steps])
            tensors |= {"theta": last.theta, "J": J, "alive": last.alive, "importance": last.importance}
        tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
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
        batches = range(sum(name.endswith(".x") for name in tensors))
        needed = [f"{i}.{name}" for i in batches for name in FinishedBatch._fields]
        needed += ["J", "alive", "importance"] if "theta" in tensors else []
        if missing := [name for name in needed if name not in tensors]:
            raise ValueError(f"{self.path} is not a checkpoint: it has no {missing[0]!r}.")
        if metadata.get("fingerprint") != fingerprint(tensors):
            raise ValueError(f"{self.path} is not a checkpoint: its tensors were changed.")
        last = None
        if "theta" in tensors:
            self.J = list(tensors["J"])
            last = CurrentBatch(tensors["theta"], len(self.J), tensors["alive"], tensors["importance"])
        self.state = tuple(FinishedBatch(*(tensors[f"{i}.{n}"] for n in FinishedBatch._fields)) for i in batches), last


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
