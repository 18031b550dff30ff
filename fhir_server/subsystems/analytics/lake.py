"""The lake: a Delta table for each resource type, with one row a current resource, kept from the change feed.

Columns id, version, updated, body (JSON). Each commit of a table says in its metadata up to which position of the feed
it has been kept, so that a change is taken in exactly once however a run ends. What is erased leaves the files at once,
what was only replaced an hour later. A lake whose rows have another layout is made anew from the feed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fhir_server.client import FhirClient
from fhir_server.subsystems.subsystem import ERASED, Change, Portion

if TYPE_CHECKING:
    from arro3.core import Table
    from deltalake import CommitProperties, DeltaTable

LAYOUT = 2  # grows whenever the columns of a row, or how its tables are set up, change
POSITION = "position"
PLACE = "position"  # the file of the lake's own position
KIND = "layout"  # the file of the layout that its rows have
SMALL = 2**24  # bytes: smaller files are joined
COMPACT = 20  # small files of a table after which they are joined
TIDIED_EVERY = 20  # commits of a table, after which files that were replaced long ago are removed
KEPT_HOURS = 1  # of files that were replaced, for those who still read them
CONFIGURATION = {
    # statistics of the first columns only: of a body they would keep text in the log that an erasure must remove
    "delta.dataSkippingNumIndexedCols": "3",
    # a table is opened by its log since the last checkpoint
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": f"interval {KEPT_HOURS} hours",
}


class _Seen(NamedTuple):
    """A table as it was left: its files, when the log of its version was written, the feed's position in it."""

    table: DeltaTable
    files: list[str]
    version: int
    written: int
    position: int


