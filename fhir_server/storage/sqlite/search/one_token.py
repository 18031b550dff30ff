"""The first page of what has a code in a system, by one statement; so resources are looked for by an identifier."""

from __future__ import annotations

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Page, Query, TokenIs
from fhir_server.storage import cursors
from fhir_server.storage.cursors import FIRST, LAST_PAGE, Cursor, Position
from fhir_server.storage.sqlite.schema import METHODS
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.sql import Sql

MATCHES = """SELECT r.id, v.version, v.seq, v.updated, v.method, v.body, p.rid FROM
(SELECT rid FROM token WHERE field = ? AND term = ? ORDER BY rid LIMIT ?) p
CROSS JOIN resource r NOT INDEXED ON r.rid = p.rid CROSS JOIN version v NOT INDEXED ON v.seq = r.seq"""


def of_one_token(query: Query, reader: Reader) -> Page | None:
    """The page; None where the query asks for anything else."""
    clause = query.where
    if (
        not isinstance(clause, TokenIs)
        or clause.system is None
        or clause.code is None
        or len(clause.fields) != 1
        or len(query.types) != 1
        or query.sort
        or query.includes
        or query.cursor
        or query.total != "none"
        or query.only_count
        or query.count < 1
    ):
        return None
    type = query.types[0]
    field = reader.known.find_field(type, clause.fields[0])
    term = reader.known.find_term(clause.system, clause.code)
    rows = reader.rows(Sql(MATCHES, (field, term, query.count + 1))) if field and term else []
    found = [
        StoredVersion(type, id, version, seq, updated, METHODS[method], body)
        for id, version, seq, updated, method, body, _ in rows[: query.count]
    ]
    if len(rows) <= query.count:
        return Page(found, [], total=len(found))
    ends = [Position((), rows[0][-1]), Position((), rows[query.count - 1][-1])]
    return Page(found, [], *cursors.neighbours(Cursor(FIRST), True, ends), last=LAST_PAGE)
