"""What parameters that are found by sound search: the code of each word, as text."""

from __future__ import annotations

from typing import Any

from fhir_server.core.values import STRING
from fhir_server.search.extract.adding import Add
from fhir_server.search.phonetic import sounds


def add_sounds(add: Add, field: str, value: str) -> None:
    """A string."""
    for code in sounds(value):
        add((STRING, field, code, code))


def add_name_sounds(add: Add, field: str, value: dict[str, Any]) -> None:
    """The family and given names of a HumanName."""
    if "family" in value:
        add_sounds(add, field, value["family"])
    for given in value.get("given", ()):
        if given is not None:
            add_sounds(add, field, given)
