"""What a checking function answers when something is wrong, and how paths grow on the way out.

A checking function returns None where all is well, otherwise a list of Problems whose paths begin at the value that it
was given; the caller puts its own segment in front. So the fast walk and the explaining walk are the same code.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.core.errors import Issue

ENOUGH = 100  # errors after which a resource is not looked at any further
MAX_CANDIDATES = 150  # names that a wrong one is compared with
SHOWN = 60  # characters of a wrong value that a message repeats

Problems = list["Problem"]
Check = Callable[[Any], "Problems | None"]


class Problem:
    """One broken rule: rule is its stable key, code an issue-type, path FHIRPath from the value that was checked."""

    __slots__ = ("code", "path", "rule", "severity", "text")

    def __init__(self, rule: str, code: str, text: str, path: str = "", severity: str = "error") -> None:
        self.rule = rule
        self.code = code
        self.text = text
        self.path = path
        self.severity = severity

    def copy(self) -> Problem:
        """Another one, whose path grows on its own."""
        return Problem(self.rule, self.code, self.text, self.path, self.severity)

    def issue(self, root: str, profile: str = "") -> Issue:
        """The Issue, with the path from a resource of this type."""
        return Issue(self.severity, self.code, self.text, root + self.path, "", self.rule, profile)


def enough(found: Problems | None) -> bool:
    """Whether there are so many errors that looking further helps nobody."""
    if found is None or len(found) <= ENOUGH:
        return False
    return sum(each.severity == "error" for each in found) > ENOUGH


def problem(rule: str, code: str, text: str, path: str = "") -> Problems:
    """A list of one Problem."""
    return [Problem(rule, code, text, path)]


def under(found: Problems | None, segment: str, more: Problems) -> Problems:
    """The problems found so far with more, which stand under this segment (".name" or "[0]")."""
    for each in more:
        each.path = segment + each.path
    if found is None:
        return more
    found.extend(more)
    return found


def shown(value: Any) -> str:
    """A wrong value as a message repeats it: quoted, cut short."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def kind_of(value: Any) -> str:
    """The JSON kind of a value, in words."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a number"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is most like this one, as the end of a message; "" where none is."""
    folded = {candidate.lower(): candidate for candidate in known}
    if len(folded) > MAX_CANDIDATES:  # comparing takes long: only those that begin alike
        start = name[:2].lower()
        alike = [candidate for candidate in folded if candidate.startswith(start)]
        folded = {candidate: folded[candidate] for candidate in alike[:MAX_CANDIDATES]}
    close = difflib.get_close_matches(name.lower()[:100], folded, 1, 0.7)
    return f"; did you mean '{folded[close[0]]}'?" if close else ""


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Names in order, as a message lists them; the rest counted."""
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more
