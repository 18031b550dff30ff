"""What string parameters search (https://hl7.org/fhir/R4/search.html#string)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_server.core.folding import fold
from fhir_server.core.values import STRING
from fhir_server.search.extract.adding import Add
from fhir_server.search.parts import PARTS

SHORT = 64  # folded texts are kept up to this length

_kept = lru_cache(maxsize=1 << 13)(fold)


def folded(text: str) -> str:
    """fold(text), remembered for the short texts that come again and again."""
    return _kept(text) if len(text) < SHORT else fold(text)


def add_string(add: Add, field: str, value: str) -> None:
    """A string or markdown."""
    text = _kept(value) if len(value) < SHORT else fold(value)
    if text:
        add((STRING, field, text, value))


def add_human_name(add: Add, field: str, value: dict[str, Any]) -> None:
    """Each part of a HumanName that a path leads to which is not plain (search.parts has the others)."""
    _add_parts(add, field, value, PARTS["HumanName"])


def add_address(add: Add, field: str, value: dict[str, Any]) -> None:
    """The same of an Address."""
    _add_parts(add, field, value, PARTS["Address"])


def _add_parts(add: Add, field: str, value: dict[str, Any], parts: tuple[str, ...]) -> None:
    for name in parts:
        found = value.get(name, ())
        for part in found if isinstance(found, list) else (found,):
            if part:
                add_string(add, field, part)
