"""What is sealed in MongoDB, sealed anew by the newest key; beside running servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pymongo.database import Database

from fhir_server.security.audit.shared_notes import ABOUT, OPEN
from fhir_server.security.encryption.sealing import Sealing

ACCOUNTS, EMERGENCIES, AUDIT, NOTES = "security_", "security_emergency", "audit_rows", "notes"


class Sealed(NamedTuple):
    """A collection of sealed documents: the field that is, and what it is about: a word and a field of the document,
    "" for none."""

    collection: str
    field: str
    about: tuple[str, str]


def reseal(database: Database[Any], sealing: Sealing) -> int:
    """Seals anew what an older key has sealed; how many that were. What others change meanwhile they have sealed."""
    newest = sealing.newest.encode() + b":"
    count = 0
    for collection, field, (word, name) in _sealed(database):
        for each in database[collection].find({field: {"$type": "binData"}}):
            before = bytes(each[field])
            if before.startswith(newest) or b":" not in before[:40] or _open(before):
                continue
            about = f"{word} {each[name]}" if name else word
            after = sealing.seal(sealing.open(before, about), about)
            same = {"_id": each["_id"], field: each[field]}
            count += database[collection].update_one(same, {"$set": {field: after}}).modified_count
    return count


def _open(kept: bytes) -> bool:
    """Whether nobody sealed these events: of a row, or of a note, which has a checksum in front."""
    return kept[:1] in b"{[" or kept[OPEN] == b"["


def _sealed(database: Database[Any]) -> Iterator[Sealed]:
    for name in sorted(database.list_collection_names()):
        if name == EMERGENCIES:
            yield Sealed(name, "document", ("emergency", "id"))
        elif name.startswith(ACCOUNTS):
            yield Sealed(name, "document", (name.removeprefix(ACCOUNTS), "_id"))
        elif name == AUDIT:
            yield Sealed(name, "events", ("audit", "_id"))
        elif name == NOTES:
            yield Sealed(name, "data", (ABOUT, ""))
