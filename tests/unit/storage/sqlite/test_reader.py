"""Statements under a limit of time."""

from __future__ import annotations

import sqlite3

import pytest

from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.search.reader import Limit, OutOfTime, Reader
from tests.unit.storage.sqlite.shelf import Shelf

LONG = "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"


def test_a_statement_outside_of_rows_can_be_out_of_time_too() -> None:
    connection = Shelf().connection
    reader = Reader(connection, Dictionaries(connection))
    with pytest.raises(OutOfTime):
        reader.within(Limit(30, looks=1), lambda: reader.execute(LONG).fetchone())
    assert reader.within(Limit(30), lambda: reader.execute(LONG).fetchone()) == (1_000_000,)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        reader.within(Limit(30), lambda: reader.execute("SELECT * FROM absent"))
    reader.close()


def test_a_limit_that_is_over_before_anything_began_is_no_failure() -> None:
    connection = Shelf().connection
    reader = Reader(connection, Dictionaries(connection))
    connection.set_progress_handler(reader._look, 1)
    with pytest.raises(OutOfTime):
        reader.within(Limit(-1), lambda: reader.execute(LONG).fetchone())
    assert not connection.in_transaction
    reader.close()
