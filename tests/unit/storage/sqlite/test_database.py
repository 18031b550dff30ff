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
        other.execute("DROP TABLE note")
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


def test_strings_of_an_older_file_are_found_without_their_punctuation(tmp_path: Path):
    path = tmp_path / FILE_NAME
    prepare(path)
    long = "o'neil " * 200
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO type (type, name) VALUES (1, 'Patient')")
        fields = [(1, "family"), (2, "code:text"), (3, "phonetic"), (4, "custom")]
        other.executemany("INSERT INTO field (field, type, name) VALUES (?, 1, ?)", fields)
        other.executemany("INSERT INTO resource (rid, type, id, digests) VALUES (?, 1, ?, x'00')", [(1, "a"), (2, "b")])
        old = [
            (1, "o'brien", "O'Brien", 1), (1, "o'brien", "", 1), (1, long[:1000], long, 1), (1, "smith", "Smith", 2),
            (2, "crohn's disease", "", 1), (2, "crohns disease", "", 1), (3, "o165", "", 1), (3, "花・子", "", 1),
        ]  # fmt: skip
        other.executemany("INSERT INTO string_value VALUES (?, ?, ?, ?)", old)
        other.execute("INSERT INTO composite VALUES (4, 7, 'smith-jones', 0, 0, 0, 1)")
        other.execute("DROP TABLE note")
        other.execute("PRAGMA user_version = 2")
        other.commit()
    prepare(path)
    with closing(connect(path)) as opened:
        assert sorted(opened.execute("SELECT field, text, exact FROM string_value WHERE rid = 1")) == [
            (1, "obrien", "O'Brien"), (1, "obrien", "o'brien"), (1, ("oneil " * 200)[:1000].strip(), long),
            (2, "crohns disease", ""), (3, "o165", ""), (3, "花・子", ""),
        ]  # fmt: skip
        assert opened.execute("SELECT a, b FROM composite").fetchall() == [(7, "smith jones")]
        assert opened.execute("SELECT text, exact FROM string_value WHERE rid = 2").fetchall() == [("smith", "Smith")]
        assert opened.execute("SELECT id, digests FROM resource ORDER BY id").fetchall() == [("a", None), ("b", b"\0")]
