"""The comparators of core.query as relations between ranges, one table for each kind of value.

A comparator holds where one of its relations does, between the range of the resource and bounds made of what was asked:
L and H are both ends of the asked range, V is the asked number. A resource may have several ranges; each relation
is about one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fhir_server.core.query import Comparator, UpdatedIs
from fhir_server.core.values import MAX_DATE, MIN_DATE
from fhir_server.storage.elastic.encode import finite

Relations = tuple[tuple[str, dict[str, str]], ...]
Filter = dict[str, Any]

# the bounds of dates are inclusive; a letter with a sign is one microsecond less or more
_BEFORE, _PAST = ("intersects", {"lte": "L-"}), ("intersects", {"gte": "H+"})
_INSIDE = ("within", {"gte": "L", "lte": "H"})
DATES: dict[Comparator, Relations] = {
    "eq": (_INSIDE,),
    "ne": (_BEFORE, _PAST),
    "gt": (_PAST,),
    "lt": (_BEFORE,),
    "ge": (_PAST, _INSIDE),
    "le": (_BEFORE, _INSIDE),
    "sa": (("within", {"gte": "H+"}),),
    "eb": (("within", {"lte": "L-"}),),
    "ap": (("intersects", {"gte": "L", "lte": "H"}),),
    "co": (("contains", {"gte": "L", "lte": "H"}),),
}
# the asked range of a number is without H itself, but for ap
NUMBERS: dict[Comparator, Relations] = {
    "eq": (("within", {"gte": "L", "lt": "H"}),),
    "ne": (("intersects", {"lt": "L"}), ("intersects", {"gte": "H"})),
    "gt": (("intersects", {"gt": "V"}),),
    "lt": (("intersects", {"lt": "V"}),),
    "ge": (("intersects", {"gte": "V"}),),
    "le": (("intersects", {"lte": "V"}),),
    "sa": (("within", {"gt": "V"}),),
    "eb": (("within", {"lt": "V"}),),
    "ap": (("intersects", {"gte": "L", "lte": "H"}),),
    "co": (("contains", {"gte": "L", "lte": "H"}),),
}


def dates(property: str, comparator: Comparator, low: int, high: int) -> list[Filter]:
    """Filters one of which must hold."""
    return _filters(property, DATES[comparator], {"L": low, "H": high, "L-": low - 1, "H+": high + 1})


def numbers(property: str, comparator: Comparator, value: float, low: float, high: float) -> list[Filter]:
    """Filters one of which must hold."""
    relations = NUMBERS[comparator]
    if high == math.inf:  # the greatest number was asked for: none is at H or above
        relations = tuple(
            (relation, {name: letter for name, letter in bounds.items() if letter != "H"})
            for relation, bounds in relations
            if bounds != {"gte": "H"}
        )
    return _filters(property, relations, {"V": finite(value), "L": finite(low), "H": finite(high)})


def _filters(property: str, relations: Relations, asked: Mapping[str, float]) -> list[Filter]:
    return [
        {"range": {property: {**{name: asked[letter] for name, letter in bounds.items()}, "relation": relation}}}
        for relation, bounds in relations
    ]


# the first and the last moment for which a comparator holds; ne is what eq is not
MOMENTS: dict[Comparator, tuple[str, str]] = {
    "eq": ("L", "H"),
    "gt": ("H+", "M"),
    "lt": ("m", "L-"),
    "ge": ("L", "M"),
    "le": ("m", "H"),
    "sa": ("H+", "M"),
    "eb": ("m", "L-"),
    "ap": ("L", "H"),
    "co": ("H", "L"),
}


def updated(clause: UpdatedIs) -> Filter:
    """When the newest version was stored, which is one moment."""
    if clause.comparator == "ne":
        same = updated(UpdatedIs("eq", clause.low, clause.high))
        return {"bool": {"must_not": [same]}}
    asked = {
        "L": clause.low, "H": clause.high, "L-": clause.low - 1, "H+": clause.high + 1, "m": MIN_DATE, "M": MAX_DATE,
    }  # fmt: skip
    first, last = MOMENTS[clause.comparator]
    return {"range": {"updated": {"gte": asked[first], "lte": asked[last]}}}
