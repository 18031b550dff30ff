"""Filters of a value set as conditions in SQL on a concept `c` (https://hl7.org/fhir/R4/valueset-filter-operator.html).

A selection has a driver, the index that yields the fewest candidates in the order of their ids, and conditions on what
the driver yields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server.core.errors import error
from terminology.model import ABSTRACT, INACTIVE, Filter
from terminology.regex import compiled
from terminology.snomed import ecl_sql
from terminology.store.text import match_expression

if TYPE_CHECKING:
    from terminology.store.code_system import StoredSystem

OPERATORS = ("=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists")
_COLUMNS = {"code": "c.code", "display": "c.display", "definition": "c.definition"}
_FLAGS = {"inactive": INACTIVE, "notSelectable": ABSTRACT, "abstract": ABSTRACT}
_NOTHING = -1  # no concept has this id


class Part(NamedTuple):
    """A condition with its arguments, and the ids it allows as a driver: (FROM clause with id c.id, arguments)."""

    condition: str
    arguments: tuple[Any, ...] = ()
    driver: tuple[str, tuple[Any, ...]] | None = None


def part(system: StoredSystem, filter: Filter) -> Part:
    """One filter; FhirError where the operator or the property isn't known, or the value makes no sense."""
    handler = _OPERATORS.get(filter.op)
    if handler is None:
        raise error("value", f"The filter operator '{filter.op}' is not one of {', '.join(OPERATORS)}.")
    return handler(system, filter)


def _concept_id(system: StoredSystem, code: str) -> int:
    concept = system.find(code)
    return concept.id if concept else _NOTHING


def _hierarchy(condition: str, flat: str, driver: str = "") -> Callable[[StoredSystem, Filter], Part]:
    """A filter on subsumption; `flat` is for systems without a hierarchy, where each concept has only itself."""

    def make(system: StoredSystem, filter: Filter) -> Part:
        id = _concept_id(system, filter.value)
        if not system.hierarchical:
            return Part(flat, (id,), ("FROM concepts c WHERE c.id = ?", (id,)) if flat == "c.id = ?" else None)
        return Part(condition, (id,) * condition.count("?"), (driver, (id,)) if driver else None)

    return make


_BELOW = "FROM descendants d JOIN concepts c ON c.id = d.descendant WHERE d.concept = ?"
_UNDER = "EXISTS (SELECT 1 FROM ancestors a WHERE a.concept = c.id AND a.ancestor = ?)"


def _equals(system: StoredSystem, filter: Filter) -> Part:
    return _in(system, filter, [filter.value])


def _is_in(system: StoredSystem, filter: Filter) -> Part:
    return _in(system, filter, _values(filter))


def _not_in(system: StoredSystem, filter: Filter) -> Part:
    found = _in(system, filter, _values(filter))
    return Part(f"NOT ({found.condition})", found.arguments)


def _values(filter: Filter) -> list[str]:
    return [value.strip() for value in filter.value.split(",")]


def _in(system: StoredSystem, filter: Filter, values: list[str]) -> Part:
    name = filter.property
    marks = ", ".join("?" * len(values))
    if name in ("concept", "code"):
        ids = tuple(_concept_id(system, value) for value in values)
        return Part(f"c.id IN ({marks})", ids, (f"FROM concepts c WHERE c.id IN ({marks})", ids))
    if system.is_snomed and name in ("constraint", "expression"):
        return _ecl(system, filter.value)
    if system.is_snomed and name.isdecimal():
        return _ecl(system, f"* : {name} = ({' OR '.join(values)})")
    if name in _COLUMNS:
        return Part(f"{_COLUMNS[name]} IN ({marks})", tuple(values))
    if name in ("parent", "child", "ancestor"):
        return _relative(system, name, values)
    known = system.property_ids(name)
    if known:
        wanted = ", ".join(map(str, known))
        query = f"SELECT p.concept FROM properties p WHERE p.property IN ({wanted}) AND p.value IN ({marks})"
        exists = (
            f"EXISTS (SELECT 1 FROM properties p WHERE p.concept = c.id AND p.property IN ({wanted}) "
            f"AND p.value IN ({marks}))"
        )
        if name in _FLAGS and "false" in values:  # what says nothing of the property is not inactive
            return Part(_flag(name, values))
        return Part(exists, tuple(values), (f"FROM concepts c WHERE c.id IN ({query})", tuple(values)))
    if name in _FLAGS:
        return Part(_flag(name, values))
    if system.declares(name):
        return Part("0")
    raise _unknown_property(system, name)


def _ecl(system: StoredSystem, expression: str) -> Part:
    query = ecl_sql.to_sql(expression, lambda code: _concept_id(system, code), system.id_range, system.property_ids)
    return Part(f"c.id IN ({query})", (), (f"FROM concepts c WHERE c.id IN ({query})", ()))


def _flag(name: str, values: list[str]) -> str:
    conditions = {"true": f"c.flags & {_FLAGS[name]}", "false": f"NOT c.flags & {_FLAGS[name]}"}
    return "(" + " OR ".join(conditions.get(value, "0") for value in values) + ")"


