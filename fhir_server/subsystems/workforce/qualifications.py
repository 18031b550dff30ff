"""Qualifications that end: a Task before, a block after, and a Task for what was ordered in spite of it."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import ORDERS, Facts
from fhir_server.subsystems.workforce.items import Item, task
from fhir_server.subsystems.workforce.models import DAY, Person
from fhir_server.subsystems.workforce.reading import day_of

LEAD_DAYS = 60


def tasks(facts: Facts, now: int) -> Iterator[Item]:
    """The work items that there should be at a time (microseconds since 1970)."""
    for each in facts.people().values():
        until = each.qualified_until()
        if until is None or until - LEAD_DAYS * DAY > now or not each.active:
            continue
        ending = next(q for q in each.qualifications if q.ends == until)
        ended, day = until < now, day_of(until, facts.zone)
        said = (
            f"{ending.name} of {each.name} ended on {day}: no shift and no order until it is renewed."
            if ended
            else f"{ending.name} of {each.name} ends on {day}; after that no shift and no order."
        )
        about = (ending.code, until)
        made = task(f"Practitioner/{each.id}", "qualification ends", said, until, about, urgent=ended)
        yield Item(made, f"Practitioner/{each.id}/_history/{each.version}")
        if ended:
            for order in facts.store.rows(
                "SELECT type, id, version FROM activity WHERE practitioner = ? AND moment > ? AND type IN (?, ?)",
                (each.id, until, *ORDERS),
            ):
                reference = f"{order['type']}/{order['id']}"
                said = f"{reference} was ordered by {each.name} after {ending.name} had ended; have it confirmed."
                made = task(reference, "order without qualification", said, until, about, urgent=True)
                yield Item(made, f"{reference}/_history/{order['version']}")


async def label(facts: Facts, client: FhirClient, now: int) -> None:
    """Tags who is blocked, and those no more who are not."""
    for each in facts.people().values():
        until = each.qualified_until()
        blocked = until is not None and until < now
        if blocked != each.blocked:
            await _label(client, each, blocked)


async def _label(client: FhirClient, person: Person, blocked: bool) -> None:
    """The tag by which policies refuse what a blocked person orders (docs/how-to/workforce.md)."""
    tag = {"system": words.LABEL, "code": words.BLOCKED}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [tag]}}]}
    operation = "$meta-add" if blocked else "$meta-delete"
    await client.perform(Request("POST", ("Practitioner", person.id, operation), resource=parameters))
