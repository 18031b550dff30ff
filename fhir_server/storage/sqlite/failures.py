"""What can go wrong below SQLite, as answers that say what to do."""

from __future__ import annotations

import sqlite3

from fhir_server.core.errors import FhirError, error
from fhir_server.core.full_disk import full_disk


def storage_error(problem: sqlite3.Error) -> FhirError:
    """What went wrong below, as an answer that says what to do."""
    name = getattr(problem, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return full_disk()
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return error("locked", "The store is locked by another process; try again.", headers={"Retry-After": "5"})
    if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return error("unavailable", "The store can't be used now; nothing was stored.", headers={"Retry-After": "30"})
    raise problem
