"""What an evaluation may use of the world besides the resource."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


class Terminology(Protocol):
    """What memberOf, subsumes and %terminologies ask; each answer is None where the code system is not known."""

    def member_of(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the value set has the code; system "" where only a code is known."""

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        """Whether code subsumes other, or equals it."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).astimezone()


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything is optional.

    variables: %name -> a value or a list of them: a resource, a str, int, bool or Decimal, or for other JSON a pair
    (FHIR type, JSON), as Path.values gives them;
    resolve: a reference's text -> the resource, None where there is none. Without it, resolve() finds contained
    resources and entries of the Bundle it is in, and knows of any other only its type, from the text;
    container: %rootResource, where the resource that is looked at is contained in another;
    conforms_to: (resource, profile URL) -> whether it conforms, None where the profile is not known;
    in_slice: (element's path, its JSON, profile URL, slice name) -> whether it is in the slice, None where not known;
    now: the time of now(), today() and timeOfDay(), with a zone;
    trace: called with (name, items' values) by trace();
    joins_nothing: whether join() of nothing is "", as SQL on FHIR has it, and not empty;
    max_steps, max_seconds: how much work, and how much of a processor's time, one evaluation may take.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    resolve: Callable[[str], Json | None] | None = None
    container: Json | None = None
    terminology: Terminology | None = None
    conforms_to: Callable[[Json, str], bool | None] | None = None
    in_slice: Callable[[str, Any, str, str], bool | None] | None = None
    now: Callable[[], datetime.datetime] = _now
    trace: Callable[[str, Sequence[Any]], None] | None = None
    joins_nothing: bool = False
    max_steps: int = 1_000_000
    max_seconds: float = 1.0


DEFAULT = Environment()
