"""How often Python looks for cycles in a process that serves."""

from __future__ import annotations

import gc

THRESHOLD = 60_000  # new objects between two looks for cycles; Python's 700 costs an eighth of the time


def tune() -> None:
    """Makes a process that serves faster: what is loaded by now lives as long as it does, and is never searched."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD, 20, 50)
