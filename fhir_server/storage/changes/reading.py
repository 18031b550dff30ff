"""Changes with the resources that they are about, as entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol

from fhir_server.core.keys import StoredVersion
from fhir_server.core.pace import Pace
from fhir_server.core.ports import Change, ResourceReads
from fhir_server.core.values import SearchValue
from fhir_server.storage.changes.entries import Batch, Entry

Extract = Callable[[bytes], Sequence[SearchValue]]  # of a resource's JSON
Key = tuple[str, str]

READ_AT_ONCE = 200  # resources
TOGETHER = 200  # resources given at once, about: few, as positions are kept by what was given
BYTES = 4 * 2**20  # of them, about
REMEMBERED = 20_000  # first positions of resources that have several versions


class Behind(Exception):
    """A read has not seen yet what the feed tells of."""


class VersionReads(ResourceReads, Protocol):
    """Reads of whoever indexes."""

    async def read_versions(self, keys: Iterable[tuple[str, str, int]]) -> list[StoredVersion | None]:
        """Each (type, id, version), in the order asked."""
        ...


class Reading:
    """Reads the resources of changes as they are now; extract: their search values."""

    def __init__(self, reads: VersionReads, extract: Extract) -> None:
        self._reads = reads
        self._extract = extract
        self._firsts: OrderedDict[Key, int] = OrderedDict()

    async def batches(self, changes: Sequence[Change], until: int) -> AsyncIterator[Batch]:
        """One entry for each resource, by its last change, some at a time. Behind where a read can't keep up.

        until: the position that is complete with these changes.
        """
        newest = {(change.type, change.id): change for change in changes}
        oldest = {(change.type, change.id): change.seq for change in reversed(changes)}
        keys, pace = list(newest), Pace()
        if not keys:
            yield Batch((), until)
        batch: list[Entry] = []
        size = 0
        for at in range(0, len(keys), READ_AT_ONCE):
            some = keys[at : at + READ_AT_ONCE]
            versions = await self._reads.read_many(some)
            await self._learn_firsts(versions)
            for key, version in zip(some, versions, strict=True):
                batch.append(await self.entry(newest[key], version))
                size += len(batch[-1].body)
                await pace()
            left = keys[at + READ_AT_ONCE :][:1]
            if not left:
                yield Batch(batch, until)
            elif len(batch) >= TOGETHER or size > BYTES:
                yield Batch(batch, oldest[left[0]] - 1)
                batch, size = [], 0

    async def entry(self, change: Change, version: StoredVersion | None) -> Entry:
        """What to index of a resource of which the store has this version now."""
        if version is None or version.deleted:
            if change.method in ("POST", "PUT", "PATCH") and version is not None and version.seq < change.seq:
                raise Behind(f"{change.type}/{change.id} is older than change {change.seq}")
            newest = change.seq if version is None else max(change.seq, version.seq)
            return Entry(change.type, change.id, newest)
        if version.seq < change.seq and change.method in ("POST", "PUT", "PATCH", "DELETE"):
            raise Behind(f"{change.type}/{change.id} is older than change {change.seq}")
        entry = Entry(
            version.type,
            version.id,
            max(change.seq, version.seq),
            version.seq,
            await self._first(version),
            version.version,
            version.updated,
            (),
            version.body,
        )
        try:
            return entry._replace(values=self._extract(version.body))
        except Exception as problem:  # whatever is in it, the others go on
            return bare(entry, f"its values can't be extracted: {type(problem).__name__}: {problem}")

    async def _learn_firsts(self, versions: Sequence[StoredVersion | None]) -> None:
        """Reads the first versions of those of which they are needed and not known yet."""
        later = [version for version in versions if version is not None and version.version > 1]
        unknown = [(each.type, each.id, 1) for each in later if (each.type, each.id) not in self._firsts]
        if unknown:
            for key, oldest in zip(unknown, await self._reads.read_versions(unknown), strict=True):
                if oldest is not None:
                    self._firsts[key[:2]] = oldest.seq

    async def _first(self, version: StoredVersion) -> int:
        """The position of a resource's first version: matches are in this order where no other is asked for."""
        if version.version == 1:
            return version.seq
        key = (version.type, version.id)
        if key not in self._firsts:
            await self._learn_firsts([version])
        first = self._firsts.setdefault(key, version.seq)
        while len(self._firsts) > REMEMBERED:
            self._firsts.popitem(last=False)
        return first


def bare(entry: Entry, problem: str) -> Entry:
    """The same without values: found by its id and type alone, and seen by whoever looks for problems."""
    return entry._replace(values=(), body=b"", problem=problem)
