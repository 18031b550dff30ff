"""Rows of views, kept beside the lake: for each file of a table the rows that a view makes of it.

A file of the lake never changes, so what a view makes of it holds for as long as the file is one of the table's; a file
that is not, be it that its rows were changed or erased, takes the kept rows with it. One thread of one process at a
time makes and removes files, the others wait for it, by a lock on a file of the lake.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_server.definitions import Definitions
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.views.definition import View
from fhir_server.views.sql.prepare import prepare
from fhir_server.views.sql.value import text

if TYPE_CHECKING:
    import duckdb

FOLDER = "views"  # in the lake's; no resource type has this name
LOCK = "views.lock"
NO_ROWS = "none.parquet"
LAYOUT = 2  # grows whenever views are compiled to other rows


class KeptRows:
    """Of one lake."""

    def __init__(self, lake: Lake, definitions: Definitions) -> None:
        self._lake = lake
        self._definitions = definitions

    def files(self, connection: duckdb.DuckDBPyConnection, view: View) -> list[str]:
        """The Parquet files with all rows of a view; those that are missing are made."""
        folder = self._folder(view)
        found = []
        for file in self._lake.files(view.resource):
            kept = folder / Path(file).name
            if not kept.exists():
                self._make(connection, view, f"SELECT body FROM read_parquet({text(file)})", kept)
            found.append(str(kept))
        return found

    def without(self, connection: duckdb.DuckDBPyConnection, view: View) -> str:
        """A Parquet file with the columns of a view and no rows."""
        kept = self._folder(view) / NO_ROWS
        if not kept.exists():
            self._make(connection, view, "SELECT ''::VARCHAR AS body WHERE false", kept)
        return str(kept)

    def _make(self, connection: duckdb.DuckDBPyConnection, view: View, bodies: str, kept: Path) -> None:
        query = prepare(connection, view, self._definitions, bodies)
        with self._alone():
            if kept.exists():  # another has made it meanwhile
                return
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(".new")
            connection.execute(f"COPY ({query}) TO {text(str(new))} (FORMAT parquet, COMPRESSION zstd)")
            new.replace(kept)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._lake.folder.mkdir(parents=True, exist_ok=True)
        with (self._lake.folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def forget(self, views: Sequence[View]) -> None:
        """Removes what is kept of files that are no longer the lake's, and of views that there are no more."""
        root = self._lake.folder / FOLDER
        known = {self._folder(view).name: view for view in views}
        with self._alone():
            for folder in root.iterdir() if root.exists() else ():
                view = known.get(folder.name)
                if view is None:
                    shutil.rmtree(folder, ignore_errors=True)
                    continue
                there = {Path(file).name for file in self._lake.files(view.resource)}
                for file in folder.iterdir():
                    if file.name not in there and file.name != NO_ROWS:
                        file.unlink(missing_ok=True)

    def _folder(self, view: View) -> Path:
        said = json.dumps([LAYOUT, view.json], sort_keys=True, default=str)
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        return self._lake.folder / FOLDER / f"{view.name}-{digest}"
