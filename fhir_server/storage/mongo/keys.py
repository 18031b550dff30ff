"""The composed strings in the multikey array `keys`, by which MongoDB finds what must be found without Elasticsearch.

    Patient/1   the resource has this reference, wherever it is
    #123        an identifier with this value, of whatever system and field
    <http://…   a uri of a field that identifies (url)

A key leads to candidates; whether a clause holds for one is decided from its search values (storage/matching.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.query import All, Any, Clause, IdIn, RefersTo, TokenIn, TokenIs, UriIs
from fhir_server.core.values import CANONICAL, REFERENCE, TOKEN, URI, SearchValue

LONGEST = 200  # characters of a key; longer ones share one with others, which are candidates too
MOST = 200  # keys to look for at once
LARGEST = 8 * 2**20  # bytes of the keys of a resource: its document has 16 MB for all
ELEMENT = 14  # bytes of an element of an array in BSON, beside its text
IDENTIFYING = "#<"  # how a key of what identifies begins

Identifies = Callable[[str, str], bool]
"""Whether a field of a resource type identifies (an Identifier or a uri): (type, field)."""

_REFERENCE = re.compile(rb'"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"')


def mentions(body: bytes) -> set[str]:
    """Every text of the form Type/id in a resource's JSON bytes."""
    return {found.decode() for found in set(_REFERENCE.findall(body))}


def keys_of(type: str, body: bytes, values: Iterable[SearchValue], identifies: Identifies) -> list[str]:
    """The keys of a current resource."""
    found = mentions(body)
    for value in values:
        kind = value[0]
        if kind == REFERENCE:
            found.add(f"{value[2]}/{value[3]}")
        elif kind == TOKEN:
            if identifies(type, value[1]):
                found.add(_token(value[3]))
        elif kind in (URI, CANONICAL) and identifies(type, value[1]):
            found.add(_uri(value[2]))
    return sorted(found)


def bytes_of(keys: Iterable[str]) -> int:
    """How much room keys take in a document; FhirError "too-large" for more than there is."""
    size = sum(len(key.encode("utf-8", "surrogatepass")) + ELEMENT for key in keys)
    if size > LARGEST:
        raise error(
            "too-large",
            f"A resource's different references and identifiers may take {LARGEST:,} bytes, these take {size:,}; "
            "divide it into several.",
        )
    return size


def _token(code: str) -> str:
    return f"#{code}"[:LONGEST]


def _uri(uri: str) -> str:
    return f"<{uri}"[:LONGEST]


class Candidates(NamedTuple):
    """Where to look for what a clause holds for: resources with one of these keys, or with one of these ids."""

    keys: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """How many look-ups it takes."""
        return len(self.keys) + len(self.ids)

    @property
    def identifying(self) -> str:
        """The key, where there is but one and few have it; "" for none."""
        key = next(iter(self.keys), "") if self.size == 1 else ""
        return key if key[:1] in IDENTIFYING else ""


def candidates(type: str, where: Clause, identifies: Identifies) -> Candidates | None:
    """The fewest candidates among which everything is that the clause holds for; None where keys don't tell."""
    match where:
        case All(clauses):
            known = [found for part in clauses if (found := candidates(type, part, identifies)) is not None]
            return min(known, key=lambda found: found.size, default=None)
        case Any(clauses):
            parts = [candidates(type, part, identifies) for part in clauses]
            if None in parts:
                return None
            known = [part for part in parts if part is not None]
            return Candidates(
                frozenset().union(*(part.keys for part in known)), frozenset().union(*(part.ids for part in known))
            )
        case IdIn(ids):
            return Candidates(ids=frozenset(ids))
        case TokenIs(fields, _, str(code)) if _identify(type, fields, identifies):
            return Candidates(frozenset((_token(code),)))
        case TokenIn(fields, codings) if _identify(type, fields, identifies):
            return Candidates(frozenset(_token(code) for _, code in codings))
        case UriIs(fields, "exact", uri) if _identify(type, fields, identifies):
            return Candidates(frozenset((_uri(uri),)))
        case RefersTo(_, targets, target_types):
            types = {type for type, _ in targets}
            if "" in types and not target_types:
                return None
            return Candidates(
                frozenset(f"{name}/{id}" for type, id in targets for name in ((type,) if type else target_types))
            )
    return None


def _identify(type: str, fields: tuple[str, ...], identifies: Identifies) -> bool:
    return all(identifies(type, field) for field in fields)


def meeting_points(type: str, where: Clause, identifies: Identifies) -> set[str]:
    """What two conditional interactions have in common that may make the same resource: the keys of their criteria."""
    match where:
        case All(clauses):
            return set().union(*(meeting_points(type, part, identifies) for part in clauses))
        case IdIn() | RefersTo():
            return set()
    found = candidates(type, where, identifies)
    return {f"{type} {key}" for key in found.keys} if found else set()
