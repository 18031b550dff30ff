"""The lake: a Delta table for each resource type, with one row a current resource, kept from the change feed.

Columns id, version, updated, body (JSON). Each commit of a table says in its metadata up to which position of the feed
it has been kept, so that a change is taken in exactly once however a run ends. What is erased leaves the files at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_server.client import FhirClient
from fhir_server.subsystems.subsystem import Change, Portion

if TYPE_CHECKING:
    import pyarrow
    from deltalake import DeltaTable

POSITION = "position"
PLACE = "position"  # the file of the lake's own position
COMPACT = 20  # files of a table after which they are joined
# statistics of the first columns only: of a body they would keep text in the log that an erasure must remove
CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "3"}


class Lake:
    """The subsystem in a folder."""

    name = "analytics"
    types: tuple[str, ...] = ()
    pause = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def position(self) -> int:
        """How far it has been kept."""
        file = self.folder / PLACE
        return int(file.read_text()) if file.exists() else 0

    def take(self, portion: Portion) -> None:
        """Writes each type's last state of the changed resources."""
        by_type: dict[str, dict[str, Change]] = {}
        erased: set[str] = set()
        again: set[tuple[str, str]] = set()  # changed more than once, so that there may be a row of it
        for change in portion.changes:
            of_type = by_type.setdefault(change.type, {})
            if change.id in of_type:
                again.add((change.type, change.id))
            of_type[change.id] = change
            if change.method == "ERASE":
                erased.add(change.type)
        for type, changes in by_type.items():
            self._keep(type, list(changes.values()), again, portion.position)
        for type in erased:
            self._forget_old_files(type)
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{PLACE}.new"
        new.write_text(str(portion.position))
        new.replace(self.folder / PLACE)

    async def work(self, client: FhirClient, now: int) -> None:
        """Nothing follows from it."""

    def drop(self) -> None:
        """Removes the lake."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def table(self, type: str) -> DeltaTable | None:
        """The Delta table of a type; None where there is none yet."""
        from deltalake import DeltaTable

        path = self.folder / type
        return DeltaTable(str(path)) if (path / "_delta_log").exists() else None

    def tables(self) -> list[str]:
        """The resource types that it has a table of."""
        return sorted(log.parent.name for log in self.folder.glob("*/_delta_log"))

    def files(self, type: str) -> list[str]:
        """The Parquet files that hold a type's current rows."""
        table = self.table(type)
        return [] if table is None else [uri.removeprefix("file://") for uri in table.file_uris()]

    def _keep(self, type: str, changes: Sequence[Change], again: set[tuple[str, str]], position: int) -> None:
        from deltalake import CommitProperties, DeltaTable, write_deltalake

        table = self.table(type)
        if table is not None:
            done = int(table.history(1)[0].get(POSITION, 0))
            changes = [change for change in changes if change.position > done]
        there = [change for change in changes if bytes(change.resource)]
        known = [
            change.id
            for change in changes
            if change.version > 1 or (type, change.id) in again or not bytes(change.resource)
        ]
        commit = CommitProperties(custom_metadata={POSITION: str(position)})
        path = str(self.folder / type)
        if table is None:
            if there:
                write_deltalake(path, _rows(there), configuration=CONFIGURATION, commit_properties=commit)
            return
        if known:
            # rows of new versions come back by the merge; the first versions beside them are inserted by it
            gone = [change.id for change in changes if not bytes(change.resource)]
            if there:
                merge = table.merge(_rows(there), "old.id = new.id", source_alias="new", target_alias="old",
                                    commit_properties=CommitProperties(custom_metadata={POSITION: str(done)})
                                    if gone else commit)  # fmt: skip
                merge.when_matched_update_all().when_not_matched_insert_all().execute()
            if gone:
                DeltaTable(path).delete(f"id IN ({', '.join(map(_text, gone))})", commit_properties=commit)
        elif there:
            write_deltalake(path, _rows(there), mode="append", commit_properties=commit)
        table = DeltaTable(path)
        if len(table.file_uris()) > COMPACT:
            table.optimize.compact(commit_properties=commit)

    def _forget_old_files(self, type: str) -> None:
        table = self.table(type)
        if table is not None:
            table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False,
                         commit_properties=_same(table))  # fmt: skip


def _same(table: DeltaTable):
    """The properties of a commit that takes nothing in: the position stays."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={POSITION: str(table.history(1)[0].get(POSITION, 0))})


def _rows(changes: Sequence[Change]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.table(
        {
            "id": pyarrow.array([change.id for change in changes], pyarrow.string()),
            "version": pyarrow.array([change.version for change in changes], pyarrow.int64()),
            "updated": pyarrow.array([change.updated for change in changes], pyarrow.string()),
            "body": pyarrow.array([bytes(change.resource).decode() for change in changes], pyarrow.string()),
        }
    )


def _text(id: str) -> str:
    return "'" + id.replace("'", "''") + "'"
