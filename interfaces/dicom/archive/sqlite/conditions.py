"""Tests of a column as SQL."""

from __future__ import annotations

from typing import Any

import msgspec

from interfaces.dicom.archive.index import Test, bounds

LONG_LIST = 500  # values; more are given as one


def condition(column: str, test: Test) -> tuple[str, list[Any]]:
    """An expression with its values."""
    values = list(test.values)
    match test.kind:
        case "=" | "<>" | "<=" | "<":
            return f"{column} {test.kind} ?", values
        case "in" if len(values) > LONG_LIST:
            return f"{column} IN (SELECT value FROM json_each(?))", [msgspec.json.encode(values).decode()]
        case "in":
            return f"{column} IN ({','.join('?' * len(values))})", values
        case "between":
            return f"{column} BETWEEN ? AND ?", values
        case "has":
            return f"instr({column}, ?) > 0", values
        case "wild":
            return _wild(column, values[0])
        case "words":
            parts = " AND ".join(f"(' ' || replace({column}, '^', ' ')) GLOB ?" for _ in values)
            return f"({parts or '1'})", [f"* {_escaped(word)}*" for word in values]
        case "apart":
            begun = [_begins(column, f"{value} ") for value in values]
            parts = [f"{column} IN ({','.join('?' * len(values))})", *(sql for sql, _ in begun)]
            return f"NOT {either(parts)}", [*values, *(each for _, given in begun for each in given)]
    return "0", []


def either(parts: list[str]) -> str:
    """One of several expressions, nested in halves: SQLite takes a thousand in a row at most."""
    if len(parts) <= 100:
        return f"({' OR '.join(parts)})"
    half = len(parts) // 2
    return f"({either(parts[:half])} OR {either(parts[half:])})"


def _begins(column: str, text: str) -> tuple[str, list[Any]]:
    return f"substr({column}, 1, ?) = ?", [len(text), text]


def _wild(column: str, text: str) -> tuple[str, list[Any]]:
    if between := bounds(text):
        sql = f"({column} >= ? AND {column} < ? AND {column} GLOB ?)"
        return sql, [*between, _escaped(text)]
    return f"{column} GLOB ?", [_escaped(text)]


def _escaped(text: str) -> str:
    return text.replace("[", "[[]")
