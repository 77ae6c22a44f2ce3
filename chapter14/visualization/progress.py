"""How far a visualization has come, in memory and, where it is asked for, in a file to go on from."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from .descend import Step
from .files import NotWritten, whole

EVERY = 60  # seconds
OF_BATCHES = ("x", "history", "alive", "importance")  # that are finished


class Progress:
    """Pictures that are finished, and of those that are being drawn: θ, J at each step so far, the sum of |dJ/dx|.

    As a context, it keeps `path` up to date: once a minute, and in the end, however it comes.

    Args:
        path: a safetensors file, or None.
        said: what the call was, as JSON has it. A file goes on with the same call alone.
        resume: begin with what is in the file. device: of its tensors.

    Raises:
        FileNotFoundError: there is nothing to resume.
        ValueError: what is there is of another call, or no such file.
    """

    def __init__(self, path: Path | None, said: dict[str, Any], resume: bool, device: torch.device):
        self.device, self.path, self.said = device, path, json.dumps(said, sort_keys=True)
        self.x: list[Tensor] = []  # of each batch that is finished
        self.history: list[Tensor] = []
        self.alive: list[Tensor] = []
        self.importance: list[Tensor] = []
        self.theta: Tensor | None = None
        self.J: list[Tensor] = []
        self.living: Tensor | None = None
        self.asked: Tensor | float = 0.0  # the sum of |dJ/dx|, a mean over channels
        self.saved = time.monotonic()
        if resume:
            self._load()

    def __len__(self) -> int:
        """How many pictures are finished."""
        return sum(map(len, self.x))

    @property
    def batch(self) -> int | None:
        """How many are being drawn."""
        return None if self.theta is None else len(self.theta)

    def took(self, step: Step, through_relu: int = 0) -> None:
        """Of the first `through_relu` steps, whose gradient came through shut relus, none says who is alive."""
        self.theta, self.now = step.theta, step.x
        self.living = step.alive if self.living is None or step.i <= through_relu else self.living
        self.J.append(step.J.detach())
        self.asked = self.asked + step.g.abs().mean(1, keepdim=True)
        if self.path and time.monotonic() - self.saved > EVERY:
            with _warned():
                self.save()

    def finished(self) -> None:
        assert self.living is not None and isinstance(self.asked, Tensor)
        self.x.append(self.now)
        self.history.append(torch.stack(self.J))
        self.alive.append(self.living)
        self.importance.append(self.asked)
        self.theta, self.J, self.living, self.asked = None, [], None, 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.path is not None and (self.x or self.J):
            with suppress(NotWritten) if error else _warned():  # what interrupted it is what is to be said
                self.save()

    def save(self) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        assert self.path is not None
        tensors: dict[str, Tensor] = {}
        for name in OF_BATCHES:
            tensors |= {f"{i}.{name}": t for i, t in enumerate(getattr(self, name))}
        if self.theta is not None and self.living is not None and isinstance(self.asked, Tensor):
            tensors |= {"theta": self.theta, "J": torch.stack(self.J), "living": self.living, "asked": self.asked}
        self.saved = time.monotonic()
        with whole(self.path) as beside:
            try:
                save_file(
                    {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, beside, {"said": self.said}
                )
            except SafetensorError as error:
                raise NotWritten(f"{self.path}: it could not be written. {error}") from error

    def _load(self) -> None:
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: there is nothing here to resume.")
        try:
            with safe_open(self.path, "pt", device=str(self.device)) as file:
                said = (file.metadata() or {}).get("said")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{self.path} is not a visualization to resume: {error}") from error
        if said != self.said:
            raise ValueError(
                f"{self.path} is of another call, and cannot be resumed by this one: {_differing(said, self.said)}"
            )
        batches = sum(name.endswith(".x") for name in tensors)
        try:
            for name in OF_BATCHES:
                setattr(self, name, [tensors[f"{i}.{name}"] for i in range(batches)])
            if "theta" in tensors:
                self.theta, self.living, self.J = tensors["theta"], tensors["living"], list(tensors["J"])
                self.asked = tensors["asked"]
        except KeyError as error:
            raise ValueError(f"{self.path} is not a visualization to resume: it has no {error}.") from error


@contextmanager
def _warned() -> Iterator[None]:
    """Where a checkpoint cannot be written, the drawing goes on, and what is drawn is given back."""
    try:
        yield
    except NotWritten as error:
        warnings.warn(str(error), stacklevel=4)


def _differing(said: str | None, now: str) -> str:
    if said is None:
        return "it does not say of which."
    then, this = json.loads(said), json.loads(now)
    return "; ".join(_was(key, then.get(key), this[key]) for key in this if then.get(key) != this[key])


def _was(key: str, then: object, now: object) -> str:
    said = f"{key} was {then}, and is {now}"
    return said if len(said) <= 300 else f"its {key} are others"
