"""Clauses about places (https://hl7.org/fhir/R4/location.html#positional)."""

from __future__ import annotations

import math

from fhir_server.core.query import Near
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.functions import EARTH
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql

MARGIN = 1e-6  # degrees, so that rounding can't leave a place out of the box


def near(clause: Near, scope: Scope) -> Condition:
    """A row of position in the box around the circle, and within the circle."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    alias = scope.alias()
    box = _box(clause, f"{alias}.latitude", f"{alias}.longitude")
    test = Sql(
        f"{box.text} AND distance({alias}.latitude, {alias}.longitude, ?, ?) <= ?",
        (*box.bound, clause.latitude, clause.longitude, clause.distance),
    )
    return Row(scope, "position", alias, fields, test)


def _box(clause: Near, latitude: str, longitude: str) -> Sql:
    angle = clause.distance / EARTH
    height = math.degrees(angle) + MARGIN
    south, north = clause.latitude - height, clause.latitude + height
    band = Sql(f"{latitude} BETWEEN ? AND ?", (south, north))
    if south <= -90 or north >= 90 or angle >= math.pi / 2:
        return band  # a pole is within: any longitude
    width = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(clause.latitude))))) + MARGIN
    west, east = clause.longitude - width, clause.longitude + width
    if west < -180:
        sides = Sql(f"({longitude} <= ? OR {longitude} >= ?)", (east, west + 360))
    elif east > 180:
        sides = Sql(f"({longitude} <= ? OR {longitude} >= ?)", (east - 360, west))
    else:
        sides = Sql(f"{longitude} BETWEEN ? AND ?", (west, east))
    return Sql(f"{band.text} AND {sides.text}", (*band.bound, *sides.bound))
