"""Errors for names that are not known, with the nearest ones that are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fhir_server.core.errors import FhirError, error


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?`, "" where nothing is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    asked = name[:100].lower()
    found = [asked] if asked in by_lower else difflib.get_close_matches(asked, by_lower, n=2, cutoff=0.7)
    return f" Did you mean {' or '.join(repr(by_lower[match]) for match in found)}?" if found else ""


def shorten(text: str) -> str:
    """A text as an error quotes it."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def unknown_parameter(type_name: str, code: str, known: Iterable[str]) -> FhirError:
    """A search parameter that the resource type does not have."""
    return error(
        "unsupported-parameter",
        f"{type_name} has no search parameter {shorten(code)}.{nearest(code, known)}",
    )


def unknown_modifier(code: str, modifier: str, known: Iterable[str]) -> FhirError:
    """A modifier that does not go with the parameter."""
    names = sorted(name for name in known if name)
    allowed = f" It takes {', '.join(':' + name for name in names)}." if names else " It takes no modifiers."
    return error(
        "unsupported-parameter",
        f"The modifier {shorten(':' + modifier)} can't be used with '{code}'.{nearest(modifier, names)}{allowed}",
    )


def one_of(what: str, value: str, allowed: Iterable[str]) -> FhirError:
    """A value that is none of the few allowed."""
    names = list(allowed)
    return error("value", f"{shorten(value)} is no {what}; use one of {', '.join(names)}.{nearest(value, names)}")
