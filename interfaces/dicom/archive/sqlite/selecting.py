"""Joined rows of a level as one statement."""

from __future__ import annotations

from typing import Any

from interfaces.dicom.archive.index import ABOVE, QUARANTINED, SHOWN, TABLES, Condition, Selection
from interfaces.dicom.archive.levels import LEVELS, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.sqlite.conditions import condition, either

_ALIAS = {"PATIENT": "p", "STUDY": "t", "SERIES": "s", "IMAGE": "i"}
_ORDER = {"number": "t.pk, s.number, s.pk, i.number, i.pk"}


def statement(selection: Selection) -> tuple[str, list[Any]]:
    """The statement with its values."""
    level = selection.level
    shown = LEVELS[: LEVELS.index(level) + 1]
    columns = [f"{_ALIAS[each]}.{column} AS {name}" for each in shown for name, column in SHOWN[each].items()]
    if level == STUDY:
        columns.append("(SELECT sum(instance_count) FROM series WHERE study = t.pk) AS instance_count")
    where: list[str] = []
    values: list[Any] = []
    for each in selection.conditions:
        sql, added = _names(each) if _by_names(selection) else _condition(level, each)
        where.append(sql)
        values += added
    if not selection.held:
        where.append(
            f"t.state <> '{QUARANTINED}'"
            if level != PATIENT
            else f"EXISTS (SELECT 1 FROM study q WHERE q.patient = p.pk AND q.state <> '{QUARANTINED}')"
        )
    sql = f"SELECT {', '.join(columns)} FROM {_tables(level)} WHERE {' AND '.join(where) or '1'}"
    if selection.order:
        sql += f" ORDER BY {_ORDER.get(selection.order, f'{_ALIAS[level]}.pk')}"
    return f"{sql} LIMIT {selection.limit:d} OFFSET {selection.offset:d}", values


def _by_names(selection: Selection) -> bool:
    """Whether parts of names are all that is asked: those are looked for once, not with each study."""
    return selection.level != PATIENT and all(
        each.level == PATIENT and all(test.kind == "words" for test in each.tests) for each in selection.conditions
    )


def _names(wanted: Condition) -> tuple[str, list[Any]]:
    parts = [condition(wanted.column, test) for test in wanted.tests]
    sql = either([each for each, _ in parts])
    return f"p.pk IN (SELECT pk FROM patient WHERE {sql})", [value for _, added in parts for value in added]


def _tables(level: str) -> str:
    joined = f"{TABLES[level]} {_ALIAS[level]}"
    while level in ABOVE:
        above = LEVELS[LEVELS.index(level) - 1]
        joined += f" JOIN {TABLES[above]} {_ALIAS[above]} ON {_ALIAS[above]}.pk = {_ALIAS[level]}.{ABOVE[level]}"
        level = above
    return joined


def _condition(level: str, wanted: Condition) -> tuple[str, list[Any]]:
    parts = [condition(f"{_ALIAS[wanted.level]}.{wanted.column}", test) for test in wanted.tests]
    sql = either([each for each, _ in parts])
    if (level, wanted.level) == (STUDY, SERIES):
        sql = f"EXISTS (SELECT 1 FROM series s WHERE s.study = t.pk AND {sql})"
    return sql, [value for _, added in parts for value in added]
