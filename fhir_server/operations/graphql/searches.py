"""The searches that a query asks for: all of a List, or a page of a Connection, as GraphQL has their parameters.

https://hl7.org/fhir/R4/graphql.html#searching: values of an array are alternatives; what belongs to a search beyond a
page is in its cursors, so that one is followed without the parameters.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Page, Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.operations.graphql.schema import refers, search_parameters
from fhir_server.search.parse.escaping import split

MOST_LISTED = 1000  # resources of a List without _count
APART = ("_filter",)  # each value of it must hold
OWN = ("_reference", "_cursor", "cursor", "fhirpath")  # arguments that are no search parameters

Pairs = list[tuple[str, str]]


class Cursor(NamedTuple):
    """A place in a search: its parameters, where the index goes on, and how many matches are before it."""

    type: str
    pairs: Pairs
    at: str
    offset: int

    def written(self) -> str:
        """As the text that clients send back."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def read_cursor(text: str, type: str) -> Cursor:
    """The place that a text names; FhirError "value" for one of another search, or none."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        found = msgspec.msgpack.decode(raw, type=Cursor)
    except ValueError:
        found = None
    if found is None or found.type != type or found.offset < 0:
        raise error("value", f"The cursor is none that a search of {type} gave.", location="_cursor")
    return found


class Found(NamedTuple):
    """A page of a search, and where it and its neighbours begin."""

    page: Page
    query: Query
    here: Cursor

    def counts(self) -> dict[str, int | None]:
        """count: of all matches, None where it was not asked for."""
        return {"count": self.page.total, "offset": self.here.offset, "pagesize": self.query.count}

    def cursors(self) -> dict[str, str | None]:
        """first, previous, next and last, None where there is no such page."""
        page, size, offset = self.page, self.query.count, self.here.offset
        last = (page.total - 1) // size * size if page.total and size else None
        places = {
            "first": ("", 0) if offset else None,
            "previous": (page.previous, max(0, offset - size)) if page.previous else None,
            "next": (page.next, offset + size) if page.next else None,
            "last": (page.last, last) if page.last and last is not None else None,
        }
        return {
            name: self.here._replace(at=place[0], offset=place[1]).written() if place else None
            for name, place in places.items()
        }


class Searches:
    """Searches as one caller's."""

    def __init__(self, environment: Environment, request: Request) -> None:
        self._environment = environment
        self._request = request

    async def listed(self, type: str, arguments: dict[str, Any], about: StoredVersion | None) -> list[StoredVersion]:
        """All that is found, or with _count so many; FhirError "too-costly" for more than MOST_LISTED."""
        pairs = self._pairs(type, arguments, about)
        limited = "_count" in arguments
        if not limited:
            pairs.append(("_count", str(min(MOST_LISTED, self._environment.settings.max_page_size))))
        page, query = await self._search(type, pairs)
        if page.next and not limited:
            raise error(
                "too-costly",
                f"{type}List finds more than {query.count}; ask for fewer by _count, or by pages: {type}Connection.",
            )
        return page.matches

    async def page(self, type: str, arguments: dict[str, Any], about: StoredVersion | None, *, counted: bool) -> Found:
        """One page; counted: with how many there are."""
        text = arguments.get("_cursor") or arguments.get("cursor")
        if text is None:
            here = Cursor(type, self._pairs(type, arguments, about), "", 0)
        else:
            others = [name for name in arguments if name not in ("_cursor", "cursor", "fhirpath")]
            if others:
                raise error("value", f"A cursor brings its search: leave {', '.join(others)} out.", location="_cursor")
            here = read_cursor(str(text), type)
        paged = [*here.pairs, ("_cursor", here.at)] if here.at else here.pairs
        page, query = await self._search(type, [*paged, ("_total", "accurate")] if counted else paged)
        return Found(page, query, here)

    async def _search(self, type: str, pairs: Pairs) -> tuple[Page, Query]:
        asked = self._request
        require(asked.caller, "s", type)
        if type == "AuditEvent" and self._environment.audit is not None:
            raise error("not-supported", "AuditEvents are searched by GET /AuditEvent, not by GraphQL.")
        request = Request("GET", (type,), pairs, base=asked.base, caller=asked.caller, wait=asked.wait)
        query = await self._environment.searching.query(type, request)
        return await self._environment.index.search(query), query

    def _pairs(self, type: str, arguments: dict[str, Any], about: StoredVersion | None) -> Pairs:
        parameters = search_parameters(self._environment.searching.definitions, type)
        found: Pairs = []
        if about is not None:
            name = str(arguments.get("_reference") or "")
            if name not in parameters or not refers(parameters[name], about.type):
                referring = sorted(each for each, found in parameters.items() if refers(found, about.type))
                raise error(
                    "value",
                    f"{type} needs _reference, a parameter that names the {about.type}: {', '.join(referring)}.",
                    location="_reference",
                )
            found.append((parameters[name].code, f"{about.type}/{about.id}"))
        elif "_reference" in arguments:
            raise error("value", "_reference is for searches inside a resource.", location="_reference")
        for name, value in arguments.items():
            if name not in OWN and value is not None:
                code = parameters[name].code if name in parameters else name
                texts = [*_texts(value)]
                found += [(code, text) for text in texts] if name in APART else [(code, ",".join(texts))]
        return found


def _texts(value: Any) -> Iterator[str]:
    """The alternatives; a comma within one is no separator."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict | list) or each is None:
            raise error("value", "Arguments of a search are texts, numbers, true or false, or arrays of those.")
        yield str(each).lower() if isinstance(each, bool) else "\\,".join(split(str(each), ","))