def _relative(system: StoredSystem, name: str, values: list[str]) -> Part:
    ids = tuple(_concept_id(system, value) for value in values)
    marks = ", ".join("?" * len(ids))
    if name == "parent":
        query = f"SELECT r.child FROM parents r WHERE r.parent IN ({marks})"
        exists = f"EXISTS (SELECT 1 FROM parents r WHERE r.child = c.id AND r.parent IN ({marks}))"
    elif name == "child":
        query = f"SELECT r.parent FROM parents r WHERE r.child IN ({marks})"
        exists = f"EXISTS (SELECT 1 FROM parents r WHERE r.parent = c.id AND r.child IN ({marks}))"
    else:
        query = f"SELECT d.descendant FROM descendants d WHERE d.concept IN ({marks}) AND d.descendant <> d.concept"
        exists = (
            f"EXISTS (SELECT 1 FROM ancestors a WHERE a.concept = c.id AND a.ancestor IN ({marks}) "
            "AND a.ancestor <> a.concept)"
        )
    return Part(exists, ids, (f"FROM concepts c WHERE c.id IN ({query})", ids))


def _regex(system: StoredSystem, filter: Filter) -> Part:
    compiled(filter.value)  # a wrong pattern is refused here, not in the middle of a query
    if filter.property in ("concept", *_COLUMNS):
        return Part(f"matches(?, {_COLUMNS.get(filter.property, 'c.code')})", (filter.value,))
    known = system.property_ids(filter.property)
    if not known and not system.declares(filter.property):
        raise _unknown_property(system, filter.property)
    condition = (
        "EXISTS (SELECT 1 FROM properties p WHERE p.concept = c.id "
        f"AND p.property IN ({', '.join(map(str, known))}) AND matches(?, p.value))"
    )
    return Part(condition, (filter.value,))


def _exists(system: StoredSystem, filter: Filter) -> Part:
    if filter.value not in ("true", "false"):
        raise error("value", f"The value of an 'exists' filter is true or false, not '{filter.value[:40]}'.")
    negated = "" if filter.value == "true" else "NOT "
    if filter.property in ("concept", *_COLUMNS):
        return Part(f"{negated}({_COLUMNS.get(filter.property, 'c.code')} <> '')")
    if filter.property in ("parent", "child"):
        near, far = ("child", "parent") if filter.property == "parent" else ("parent", "child")
        return Part(f"{negated}EXISTS (SELECT r.{far} FROM parents r WHERE r.{near} = c.id)")
    known = system.property_ids(filter.property)
    if not known and not system.declares(filter.property):
        raise _unknown_property(system, filter.property)
    return Part(
        f"{negated}EXISTS (SELECT 1 FROM properties p WHERE p.concept = c.id "
        f"AND p.property IN ({', '.join(map(str, known))}))"
    )


def _unknown_property(system: StoredSystem, name: str) -> Exception:
    return error(
        "unprocessable",
        f"The code system {system.info.url} has no property '{name}' to filter by; it has: "
        f"{', '.join(['concept', 'code', 'display', 'parent', 'child', *system.property_codes()])}.",
    )


_OPERATORS: dict[str, Callable[[StoredSystem, Filter], Part]] = {
    "=": _equals,
    "in": _is_in,
    "not-in": _not_in,
    "is-a": _hierarchy(_UNDER, "c.id = ?", _BELOW),
    "descendent-of": _hierarchy(
        f"({_UNDER} AND c.id <> ?)", "c.id = ? AND 0", f"{_BELOW} AND d.descendant <> d.concept"
    ),
    "is-not-a": _hierarchy(f"NOT {_UNDER}", "c.id <> ?"),
    "generalizes": _hierarchy(
        "EXISTS (SELECT 1 FROM ancestors a WHERE a.concept = ? AND a.ancestor = c.id)",
        "c.id = ?",
        "FROM ancestors d JOIN concepts c ON c.id = d.ancestor WHERE d.concept = ?",
    ),
    "regex": _regex,
    "exists": _exists,
}


class Selection(NamedTuple):
    """A FROM and WHERE over concepts `c`, with arguments."""

    clause: str
    arguments: tuple[Any, ...]


def selection(
    system: StoredSystem, filters: Sequence[Filter], excluded: Sequence[Sequence[Filter]], text: str, active: bool
) -> Selection:
    """Concepts for which all filters hold, none of the excluded lists of filters does, and the text is there.

    text "" for any; active: leave inactive concepts out.
    """
    parts = [part(system, filter) for filter in filters]
    clause, arguments = _driver(system, parts, text)
    conditions: list[str] = []
    for each in parts:
        if each.driver is None or (each.driver[0], each.driver[1]) != (clause, arguments):
            conditions.append(each.condition)
            arguments += each.arguments
    for filters_out in excluded:
        out = [part(system, filter) for filter in filters_out]
        conditions.append("NOT (" + (" AND ".join(p.condition for p in out) or "1") + ")")
        arguments += tuple(a for p in out for a in p.arguments)
    if active:
        conditions.append(f"NOT c.flags & {INACTIVE}")
    return Selection(" AND ".join([clause, *conditions]), arguments)


def _driver(system: StoredSystem, parts: list[Part], text: str) -> tuple[str, tuple[Any, ...]]:
    first, last = system.id_range
    if text:
        expression = match_expression(text)
        if not expression:
            return "FROM texts t CROSS JOIN concepts c WHERE 0", ()
        return (
            "FROM texts t CROSS JOIN concepts c ON c.id = t.rowid WHERE texts MATCH ? AND t.rowid BETWEEN ? AND ?",
            (expression, first, last),
        )
    for each in parts:
        if each.driver:
            return each.driver
    return "FROM concepts c WHERE c.id BETWEEN ? AND ?", (first, last)
