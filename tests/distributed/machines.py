"""The audit logs of several machines on one MongoDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pymongo import MongoClient

from fhir_server.core.settings import Settings
from fhir_server.security.audit import FILE_NAME, AuditLog
from fhir_server.security.audit.shared import SharedAuditLog
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.encryption.sealing import Sealing

ONE, OTHER = "0123456789ab", "ba9876543210"


class Machines:
    """Logs on one database."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        add_key(folder / "keys.json")
        self.settings, self.folder, self.logs = settings, folder, list[SharedAuditLog]()

    def open(self, machine: str, folder: str = "", acknowledged: bool = False) -> SharedAuditLog:
        own = AuditLog(self.folder / (folder or machine) / FILE_NAME, synchronous="OFF")
        client: MongoClient[Any] = MongoClient(self.settings.mongodb_url)
        sealing = Sealing(self.folder / "keys.json")
        name = self.settings.mongodb_database
        self.logs.append(SharedAuditLog(own, machine, client, name, sealing, acknowledged=acknowledged))
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
