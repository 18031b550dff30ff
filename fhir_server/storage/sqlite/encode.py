"""Search values as rows of the index tables (schema.py says which column holds what)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import msgspec

from fhir_server.core.folding import unaccented
from fhir_server.core.values import (
    CANONICAL,
    COMPOSITE,
    DATE,
    NARRATIVE,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    STRING,
    TEXT,
    TOKEN,
    URI,
    SearchValue,
)
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.schema import INDEX_TABLES

Rows = dict[str, list[tuple]]

COMPOSITE_COLUMNS = 5
STRING_KEY_LIMIT = 1000  # a longer folded text is indexed by its beginning; exact keeps the whole

COLUMNS = {
    "string_value": ("field", "text", "exact", "rid"),
    "token": ("field", "term", "rid"),
    "reference": ("field", "target", "version", "rid"),
    "date": ("field", "low", "high", "rid"),
    "number": ("field", "low", "high", "rid"),
    "quantity": ("field", "unit", "low", "high", "rid"),
    "position": ("field", "latitude", "longitude", "rid"),
    "composite": ("field", "a", "b", "c", "d", "e", "rid"),
}
REPEATED = "ON CONFLICT DO NOTHING"  # a long text may be cut to another that is there
DELETE = {
    table: f"DELETE FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}"
    for table, columns in COLUMNS.items()
}
SELECT = {
    table: f"SELECT {', '.join(columns)} FROM {table} WHERE rid IN (SELECT value FROM json_each(?))"
    for table, columns in COLUMNS.items()
}

NARRATIVE_DIGEST = len(INDEX_TABLES)  # the place of the narrative's digest, after those of the tables
DIGEST_SIZE = 6  # bytes
NO_DIGEST = bytes(DIGEST_SIZE)  # of a table that the resource has no rows in

_bytes_of = msgspec.msgpack.Encoder().encode


def encode(type: str, rid: int, values: Sequence[SearchValue], known: Dictionaries) -> tuple[Rows, str]:
    """Rows by table, and the narrative's text ("" for none); adds to the dictionaries what is new."""
    rows: Rows = defaultdict(list)
    narrative = ""
    fields = known.fields_of(type)
    term_of, rid_of, new_rid_of = known.terms.get, known.rids.get, known.new_rids.get  # most are known
    for value in values:
        kind = value[0]
        if kind == NARRATIVE:
            narrative = unaccented(value[2])
            continue
        field = fields[value[1] + ":text" if kind == TEXT else value[1]]
        if kind == TOKEN:
            term = term_of(value[2:4]) or known.keep_term(value[2], value[3])
            rows["token"].append((field, term, rid))
        elif kind == REFERENCE:
            key = value[2:4]
            target = rid_of(key) or new_rid_of(key) or known.keep_rid(*key)
            rows["reference"].append((field, target, value[4], rid))
        elif kind == STRING:
            text, exact = value[2][:STRING_KEY_LIMIT], value[3]
            rows["string_value"].append((field, text, "" if exact == text else exact, rid))
        elif kind == DATE:
            rows["date"].append((field, value[2], value[3], rid))
        elif kind == QUANTITY:
            rows["quantity"].append((field, known.keep_unit(value[4], value[5], value[6]), value[2], value[3], rid))
        elif kind == TEXT:
            rows["string_value"].append((field, value[2][:STRING_KEY_LIMIT], "", rid))
        elif kind == URI:
            rows["token"].append((field, known.keep_term("", value[2]), rid))
        elif kind == CANONICAL:
            rows["token"].append((field, known.keep_term(value[3], value[2]), rid))
        elif kind == NUMBER:
            rows["number"].append((field, value[2], value[3], rid))
        elif kind == POSITION:
            rows["position"].append((field, value[2], value[3], rid))
        elif kind == COMPOSITE:
            columns = composite_columns(value[2], known)
            if columns is not None:
                rows["composite"].append((field, *columns, rid))
    return rows, narrative


def terms(values: Sequence[SearchValue]) -> Iterator[tuple[str, str]]:
    """The (system, code) that encode asks for, but for those within composites."""
    for value in values:
        kind = value[0]
        if kind == TOKEN:
            yield value[2:4]
        elif kind == URI:
            yield "", value[2]
        elif kind == CANONICAL:
            yield value[3], value[2]


def digests(rows: Rows, narrative: str) -> bytes:
    """A digest of the rows of each table, in the order of INDEX_TABLES, and of the narrative.

    Where one is the same as before, the table has these rows already: two different sets of rows have the same in one
    case of 2**48.
    """
    parts = (*map(rows.get, INDEX_TABLES), narrative)
    return b"".join(
        [blake2b(_bytes_of(part), digest_size=DIGEST_SIZE).digest() if part else NO_DIGEST for part in parts]
    )


def composite_columns(parts: Sequence[SearchValue], known: Dictionaries) -> tuple | None:
    """The parts of one composite value in columns a..e; None where they don't fit (no parameter of R4 does that)."""
    columns: list = []
    for part in parts:
        kind = part[0]
        if kind == TOKEN:
            columns.append(known.terms.get(part[2:4]) or known.keep_term(part[2], part[3]))
        elif kind == QUANTITY:
            columns += (known.keep_unit(part[4], part[5], part[6]), part[2], part[3])
        elif kind in (NUMBER, DATE):
            columns += part[2:4]
        elif kind == STRING:
            columns.append(part[2])
        elif kind == REFERENCE:
            columns.append(known.keep_rid(part[2], part[3]))
        elif kind == URI:
            columns.append(-known.keep_term("", part[2]))
        elif kind == CANONICAL:
            columns.append(-known.keep_term(part[3], part[2]))
    columns += [0] * (COMPOSITE_COLUMNS - len(columns))
    return tuple(columns) if len(columns) == COMPOSITE_COLUMNS else None
