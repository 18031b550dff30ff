"""Calls for a consumer, across processes: what somebody waits for, so that the others may take their time."""

from __future__ import annotations

from typing import Protocol


class Calls(Protocol):
    """Kept beside the consumers' positions."""

    async def want(self, consumer: str, position: int) -> None:
        """Somebody waits until this consumer has got so far."""
        ...

    async def wanted(self, consumer: str) -> int:
        """The position that somebody waits for, or has waited for."""
        ...
