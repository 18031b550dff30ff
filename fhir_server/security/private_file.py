"""Files of SQLite that nobody but the server's own user may read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fhir_server.core.errors import error
from fhir_server.core.write_ahead import use_write_ahead_log


@contextmanager
def opening(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode to a file with a write-ahead log, for whoever prepares its tables within.

    FhirError "unavailable" where the file can't be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        path.chmod(0o600)
        use_write_ahead_log(connection)
        yield connection
    except (OSError, sqlite3.Error) as problem:
        raise error("unavailable", f"{path} can't be used: {problem}. Name another data folder.") from problem
