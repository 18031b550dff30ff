"""Every association has a thread of its own, and there is no end of associations."""

from __future__ import annotations

import threading

from interfaces.dicom.archive.sqlite.database import Readers


def test_threads_that_ended_leave_their_connections_to_the_next(tmp_path):
    readers = Readers(tmp_path / "index.sqlite", "OFF")
    used = []
    for _ in range(20):
        thread = threading.Thread(target=lambda: used.append(readers.get()))
        thread.start()
        thread.join()
    assert len(set(map(id, used))) == 1
    readers.close()


def test_threads_that_run_beside_one_another_have_one_each(tmp_path):
    readers = Readers(tmp_path / "index.sqlite", "OFF")
    here, there = readers.get(), []
    thread = threading.Thread(target=lambda: there.append((readers.get(), readers.get())))
    thread.start()
    thread.join()
    assert there[0][0] is there[0][1] is not here
    readers.close()


def test_none_that_was_closed_is_lent_again(tmp_path):
    readers = Readers(tmp_path / "index.sqlite", "OFF")
    thread = threading.Thread(target=readers.get)
    thread.start()
    thread.join()
    readers.close()
    assert readers.get().execute("SELECT 1").fetchone()[0] == 1
    readers.close()
