"""Find candidates: QBP^Q22, the Patient Demographics Query (IHE ITI-21)."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, NamedTuple

from interfaces.hl7v2.er7 import Message
from interfaces.hl7v2.queries.response import Answer, missing, page_of
from interfaces.hl7v2.reading import ClientReader
from mappings.hl7v2.identifiers import authority_uri
from mappings.hl7v2.outgoing import segment_of
from mappings.hl7v2.tables import Tables

# What QPD-3 may ask of a patient: the search parameter, and how the patient's values are read to check an exact match.
PARAMETERS = {
    "PID.5.1": "family", "PID.5.2": "given", "PID.7": "birthdate", "PID.8": "gender", "PID.11.1": "address",
    "PID.11.3": "address-city", "PID.11.4": "address-state", "PID.11.5": "address-postalcode",
    "PID.11.6": "address-country",
    "PID.13": "phone", "PID.13.1": "phone", "PID.14": "phone",
}  # fmt: skip
EXACT = {"family": ("name", "family"), "given": ("name", "given"), "address-city": ("address", "city")}
_ASKED = re.compile(r"@?(\w{3})[-.](\d+)(?:\.(\d+))?(?:\.(\d+))?")


class _Asked(NamedTuple):
    """What QPD-3 asks: search parameters, and which of EXACT a patient must have to the letter."""

    search: list[tuple[str, str]]
    exact: list[tuple[str, str]]


async def candidates(query: Message, reader: ClientReader, tables: Tables) -> Answer:
    """Patients that match what QPD-3 asks; QPD-8 names the domains whose numbers are wanted."""
    definition = query.first("QPD")
    asked = _asked(definition.repetitions(3) if definition is not None else [], tables)
    if isinstance(asked, Answer):
        return asked
    assert definition is not None
    domains = [domain_of(value, tables) for value in definition.repetitions(8)]
    for number, domain in enumerate(domains, 1):
        if not await reader.any("Patient", [("identifier", f"{domain}|")]):
            return Answer("AE", problem=("204", ["QPD", "1", "8", str(number)], "Unknown key identifier"))
    found = [
        patient
        for patient in await reader.search("Patient", asked.search)
        if patient.get("active", True) and all(_equals(patient, name, wanted) for name, wanted in asked.exact)
    ]
    start, limit = page_of(query)
    shown = found[start : start + limit]
    segments = [
        ("PID", segment_of("PID", _within(patient, domains), number, tables)) for number, patient in enumerate(shown, 1)
    ]
    rest = str(start + limit) if start + limit < len(found) else ""
    return Answer("OK" if found else "NF", segments, total=len(found), next=rest)


def _asked(values: list[list[list[str]]], tables: Tables) -> _Asked | Answer:
    """What the repetitions of QPD-3 ask, each @PID.field^value; the Answer that says what can't be asked."""
    search: list[tuple[str, str]] = []
    exact: list[tuple[str, str]] = []
    identifier = {"value": "", "name": "", "universal": ""}
    for value in values:
        field = _ASKED.fullmatch(value[0][0])
        wanted = value[1][0] if len(value) > 1 else ""
        if not field or field[1] != "PID":
            return missing(f"QPD-3: {value[0][0]!r} is no field of PID.", "QPD", "1", "3")
        if not wanted:
            continue
        if field[2] == "3":
            part = {"1": "value", "": "value", "4": "universal" if field[4] == "2" else "name"}.get(field[3] or "")
            if part:
                identifier[part] = wanted
            continue
        name = PARAMETERS.get(f"PID.{field[2]}.{field[3]}") or PARAMETERS.get(f"PID.{field[2]}")
        if name is None:
            return missing(f"QPD-3: {value[0][0]} can't be searched for.", "QPD", "1", "3")
        search.append((name, re.sub(r"([\\,|$])", r"\\\1", _searched(name, wanted, tables))))
        if name in EXACT and not wanted.endswith("*"):
            exact.append((name, wanted))
    if identifier["value"]:
        system = _system(identifier, tables)
        search.append(("identifier", f"{system}|{identifier['value']}" if system else identifier["value"]))
    if not search:
        return missing("QPD-3 asks for nothing; state @PID.5.1^NAME and the like.", "QPD", "1", "3")
    return _Asked(search, exact)


def _searched(name: str, wanted: str, tables: Tables) -> str:
    """A value as the search parameter takes it: codes and dates of HL7 v2 as FHIR has them, the star left out."""
    if name == "gender":
        found = tables.code("AdministrativeSex", wanted)
        return found[0] if found else wanted
    text = wanted.rstrip("*")
    if name == "birthdate":
        return "-".join(part for part in (text[:4], text[4:6], text[6:8]) if part)
    return text


def _system(identifier: dict[str, str], tables: Tables) -> str:
    if identifier["universal"]:
        return f"urn:oid:{identifier['universal']}"
    return authority_uri(tables, identifier["name"]) if identifier["name"] else ""


def domain_of(value: list[list[str]], tables: Tables) -> str:
    """The system of a domain: a CX of which only the authority is stated."""
    authority = [*(value[3] if len(value) > 3 else value[0]), "", ""]
    return f"urn:oid:{authority[1]}" if authority[1] else authority_uri(tables, authority[0])


def _within(patient: dict[str, Any], domains: list[str]) -> dict[str, Any]:
    if not domains:
        return patient
    kept = [one for one in patient.get("identifier", ()) if one.get("system") in domains]
    return {**patient, "identifier": kept}


def _equals(patient: dict[str, Any], name: str, wanted: str) -> bool:
    element, part = EXACT[name]
    for item in patient.get(element, ()):
        stated = item.get(part, [])
        if any(_plain(one) == _plain(wanted) for one in ([stated] if isinstance(stated, str) else stated)):
            return True
    return False


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in folded if not unicodedata.combining(character)).strip()
