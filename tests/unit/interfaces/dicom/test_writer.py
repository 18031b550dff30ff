"""Who writes to the index while others do."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from interfaces.dicom.archive.sqlite import database
from interfaces.dicom.archive.sqlite.writer import Writer


@pytest.fixture
def writers(tmp_path, monkeypatch):
    """Two of one index, as two processes have them, whose SQLite does not wait for the other."""
    monkeypatch.setattr(database, "BUSY_MS", 0)
    made = [Writer(tmp_path / "index.sqlite", "NORMAL") for _ in range(2)]
    yield made
    for writer in made:
        writer.close()


def test_they_stand_in_line_instead_of_trying_again(writers):
    begun, go = threading.Event(), threading.Event()

    def held(rows):
        begun.set()
        go.wait(60)
        return len(rows.all("sent", {}, order="uid"))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(writers[0].run, held)
        begun.wait(60)
        second = threads.submit(writers[1].run, lambda rows: rows.put("sent", {"peer": "P", "uid": "1"}, {}))
        time.sleep(0.2)  # for the second to come to it
        go.set()
        assert first.result(60) == 0 and second.result(60) is None
    assert writers[0].run(lambda rows: len(rows.all("sent", {}, order="uid"))) == 1


def test_who_failed_leaves_the_turn_to_the_next(writers):
    with pytest.raises(ZeroDivisionError):
        writers[0].run(lambda rows: 1 // 0)
    writers[1].run(lambda rows: rows.insert("sent", {"peer": "P", "uid": "1"}))
    assert len(writers[0].run(lambda rows: rows.all("sent", {}, order="uid"))) == 1
