"""An identifier's type and value as one token (https://hl7.org/fhir/R4/search.html#token, modifier of-type)."""

from __future__ import annotations

OF_TYPE = ":of-type"  # the ending of the field that has it


def of_type(system: str, code: str, value: str) -> str:
    """system|code|value, which another type and value are never joined to as well."""
    separator = "\n" if "|" in system + code else "|"
    return separator.join((system, code, value))
