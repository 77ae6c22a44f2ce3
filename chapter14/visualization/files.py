"""A file is there whole, or not at all: it is written beside its place, and then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotWritten(OSError):
    """A file could not be written; what was there before is there."""


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
