"""String clauses, and the text of coded elements."""

from __future__ import annotations

import sys

from fhir_server.core.folding import fold
from fhir_server.core.query import StringIs, TextIs
from fhir_server.storage.sqlite.encode import STRING_KEY_LIMIT
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql

ORDERS = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}


def string_is(clause: StringIs, scope: Scope) -> Condition:
    """A row of string_value; long texts are indexed by their beginning."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    alias = scope.alias()
    return Row(scope, "string_value", alias, fields, _test(clause, f"{alias}.text", f"{alias}.exact"))


def _test(clause: StringIs, text: str, exact: str) -> Sql:
    if clause.mode == "exact":
        key = _key(fold(clause.text))
        return Sql(f"{text} = ? AND {exact} = ?", (key, "" if key == clause.text else clause.text))
    return folded_test(clause, text)


def folded_test(clause: StringIs, text: str) -> Sql:
    """The test of a column that has the folded text and nothing else."""
    asked = _key(fold(clause.text) if clause.mode == "exact" else clause.text)
    if clause.mode == "starts":
        return starts_with(text, asked)
    if clause.mode == "contains":
        return Sql(f"instr({text}, ?) > 0", (asked,))
    if clause.mode == "ends":
        return Sql(f"substr({text}, -length(?)) = ?", (asked, asked)) if asked else Sql(f"{text} >= ''")
    return Sql(f"{text} {ORDERS.get(clause.mode, '=')} ?", (asked,))


def _key(text: str) -> str:
    return text[:STRING_KEY_LIMIT]


def starts_with(expression: str, prefix: str) -> Sql:
    """The expression starts with the prefix: a range, so that an index serves."""
    end = after_prefix(prefix)
    if end is None:
        return Sql(f"{expression} >= ?", (prefix,))
    return Sql(f"{expression} >= ? AND {expression} < ?", (prefix, end))


def after_prefix(prefix: str) -> str | None:
    """The first text after all that start with the prefix, in the order of code points; None where there is none."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return None
    last = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)


def text_is(clause: TextIs, scope: Scope) -> Condition:
    """A row of string_value whose field ends in :text, a word of which starts with what was asked."""
    fields = scope.fields(clause.fields, ":text")
    if not fields:
        return Never()
    alias = scope.alias()
    asked = _key(clause.text)
    test = Sql(f"instr({alias}.text, ?) > 0 AND word_starts({alias}.text, ?)", (asked, asked))
    return Row(scope, "string_value", alias, fields, test)
