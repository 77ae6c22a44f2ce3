"""A file is there whole, or not at all: it is written beside its place, and then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotWritten(OSError):
    """A file could not be written; what was there before is there."""


def check(path: Path, size: int = 0) -> None:
    """
    Raises:
        ValueError: `path` cannot be written, or `size` bytes have no room there.
    """
    if path.is_dir():
        raise ValueError(f"{path}: it is a folder.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise ValueError(f"{path}: {there} is no folder.")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path}: {there} is a folder that cannot be written in.")
    if (free := shutil.disk_usage(there).free) < size:
        raise ValueError(f"{path}: it takes {size / 1e6:.1f} MB, and {there} has room for {free / 1e6:.1f} MB.")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path`, of the same ending, to write to; what is there in the end becomes `path`.

    Raises:
        NotWritten: it could not be, and why.
    """
    beside = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except NotWritten:
        raise
    except OSError as error:
        raise NotWritten(f"{path}: it could not be written. {error.strerror or error}") from error
