"""Pieces of SQL with the values of their question marks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

LISTED = 8  # so many values are written as question marks; more go as one JSON array, so that texts of SQL stay few
COMPOUND = 100  # SELECTs in one UNION ALL; SQLite takes 500, and some of ours are several
OPERANDS = 200  # of one AND or OR


class Sql(NamedTuple):
    """A piece of SQL and the values of its question marks, in order."""

    text: str
    bound: tuple[Any, ...] = ()


TRUE = Sql("1")
FALSE = Sql("0")


def conjunction(parts: Iterable[Sql]) -> Sql:
    """All of them hold."""
    parts = [part for part in parts if part is not TRUE]
    return _balanced(" AND ", parts) if parts else TRUE


def disjunction(parts: Sequence[Sql]) -> Sql:
    """At least one holds."""
    if len(parts) == 1:
        return parts[0]
    joined = _balanced(" OR ", parts)
    return Sql(f"({joined.text})", joined.bound) if parts else FALSE


def union(selects: Sequence[Sql]) -> Sql:
    """The rows of all of these SELECTs of a column rid."""
    while len(selects) > COMPOUND:
        groups = [join(" UNION ALL ", selects[at : at + COMPOUND]) for at in range(0, len(selects), COMPOUND)]
        selects = [Sql(f"SELECT rid FROM ({group.text} LIMIT -1)", group.bound) for group in groups]
    return join(" UNION ALL ", selects)


def join(separator: str, parts: Sequence[Sql]) -> Sql:
    """The pieces one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Sql(separator.join([part.text for part in parts]), tuple([value for part in parts for value in part.bound]))


def _balanced(operator: str, parts: Sequence[Sql]) -> Sql:
    """The pieces, in brackets where they are many: SQLite limits an expression's depth, and a OR b OR c is deep."""
    while len(parts) > OPERANDS:
        groups = [join(operator, parts[at : at + OPERANDS]) for at in range(0, len(parts), OPERANDS)]
        parts = [Sql(f"({group.text})", group.bound) for group in groups]
    return join(operator, parts)


def member(expression: str, values: Sequence[int | str]) -> Sql:
    """The expression is one of these values."""
    if len(values) == 1:
        return Sql(f"{expression} = ?", (values[0],))
    if len(values) <= LISTED:
        return Sql(f"{expression} IN ({', '.join('?' * len(values))})", tuple(values))
    return Sql(f"{expression} IN (SELECT value FROM json_each(?))", (json.dumps(values),))
