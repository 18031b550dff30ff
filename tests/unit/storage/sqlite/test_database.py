"""Opening the file while other processes have it."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.storage.sqlite.database import FILE_NAME, connect, prepare


@pytest.mark.parametrize("read_only", [True, False])
def test_opening_waits_while_another_has_the_file_for_itself(tmp_path: Path, read_only: bool):
    path = tmp_path / FILE_NAME
    prepare(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    with closing(sqlite3.connect(path, timeout=0)) as refused, pytest.raises(sqlite3.OperationalError, match="locked"):
        refused.execute("SELECT count(*) FROM version")
    release = threading.Timer(0.1, other.close)
    release.start()
    with closing(connect(path, read_only=read_only)) as opened:
        assert opened.execute("SELECT count(*) FROM version").fetchone() == (0,)
    release.join()


def test_the_writer_asks_again_by_itself_instead_of_waiting(tmp_path: Path):
    path = tmp_path / FILE_NAME
    prepare(path)
    with closing(connect(path)) as writer, closing(connect(path, read_only=True)) as reader:
        assert writer.execute("PRAGMA busy_timeout").fetchone() == (0,)
        assert reader.execute("PRAGMA busy_timeout").fetchone()[0] > 0
