"""Credits (FT1-6 CD, CR, or a quantity below nothing): what they credit is not billable any more.

A credit under the transaction id (FT1-2) of its charge is that charge. One with an id of its own is set against the
charges of the same code and modifiers in the visit: those of its day before others, and of as many. Specification: HL7
v2.9, 6.5.1.6.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Node
from mappings.hl7v2.identifiers import KEY
from mappings.hl7v2.moving import update_of
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.source import Segment
from mappings.hl7v2.tables import Tables

Json = dict[str, Any]
CREDITED = "urn:x-hl7v2:credited-by"  # the extension of a charge that names its credit
OPEN = ("planned", "billable")


def finish_charge(draft: Draft, node: Node, tables: Tables) -> None:
    """A credit is not billable, and to be set against its charge."""
    segment: Segment | None = node.segments.get("FT1")
    if segment is None:
        return
    kind = segment.value(6).upper()
    less = kind in ("", "CG") and segment.value(10).startswith("-")
    if less:
        node.put("status", "not-billable")
    if less or kind in ("CD", "CR"):
        node.notes["credits"] = draft.place(segment, 6)


def follow(first: Node, second: Node) -> None:
    """A transaction that a message states again is what it says last: a charge, or its credit."""
    first.items["status"] = second.items["status"]
    first.notes.pop("credits", None)


def stay_credited(said: Json, current: Json, issues: list[str]) -> None:
    """A charge that was credited is not billable again where it is merely sent again."""
    if said.get("status") in OPEN and any(one.get("url") == CREDITED for one in current.get("extension", ())):
        del said["status"]
        issues.append(f"FT1-2: the charge {_code(current)} was credited before; it stays not billable.")


async def credit(
    credits: list[tuple[str, str]], entries: list[Json], reader: Reader, issues: list[str], errors: list[str]
) -> None:
    """Has new credits of a transaction, each with its place and URL, end their charges, of the store or before them in
    the message.

    An error where it can't be told which of several charges is meant, or whether a part of one is; a warning where
    there is none.
    """
    written = {entry["fullUrl"]: entry for entry in entries}
    for place, url in credits:
        if url not in written:
            continue
        asked = written[url]["resource"]
        patient = asked["subject"].get("reference", "")
        stored = await reader.about("ChargeItem", patient) if patient.startswith("Patient/") else []
        known = [written.get(f"ChargeItem/{one['id']}", {}).get("resource", one) for one in stored]
        before = [one["resource"] for one in entries[: entries.index(written[url])] if one["fullUrl"][:4] == "urn:"]
        found = _meant(asked, known)
        found = _meant(asked, before) if found is None else found
        if found is None:
            issues.append(f"{place}: no charge {_code(asked)} is known in this visit that it could credit.")
        elif not found:
            errors.append(
                f"{place}: which charge {_code(asked)} it credits can't be told; send it with the FT1-2 of the charge, "
                "and the whole quantity."
            )
        else:
            entry = next((one for one in entries if one["resource"] is found), None) or update_of(found)
            by = {"url": CREDITED, "valueReference": {"reference": url}}
            entry["resource"] = {
                **entry["resource"],
                "status": "not-billable",
                "extension": [*entry["resource"].get("extension", ()), by],
            }
            if entry["fullUrl"] not in written:
                written[entry["fullUrl"]] = entry
                entries.append(entry)


def _meant(asked: Json, charges: list[Json]) -> Json | None:
    """The charge that a credit is about: None where none could be, {} where it can't be told."""
    like = [one for one in charges if _open(one) and _is_like(one, asked)]
    of_day = [one for one in like if _day(one) == _day(asked)]
    whole = [one for one in of_day or like if _quantity(one) == _quantity(asked)]
    if not like:
        return None
    alike = len({(_day(one), *_modifiers(one), str(one.get("priceOverride"))) for one in whole}) == 1
    return whole[0] if alike else {}


def _open(charge: Json) -> bool:
    """Whether it is a charge that a message brought, which is still to be billed."""
    ours = any(one.get("system") == f"{KEY}chargeitem" for one in charge.get("identifier", ()))
    return charge["resourceType"] == "ChargeItem" and charge.get("status") in OPEN and ours


def _is_like(charge: Json, asked: Json) -> bool:
    """Whether it is of the code, the visit and the modifiers of a credit, as far as that states them."""
    visit = asked.get("context", {}).get("reference") in (None, charge.get("context", {}).get("reference"))
    same = _coding(charge.get("code", {})) == _coding(asked.get("code", {}))
    return visit and same and set(_modifiers(asked)) <= set(_modifiers(charge))


def _modifiers(charge: Json) -> list[str]:
    stated = (one.get("valueCodeableConcept") for one in charge.get("extension", ()))
    return [_coding(one) for one in stated if one]


def _coding(concept: Json) -> str:
    first = next(iter(concept.get("coding", ())), {})
    return f"{first.get('system', '')}|{first.get('code') or concept.get('text', '')}"


def _code(charge: Json) -> str:
    return _coding(charge.get("code", {})).rpartition("|")[2]


def _day(charge: Json) -> str:
    return charge.get("occurrenceDateTime", "")[:10]


def _quantity(charge: Json) -> Decimal:
    try:
        return abs(Decimal(str(charge.get("quantity", {}).get("value", 1))))
    except InvalidOperation:
        return Decimal(0)
