"""Documents of the collections as messages and letters, the bytes of messages in parts, and the indexes.

hl7_messages  one document a message; open: it takes its lanes
hl7_bodies    the bytes, in parts that a document can hold
hl7_lanes     one document a lane: the message that is being applied in it, 0 for none
hl7_letters   messages to destinations
hl7_numbers   the sequences of both; hl7_counters, hl7_workers, hl7_leases, hl7_positions as their names say
"""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from interfaces.hl7v2.messages.message import OPEN, Message, Step
from interfaces.hl7v2.messages.port import Letter

PART = 8 * 2**20  # bytes of a body's part; a document may have 16 MiB

INDEXES = {
    "hl7_messages": [
        IndexModel([("sender", ASCENDING), ("control", ASCENDING), ("digest", ASCENDING)], unique=True),
        IndexModel([("state", ASCENDING), ("sender", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("patients", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("lanes", ASCENDING), ("_id", ASCENDING)], partialFilterExpression={"open": True}),
    ],
    "hl7_letters": [
        IndexModel([("destination", ASCENDING), ("key", ASCENDING)], unique=True),
        IndexModel([("destination", ASCENDING), ("state", ASCENDING), ("_id", ASCENDING)]),
    ],
}


def message_document(message: Message, owner: str) -> dict[str, Any]:
    """A message as it is stored."""
    return {
        "_id": message.id, "source": message.source, "sender": message.sender, "control": message.control,
        "kind": message.kind, "version": message.version, "digest": message.digest,
        "patients": list(message.patients), "size": message.size, "received": message.received,
        "state": message.state, "changed": message.changed, "reason": message.reason, "attempt": message.attempt,
        "revision": message.revision, "batch": message.batch, "alarm": message.alarm, "code": message.code,
        "links": list(message.links), "steps": [list(step) for step in message.steps], "answer": message.answer,
        "lanes": list(message.lanes), "open": message.state in OPEN, "owner": owner,
    }  # fmt: skip


def message_of(found: dict[str, Any]) -> Message:
    """A document of hl7_messages."""
    return Message(
        found["_id"], found["source"], found["sender"], found["control"], found["kind"], found["version"],
        found["digest"], tuple(found["patients"]), found["size"], found["received"], found["state"], found["changed"],
        found["reason"], found["attempt"], found["revision"], found["batch"], found["alarm"], found["code"],
        tuple(found["links"]), tuple(Step(*step) for step in found["steps"]), bytes(found["answer"]),
    )  # fmt: skip


def parts(id: int, revision: int, raw: bytes) -> list[dict[str, Any]]:
    """The bytes of a message as documents of hl7_bodies."""
    return [
        {"_id": f"{id}/{revision}/{number}", "message": id, "content": raw[start : start + PART]}
        for number, start in enumerate(range(0, len(raw) or 1, PART))
    ]


def letter_document(letter: Letter, id: int) -> dict[str, Any]:
    """A letter as it is stored."""
    return {
        "_id": id, "destination": letter.destination, "key": letter.key, "kind": letter.kind,
        "control": letter.control, "body": letter.body, "state": letter.state, "made": letter.made,
        "changed": letter.changed, "tries": letter.tries, "reason": letter.reason, "answer": letter.answer,
    }  # fmt: skip


def letter_of(found: dict[str, Any]) -> Letter:
    """A document of hl7_letters."""
    return Letter(
        found["_id"], found["destination"], found["key"], found["kind"], found["control"], bytes(found["body"]),
        found["state"], found["made"], found["changed"], found["tries"], found["reason"], bytes(found["answer"]),
    )  # fmt: skip
