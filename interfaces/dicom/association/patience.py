"""How long a peer is waited for: what it brings or takes slowly has an end, as what it leaves lying has."""

from __future__ import annotations

import math

SLOWEST = 1000  # bytes a second, of a message as a whole once the patience is over; the slowest lines have that


class Patience:
    """With one message that comes, or one piece of an answer that goes. Only what was waited for the peer counts."""

    def __init__(self, seconds: float | None) -> None:
        """seconds: that it may take however little it brings; None for ever."""
        self._seconds = math.inf if seconds is None else seconds
        self._waited = 0.0
        self._moved = 0

    @property
    def begun(self) -> bool:
        """Whether some of the message was moved."""
        return self._moved > 0

    def waited(self, seconds: float) -> None:
        """The peer was waited for."""
        self._waited += seconds

    def moved(self, count: int) -> None:
        """So many more bytes have come or gone; TimeoutError where that was too slow."""
        self._moved += count
        if self._waited > self._seconds + self._moved / SLOWEST:
            raise TimeoutError("a message came, or an answer was taken, too slowly")

    def renew(self) -> None:
        """The message is whole; what comes now is another."""
        self._waited, self._moved = 0.0, 0
