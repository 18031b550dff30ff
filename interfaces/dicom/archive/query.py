"""Queries at a level: what columns can answer is SQL, the rest is compared on the attributes that are kept."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from interfaces.dicom.archive.levels import IMAGE, LEVELS, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.matching import RANGES, WILD, as_text, asked, bounds, in_moments, matches, moments
from interfaces.dicom.archive.names import folded
from interfaces.dicom.dataset.model import Model

_FROM = {
    PATIENT: "patient p",
    STUDY: "study t JOIN patient p ON p.pk = t.patient",
    SERIES: "series s JOIN study t ON t.pk = s.study JOIN patient p ON p.pk = t.patient",
    IMAGE: "instance i JOIN series s ON s.pk = i.series JOIN study t ON t.pk = s.study"
    " JOIN patient p ON p.pk = t.patient",
}
_ALIAS = {PATIENT: "p", STUDY: "t", SERIES: "s", IMAGE: "i"}
_SELECT = {
    PATIENT: "p.pk, p.attributes AS patient",
    STUDY: "t.attributes AS study, t.coercion, t.modalities, t.series_count, t.instance_count, t.uid AS study_uid,"
    " t.fhir_study",
    SERIES: "s.attributes AS series, s.uid AS series_uid, s.instance_count AS series_instances",
    IMAGE: "i.attributes AS instance, i.uid AS instance_uid, i.sop_class, i.transfer_syntax, i.digest, i.size, i.start,"
    " i.frames",
}


class _Column(NamedTuple):
    level: str
    sql: str
    vr: str


# attributes with a column of their own: tag -> level, column, VR
_COLUMNS = {
    "00100010": _Column(PATIENT, "p.name", "PN"),
    "00100020": _Column(PATIENT, "p.patient_id", "LO"),
    "00100021": _Column(PATIENT, "p.issuer", "LO"),
    "00100030": _Column(PATIENT, "p.birth_date", "DA"),
    "00100040": _Column(PATIENT, "p.sex", "CS"),
    "0020000D": _Column(STUDY, "t.uid", "UI"),
    "00080020": _Column(STUDY, "t.date", "DA"),
    "00080050": _Column(STUDY, "t.accession", "SH"),
    "00080090": _Column(STUDY, "t.referring", "PN"),
    "00200010": _Column(STUDY, "t.study_id", "SH"),
    "00081030": _Column(STUDY, "t.description", "LO"),
    "0020000E": _Column(SERIES, "s.uid", "UI"),
    "00080060": _Column(SERIES, "s.modality", "CS"),
    "00200011": _Column(SERIES, "s.number", "IS"),
    "00080018": _Column(IMAGE, "i.uid", "UI"),
    "00080016": _Column(IMAGE, "i.sop_class", "UI"),
    "00200013": _Column(IMAGE, "i.number", "IS"),
}
_ABOUT_THE_QUERY = ("00080005", "00080052", "00080053", "00080054", "00080056", "00080201")
MODALITIES = "00080061"
SOP_CLASSES = "00080062"
COUNTS = ("00201200", "00201202", "00201204")  # studies, series and instances of a patient


class Match(NamedTuple):
    """One match: every attribute that is kept of it and of what is above it, and the row it was made of."""

    model: Model
    row: sqlite3.Row


def find(
    connection: sqlite3.Connection,
    level: str,
    keys: Model,
    *,
    limit: int = -1,
    offset: int = 0,
    fuzzy: bool = False,
    combined: bool = False,
    ordered: bool = False,
    held: bool = False,
) -> Iterator[Match]:
    """What matches at a level, as it is found; ordered: oldest first, for pages; held: quarantined studies too.

    combined: a date and its time are one moment, so that two ranges are one from the first to the last of both.
    """
    pairs = moments(keys) if combined else []
    times = {time for _, time in pairs}
    where, values, rest = _conditions(level, {tag: key for tag, key in keys.items() if tag not in times}, fuzzy)
    if not held:
        where.append(
            "t.state <> 'quarantined'"
            if level != PATIENT
            else "EXISTS (SELECT 1 FROM study q WHERE q.patient = p.pk AND q.state <> 'quarantined')"
        )
    shown = LEVELS[: LEVELS.index(level) + 1]
    sql = f"SELECT {', '.join(_SELECT[each] for each in shown)} FROM {_FROM[level]} WHERE {' AND '.join(where) or '1'}"
    if ordered:
        sql += f" ORDER BY {_ALIAS[level]}.pk"
    compared = bool(rest or pairs)
    if not compared:
        sql += f" LIMIT {limit} OFFSET {offset}"
    skipped = given = 0
    for row in connection.execute(sql, values):
        model = attributes_of(row, shown)
        _count(connection, model, row, level, keys)
        if compared:
            if not (matches(model, rest) and in_moments(model, keys, pairs)):
                continue
            if skipped < offset:
                skipped += 1
                continue
            if 0 <= limit <= given:
                return
            given += 1
        yield Match(model, row)


def attributes_of(row: sqlite3.Row, levels: tuple[str, ...]) -> Model:
    """The attributes of a row's levels, coerced where the study is."""
    model: Model = {}
    for level, column in zip(LEVELS, ("patient", "study", "series", "instance"), strict=True):
        if level in levels:
            model.update(_decoded(row[column]) if level != IMAGE else msgspec.json.decode(row[column]))
    if STUDY in levels:
        if row["coercion"]:
            model.update(json.loads(row["coercion"]))
        modalities = row["modalities"].strip("\\")
        model[MODALITIES] = {"vr": "CS", "Value": modalities.split("\\")} if modalities else {"vr": "CS"}
        model["00201206"] = {"vr": "IS", "Value": [row["series_count"]]}
        model["00201208"] = {"vr": "IS", "Value": [row["instance_count"]]}
    if SERIES in levels:
        model["00201209"] = {"vr": "IS", "Value": [row["series_instances"]]}
    if IMAGE in levels:
        model["00083002"] = {"vr": "UI", "Value": [row["transfer_syntax"]]}
    model["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    model["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    return model


@functools.lru_cache(maxsize=2048)
def _decoded(text: str) -> Model:
    """The attributes of a patient, study or series, which many rows share; not to be changed."""
    return msgspec.json.decode(text)


def _count(connection: sqlite3.Connection, model: Model, row: sqlite3.Row, level: str, keys: Model) -> None:
    """Counts that are asked for and cost a look of their own."""
    if any(tag in keys for tag in COUNTS):
        counted = connection.execute(
            "SELECT count(*), sum(series_count), sum(instance_count) FROM study WHERE patient = ?", (row["pk"],)
        ).fetchone()
        model.update({tag: {"vr": "IS", "Value": [number or 0]} for tag, number in zip(COUNTS, counted, strict=True)})
    if SOP_CLASSES in keys and level != PATIENT:
        found = connection.execute(
            "SELECT DISTINCT i.sop_class FROM instance i JOIN series s ON s.pk = i.series"
            " JOIN study t ON t.pk = s.study WHERE t.uid = ? ORDER BY 1",
            (row["study_uid"],),
        ).fetchall()
        model[SOP_CLASSES] = {"vr": "UI", "Value": [each[0] for each in found]}


def _conditions(level: str, keys: Model, fuzzy: bool) -> tuple[list[str], list[Any], Model]:
    """SQL conditions with their values, and the keys that are left to compare."""
    where: list[str] = []
    values: list[Any] = []
    rest: Model = {}
    for tag, key in keys.items():
        if tag in _ABOUT_THE_QUERY or not asked(key):
            continue
        column = _COLUMNS.get(tag)
        texts = [as_text(value) for value in key["Value"] if value is not None]
        if tag == MODALITIES and level != PATIENT and not any(set("*?") & set(text) for text in texts):
            where.append("(" + " OR ".join("instr(t.modalities, ?) > 0" for _ in texts) + ")")
            values += [f"\\{text}\\" for text in texts]
        elif column is None or key["vr"] == "SQ":
            rest[tag] = key
        elif LEVELS.index(column.level) <= LEVELS.index(level):
            parts = [_compare(column, text, fuzzy) for text in texts]
            where.append("(" + " OR ".join(sql for sql, _ in parts) + ")")
            values += [value for _, added in parts for value in added]
        elif level == STUDY and column.level == SERIES:
            sql, added = _compare(column, texts[0], fuzzy)
            where.append(f"EXISTS (SELECT 1 FROM series s WHERE s.study = t.pk AND {sql})")
            values += added
        else:
            rest[tag] = key
    return where, values, rest


def _compare(column: _Column, text: str, fuzzy: bool) -> tuple[str, list[Any]]:
    name = column.sql
    if column.vr == "PN":
        text = folded(text)
        if fuzzy and "*" not in text and "?" not in text:
            words = [word for word in text.replace("^", " ").split() if word]
            parts = " AND ".join(f"(' ' || replace({name}, '^', ' ')) GLOB ?" for _ in words)
            return f"({parts or '1'})", [f"* {_escaped(word)}*" for word in words]
    if column.vr in RANGES:
        low, high = bounds(column.vr, text)
        return f"{name} BETWEEN ? AND ?", [low or "0", high]
    if column.vr == "IS":
        try:
            return f"{name} = ?", [int(text)]
        except ValueError:
            return "0", []
    if column.vr in WILD and ("*" in text or "?" in text):
        prefix = text[: min(at for at in (text.find("*"), text.find("?")) if at >= 0)]
        if prefix:  # an index can follow the range, not the pattern
            return f"{name} >= ? AND {name} < ? AND {name} GLOB ?", [prefix, prefix + "\U0010ffff", _escaped(text)]
        return f"{name} GLOB ?", [_escaped(text)]
    return f"{name} = ?", [text]


def _escaped(text: str) -> str:
    return text.replace("[", "[[]")
