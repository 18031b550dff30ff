"""What a compiled check is, and how several become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from profiles.conformance.context import Context
from profiles.structure.problems import Problems, under

ItemCheck = Callable[[Any, Any, str, Context], "Problems | None"]  # of a value, its twin (_name), its FHIR type
ObjectCheck = Callable[[dict[str, Any], Context], "Problems | None"]  # of one element of an object


def nothing(value: Any, twin: Any, code: str, context: Context) -> None:
    """The check of an element of which nothing is said."""


def of_object(checks: Sequence[ObjectCheck]) -> ItemCheck | None:
    """The check of values that are objects, by all that is said of their elements; None where nothing is."""
    if not checks:
        return None

    def check(value: Any, twin: Any, code: str, context: Context) -> Problems | None:
        if not isinstance(value, dict):
            return None
        found: Problems | None = None
        for each in checks:
            problems = each(value, context)
            if problems is not None:
                found = under(found, "", problems)
        return found

    return check


def without_context(check: Callable[[Any], Problems | None]) -> ItemCheck:
    """A check that looks at a value alone."""
    return lambda value, twin, code, context: None if value is None else check(value)


def of_value(check: Callable[[Any, Context], Problems | None]) -> ItemCheck:
    """A check of a value, whatever its type."""
    return lambda value, twin, code, context: None if value is None else check(value, context)


def all_of(checks: Sequence[ItemCheck]) -> ItemCheck | None:
    """One check of several."""
    if len(checks) <= 1:
        return checks[0] if checks else None

    def check(value: Any, twin: Any, code: str, context: Context) -> Problems | None:
        found: Problems | None = None
        for each in checks:
            problems = each(value, twin, code, context)
            if problems is not None:
                found = under(found, "", problems)
        return found

    return check


def as_a_whole(inside: ItemCheck | None, whole: ItemCheck | None) -> ItemCheck | None:
    """A check of what is in a value, and where that has no error one of the whole: one mistake stays one issue."""
    if inside is None or whole is None:
        return inside or whole

    def check(value: Any, twin: Any, code: str, context: Context) -> Problems | None:
        found = inside(value, twin, code, context)
        if any(each.severity == "error" for each in found or ()):
            return found
        more = whole(value, twin, code, context)
        return found if more is None else under(found, "", more)

    return check
