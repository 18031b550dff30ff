"""SQL over the lake: every view of the library is a table, only SELECT is taken, time, memory and rows are limited."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.subsystems.analytics import apart
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.rows import KeptRows
from fhir_server.views.library import Library
from fhir_server.views.sql.compile import column_types
from fhir_server.views.sql.value import name, text

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 10_000
MOST_SECONDS = 30.0
MEMORY = "2GB"
ATTEMPTS = 3
# a FHIR date or time as TIMESTAMP in UTC, where a date is a day of the hospital; NULL for one without a day
MOMENT = (
    "CREATE MACRO moment(written) AS CASE WHEN written LIKE '%T%' THEN try_cast(written AS TIMESTAMPTZ) "
    "ELSE timezone({zone}, try_cast(written AS TIMESTAMP)) END AT TIME ZONE 'UTC'"
)
# the same in the time of the hospital
LOCAL_MOMENT = (
    "CREATE MACRO local_moment(written) AS CASE WHEN written LIKE '%T%' "
    "THEN timezone({zone}, try_cast(written AS TIMESTAMPTZ)) ELSE try_cast(written AS TIMESTAMP) END"
)


class Rows(NamedTuple):
    """An answer: names of columns, rows, and whether there would have been more."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


class LakeQuery:
    """Asks one lake. Each question has a connection of its own, that sees the lake as it is then.

    timezone: IANA name of the hospital's own time.
    """

    def __init__(self, lake: Lake, library: Library, definitions: Definitions, timezone: str) -> None:
        self.timezone = timezone
        self._lake = lake
        self._library = library
        self._definitions = definitions
        self._rows = KeptRows(lake, definitions)

    def refresh(self) -> None:
        """Makes the rows of every view that are missing, and forgets those of what is gone."""
        import duckdb

        views = list(self._library.all())
        self._rows.forget(views)
        with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
            for view in views:
                self._rows.files(connection, view)

    def files(self) -> dict[str, list[str]]:
        """Name of each view -> Parquet files with its rows, one without rows where it has none."""
        import duckdb

        with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
            return {
                view.name: self._rows.files(connection, view) or [self._rows.without(connection, view)]
                for view in self._library.all()
            }

    def ask(
        self,
        sql: str,
        parameters: list[Any] | dict[str, Any] | None = None,
        *,
        rows: int = MOST_ROWS,
        seconds: float = MOST_SECONDS,
    ) -> Rows:
        """The answer of one SELECT; FhirError for anything else, a mistake in it, and one that takes too long.

        Where the lake moves on meanwhile, so that a file is gone before it is read, the lake is asked as it is then.
        """
        import duckdb

        for _ in range(ATTEMPTS):
            try:
                return self._asked(sql, parameters or [], rows, seconds)
            except (duckdb.IOException, FileNotFoundError) as problem:
                gone = problem
        raise _told(gone, self._lake.folder)

    def ask_apart(self, sql: str, *, rows: int = MOST_ROWS, seconds: float = MOST_SECONDS) -> Rows:
        """The same of somebody who may ask anything: in a process of its own, which ends whatever the question does."""
        import duckdb

        told = apart.Told(apart.GONE)
        for _ in range(ATTEMPTS):
            with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
                _require_select(connection, sql)
                setup = self._setup(connection, sql)
            told = apart.ask(apart.Question(setup, sql, MEMORY, rows + 1, seconds))
            if told.how != apart.GONE:
                break
        if told.how == apart.TOO_LONG:
            raise _too_long(seconds)
        if told.how == apart.TOO_MUCH:
            raise error("too-costly", f"The query needs more memory than {MEMORY}, or its answer is too large.")
        if told.how != apart.ANSWERED:
            raise _told(told.said, self._lake.folder)
        return Rows(told.columns, told.rows[:rows], len(told.rows) > rows)

    def _asked(self, sql: str, parameters: list[Any] | dict[str, Any], rows: int, seconds: float) -> Rows:
        import duckdb

        with self._connection(sql) as connection:
            _require_select(connection, sql)
            timer = threading.Timer(seconds, connection.interrupt)
            timer.start()
            try:
                answer = connection.execute(sql, parameters)
                columns = [column[0] for column in answer.description or ()]
                found = answer.fetchmany(rows + 1)
            except duckdb.InterruptException:
                raise _too_long(seconds) from None
            except duckdb.IOException:
                raise
            except duckdb.Error as problem:
                raise _told(problem, self._lake.folder) from None
            finally:
                timer.cancel()
        return Rows(columns, found[:rows], len(found) > rows)

    def _connection(self, sql: str) -> duckdb.DuckDBPyConnection:
        import duckdb

        connection = duckdb.connect(config={"memory_limit": MEMORY})
        for statement in self._setup(connection, sql):
            connection.execute(statement)
        return connection

    def _setup(self, connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
        """Statements that make the views and take all else away; the connection makes rows that are missing."""
        made = [f"SET allowed_directories = [{text(str(self._lake.folder.resolve()))}]"]
        named = {word.lower() for word in re.findall(r"\w+", sql)}
        for view in self._library.all():
            # what is not named has its columns only, for messages and the catalogue
            files = self._rows.files(connection, view) if view.name.lower() in named else []
            listed = ", ".join(text(file) for file in files)
            query = (
                f"SELECT * FROM read_parquet([{listed}])" if files else _no_rows(column_types(view, self._definitions))
            )
            made.append(f"CREATE VIEW {name(view.name)} AS {query}")
        zone = text(self.timezone)
        return [*made, "SET TimeZone = 'UTC'", MOMENT.format(zone=zone), LOCAL_MOMENT.format(zone=zone),
                "SET enable_external_access = false", "SET lock_configuration = true"]  # fmt: skip


def _no_rows(types: dict[str, str]) -> str:
    columns = ", ".join(f"NULL::{type} AS {name(column)}" for column, type in types.items())
    return f"SELECT {columns} WHERE false"


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    import duckdb

    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as problem:
        raise error("value", f"This is no SQL: {str(problem).splitlines()[0]}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise error(
            "value", "Only one SELECT is taken: the lake is kept from the change feed, and never written by SQL."
        )


def _too_long(seconds: float) -> FhirError:
    return error("too-costly", f"The query took longer than {seconds:g} s; ask for less.")


def _told(problem: Exception | str, folder: Path) -> FhirError:
    first = (str(problem).splitlines() or ["a file of the lake is gone"])[0].replace(str(folder.resolve()), "the lake")
    return error("value", f"The query can't be answered: {first[:500]}")
