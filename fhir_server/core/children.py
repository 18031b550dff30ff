"""Processes that this one starts, and ends."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

# Processes that are copies of this one, where the system makes them safely: what it has loaded they need not load, and
# share as memory. It must have no other threads then, and nothing open that is for one process only.
COPIES: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
FRESH: Any = multiprocessing.get_context("spawn")  # processes that load all anew


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
