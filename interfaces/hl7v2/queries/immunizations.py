"""Immunization history: QBP^Q11 (CDC's Z34 and Z44), answered RSP^K11."""

from __future__ import annotations

from typing import Any

from interfaces.hl7v2.er7 import Message
from interfaces.hl7v2.queries.numbers import fallback_of
from interfaces.hl7v2.queries.response import Answer, missing, page_of
from interfaces.hl7v2.reading import ClientReader
from mappings.hl7v2.identifiers import identity_of
from mappings.hl7v2.outgoing import segment_of
from mappings.hl7v2.primitives import convert
from mappings.hl7v2.tables import Tables


async def immunizations(query: Message, reader: ClientReader, tables: Tables) -> Answer:
    """The vaccinations of the patient of QPD-3 to QPD-7; several patients are listed without them."""
    definition = query.first("QPD")
    if definition is None:
        return missing("A query needs a QPD segment.", "QPD")
    fallback = fallback_of(query, tables)
    identities = [one for value in definition.repetitions(3) if (one := identity_of(value, tables, fallback))]
    found = await reader.find({"Patient": identities}) if identities else []
    if not found:
        found = await _by_name(query, reader)
        if found is None:
            text = "QPD-3 to QPD-6 state neither a known number nor a name with a date of birth."
            return missing(text, "QPD", "1", "3")
    found = [one for one in found if one.get("active", True)]
    if not found:
        return Answer("NF")
    if len(found) > 1:
        listed = [("PID", segment_of("PID", one, number, tables)) for number, one in enumerate(found, 1)]
        return Answer("OK", listed, total=len(found))
    patient = found[0]
    given = await reader.search("Immunization", [("patient", f"Patient/{patient['id']}"), ("_sort", "date")])
    start, limit = page_of(query)
    segments: list[tuple[str, list[Any]]] = [("PID", segment_of("PID", patient, 1, tables))]
    for one in given[start : start + limit]:
        order = segment_of("ORC", one, 1, tables) or ["RE"]
        segments.append(("ORC", order))
        segments.append(("RXA", segment_of("RXA", one, 1, tables)))
        if route := segment_of("RXR", one, 1, tables):
            segments.append(("RXR", route))
    rest = str(start + limit) if start + limit < len(given) else ""
    return Answer("OK", segments, total=1, next=rest)


async def _by_name(query: Message, reader: ClientReader) -> list[dict[str, Any]] | None:
    definition = query.first("QPD")
    assert definition is not None
    family, given, born = definition.value(4), definition.value(4, 1, 2), convert(definition.value(6), "date")
    if not family or not born:
        return None
    search = [("family", family), ("birthdate", born)]
    if given:
        search.append(("given", given))
    return await reader.search("Patient", search)
