"""The audit logs of several machines on one MongoDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pymongo import MongoClient

from fhir_server.core.ports import Clock
from fhir_server.core.settings import Settings
from fhir_server.security.audit import FILE_NAME, AuditLog
from fhir_server.security.audit.shared import SharedAuditLog
from fhir_server.security.audit.shared_notes import SharedNotes
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.encryption.sealing import Sealing
from fhir_server.storage.mongo.notes import MongoNotes
from tests.conftest import HeldClock

ONE, OTHER = "0123456789ab", "ba9876543210"


class Machines:
    """Logs on one database."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        add_key(folder / "keys.json")
        self.settings, self.folder, self.logs = settings, folder, list[SharedAuditLog]()
        self.kept: list[MongoNotes] = []

    def open(
        self, machine: str, folder: str = "", acknowledged: bool = False, clock: Clock | None = None
    ) -> SharedAuditLog:
        name = self.settings.mongodb_database
        sealing = Sealing(self.folder / "keys.json")
        kept = MongoNotes(self.settings.mongodb_url, name, machine, clock or HeldClock())
        notes = SharedNotes(kept, sealing)
        own = AuditLog(self.folder / (folder or machine) / FILE_NAME, synchronous="OFF", notes=notes)
        client: MongoClient[Any] = MongoClient(self.settings.mongodb_url)
        self.logs.append(SharedAuditLog(own, machine, client, name, sealing, notes, acknowledged=acknowledged))
        self.kept.append(kept)
        return self.logs[-1]

    @property
    def rows(self) -> Any:
        return self.logs[0]._copies._rows

    @property
    def looking(self) -> Any:
        return self.rows.database["audit_looking"]

    def close(self) -> None:
        """Closes all of them."""
        for each in self.logs:
            each.own.close()
            each.disconnect()
        for notes in self.kept:
            notes.close()
