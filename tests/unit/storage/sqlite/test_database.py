"""Opening the file while other processes have it."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.storage.sqlite import schema
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


def test_a_file_of_a_later_program_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / FILE_NAME
    prepare(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(FhirError, match=r"layout of version 99.*Start the program that made it"):
        prepare(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_change_of_layout_that_is_broken_off_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / FILE_NAME
    prepare(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE resource DROP COLUMN digests")
        other.execute("PRAGMA user_version = 1")
    whole = dict(schema.STEPS)
    monkeypatch.setitem(schema.STEPS, 1, f"{whole[1]};\nSELECT * FROM no_such_table")
    with pytest.raises(FhirError, match="no_such_table"):
        prepare(path)
    monkeypatch.setitem(schema.STEPS, 1, whole[1])
    prepare(path)
    with closing(connect(path)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert opened.execute("SELECT digests FROM resource").fetchall() == []