class Lake:
    """The subsystem in a folder."""

    name = "analytics"
    types: tuple[str, ...] = ()
    pause = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[str, _Seen] = {}
        self._tidied: dict[str, int] = {}  # by type: the table's version when old files were looked for

    def position(self) -> int:
        """How far it has been kept."""
        file = self.folder / PLACE
        return int(file.read_text()) if self._as_now() and file.exists() else 0

    def take(self, portion: Portion) -> None:
        """Writes each type's last state of the changed resources."""
        if not self._as_now():
            self.drop()
            self._note(KIND, LAYOUT)
        by_type: dict[str, dict[str, Change]] = {}
        erased: set[str] = set()
        again: set[tuple[str, str]] = set()  # changed more than once, so that there may be a row of it
        for change in portion.changes:
            of_type = by_type.setdefault(change.type, {})
            if change.id in of_type:
                again.add((change.type, change.id))
            of_type[change.id] = change
            if change.method == ERASED:
                erased.add(change.type)
        for type, changes in by_type.items():
            self._keep(type, list(changes.values()), again, portion.position)
        for type in erased:
            self._forget_old_files(type)
        self._note(PLACE, portion.position)

    async def work(self, client: FhirClient, now: int) -> None:
        """Nothing follows from it."""

    def drop(self) -> None:
        """Removes the lake."""
        self._seen.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def table(self, type: str) -> DeltaTable | None:
        """The Delta table of a type; None where there is none yet."""
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder / type)) if self._as_now() and self._log(type).exists() else None

    def tables(self) -> list[str]:
        """The resource types that it has a table of."""
        return sorted(log.parent.name for log in self.folder.glob("*/_delta_log")) if self._as_now() else []

    def files(self, type: str) -> list[str]:
        """The Parquet files that hold a type's current rows."""
        seen = self._seen.get(type)
        if seen is None or not self._newest(type, seen):
            table = self.table(type)
            if table is None:
                return []
            seen = self._remember(type, table, _position(table))
        return seen.files

    def _as_now(self) -> bool:
        """Whether its rows have the layout of now."""
        file = self.folder / KIND
        return file.exists() and file.read_text() == str(LAYOUT)

    def _note(self, name: str, number: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{name}.new"
        new.write_text(str(number))
        new.replace(self.folder / name)

    def _log(self, type: str, version: int | None = None) -> Path:
        log = self.folder / type / "_delta_log"
        return log if version is None else log / f"{version:020}.json"

    def _remember(self, type: str, table: DeltaTable, position: int) -> _Seen:
        version = table.version()
        files = [uri.removeprefix("file://") for uri in table.file_uris()]
        seen = _Seen(table, files, version, _written(self._log(type, version)), position)
        self._seen[type] = seen
        return seen

    def _newest(self, type: str, seen: _Seen) -> bool:
        """Whether a table is still as it was left."""
        written = _written(self._log(type, seen.version)) if self._as_now() else 0
        return written == seen.written != 0 and not self._log(type, seen.version + 1).exists()

    def _keep(self, type: str, changes: Sequence[Change], again: set[tuple[str, str]], position: int) -> None:
        from deltalake import DeltaTable, write_deltalake

        # out of what others look at, as the table changes by what is done to it
        seen = self._seen.pop(type, None)
        if seen is not None and self._newest(type, seen):
            table, done = seen.table, seen.position
        else:
            table = self.table(type)
            done = _position(table) if table is not None else 0
        changes = [change for change in changes if change.position > done]
        there = [change for change in changes if bytes(change.resource)]
        commit = _at(position)
        if table is None:
            if there:
                path = str(self.folder / type)
                write_deltalake(path, _rows(there), configuration=CONFIGURATION, commit_properties=commit)
                self._remember(type, DeltaTable(path), position)
            return
        if any(
            change.version > 1 or (type, change.id) in again or not bytes(change.resource) for change in changes
        ):  # rows of new versions come back by the merge; the first versions beside them are inserted by it
            gone = [change.id for change in changes if not bytes(change.resource)]
            if there:
                merge = table.merge(_rows(there), "old.id = new.id", source_alias="new", target_alias="old",
                                    commit_properties=_at(done) if gone else commit)  # fmt: skip
                merge.when_matched_update_all().when_not_matched_insert_all().execute()
            if gone:
                table.delete(f"id IN ({', '.join(map(_text, gone))})", commit_properties=commit)
        elif there:
            write_deltalake(table, _rows(there), mode="append", commit_properties=commit)
        if changes:
            done = position
        files = self._remember(type, table, done).files
        joined = len(files) > COMPACT and _join_small(table, done)
        if joined or not 0 <= table.version() - self._tidied.get(type, 0) < TIDIED_EVERY:
            _vacuum(table, KEPT_HOURS, done)
            self._tidied[type] = table.version()
            self._remember(type, table, done)

    def _forget_old_files(self, type: str) -> None:
        table = self.table(type)
        if table is not None:
            _vacuum(table, 0, _position(table))


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _join_small(table: DeltaTable, position: int) -> bool:
    """Joins small files where there are many; whether it did."""
    sizes = table.get_add_actions(flatten=True)["size_bytes"].to_pylist()
    if sum(size < SMALL for size in sizes) <= COMPACT:
        return False
    table.optimize.compact(target_size=SMALL, commit_properties=_at(position))
    return True


def _vacuum(table: DeltaTable, hours: int, position: int) -> None:
    table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False,
                 commit_properties=_at(position))  # fmt: skip


def _position(table: DeltaTable) -> int:
    """Up to which position of the feed it has been kept."""
    return int(table.history(1)[0].get(POSITION, 0))


def _at(position: int) -> CommitProperties:
    """The properties of a commit after which a table has been kept up to a position."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={POSITION: str(position)})


def _rows(changes: Sequence[Change]) -> Table:
    from arro3.core import Array, DataType, Table

    text, number = DataType.string(), DataType.int64()
    return Table.from_pydict(
        {
            "id": Array([change.id for change in changes], text),
            "version": Array([change.version for change in changes], number),
            "updated": Array([change.updated for change in changes], text),
            "body": Array([bytes(change.resource).decode() for change in changes], text),
        }
    )


def _text(id: str) -> str:
    return "'" + id.replace("'", "''") + "'"
