"""Tests of a column as MongoDB's filters."""

from __future__ import annotations

import re
from typing import Any

from interfaces.dicom.archive.index import Test, bounds

NEVER: dict[str, Any] = {"$in": []}
_OPERATORS = {"=": "$eq", "<>": "$ne", "<=": "$lte", "<": "$lt"}


def condition(test: Test) -> dict[str, Any]:
    """What a field must be."""
    values = list(test.values)
    match test.kind:
        case "=" | "<>" | "<=" | "<":
            return {_OPERATORS[test.kind]: values[0]}
        case "in":
            return {"$in": values}
        case "between":
            return {"$gte": values[0], "$lte": values[1]}
        case "has":
            return _matching(re.escape(values[0]))
        case "wild":
            parts = {"*": ".*", "?": "."}
            made = _matching(f"^{''.join(parts.get(sign) or re.escape(sign) for sign in values[0])}$")
            between = bounds(values[0])
            return {"$gte": between[0], "$lt": between[1], **made} if between else made
        case "words":
            words = [rf"(^|[ ^]){re.escape(word)}" for word in values]
            if len(words) == 1:
                return _matching(words[0])
            return {"$all": [re.compile(word, re.DOTALL) for word in words]} if words else {"$ne": None}
        case "apart":
            return {"$not": re.compile(f"^({'|'.join(map(re.escape, values))})( |$)", re.DOTALL)}
    return NEVER


def _matching(expression: str) -> dict[str, Any]:
    """A regular expression; no text that is kept has a zero character, which an expression may not have."""
    return NEVER if "\0" in expression else {"$regex": expression, "$options": "s"}


def field(column: str) -> str:
    """The field of a column."""
    return "_id" if column == "pk" else column


def filtered(where: Any, prefix: str = "") -> dict[str, Any]:
    """A filter of columns, each with its value or a test."""
    return {
        prefix + field(column): condition(wanted) if isinstance(wanted, Test) else {"$eq": wanted}
        for column, wanted in where.items()
    }
