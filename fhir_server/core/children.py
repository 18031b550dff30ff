"""Processes that this one starts, and ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def unheeding() -> Iterator[None]:
    """Processes that are begun in here never hear of Ctrl-C, which a terminal sends to all: who began them ends them.

    A fresh process would break off amid its imports otherwise, with all that Python has to say of it.
    """
    resource_tracker.ensure_running()  # which would unblock the signal as it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
