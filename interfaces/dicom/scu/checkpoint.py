"""Keeps the answers of an association for who asked.

pynetdicom's requestor has a thread that takes messages whenever nobody waits for an answer. It is stopped by clearing
an event, and believed to be stopped until it has said otherwise. Where it was let go a moment before and has not said
so yet, it takes the answer, calls it unexpected, and who asked waits until the timeout. This event is cleared only
before that thread passes or after it has said that it did.
"""

from __future__ import annotations

import threading
from typing import Any


class Checkpoint(threading.Event):
    """The event that an association's thread waits for."""

    def __init__(self, association: Any) -> None:
        super().__init__()
        self._association = association
        self._passing = threading.Lock()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits, and says that it goes on in the same step."""
        while super().wait(timeout):
            with self._passing:
                if self.is_set():
                    self._association._is_paused = False
                    return True
        return False

    def clear(self) -> None:
        """Stops whoever comes from now on."""
        with self._passing:
            super().clear()


def steady(association: Any) -> Any:
    """Gives an association such a checkpoint."""
    association._reactor_checkpoint = Checkpoint(association)
    return association
