"""Weights that a library downloads: without a connection, an error says at once how to get them.

The libraries retry a download for a minute before they give up, and ask the hub even for a file in their cache.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies, proxy_bypass

from .state_dict import first_line, tensors_only

SECONDS = 1.5  # in which a server, or the proxy, must take a connection


def unreachable(url: str) -> str | None:
    """Why the server of an address, or the proxy before it, cannot be reached; None if it can, or there is none."""
    server = urlparse(url)
    if not server.hostname:
        return None
    proxy = None if proxy_bypass(server.hostname) else getproxies().get(server.scheme)
    if proxy:
        server = urlparse(proxy if "//" in proxy else f"//{proxy}")
    why = [f"{server.hostname} does not answer"]

    def connect() -> None:
        try:
            port = server.port or (80 if server.scheme == "http" else 443)
            socket.create_connection((server.hostname, port), SECONDS).close()
            why.clear()
        except OSError as error:
            why[0] = f"{server.hostname}: {first_line(error)}"

    thread = threading.Thread(target=connect, daemon=True)  # looking up a name takes as long as the system likes
    thread.start()
    thread.join(SECONDS)
    return why[0] if why else None


@contextmanager
def downloading(name: str, source: str, cached: Callable[[], Path | None], how: str) -> Iterator[None]:
    """A library loads the weights of `name` inside: from its cache, `cached()`, or from `source` into it.

    Raises:
        FileNotFoundError: they are not cached and cannot be downloaded; the message says `how` to get them.
        ValueError: the cached file cannot be read.
    """
    try:
        if not cached() and (why := unreachable(source)):
            raise OSError(why)
        with tensors_only(source):
            yield
    except Exception as error:  # for a broken file, the libraries raise errors of many kinds
        if path := cached():
            raise ValueError(f"{name}: its weights in {path} cannot be read: {first_line(error)}") from error
        if not isinstance(error, OSError | RuntimeError):
            raise
        raise FileNotFoundError(
            f"{name}: its weights are not on this machine, and cannot be downloaded: {first_line(error).rstrip('.')}. "
            f"They are at {source}. {how}, or give the file itself as weights (--weights FILE)."
        ) from error


@contextmanager
def downloading_from_url(name: str, url: str, folder: Path) -> Iterator[None]:
    """`downloading`, from an address into a folder."""
    path = folder / Path(urlparse(url).path).name
    with downloading(name, url, lambda: path if path.is_file() else None, f"Put it at {path}"):
        yield


@contextmanager
def downloading_from_hub(name: str, repository: str, files: tuple[str, ...]) -> Iterator[None]:
    """`downloading`, from a repository of the Hugging Face hub: the first of `files` that it has."""
    from huggingface_hub import constants, try_to_load_from_cache

    def cached() -> Path | None:
        found = [try_to_load_from_cache(repository, file) for file in files]
        return next((Path(path) for path in found if isinstance(path, str)), None)

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    source = f"{constants.ENDPOINT}/{repository}/resolve/main/{files[0]}"
    how = f"`hf download {repository} {files[0]}` puts it into {folder}"
    with downloading(name, source, cached, how), hub_if_reachable():
        yield


@contextmanager
def hub_if_reachable() -> Iterator[None]:
    """Inside, the Hugging Face hub's library reads its cache only, if the hub cannot be reached."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or unreachable(constants.ENDPOINT) is not None
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
