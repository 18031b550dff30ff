"""Places in a message as people write them: PID-3, PID-3.4.2, PID-3[2].1, OBX[3]-5."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fhir_server.core.errors import error

_PLACE = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<occurrence>\d+)\])?"
    r"(?:[-.](?P<field>\d+)(?:\[(?P<repetition>\d+)\])?(?:\.(?P<component>\d+)(?:\.(?P<subcomponent>\d+))?)?)?"
)


class Place(NamedTuple):
    """All count from 1; component and subcomponent are None where the place is a whole field."""

    segment: str
    occurrence: int = 1
    field: int = 1
    repetition: int = 1
    component: int | None = None
    subcomponent: int | None = None


@lru_cache(1024)
def read_place(text: str) -> Place:
    """The place that a text such as "OBX[2]-5.1" names; FhirError "value" where it names none."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise error("value", f"{text!r} names no place in a message; write PID-3, PID-3[2].4.1 or OBX[2]-5.")
    numbers = {name: int(value) for name, value in found.groupdict().items() if name != "segment" and value}
    if 0 in numbers.values():
        raise error("value", f"{text!r}: places count from 1.")
    return Place(found["segment"], **numbers)
