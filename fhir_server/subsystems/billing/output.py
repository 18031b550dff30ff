"""What billing writes to FHIR by itself: with Provenance, in as few transactions as there may be.

What the server refuses goes aside as an item of work and the rest goes on; it is tried again when it changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.items import close_items, id_of, open_item
from fhir_server.subsystems.billing.written import Wanted
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.writing import provenance, put, reference

OF_CONTENT = frozenset({400, 409, 410, 412, 413, 422})  # statuses that the same resource would get again


class Due(NamedTuple):
    """What changed, as table dirty names it, and what has to be written for it."""

    kind: str
    id: str
    wanted: Wanted


async def write(client: FhirClient, store: SubsystemStore, due: Sequence[Due], now: int) -> None:
    """Writes what is due. FhirError where it is not the content that is refused: then all of it is due still."""
    refused: dict[str, tuple[Due, FhirError]] = {}
    for together, resources in _transactions(due, now):
        try:
            await put(client, resources)
        except FhirError as problem:
            if problem.status not in OF_CONTENT:
                raise
            for each in together:
                if alone := await _alone(client, each, now):
                    refused[_item(each)] = each, alone
    with store.writing() as connection:
        for each in due:
            if _item(each) not in refused:
                close_items(connection, "refused", "id", _item(each), "taken")
        for id, (each, problem) in refused.items():
            _aside(connection, id, each, problem, now)


async def _alone(client: FhirClient, due: Due, now: int) -> FhirError | None:
    try:
        for _, resources in _transactions([due], now):
            await put(client, resources)
    except FhirError as problem:
        if problem.status not in OF_CONTENT:
            raise
        return problem
    return None


def _aside(connection: sqlite3.Connection, id: str, due: Due, problem: FhirError, now: int) -> None:
    """A Task that is refused itself is on billing's own list all the same, where its item stays."""
    if due.kind == "item":
        return
    what = reference(due.wanted.resources[0])
    about = next((each.partition("/_history/")[0] for each in due.wanted.sources), "")
    patient = due.wanted.resources[0].get("subject", {}).get("reference", "")
    text = f"The server refuses {what}, made of {about or 'what billing knows'} by {due.wanted.rule}: {problem}"
    open_item(connection, "refused", about, instant(now), text[:2000], patient=patient, id=id)


def _item(due: Due) -> str:
    return id_of("refused", f"{due.kind} {due.id}")


def _transactions(due: Sequence[Due], now: int) -> Iterator[tuple[list[Due], list[Json]]]:
    """What is due with Provenance, each resource once in any transaction."""
    parts: list[Due] = []
    together: dict[str, Json] = {}
    for (rule, sources), of_group in _grouped(due).items():
        resources = [each for part in of_group for each in part.wanted.resources]
        if any(reference(each) in together for each in resources):
            yield parts, list(together.values())
            parts, together = [], {}
        told = provenance(resources, subsystem="billing", rule=rule, now=now, sources=sources)
        together |= {reference(each): each for each in (*resources, told)}
        parts += of_group
    if together:
        yield parts, list(together.values())


def _grouped(due: Sequence[Due]) -> dict[tuple[str, tuple[str, ...]], list[Due]]:
    """By the rule and the sources that made them, so that a Provenance is right for all that it names."""
    made: dict[tuple[str, tuple[str, ...]], list[Due]] = {}
    for each in due:
        if each.wanted.resources:
            made.setdefault((each.wanted.rule, each.wanted.sources), []).append(each)
    return made
