"""Qualifications that end: a Task before, a block after, and a Task for what was ordered in spite of it.

What should be is worked out from the facts and the time, and only what differs from what is stored is written. A
person who takes a Task up keeps it: only Tasks still in the state in which they were made are changed.
"""

from __future__ import annotations

from typing import Any

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.core.keys import instant
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import ORDERS, Facts
from fhir_server.subsystems.workforce.models import DAY, Person
from fhir_server.subsystems.writing import id_of, put_all, same

LEAD_DAYS = 60
SUBSYSTEM = "workforce"
MADE = "requested"  # the state of a Task that nobody has taken up

Json = dict[str, Any]


async def follow_up(facts: Facts, client: FhirClient, now: int) -> None:
    """Writes what is missing, and closes what has become untrue."""
    people = facts.people()
    wanted = {task["id"]: (task, source) for task, source in _tasks(facts, people, now)}
    for id, (task, source) in wanted.items():
        stored = facts.one("Task", id)
        if stored is None or (stored[0].get("status") == MADE and not same(facts.body("Task", id), task)):
            await put_all(client, [task], subsystem=SUBSYSTEM, rule=task["code"]["text"], now=now, sources=[source])
    for stored, version in facts.of("Task"):
        ours = any(each.get("system") == words.TASK for each in stored.get("identifier", ()))
        if ours and stored["id"] not in wanted and stored.get("status") == MADE:
            closed = {**stored, "status": "completed", "statusReason": {"text": "It no longer holds."}}
            source = f"Task/{stored['id']}/_history/{version}"
            await put_all(client, [closed], subsystem=SUBSYSTEM, rule="no longer holds", now=now, sources=[source])
    for each in people.values():
        until = each.qualified_until()
        blocked = until is not None and until < now
        if blocked != each.blocked:
            await _label(client, each, blocked)


def _tasks(facts: Facts, people: dict[str, Person], now: int) -> list[tuple[Json, str]]:
    found = []
    for each in people.values():
        until = each.qualified_until()
        if until is None or until - LEAD_DAYS * DAY > now or not each.active:
            continue
        source = f"Practitioner/{each.id}/_history/{each.version}"
        ending = next(q for q in each.qualifications if q.ends == until)
        ended = until < now
        said = (
            f"{ending.name} of {each.name} ended on {instant(until)[:10]}: no shift and no order until it is renewed."
            if ended
            else f"{ending.name} of {each.name} ends on {instant(until)[:10]}; after that no shift and no order."
        )
        found.append((_task(f"Practitioner/{each.id}", "qualification ends", said, "urgent" if ended else "routine",
                            ending.code, until), source))  # fmt: skip
        if ended:
            for order in facts.store.rows(
                "SELECT type, id, version FROM activity WHERE practitioner = ? AND moment > ? AND type IN (?, ?)",
                (each.id, until, *ORDERS),
            ):
                reference = f"{order['type']}/{order['id']}"
                said = f"{reference} was ordered by {each.name} after {ending.name} had ended; have it confirmed."
                task = _task(reference, "order without qualification", said, "urgent", ending.code, until)
                found.append((task, f"{reference}/_history/{order['version']}"))
    return found


def _task(focus: str, rule: str, said: str, priority: str, code: str, until: int) -> Json:
    id = id_of(focus, rule, code, until)
    return {
        "resourceType": "Task",
        "id": id,
        "identifier": [{"system": words.TASK, "value": id}],
        "status": MADE,
        "intent": "order",
        "priority": priority,
        "code": {"coding": [{"system": words.KIND, "code": rule.replace(" ", "-")}], "text": rule},
        "description": said,
        "focus": {"reference": focus},
        "restriction": {"period": {"end": instant(until)}},
    }


async def _label(client: FhirClient, person: Person, blocked: bool) -> None:
    """The tag by which policies refuse what a blocked person orders (docs/how-to/workforce.md)."""
    tag = {"system": words.LABEL, "code": words.BLOCKED}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [tag]}}]}
    operation = "$meta-add" if blocked else "$meta-delete"
    await client.perform(Request("POST", ("Practitioner", person.id, operation), resource=parameters))
