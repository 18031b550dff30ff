"""Queries at a level: what columns can answer the index does, the rest is compared on the attributes that are kept."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from interfaces.dicom.archive.index import Condition, Row, Rows, Selection, Test, one_of
from interfaces.dicom.archive.levels import IMAGE, KEPT_NAMES, LEVELS, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.matching import RANGES, WILD, as_text, asked, bounds, in_moments, matches, moments
from interfaces.dicom.archive.names import folded
from interfaces.dicom.dataset.model import Model


class _Column(NamedTuple):
    level: str
    name: str
    vr: str


# attributes with a column of their own: tag -> level, column, VR
_COLUMNS = {
    "00100010": _Column(PATIENT, "name", "PN"),
    "00100020": _Column(PATIENT, "patient_id", "LO"),
    "00100021": _Column(PATIENT, "issuer", "LO"),
    "00100030": _Column(PATIENT, "birth_date", "DA"),
    "00100040": _Column(PATIENT, "sex", "CS"),
    "0020000D": _Column(STUDY, "uid", "UI"),
    "00080020": _Column(STUDY, "date", "DA"),
    "00080050": _Column(STUDY, "accession", "SH"),
    "00080090": _Column(STUDY, "referring", "PN"),
    "00200010": _Column(STUDY, "study_id", "SH"),
    "00081030": _Column(STUDY, "description", "LO"),
    "0020000E": _Column(SERIES, "uid", "UI"),
    "00080060": _Column(SERIES, "modality", "CS"),
    "00200011": _Column(SERIES, "number", "IS"),
    "00080018": _Column(IMAGE, "uid", "UI"),
    "00080016": _Column(IMAGE, "sop_class", "UI"),
    "00200013": _Column(IMAGE, "number", "IS"),
}
_ABOUT_THE_QUERY = ("00080005", "00080052", "00080053", "00080054", "00080056", "00080201")
MODALITIES = "00080061"
SOP_CLASSES = "00080062"
IDEOGRAPHS = "\u2e80"  # from here on: signs of Chinese, Japanese and Korean
COUNTS = ("00201200", "00201202", "00201204")  # studies, series and instances of a patient
COUNTED = (SOP_CLASSES, *COUNTS)  # what costs a look of its own
COMPUTED = (MODALITIES, *COUNTED, "00201206", "00201208", "00201209", "00083002", "00081190")
SUPPORTED = frozenset().union(*KEPT_NAMES.values(), COMPUTED, _ABOUT_THE_QUERY)


def compared_at(level: str, tag: str) -> bool:
    """Whether a key is matched at a level; others are optional keys that are not supported there (PS3.4 section
    C.2.2.1.3)."""
    if tag not in SUPPORTED:
        return False
    if tag in COMPUTED or tag in _ABOUT_THE_QUERY:
        return True
    column = _COLUMNS.get(tag)
    if column is not None and (level, column.level) == (STUDY, SERIES):
        return True
    return any(tag in KEPT_NAMES[each] for each in LEVELS[: LEVELS.index(level) + 1])


class Match(NamedTuple):
    """One match: every attribute that is kept of it and of what is above it, and the row it was made of."""

    model: Model
    row: Row


def find(
    index: Rows,
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

    Keys that are not compared at the level match everything. combined: a date and its time are one moment, so that two
    ranges are one, from the first to the last.
    """
    keys = {tag: key for tag, key in keys.items() if compared_at(level, tag)}
    pairs = moments(keys) if combined else []
    times = {time for _, time in pairs}
    conditions, rest = _conditions(level, {tag: key for tag, key in keys.items() if tag not in times}, fuzzy)
    shown = LEVELS[: LEVELS.index(level) + 1]
    compared = bool(rest or pairs)
    selection = Selection(level, tuple(conditions), held, "arrival" if ordered else "")
    if not compared:
        selection = selection._replace(limit=limit, offset=offset)
    counted = functools.cache(lambda study: related_instances(index, [study]))
    skipped = given = 0
    for row in index.select(selection):
        model = attributes_of(row, shown)
        if level != PATIENT:
            number = row["instance_count"] if level == STUDY else counted(row["study_pk"])
            model["00201208"] = {"vr": "IS", "Value": [number]}
        _count(index, model, row, level, keys)
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


