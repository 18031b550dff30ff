"""What string parameters search (https://hl7.org/fhir/R4/search.html#string)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_server.core.values import STRING, fold
from fhir_server.search.extract.adding import Add

NAME_PARTS = ("text", "family"), ("given", "prefix", "suffix")  # those with one value, those with several
ADDRESS_PARTS = ("text", "city", "district", "state", "postalCode", "country"), ("line",)
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
    """Each part of a HumanName."""
    _add_parts(add, field, value, *NAME_PARTS)


def add_address(add: Add, field: str, value: dict[str, Any]) -> None:
    """Each part of an Address."""
    _add_parts(add, field, value, *ADDRESS_PARTS)


def _add_parts(add: Add, field: str, value: dict[str, Any], single: tuple[str, ...], several: tuple[str, ...]) -> None:
    for name in single:
        if name in value:
            add_string(add, field, value[name])
    for name in several:
        if name in value:
            for part in value[name]:
                if part is not None:
                    add_string(add, field, part)
