"""Matches in order of a token that has few codes, such as a status: one code after the other.

The index of tokens has the resources of one code in order of rid, but no order of codes; few codes are few searches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_server.storage.cursors import Position
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.sql import Sql, member
from fhir_server.storage.sqlite.search.window import Window

FEW = 1000  # terms of one field

# the smallest term of a field, the next one, and so on: one look into the index for each
TERMS = """WITH RECURSIVE d (term) AS (SELECT min(term) FROM token WHERE field = ? UNION ALL
SELECT (SELECT min(term) FROM token WHERE field = ? AND term > d.term) FROM d WHERE d.term IS NOT NULL LIMIT ?)
SELECT term FROM d WHERE term IS NOT NULL"""


def few_codes(reader: Reader, fields: Sequence[int]) -> list[str] | None:
    """The codes in these fields, in order; None where they are many."""
    terms: set[int] = set()
    for field in fields:
        terms.update(row[0] for row in reader.rows(Sql(TERMS, (field, field, FEW + 2))))
        if len(terms) > FEW:
            return None
    if not terms:
        return []
    among = member("term", sorted(terms))
    return [row[0] for row in reader.rows(Sql(f"SELECT DISTINCT code FROM term WHERE {among.text}", among.bound))]


def in_turn(codes: Sequence[str], descending: bool, window: Window) -> Iterator[tuple[str | None, Window]]:
    """The codes in the order of the window, None for no code, each with the part of the window that it begins at."""
    turn: list[str | None] = [*sorted(codes, reverse=descending), None]
    if window.backward:
        turn.reverse()
    at = window.position
    for code in turn:
        if at is None or _past(code, at.keys[0], descending, window.backward):
            yield code, window._replace(position=None)
        elif code == at.keys[0]:
            yield code, window._replace(position=Position(at.keys[1:], at.rid))


def _past(code: str | None, here: str | None, descending: bool, backward: bool) -> bool:
    if code is None or here is None:
        return code != here and (here is None) == backward
    return code < here if descending != backward else code > here
