"""What one work wants to change, as documents that lack nothing but their positions in the feed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from fhir_server.core.keys import StoredVersion
from fhir_server.storage.mongo.content import Moved
from fhir_server.storage.mongo.keys import IDENTIFYING

MOVED_ON = ("type", "seq", "updated", "method", "resource", "exact", "content")  # of a document that becomes history


@dataclass
class Pending:
    """A version to store: the value that the work got for it, and its document's own fields."""

    version: StoredVersion
    fields: dict[str, Any]
    keys: list[str]
    mentions: list[str]
    moved: Moved | None = None

    def document(self, seq: int) -> dict[str, Any]:
        """All but the _id of the document in resources."""
        version = self.version
        return {
            "type": version.type,
            "version": version.version,
            "seq": seq,
            "updated": version.updated,
            "method": version.method,
            "keys": self.keys,
            **self.fields,
        }

    def older(self, key: str, seq: int, replaced: int) -> dict[str, Any]:
        """The document in history, for a version that the same work has replaced."""
        found = {**self.document(seq), "keys": self.mentions}
        return {"_id": f"{key}/{self.version.version}", "key": key, "replaced": replaced, **found}


@dataclass
class Head:
    """The newest version as a work read it: its document, None where the resource never was."""

    document: RawBSONDocument | None
    version: StoredVersion | None

    @property
    def number(self) -> int:
        """The version's number, 0 for none."""
        return self.version.version if self.version else 0

    def unchanged(self, key: str) -> dict[str, Any]:
        """The condition that it still is as it was, and that nobody relies on it who has committed since."""
        return {"_id": key, "version": self.number, "guard": self.document.get("guard") if self.document else None}

    def older(self, key: str, replaced: int) -> dict[str, Any]:
        """Its document in history, once it is replaced."""
        document, version = self.document, self.version
        assert document is not None and version is not None
        kept = {name: document[name] for name in MOVED_ON if name in document}
        mentions = [found for found in document["keys"] if found[0] not in IDENTIFYING]
        number = version.version
        return {"_id": f"{key}/{number}", "key": key, "version": number, "replaced": replaced, "keys": mentions, **kept}


@dataclass
class Erasure:
    """A resource that goes with all its versions; positions: those that they had in the feed."""

    type: str
    id: str
    updated: int
    positions: list[int]
    files: list[ObjectId]


@dataclass
class ChangeSet:
    """All changes of one work.

    writes: by key (Type/id), the versions in order; heads: what was there before, None where the work takes it for
    new without having looked; guards: version numbers of resources that it read and that must still be as they were;
    criteria: what it found nothing for -> the mark that was there then; reindexed: new keys of resources; notes: bytes
    that are stored with the rest; again: the work has run before, so that its moments are not a slow clock's but of one
    that has heard of the feed's.
    """

    heads: dict[str, Head | None] = field(default_factory=dict)
    writes: dict[str, list[Pending]] = field(default_factory=dict)
    erasures: dict[str, Erasure] = field(default_factory=dict)
    guards: dict[str, int] = field(default_factory=dict)
    criteria: dict[str, ObjectId | None] = field(default_factory=dict)
    reindexed: dict[str, list[str]] = field(default_factory=dict)
    notes: list[bytes] = field(default_factory=list)
    again: bool = False

    def __bool__(self) -> bool:
        return bool(self.writes or self.erasures or self.reindexed)

    @property
    def changed(self) -> set[str]:
        """What no other change set of one commit may touch."""
        return {*self.writes, *self.erasures, *self.reindexed, *self.criteria}

    @property
    def touched(self) -> set[str]:
        """What no other change set of one commit may change; that both rely on one version of a resource is no harm."""
        return self.changed | self.guards.keys()

    @property
    def positions(self) -> int:
        """How many positions of the feed it takes."""
        return sum(len(versions) for versions in self.writes.values()) + len(self.erasures) + len(self.reindexed)

    @property
    def moments(self) -> list[int]:
        """When its versions were made."""
        return [*(p.version.updated for p in self.pending()), *(e.updated for e in self.erasures.values())]

    def pending(self) -> Iterator[Pending]:
        """Every version to store."""
        for versions in self.writes.values():
            yield from versions
