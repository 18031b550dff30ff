"""Whether a clause holds for one resource, told from its search values alone, without any index.

    matcher = matcher_of(where)          # None where that takes other resources, or units to convert
    matcher(version, extract(resource))

What clauses mean is written in core/query.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any as Anything

from fhir_server.core import query
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import All, Any, Clause, Not
from fhir_server.core.values import CANONICAL, COMPOSITE, DATE, NUMBER, REFERENCE, STRING, TEXT, TOKEN, URI, SearchValue

Matcher = Callable[[StoredVersion, Sequence[SearchValue]], bool]
_Test = Callable[[SearchValue], bool]


def matcher_of(where: Clause) -> Matcher | None:
    """The function for a clause."""
    match where:
        case All(clauses):
            return _joined(all, clauses)
        case Any(clauses):
            return _joined(any, clauses)
        case Not(clause):
            inner = matcher_of(clause)
            return None if inner is None else lambda version, values: not inner(version, values)
        case query.IdIn(ids):
            return lambda version, values: version.id in ids
        case query.TypeIn(types):
            return lambda version, values: version.type in types
        case query.UpdatedIs(comparator, low, high):
            return lambda version, values: _dates(comparator, version.updated, version.updated, low, high)
        case query.Missing(fields, missing, target_types):
            return lambda version, values: (
                missing
                != any(
                    value[1] in fields and (not target_types or (value[0] == REFERENCE and value[2] in target_types))
                    for value in values
                )
            )
    found = _value_test(where)
    if found is None:
        return None
    fields, kinds, test = found
    return lambda version, values: any(value[1] in fields and value[0] in kinds and test(value) for value in values)


def _joined(join: Callable[[Anything], bool], clauses: Sequence[Clause]) -> Matcher | None:
    matchers = [matcher_of(clause) for clause in clauses]
    if None in matchers:
        return None
    known = [matcher for matcher in matchers if matcher is not None]
    return lambda version, values: join(matcher(version, values) for matcher in known)


def _value_test(where: Clause) -> tuple[tuple[str, ...], tuple[int, ...], _Test] | None:
    """The fields and kinds of the values of which one must pass the test."""
    match where:
        case query.StringIs(fields, mode, text):
            compare = _STRINGS[mode]
            if mode == "exact":
                return fields, (STRING,), lambda value: value[3] == text
            return fields, (STRING,), lambda value: compare(value[2], text)
        case query.TokenIs(fields, system, code):
            return fields, (TOKEN,), lambda value: system in (None, value[2]) and code in (None, value[3])
        case query.TokenIn(fields, codings):
            return fields, (TOKEN,), lambda value: (value[2], value[3]) in codings or (None, value[3]) in codings
        case query.TextIs(fields, text):
            return fields, (TEXT,), lambda value: _word_starts(value[2], text)
        case query.UriIs(fields, mode, uri, version):
            return fields, (URI, CANONICAL), lambda value: _uri_is(value, mode, uri, version)
        case query.RefersTo(fields, targets, target_types, version):
            return (
                fields,
                (REFERENCE,),
                lambda value: (
                    ((value[2], value[3]) in targets or ("", value[3]) in targets)
                    and (not target_types or value[2] in target_types)
                    and version in ("", value[4])
                ),
            )
        case query.DateIs(fields, comparator, low, high):
            return fields, (DATE,), lambda value: _dates(comparator, value[2], value[3], low, high)
        case query.NumberIs(fields, comparator, number, low, high):
            return fields, (NUMBER,), lambda value: _numbers(comparator, value[2], value[3], number, low, high)
        case query.CompositeIs(fields, parts):
            tests = [_value_test(part) for part in parts]
            if None in tests:
                return None
            known = [test for test in tests if test is not None]
            return (
                fields,
                (COMPOSITE,),
                lambda value: all(
                    part[0] in kinds and test(part) for (_, kinds, test), part in zip(known, value[2], strict=True)
                ),
            )
    return None


_STRINGS: dict[str, Callable[[str, str], bool]] = {
    "starts": str.startswith,
    "contains": str.__contains__,
    "exact": str.__eq__,
    "equals": str.__eq__,
    "ends": str.endswith,
    "gt": str.__gt__,
    "lt": str.__lt__,
    "ge": str.__ge__,
    "le": str.__le__,
}


def _word_starts(text: str, start: str) -> bool:
    """Whether the text starts with it, or a word does: where a letter or digit follows what is neither."""
    at = text.find(start)
    while at >= 0:
        if at == 0 or not text[at - 1].isalnum() or not start[:1].isalnum():
            return True
        at = text.find(start, at + 1)
    return False


def _uri_is(value: SearchValue, mode: str, uri: str, version: str) -> bool:
    if version and version != (value[3] if value[0] == CANONICAL else ""):
        return False
    if mode == "exact":
        return value[2] == uri
    return _below(value[2], uri) if mode == "below" else _below(uri, value[2])


def _below(uri: str, root: str) -> bool:
    return uri == root or uri.startswith(root if root.endswith("/") else root + "/")


def _dates(comparator: str, low: int, high: int, asked_low: int, asked_high: int) -> bool:
    match comparator:
        case "gt":
            return high > asked_high
        case "lt":
            return low < asked_low
        case "sa":
            return low > asked_high
        case "eb":
            return high < asked_low
        case "ap":
            return low <= asked_high and high >= asked_low
        case "co":
            return low <= asked_low and high >= asked_high
    contained = asked_low <= low and high <= asked_high
    match comparator:
        case "ge":
            return contained or high > asked_high
        case "le":
            return contained or low < asked_low
        case "ne":
            return not contained
    return contained


def _numbers(comparator: str, low: float, high: float, number: float, asked_low: float, asked_high: float) -> bool:
    match comparator:
        case "gt":
            return high > number
        case "lt":
            return low < number
        case "ge":
            return high >= number
        case "le":
            return low <= number
        case "sa":
            return low > number
        case "eb":
            return high < number
        case "ap":
            return low <= asked_high and high >= asked_low
        case "co":
            return low <= asked_low and high >= asked_high
    contained = asked_low <= low and high < asked_high
    return not contained if comparator == "ne" else contained
