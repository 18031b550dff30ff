"""Get corresponding identifiers: QBP^Q23, the PIX query (IHE ITI-9)."""

from __future__ import annotations

from interfaces.hl7v2.er7 import Message
from interfaces.hl7v2.queries.patients import domain_of
from interfaces.hl7v2.queries.response import Answer, missing
from interfaces.hl7v2.reading import ClientReader
from mappings.hl7v2.identifiers import fallback_system, identity_of
from mappings.hl7v2.outgoing import segment_of
from mappings.hl7v2.tables import Tables


async def corresponding(query: Message, reader: ClientReader, tables: Tables) -> Answer:
    """The other numbers of the patient of QPD-3, in the domains of QPD-4 or in all."""
    definition = query.first("QPD")
    value = definition.repetitions(3)[:1] if definition else []
    fallback = fallback_of(query, tables)
    identity = identity_of(value[0], tables, fallback) if value else None
    if definition is None or identity is None:
        return missing("QPD-3 states no patient number.", "QPD", "1", "3")
    domains = [domain_of(one, tables) for one in definition.repetitions(4)]
    for number, domain in enumerate(domains, 1):
        if not await reader.any("Patient", [("identifier", f"{domain}|")]):
            return Answer("AE", problem=("204", ["QPD", "1", "4", str(number)], "Unknown key identifier"))
    found = await reader.find({"Patient": [identity]})
    if not found:
        place = ["QPD", "1", "3", "1", "1"]
        return Answer("AE", problem=("204", place, "Unknown key identifier"))
    others: list[dict[str, str]] = []
    for patient in found:
        linked = [await reader.read(link["other"]["reference"]) for link in patient.get("link", ())]
        for known in [patient, *(one for one in linked if one)]:
            for one in known.get("identifier", ()):
                stated = (one.get("system"), one.get("value"))
                if stated != identity and one not in others and (not domains or one.get("system") in domains):
                    others.append(one)
    if not others:
        return Answer("NF")
    fields = segment_of("PID", {"resourceType": "Patient", "identifier": others}, 1, tables)
    return Answer("OK", [("PID", [*fields[:3], "", [" "]])], total=1)


def fallback_of(query: Message, tables: Tables) -> str:
    """The system of numbers without an authority: the asker's facility."""
    header = query.header
    return fallback_system(tables, header.value(4) or header.value(3))
