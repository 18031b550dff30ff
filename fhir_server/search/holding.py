"""Whether a clause holds for one version, from its search values alone, without an index.

For versions that no index has: old ones. What needs other resources (chains, _has, lists, hierarchies) or the index's
own arithmetic can't be told from values: None, which whoever decides about access takes for no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fhir_server.core.query import (
    All,
    Any,
    Clause,
    DateIs,
    IdIn,
    Missing,
    Not,
    RefersTo,
    StringIs,
    TokenIn,
    TokenIs,
    TypeIn,
)
from fhir_server.core.values import DATE, REFERENCE, STRING, TOKEN, SearchValue


class Version(NamedTuple):
    """What a clause can speak of."""

    type: str
    id: str
    values: Sequence[SearchValue]


def holds(clause: Clause, version: Version) -> bool | None:
    """True or False; None where values don't tell."""
    match clause:
        case All(clauses):
            found = [holds(inner, version) for inner in clauses]
            return False if False in found else None if None in found else True
        case Any(clauses):
            found = [holds(inner, version) for inner in clauses]
            return True if True in found else None if None in found else False
        case Not(inner):
            answer = holds(inner, version)
            return None if answer is None else not answer
        case IdIn(ids):
            return version.id in ids
        case TypeIn(types):
            return version.type in types
        case TokenIs(fields, system, code):
            return any(system in (None, v[2]) and code in (None, v[3]) for v in _values(version, fields, TOKEN))
        case TokenIn(fields, codings):
            return any((v[2], v[3]) in codings or (None, v[3]) in codings for v in _values(version, fields, TOKEN))
        case RefersTo():
            return any(_refers(clause, value) for value in _values(version, clause.fields, REFERENCE))
        case StringIs(fields, "exact", text):
            return any(v[3] == text for v in _values(version, fields, STRING))
        case StringIs(fields, "starts", text):
            return any(v[2].startswith(text) for v in _values(version, fields, STRING))
        case DateIs(fields, comparator, low, high):
            return any(_dated(comparator, v[2], v[3], low, high) for v in _values(version, fields, DATE))
        case Missing(fields, missing, ()):
            return missing != any(value[1] in fields for value in version.values)
    return None


def _values(version: Version, fields: tuple[str, ...], *kinds: int) -> Iterator[SearchValue]:
    return (value for value in version.values if value[0] in kinds and value[1] in fields)


def _refers(clause: RefersTo, value: SearchValue) -> bool:
    return (
        any(id == value[3] and type in ("", value[2]) for type, id in clause.targets)
        and (not clause.target_types or value[2] in clause.target_types)
        and clause.version in ("", value[4])
    )


def _dated(comparator: str, start: int, end: int, low: int, high: int) -> bool:
    """The table of prefixes over two ranges, inclusive (https://hl7.org/fhir/R4/search.html#prefix)."""
    equal = low <= start and end <= high
    match comparator:
        case "eq":
            return equal
        case "ne":
            return not equal
        case "gt":
            return end > high
        case "ge":
            return end > high or equal
        case "lt":
            return start < low
        case "le":
            return start < low or equal
        case "sa":
            return start > high
        case "eb":
            return end < low
        case "ap":
            return start <= high and low <= end
    return start <= low and high <= end
