"""Who feeds a target at this time: the processes among which its keys are divided."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Feeder(NamedTuple):
    """One of them; projectors: among how many its settings divide the keys; standby: it feeds where no other does."""

    owner: str
    projectors: int
    standby: bool = False


class Feeders(Protocol):
    """Kept beside the consumers' positions, for all processes."""

    async def join(self, consumer: str, feeder: Feeder, seconds: float) -> list[Feeder]:
        """Says that a feeder is there for so long; all that are there now, in the order in which they came."""
        ...

    async def leave(self, consumer: str, owner: str) -> None:
        """A feeder goes of its own accord."""
        ...

    async def feeders(self, consumer: str) -> list[Feeder]:
        """All that are there now, in the order in which they came."""
        ...


class Single(Feeders):
    """Of a store whose one process at a time has all the work, by the lease alone."""

    async def join(self, consumer: str, feeder: Feeder, seconds: float) -> list[Feeder]:
        """This one."""
        return [feeder._replace(projectors=1)]

    async def leave(self, consumer: str, owner: str) -> None:
        """Nobody has noted that it came."""

    async def feeders(self, consumer: str) -> list[Feeder]:
        """Nobody has noted who came."""
        return []
