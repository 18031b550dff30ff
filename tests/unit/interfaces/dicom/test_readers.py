"""Every association has a thread of its own, and there is no end of associations."""

from __future__ import annotations

import threading

from interfaces.dicom.archive.sqlite.database import SCHEMA_VERSION, Readers, connect


def test_several_that_open_an_index_of_before_bring_it_in_step_once(tmp_path):
    path, barrier, columns = tmp_path / "index.sqlite", threading.Barrier(4), []
    before = connect(path)
    wanted = [row["name"] for row in before.execute("PRAGMA table_info(study)")]
    before.execute("ALTER TABLE study ADD COLUMN size INTEGER NOT NULL DEFAULT 0")
    before.execute("ALTER TABLE study ADD COLUMN instance_count INTEGER NOT NULL DEFAULT 0")
    before.execute("PRAGMA user_version=3")
    before.close()

    def start() -> None:
        barrier.wait()
        opened = connect(path)
        columns.append([row["name"] for row in opened.execute("PRAGMA table_info(study)")])
        assert opened.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        opened.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert columns == [wanted] * 4


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
