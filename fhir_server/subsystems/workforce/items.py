"""Work items of the workforce: Tasks that say what a person has to look after.

What should be is worked out from the facts and the time, and only what differs from what is stored is written. A
person who takes a Task up keeps it: only Tasks in the state in which they were made are changed, and those that were
closed by themselves, where what they told of holds again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.keys import instant
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.writing import id_of, put_all, same

SUBSYSTEM = "workforce"
MADE = "requested"  # the state of a Task that nobody has taken up
OPEN = (MADE, "received", "accepted", "ready", "in-progress", "on-hold")
RESOLVED = "It no longer holds."

Json = dict[str, Any]


class Item(NamedTuple):
    """A Task that should be, and the reference, with its version, of what it was made of."""

    task: Json
    source: str


def task(
    focus: str, rule: str, said: str, due: int | None, about: Sequence[object] = (), *, urgent: bool = False
) -> Json:
    """A Task. rule: what made it; due: until when (microseconds since 1970); about: what tells it from others."""
    id = id_of(focus, rule, *about)
    made: Json = {
        "resourceType": "Task",
        "id": id,
        "identifier": [{"system": words.TASK, "value": id}],
        "status": MADE,
        "intent": "order",
        "priority": "urgent" if urgent else "routine",
        "code": {"coding": [{"system": words.KIND, "code": rule.replace(" ", "-")}], "text": rule},
        "description": said,
        "focus": {"reference": focus},
    }
    if due is not None:
        made["restriction"] = {"period": {"end": instant(due)}}
    return made


async def follow_up(facts: Facts, client: FhirClient, items: Sequence[Item], now: int) -> None:
    """Writes what is missing, and closes what has become untrue."""
    wanted = {item.task["id"]: item for item in items}
    for id, (task, source) in wanted.items():
        stored = facts.one("Task", id)
        if stored is None or (_ours(stored[0]) and not same(facts.body("Task", id), task)):
            await put_all(client, [task], subsystem=SUBSYSTEM, rule=task["code"]["text"], now=now, sources=[source])
    for stored, version in _stored(facts):
        if stored["id"] not in wanted and stored.get("status") == MADE:
            closed = {**stored, "status": "completed", "statusReason": {"text": RESOLVED}}
            source = f"Task/{stored['id']}/_history/{version}"
            await put_all(client, [closed], subsystem=SUBSYSTEM, rule="no longer holds", now=now, sources=[source])


def listed(facts: Facts) -> list[Json]:
    """The Tasks that are open, those that are due first, for people."""
    found = [
        {
            "task": f"Task/{each['id']}", "rule": each["code"]["text"], "about": each["focus"]["reference"],
            "said": each["description"], "priority": each.get("priority", ""), "status": each["status"],
            "due": each.get("restriction", {}).get("period", {}).get("end", "")[:10],
        }
        for each, _ in _stored(facts)
        if each.get("status") in OPEN
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each["due"], each["task"]))


def _stored(facts: Facts) -> list[tuple[Json, int]]:
    return [
        (each, version)
        for each, version in facts.of("Task")
        if any(identifier.get("system") == words.TASK for identifier in each.get("identifier", ()))
    ]


def _ours(stored: Json) -> bool:
    """Whether nobody but us has had a hand in it."""
    return stored.get("status") == MADE or stored.get("statusReason", {}).get("text") == RESOLVED
