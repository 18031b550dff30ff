"""What names a resource and what is kept of one of its versions."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

ID_PATTERN = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class ResourceKey(NamedTuple):
    """A resource (version 0) or one version of it (https://hl7.org/fhir/R4/references.html#literal)."""

    type: str
    id: str
    version: int = 0

    @property
    def reference(self) -> str:
        """Type/id, or Type/id/_history/version."""
        base = f"{self.type}/{self.id}"
        return f"{base}/_history/{self.version}" if self.version else base


def ids_by_type(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The ids of (type, id), by type, in their order."""
    found: dict[str, list[str]] = {}
    for type, id in keys:
        found.setdefault(type, []).append(id)
    return found


class StoredVersion(msgspec.Struct, frozen=True, gc=False):
    """One stored version.

    seq: its position in the change feed; updated: microseconds since 1970 UTC; method: POST, PUT, PATCH or DELETE;
    body: canonical JSON bytes with id and meta set, b"" where the version is a deletion.
    """

    type: str
    id: str
    version: int
    seq: int
    updated: int
    method: str
    body: bytes

    @property
    def deleted(self) -> bool:
        """Whether this version is a deletion."""
        return not self.body

    @property
    def key(self) -> ResourceKey:
        """Its key, with the version."""
        return ResourceKey(self.type, self.id, self.version)


@functools.lru_cache(maxsize=256)  # what is written together has one
def instant(microseconds: int) -> str:
    """Microseconds since 1970 UTC as a FHIR instant with milliseconds."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest // 1000:03d}Z"


@functools.lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
