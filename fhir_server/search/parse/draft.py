"""A query while it is being read."""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_server.core.query import Clause, Include, SortKey, Total
from fhir_server.search.parse.context import SearchContext


@dataclass(slots=True)
class Draft:
    """What has been understood so far; count None: not asked."""

    context: SearchContext
    types: tuple[str, ...]
    clauses: list[Clause] = field(default_factory=list)
    sort: tuple[SortKey, ...] = ()
    includes: list[Include] = field(default_factory=list)
    count: int | None = None
    cursor: str = ""
    total: Total = "none"
    only_count: bool = False
    summary: str = ""
    elements: tuple[str, ...] = ()
    contained: str = "false"
    contained_type: str = "container"
