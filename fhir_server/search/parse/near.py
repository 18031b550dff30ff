"""The special parameter near, of Location (https://hl7.org/fhir/R4/location.html#positional)."""

from __future__ import annotations

import math

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, Near
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import split, unescape
from fhir_server.search.parse.suggestions import one_of, shorten

DEFAULT_DISTANCE = 50_000.0  # metres, where none is asked
METRES = {  # of one unit, UCUM
    "km": 1000.0,
    "m": 1.0,
    "cm": 0.01,
    "[mi_i]": 1609.344,
    "[mi_us]": 1609.3472,
    "[nmi_i]": 1852.0,
    "[ft_i]": 0.3048,
    "[yd_i]": 0.9144,
}


def near(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`near=latitude|longitude|distance|unit`, in degrees; 50 km where no distance is given, km where no unit is."""
    parts = [unescape(part).strip() for part in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise error("value", f"{shorten(text)} has to be latitude|longitude|distance|unit.")
    latitude = _decimal(parts[0], "latitude", -90, 90)
    longitude = _decimal(parts[1], "longitude", -180, 180)
    distance = DEFAULT_DISTANCE
    if len(parts) > 2 and parts[2]:
        unit = parts[3] if len(parts) > 3 and parts[3] else "km"
        if unit not in METRES:
            raise one_of("unit of length", unit, METRES)
        distance = _decimal(parts[2], "distance", 0, 1e9) * METRES[unit]
    return Near(parameter.fields, latitude, longitude, distance)


def _decimal(text: str, what: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise error("value", f"{shorten(text)} is no {what}; write a number from {low:g} to {high:g}.")
    return value
