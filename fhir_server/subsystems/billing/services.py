"""One service that several resources tell of is charged once: a DFT's FT1 and PR1, an order and what was done of it.

Two charges of different rules are of the same service where encounter, code and day are the same, and performers,
orders and modifiers do not speak against it; or where one names the other. One of them is charged, the others name it.
What one rule makes twice was done twice, and so was what has a modifier that says so (rules/services.json).
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from importlib import resources
from typing import NamedTuple

from fhir_server.subsystems.billing.facts import Json, known, of_patient, relative
from fhir_server.subsystems.billing.models import STANDS

LINKS = ("basedOn", "service", "partOf", "supportingInformation")  # elements that name the order or the same service


class Told(NamedTuple):
    """A charge as far as it says which service it is of.

    units: how often; links: what its source names as the same or as its order; claimed: whether it is on a claim.
    """

    id: str
    source: str
    rule: str
    code: str
    modifiers: frozenset[str]
    date: str
    units: Decimal
    performers: frozenset[str]
    links: frozenset[str]
    claimed: bool


@functools.cache
def rules() -> Json:
    """order: rules that may tell of one service, the one to charge by first; apart: modifiers of one done again."""
    return json.loads((resources.files("fhir_server.subsystems.billing") / "rules" / "services.json").read_text())


def matched(connection: sqlite3.Connection, encounter: str) -> set[str]:
    """Finds what is told twice in an encounter; gives the sources of charges for which that is news."""
    told = sorted(_told(connection, encounter), key=_rank) if encounter else []
    left: dict[str, dict[str, Decimal]] = {}  # by what is charged: how many of its units a rule has not told of yet
    same: dict[str, str] = {}
    kept: list[Told] = []
    for each in told:
        fitting = [
            other for other in kept if _same(each, other) and each.units <= left[other.id].get(each.rule, other.units)
        ]
        if not fitting:
            kept.append(each)
            left[each.id] = {}
            continue
        found = max(fitting, key=lambda other: _closeness(each, other))
        same[each.id] = found.id
        left[found.id][each.rule] = left[found.id].get(each.rule, found.units) - each.units
    rows = connection.execute("SELECT id, source, same FROM charge WHERE encounter = ?", (encounter,)).fetchall()
    changed = [row for row in rows if row["same"] != same.get(row["id"], "")]
    for row in changed:
        connection.execute("UPDATE charge SET same = ? WHERE id = ?", (same.get(row["id"], ""), row["id"]))
        touched = [("charge", id) for id in (row["id"], row["same"], same.get(row["id"])) if id]
        connection.executemany("INSERT OR IGNORE INTO dirty VALUES (?, ?)", touched)
    return {row["source"] for row in changed}


def _told(connection: sqlite3.Connection, encounter: str) -> Iterator[Told]:
    marks = ", ".join("?" for _ in rules()["order"])
    found = connection.execute(
        f"SELECT * FROM charge WHERE encounter = ? AND date <> '' AND rule IN ({marks})",
        (encounter, *rules()["order"]),
    ).fetchall()
    for row in found:
        source = known(connection, row["source"]) or {}
        claimed = connection.execute(
            f"SELECT 1 FROM claimed JOIN claim ON claim.id = claimed.claim WHERE source = ? AND {STANDS}",
            (row["source"],),
        ).fetchone()
        yield Told(
            row["id"], row["source"], row["rule"], row["hcpcs"] or f"{row['system']}|{row['code']}",
            frozenset(row["modifiers"].split()), row["date"], Decimal(row["units"]),
            frozenset(_references([each.get("actor") for each in source.get("performer", ()) if "actor" in each])),
            frozenset(_linked(connection, row["patient"], [each for name in LINKS for each in source.get(name, ())])),
            claimed is not None,
        )  # fmt: skip


def _references(found: list[Json]) -> Iterator[str]:
    for each in found:
        if isinstance(each, dict) and each.get("reference"):
            yield relative(each["reference"])


def _linked(connection: sqlite3.Connection, patient: str, found: list[Json]) -> Iterator[str]:
    """What is named by references, and orders of the patient that are named by an identifier (FT1-23)."""
    yield from _references(found)
    named = [each["identifier"] for each in found if each.get("type") == "ServiceRequest" and "identifier" in each]
    for order in of_patient(connection, "ServiceRequest", patient) if named else ():
        if any(_identifies(each, one) for each in named for one in order.get("identifier", ())):
            yield f"ServiceRequest/{order['id']}"


def _identifies(wanted: Json, own: Json) -> bool:
    """A number without a system is one of the sender's, whatever system its orders have."""
    return wanted.get("value") == own.get("value") and wanted.get("system") in (None, own.get("system"))


def _rank(told: Told) -> tuple[bool, int, str, str]:
    """What is claimed stays what is charged; else the order of the rules decides."""
    return not told.claimed, rules()["order"].index(told.rule), told.source, told.id


def _same(one: Told, two: Told) -> bool:
    if one.rule == two.rule or one.code != two.code:
        return False
    if one.source in two.links or two.source in one.links:
        return True
    return (
        one.date == two.date
        and _agree(one.performers, two.performers)
        and _agree(_orders(one), _orders(two))
        and _agree(one.modifiers, two.modifiers)
        and not (one.modifiers ^ two.modifiers) & set(rules()["apart"])
    )


def _agree(one: frozenset[str], two: frozenset[str]) -> bool:
    return not one or not two or bool(one & two)


def _orders(told: Told) -> frozenset[str]:
    return frozenset(each for each in (told.source, *told.links) if each.startswith("ServiceRequest/"))


def _closeness(one: Told, two: Told) -> int:
    """How much more two charges have in common than they must."""
    named = one.source in two.links or two.source in one.links
    return 4 * named + 2 * bool(one.links & two.links) + bool(one.performers & two.performers)
