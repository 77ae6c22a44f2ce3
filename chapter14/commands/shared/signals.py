"""Signals that end a command, from a batch system or a closed terminal, interrupt it as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raises KeyboardInterrupt on these signals; those that are ignored, as by nohup, stay ignored."""
    handled = [s for s in SIGNALS if signal.getsignal(s) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        handled = []  # Python handles signals in the main thread only
    for s in handled:
        signal.signal(s, signal.default_int_handler)
    try:
        yield
    finally:
        for s in handled:
            signal.signal(s, signal.SIG_DFL)
