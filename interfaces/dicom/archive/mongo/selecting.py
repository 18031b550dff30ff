"""Joined rows of a level as an aggregation: from the level whose conditions let the fewest through, up, then down."""

from __future__ import annotations

from typing import Any

from interfaces.dicom.archive.index import ABOVE, QUARANTINED, SHOWN, TABLES, Condition, Selection, is_not
from interfaces.dicom.archive.levels import LEVELS, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.mongo.conditions import condition, field
from interfaces.dicom.archive.mongo.database import PREFIX

Stage = dict[str, Any]
# how few rows a test lets through, the fewest first
_RANKS = {"never": 0, "=": 1, "in": 1, "between": 2, "wild": 2, "words": 2}
_TELLING = ("uid", "patient_id", "accession", "name", "date")  # columns that tell one row from nearly all others
_WEAK = 3
_BY_NUMBER = ("STUDY._id", "SERIES.number", "SERIES._id", "IMAGE.number", "IMAGE._id")
_COUNTED: Stage = {
    "$lookup": {
        "from": PREFIX + TABLES[SERIES],
        "localField": f"{STUDY}._id",
        "foreignField": ABOVE[SERIES],
        "pipeline": [{"$project": {"instance_count": 1}}],
        "as": "counted",
    }
}
_STATE = Condition(STUDY, "state", (is_not(QUARANTINED),))


def pipeline(selection: Selection) -> tuple[str, list[Stage]]:
    """The collection to begin with, and the stages; each result has a document for each level, by its name."""
    level = selection.level
    shown = LEVELS[: LEVELS.index(level) + 1]
    conditions = [*selection.conditions, *([_STATE] if not selection.held and level != PATIENT else [])]
    first = _first(level, shown, selection.conditions)
    at = shown.index(first)
    stages = _match(first, conditions, "")
    early = selection.order == "arrival" and first == level
    if early:
        stages.append({"$sort": {"_id": 1}})
    # a row has one row of each level above: where nothing is asked of those, a page is cut before they are joined
    page = _page(selection)
    alone = early and not _there(selection) and all(each.level == level for each in conditions)
    if alone:
        stages += page
    stages.append({"$replaceRoot": {"newRoot": {first: "$$ROOT"}}})
    for above in reversed(shown[:at]):
        below = LEVELS[LEVELS.index(above) + 1]
        stages += _join(above, f"{below}.{ABOVE[below]}", "_id", conditions)
    for below in shown[at + 1 :]:
        stages += _join(below, f"{LEVELS[LEVELS.index(below) - 1]}._id", ABOVE[below], conditions)
    stages += _there(selection)
    if selection.order and not early:
        fields = _BY_NUMBER if selection.order == "number" else (f"{level}._id",)
        stages.append({"$sort": dict.fromkeys(fields, 1)})
    if not alone:
        stages += page
    return PREFIX + TABLES[first], [*stages, _COUNTED] if level == STUDY else stages


def _page(selection: Selection) -> list[Stage]:
    skipped: list[Stage] = [{"$skip": selection.offset}] if selection.offset else []
    return [*skipped, {"$limit": selection.limit}] if selection.limit > 0 else skipped


def shown_of(level: str, found: Stage) -> dict[str, Any]:
    """A result with the names of a joined row."""
    shown = {
        name: found[each][field(column)]
        for each in LEVELS[: LEVELS.index(level) + 1]
        for name, column in SHOWN[each].items()
    }
    if level == STUDY:
        shown["instance_count"] = sum(series["instance_count"] for series in found["counted"])
    return shown


def _first(level: str, shown: tuple[str, ...], conditions: tuple[Condition, ...]) -> str:
    ranked = [
        (max(_RANKS.get(test.kind, _WEAK) + (each.column not in _TELLING) for test in each.tests), each.level)
        for each in conditions
        if each.level in shown and each.tests
    ]
    # of equal ones the lower level, which has fewer rows below a value of its own
    best = min(ranked, key=lambda pair: (pair[0], -LEVELS.index(pair[1])), default=(_WEAK, level))
    return best[1] if best[0] < _WEAK else level


def _join(level: str, local: str, foreign: str, conditions: list[Condition]) -> list[Stage]:
    lookup = {"from": PREFIX + TABLES[level], "localField": local, "foreignField": foreign, "as": level}
    return [{"$lookup": lookup}, {"$unwind": f"${level}"}, *_match(level, conditions, f"{level}.")]


def _match(level: str, conditions: list[Condition], prefix: str) -> list[Stage]:
    parts = [_any(each, prefix) for each in conditions if each.level == level]
    return [{"$match": {"$and": parts}}] if parts else []


def _any(wanted: Condition, prefix: str) -> Stage:
    name = prefix + field(wanted.column)
    tests = [{name: condition(test)} for test in wanted.tests]
    return tests[0] if len(tests) == 1 else {"$or": tests}


def _there(selection: Selection) -> list[Stage]:
    """What must be there a level lower: a study of a patient that is shown, a series of a study that fits."""
    if selection.level == PATIENT and not selection.held:
        wanted = [_STATE]
    elif selection.level == STUDY:
        wanted = [each for each in selection.conditions if each.level == SERIES]
    else:
        return []
    stages: list[Stage] = []
    for each in wanted:
        lookup = {
            "from": PREFIX + TABLES[each.level],
            "localField": f"{selection.level}._id",
            "foreignField": ABOVE[each.level],
            "as": "below",
        }
        there = [{"below": {"$elemMatch": {field(each.column): condition(test)}}} for test in each.tests]
        stages += [{"$lookup": lookup}, {"$match": {"$or": there}}, {"$unset": "below"}]
    return stages
