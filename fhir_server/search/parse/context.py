"""What parsing a search needs to know, the same for every request of a server."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from fhir_server.core.ports import Clock
from fhir_server.definitions import Definitions
from fhir_server.search.fields import Fields


@dataclass(frozen=True, slots=True)
class SearchContext:
    """definitions and fields: what can be asked; clock: for `ap` on dates.

    base: the server's own base URL without a slash at its end: absolute references under it are local; "" for none.
    default_count, max_count: the page size where none is asked, and the largest (a larger one is cut to it).
    building: URLs of search parameters whose values are not indexed for all resources yet; searching by one says so.
    contained: whether contained resources are indexed.
    """

    definitions: Definitions
    fields: Fields
    clock: Clock
    base: str = ""
    default_count: int = 20
    max_count: int = 1000
    building: Set[str] = frozenset()
    contained: bool = True
