"""Prefixes: how an ordered value is compared (https://hl7.org/fhir/R4/search.html#prefix)."""

from __future__ import annotations

from typing import cast

from fhir_server.core.query import Comparator

PREFIXES: dict[str, Comparator] = {
    "eq": "eq", "ne": "ne", "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "sa": "sa", "eb": "eb", "ap": "ap",
}  # fmt: skip


def split_prefix(text: str) -> tuple[Comparator, str]:
    """(comparator, the rest); eq where there is no prefix."""
    comparator = PREFIXES.get(text[:2])
    return (comparator, text[2:]) if comparator else (cast(Comparator, "eq"), text)
