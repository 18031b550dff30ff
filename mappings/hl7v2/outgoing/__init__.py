"""FHIR to v2: tables of events, segments, fields and data types, and the small engine over them.

    events.csv    type,when,message,event,structure   the first row that holds tells which message a resource becomes
    segments.csv  message,segment,of                  the segments of a message and the resource that each is made of
    fields.csv    segment,type,field,expression,data_type,table   FHIRPath, =constant, # for the segment's number, @ for
                  the message's event
    types.csv     data_type,component,expression,table            how a value is written as components

`of` is focus, report (a focus that is one), patient, visit, results, specimen, practitioners, locations, relatives or
diagnoses (the visit with one of its diagnoses); a segment is made for each, and rows that follow each other with the
same `of` stand together for each: a result's OBX, then its NTE.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
from importlib import resources
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.definitions import load
from fhir_server.fhirpath import Path, compile_path
from mappings.hl7v2.outgoing.gathering import Gathered, add_relatives, gather
from mappings.hl7v2.outgoing.writing import Writer
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.tables import Tables, standard

Json = dict[str, Any]


class Outgoing(NamedTuple):
    """A message to be written: MSH-9 and its segments after MSH, fields from the first as a codec takes them."""

    kind: str
    event: str
    structure: str
    segments: list[tuple[str, list[Any]]]


class Field(NamedTuple):
    """A row of fields.csv."""

    number: int
    expression: str
    data_type: str
    table: str


async def to_message(
    resource: Json, reader: Reader, tables: Tables | None = None, asked: str = "", version: str = ""
) -> Outgoing:
    """The message that a resource becomes. asked: the message wanted, such as ORM^O01, where there is a choice;
    version: of HL7 v2, "" for the newest.

    FhirError "not-supported" for a resource of a type that no message carries, "unprocessable" where its patient lacks.
    """
    kind, event, structure = _event_of(resource, asked)
    found = await gather(resource, reader)
    if found.patient is None:
        raise error(
            "unprocessable", f"{resource['resourceType']}/{resource.get('id', '')} names no patient that is known."
        )
    rows = [row for row in _rows("segments.csv") if row[0] in (kind, f"{kind}^{event}")]
    if any(of == "relatives" for _, _, of in rows):
        await add_relatives(found, reader)
    writer = Writer(tables or standard(), found, event, version)
    segments: list[tuple[str, list[Any]]] = []
    for of, together in itertools.groupby(rows, key=lambda row: row[2]):
        names = [segment for _, segment, _ in together]
        for number, one in enumerate(found.of(of), 1):
            made = ((segment, _segment(writer, segment, one, number, found)) for segment in names)
            segments += [(segment, fields) for segment, fields in made if fields]
    return Outgoing(kind, event, structure, segments)


def segment_of(name: str, resource: Json, number: int = 1, tables: Tables | None = None) -> list[Any]:
    """The fields of one segment of one resource, such as PID of a Patient; [] where it says nothing."""
    found = Gathered(resource)
    return _segment(Writer(tables or standard(), found), name, resource, number, found)


def kinds_of(type_name: str = "") -> list[str]:
    """The types of messages that resources of a type become; without one the types of resources that become any."""
    rows = _rows("events.csv")
    return list(dict.fromkeys(row[2] if type_name else row[0] for row in rows if type_name in ("", row[0])))


def _event_of(resource: Json, asked: str) -> tuple[str, str, str]:
    kind_asked, _, event_asked = asked.partition("^")
    for type_name, when, kind, event, structure in _rows("events.csv"):
        if type_name != resource["resourceType"] or (kind_asked and kind != kind_asked):
            continue
        if not kind_asked and when.startswith("asked"):
            continue
        condition = when.removeprefix("asked").strip()
        if not condition or _path(condition, type_name).is_true(resource):
            return kind, event_asked or event, structure
    raise error(
        "not-supported",
        f"No outgoing table makes {asked or 'a message'} of a {resource['resourceType']}.",
    )


def _segment(writer: Writer, segment: str, one: Json, number: int, found: Gathered) -> list[Any]:
    """The fields of a segment of a resource, [] where it says nothing."""
    written: dict[int, Any] = {}
    stated = False
    for row in _fields().get((segment, one["resourceType"]), ()):
        if row.number in written:
            continue
        if row.expression == "#":
            written[row.number] = str(number)
            continue
        if row.expression == "@":
            written[row.number] = writer.event
            continue
        if row.expression.startswith("="):
            written[row.number] = row.expression[1:]
            continue
        pairs = _path(row.expression, one["resourceType"]).values(one)
        values = [writer.value(value, type_name, row.data_type, row.table) for type_name, value in pairs]
        values = [value for value in values if value not in ("", [], None)]
        if values:
            written[row.number] = values[0] if len(values) == 1 else tuple(values)
            stated = True
    if not stated and not segment.startswith(("EVN", "RGS")):
        return []
    return [written.get(index, "") for index in range(1, max(written, default=0) + 1)]


@functools.lru_cache(2048)
def _path(expression: str, type_name: str) -> Path:
    return compile_path(expression, load(), type_name)


def tables_of() -> dict[str, tuple[tuple[str, ...], ...]]:
    """The tables by name, each with its header line."""
    return {name: _table(name) for name in ("events.csv", "segments.csv", "fields.csv", "types.csv")}


def _rows(name: str) -> tuple[tuple[str, ...], ...]:
    return _table(name)[1:]


@functools.cache
def _table(name: str) -> tuple[tuple[str, ...], ...]:
    text = resources.files(__name__).joinpath(name).read_text("utf-8")
    return tuple(tuple(row) for row in csv.reader(io.StringIO(text)) if row)


@functools.cache
def _fields() -> dict[tuple[str, str], list[Field]]:
    found: dict[tuple[str, str], list[Field]] = {}
    for segment, type_name, number, expression, data_type, table in _rows("fields.csv"):
        found.setdefault((segment, type_name), []).append(Field(int(number), expression, data_type, table))
    return found
