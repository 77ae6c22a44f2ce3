"""Files: written whole or not at all, never over what is not ours; and what to report of those that others wrote.

A file is written in a folder of its own beside its place, `chapter14-0123abcd.part`, and then renamed. Meanwhile that
folder is locked, so that what a killed process left is told from what another is writing.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows nothing is locked, and what a killed process left stays
    fcntl = None  # type: ignore[assignment]

#: In every film, page and sheet that we write: a command writes over its own, and over nothing else unasked.
MARK = "made by chapter14, which may write over it"
OVERWRITE = "write over files that this command did not write"
PART = re.compile(r"chapter14-[0-9a-f]{8}\.part")


class NotWritten(OSError):
    """A file could not be written; what was there before is there."""


def escaped(text: object, keep: str = "") -> str:
    """Text in which nothing moves the cursor, colours, rings or reorders a terminal: such characters are spelled out.

    >>> escaped("a\\x1b[31mb\\n")
    'a\\\\x1b[31mb\\\\n'
    """
    return "".join(
        c if c in keep or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else ascii(c)[1:-1]
        for c in str(text)
    )


def regular(path: Path) -> Path:
    """`path`, where it is a file that can be read.

    Raises:
        FileNotFoundError: there is none. ValueError: it is a folder, a pipe or a device, or may not be read.
    """
    try:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such file.")
        if path.is_dir():
            raise ValueError(f"{path}: it is a folder, and no file.")
        if not path.is_file():
            raise ValueError(f"{path}: it is a pipe or a device, and no file.")
        path.open("rb").close()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.errno is None:
            raise
        raise ValueError(f"{path}: it cannot be read. {error.strerror or error}") from error
    return path


def marked(path: Path) -> bool:
    """Whether a file has our mark in it."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(MARK.encode()) >= 0
    except (OSError, ValueError):  # an empty file has no map
        return False


def check_writable(path: Path, size: int = 0, ours: Callable[[Path], bool] | None = None) -> None:
    """Before anything is computed: that `path` can be written; and what killed processes left beside it is removed.

    Args:
        size: in bytes, of what is written. ours: whether a file that is there already may be written over.

    Raises:
        ValueError: `path` cannot be written, `size` bytes have no room there, or there is another file.
    """
    if path.is_dir():
        raise ValueError(f"{path}: it is a folder.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: it is a pipe or a device, and no file.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise ValueError(f"{path}: {there} is no folder.")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path}: {there} is a folder that cannot be written in.")
    if (free := shutil.disk_usage(there).free) < size:
        raise ValueError(f"{path}: it takes {size / 1e6:.1f} MB, and {there} has room for {free / 1e6:.1f} MB.")
    if ours:
        unrelated(path, ours)
    clean(path.parent)


def unrelated(path: Path, ours: Callable[[Path], bool]) -> None:
    """
    Raises:
        ValueError: there is a file with something in it that is not `ours`.
    """
    if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or ours(path))):
        raise ValueError(f"{path}: it is there already, and this command did not write it. --overwrite writes over it.")


def clean(folder: Path) -> None:
    """Removes what processes that were killed while they wrote left in a folder."""
    with suppress(OSError):
        for left in [path for path in folder.iterdir() if PART.fullmatch(path.name)]:
            with suppress(OSError):
                file = os.open(left, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))
                try:
                    if _locked(file, left):
                        shutil.rmtree(left)
                finally:
                    os.close(file)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file of the same name to write to, in a folder beside `path`; what is there in the end becomes `path`.

    Raises:
        NotWritten: it could not be, and why.
    """
    folder, lock = None, None
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            (its := path.with_name(f"chapter14-{secrets.token_hex(4)}.part")).mkdir()
            folder = its
            if fcntl:
                lock = os.open(folder, os.O_RDONLY)
                _locked(lock, folder)
            yield folder / path.name
            (folder / path.name).replace(path)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)
    except NotWritten:
        raise
    except OSError as error:
        raise NotWritten(f"{path}: it could not be written. {error.strerror or error}") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Inside, no other command of this machine is here for the same `path`: the first to come has it.

    Raises:
        ValueError: another one is.
    """
    name = hashlib.blake2b(os.path.realpath(path).encode(errors="surrogateescape"), digest_size=4).hexdigest()
    lock, file = Path(tempfile.gettempdir()) / f"chapter14-{name}.lock", None
    with suppress(OSError):  # there is no such folder, or the lock is another user's
        file = os.open(lock, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if file is not None and fcntl and not _locked(file, lock):
            raise ValueError(f"{path}: another command draws there, and goes on. Wait for it, or give another --out.")
        try:
            yield
        finally:
            if file is not None:
                lock.unlink(missing_ok=True)
    finally:
        if file is not None:
            os.close(file)


def _locked(file: int, path: Path) -> bool:
    """Locks an open file; whether that worked, and it is still what `path` names."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False