def attributes_of(row: Row, levels: tuple[str, ...]) -> Model:
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


def related_instances(index: Rows, studies: Sequence[int]) -> int:
    """How many instances the series of studies have."""
    return sum(series["instance_count"] for series in index.all("series", {"study": one_of(studies)}))


def _count(index: Rows, model: Model, row: Row, level: str, keys: Model) -> None:
    """Counts that are asked for and cost a look of their own."""
    if any(tag in keys for tag in COUNTS):
        studies = index.all("study", {"patient": row["patient_pk"]})
        counted = (
            len(studies),
            sum(study["series_count"] for study in studies),
            related_instances(index, [study["pk"] for study in studies]),
        )
        model.update({tag: {"vr": "IS", "Value": [number]} for tag, number in zip(COUNTS, counted, strict=True)})
    if SOP_CLASSES in keys and level != PATIENT:
        series = index.distinct("series", "pk", {"study": row["study_pk"]})
        found = index.distinct("instance", "sop_class", {"series": one_of(series)})
        model[SOP_CLASSES] = {"vr": "UI", "Value": found}


def _conditions(level: str, keys: Model, fuzzy: bool) -> tuple[list[Condition], Model]:
    """What the index compares, and the keys that are left."""
    conditions: list[Condition] = []
    rest: Model = {}
    for tag, key in keys.items():
        if tag in _ABOUT_THE_QUERY or not asked(key):
            continue
        column = _COLUMNS.get(tag)
        texts = [as_text(value) for value in key["Value"] if value is not None]
        if tag == MODALITIES and level != PATIENT and not any(set("*?") & set(text) for text in texts):
            parts = tuple(Test("has", (f"\\{text}\\",)) for text in texts)
            conditions.append(Condition(STUDY, "modalities", parts))
        elif column is None or key["vr"] == "SQ" or (column.vr == "PN" and _by_groups(key)):
            rest[tag] = key
        elif LEVELS.index(column.level) <= LEVELS.index(level) or (level, column.level) == (STUDY, SERIES):
            parts = tuple(_test(column.vr, text, fuzzy) for text in texts)
            conditions.append(Condition(column.level, column.name, _together(parts)))
        else:
            rest[tag] = key
    return conditions, rest


def _by_groups(key: dict[str, Any]) -> bool:
    """Whether a name is asked for by another group than the first, of which alone the index has a column."""
    names = [value for value in key["Value"] if isinstance(value, dict)]
    texts = [as_text(value) for value in key["Value"]]
    return any(name.keys() - {"Alphabetic"} for name in names) or any(sign >= IDEOGRAPHS for sign in "".join(texts))


def _together(tests: tuple[Test, ...]) -> tuple[Test, ...]:
    """Single values as one list of them."""
    if len(tests) > 1 and all(test.kind == "=" for test in tests):
        return (one_of([test.values[0] for test in tests]),)
    return tests


def _test(vr: str, text: str, fuzzy: bool) -> Test:
    if vr == "PN":
        text = folded(text)
        if fuzzy and "*" not in text and "?" not in text:
            return Test("words", tuple(word for word in text.replace("^", " ").split() if word))
    if vr in RANGES:
        low, high = bounds(vr, text)
        return Test("between", (low or "0", high))
    if vr == "IS":
        try:
            number = int(text)
        except ValueError:
            return Test("never")
        return Test("=", (number,)) if abs(number) < 2**63 else Test("never")
    if vr in WILD and ("*" in text or "?" in text):
        return Test("wild", (text,))
    return Test("=", (text,))
