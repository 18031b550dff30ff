"""What token parameters search (https://hl7.org/fhir/R4/search.html#token)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.values import TEXT, TOKEN
from fhir_server.search.extract.adding import Add, Convert
from fhir_server.search.extract.strings import folded
from fhir_server.search.of_type import OF_TYPE, of_type

BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"


def _add_system(add: Add, field: str, value: dict[str, Any]) -> None:
    """The system of what has no code or value, such as an identifier that is masked: `identifier=system|` finds it."""
    system = value.get("system")
    if system.__class__ is str and system:
        add((TOKEN, field, system, ""))


def add_coding(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Coding: its code, and its display for :text."""
    add_coding_code(add, field, value)
    if "display" in value:
        add((TEXT, field, folded(value["display"])))


def add_codeable_concept(add: Add, field: str, value: dict[str, Any]) -> None:
    """A CodeableConcept: each coding, and all texts for :text."""
    for coding in value.get("coding", ()):
        code = coding.get("code")
        if code.__class__ is str:
            add((TOKEN, field, coding.get("system", ""), code))
        else:
            _add_system(add, field, coding)
        if "display" in coding:
            add((TEXT, field, folded(coding["display"])))
    if "text" in value:
        add((TEXT, field, folded(value["text"])))


def add_coding_code(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Coding's code without its text, as composites have it."""
    code = value.get("code")
    if code.__class__ is str:
        add((TOKEN, field, value.get("system", ""), code))
    else:
        _add_system(add, field, value)


def add_codeable_concept_codes(add: Add, field: str, value: dict[str, Any]) -> None:
    """A CodeableConcept's codings without texts, as composites have them."""
    for coding in value.get("coding", ()):
        add_coding_code(add, field, coding)


def add_identifier(add: Add, field: str, value: dict[str, Any]) -> None:
    """An Identifier: its value; with each type for :of-type; the type's text for :text."""
    text = value.get("value")
    add_identifier_value(add, field, value)
    if "type" in value:
        kind = value["type"]
        if "text" in kind:
            add((TEXT, field, folded(kind["text"])))
        for coding in kind.get("coding", ()):
            if isinstance(text, str) and "system" in coding and "code" in coding:
                add((TOKEN, field + OF_TYPE, "", of_type(coding["system"], coding["code"], text)))


def add_identifier_value(add: Add, field: str, value: dict[str, Any]) -> None:
    """An Identifier's value alone, as composites have it."""
    text = value.get("value")
    if text.__class__ is str:
        add((TOKEN, field, value.get("system", ""), text))
    else:
        _add_system(add, field, value)


def add_contact_point(add: Add, field: str, value: dict[str, Any]) -> None:
    """A ContactPoint: its value, with phone, email and so on in place of a system."""
    text = value.get("value")
    if text.__class__ is str:
        add((TOKEN, field, value.get("system", ""), text))


def add_code(add: Add, field: str, value: str) -> None:
    """A code, id, uri or string that is searched as a token."""
    if value.__class__ is str and value:
        add((TOKEN, field, "", value))


def add_boolean(add: Add, field: str, value: bool) -> None:
    """true or false."""
    if value.__class__ is bool:
        add((TOKEN, field, BOOLEANS, "true" if value else "false"))


def code_converter(systems: dict[str, frozenset[str]]) -> Convert:
    """For a code whose value set is required: it gets the one system that has it (system -> codes)."""
    owners: dict[str, str] = {}
    for system, codes in systems.items():
        for code in codes:
            owners[code] = "" if code in owners else system
    system_of = owners.get

    def add_bound_code(add: Add, field: str, value: str) -> None:
        if value.__class__ is str and value:
            add((TOKEN, field, system_of(value, ""), value))

    return add_bound_code
