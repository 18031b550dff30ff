"""One transaction of an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside takes effect, or nothing where it raises; what it raises is told as it is.

    On a full disk SQLite may have undone all by itself (https://www.sqlite.org/lang_transaction.html): then there is
    nothing to undo, and asking for it would hide the reason.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
