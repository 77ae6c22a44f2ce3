"""A command that is told to stop, as by a batch system or a terminal that is closed: it puts down what it has."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Inside, these signals raise KeyboardInterrupt, as Ctrl-C does; but for those that are ignored, as by nohup."""
    ours = [s for s in SIGNALS if signal.getsignal(s) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # where Python has no signals
    for s in ours:
        signal.signal(s, signal.default_int_handler)
    try:
        yield
    finally:
        for s in ours:
            signal.signal(s, signal.SIG_DFL)
