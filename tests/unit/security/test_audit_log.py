"""Events are durable in journals first, and each gets into the chain once, whoever takes it in."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Note
from fhir_server.security.audit import FILE_NAME, AuditLog, Event
from fhir_server.security.encryption import DataKeys, MasterKeys
from fhir_server.security.encryption.master_keys import add_key


def event(number: int) -> Event:
    return Event(recorded=number, kind="rest", interaction="read", action="R", outcome="0", status=200,
                 user=f"u{number}", patients=(f"p{number % 3}",))  # fmt: skip


def numbers(log: AuditLog) -> list[tuple[int, int]]:
    return [(number, each.recorded) for number, each in log.oldest_first()]


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "audit.journals").glob("*.journal"))


def test_another_reader_sees_at_once_what_was_appended_and_the_owner_does_not_repeat_it(tmp_path):
    log, other = AuditLog(tmp_path / FILE_NAME), AuditLog(tmp_path / FILE_NAME)
    log.append([event(1), event(2)])
    assert numbers(other) == [(1, 1), (2, 2)]
    log.append([event(3)])
    assert numbers(log) == numbers(other) == [(1, 1), (2, 2), (3, 3)]
    log.close()
    other.close()
    assert journals(tmp_path) == []


def test_what_a_process_left_behind_that_died_is_taken_in(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    (journal,) = journals(tmp_path)
    kept = journal.read_bytes()
    log._appending.close()  # as the system does
    next_one = AuditLog(tmp_path / FILE_NAME)
    assert numbers(next_one) == [(1, 1)] and next_one.verify().problem == ""
    assert journals(tmp_path) == []
    journal.write_bytes(kept)  # died before it could remove it
    assert numbers(next_one) == [(1, 1)]
    next_one.close()


@pytest.mark.parametrize("taken", [False, True])
def test_what_its_process_writes_last_while_a_journal_is_taken_in_stays(tmp_path, taken):
    log, other = AuditLog(tmp_path / FILE_NAME), AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    if taken:
        assert numbers(other) == [(1, 1)]
    remove = other._taking._journals.remove_finished

    def last(*given) -> None:
        log.append([event(2)])
        log._appending.close()  # as the system does when the process ends
        other._taking._journals.remove_finished = remove  # type: ignore[method-assign]
        remove(*given)

    other._taking._journals.remove_finished = last  # type: ignore[method-assign]
    other.verify()
    assert numbers(other) == [(1, 1), (2, 2)]
    assert numbers(other) == [(1, 1), (2, 2)] and journals(tmp_path) == []


def test_a_write_that_a_crash_cut_short_is_left_out_and_no_fault(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    log.append([event(2)])
    (journal,) = journals(tmp_path)
    data = bytearray(journal.read_bytes())
    data[len(bytes(data).rstrip(b"\0")) - 3] = 0
    journal.write_bytes(data)
    log._appending.close()
    next_one = AuditLog(tmp_path / FILE_NAME)
    assert numbers(next_one) == [(1, 1)] and next_one.verify().problem == ""
    next_one.close()


def test_a_journal_that_somebody_changed_is_told(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    for number in (1, 2, 3):
        log.append([event(number)])
    (journal,) = journals(tmp_path)
    journal.write_bytes(journal.read_bytes().replace(b'"u2"', b'"u9"'))
    log._appending.close()
    next_one = AuditLog(tmp_path / FILE_NAME)
    assert "was changed" in next_one.verify().problem
    next_one.close()


def test_journals_of_several_are_put_in_the_order_of_time_and_full_ones_followed_by_others(tmp_path, monkeypatch):
    monkeypatch.setattr("fhir_server.security.audit.journal.SIZE", 1000)
    logs = [AuditLog(tmp_path / FILE_NAME) for _ in range(2)]
    for number in range(1, 41):
        logs[number % 2].append([event(number)])
    assert len(journals(tmp_path)) > 2
    assert numbers(logs[0]) == [(number, number) for number in range(1, 41)]
    assert logs[1].verify()[:2] == (40, "")
    assert [each.recorded for _, each in logs[1].newest_first(subject="patient:p1")] == list(range(40, 0, -3))
    for log in logs:
        log.close()


def test_event_loops_of_several_threads_record_together(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)

    async def many(begin: int) -> None:
        await asyncio.gather(*(log.record(event(number)) for number in range(begin, begin + 50)))

    threads = [threading.Thread(target=asyncio.run, args=(many(begin),)) for begin in (0, 50, 100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each for _, each in numbers(log)) == list(range(150))
    assert log.verify()[:2] == (150, "")
    log.close()


def test_one_who_does_not_wait_any_more_hinders_nobody(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)

    async def some() -> None:
        gone = asyncio.ensure_future(log.record(event(1)))
        stays = asyncio.ensure_future(log.record(event(2)))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    asyncio.run(some())
    assert len(numbers(log)) == 2
    log.close()


def test_with_keys_nothing_of_an_event_is_readable_in_the_files(tmp_path):
    add_key(tmp_path / "master.json")
    keys = DataKeys(tmp_path / "keys.sqlite", MasterKeys(tmp_path / "master.json"))
    log = AuditLog(tmp_path / FILE_NAME, keys=keys)
    log.append([event(1)])
    assert b"u1" not in journals(tmp_path)[0].read_bytes()
    assert numbers(log) == [(1, 1)] and log.verify()[:2] == (1, "")
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        assert file.execute("SELECT count(*) FROM batch WHERE instr(events, 'u1')").fetchone() == (0,)
    without = AuditLog(tmp_path / FILE_NAME)
    with pytest.raises(FhirError, match="encryption_keys"):
        numbers(without)
    for each in (log, without, keys):
        each.close()


def test_keys_that_come_later_leave_what_was_written_readable(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    log.close()
    add_key(tmp_path / "master.json")
    keys = DataKeys(tmp_path / "keys.sqlite", MasterKeys(tmp_path / "master.json"))
    log = AuditLog(tmp_path / FILE_NAME, keys=keys)
    log.append([event(2)])
    assert len(numbers(log)) == 2 and log.verify()[:2] == (2, "")
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        file.execute("UPDATE batch SET events = zeroblob(100) WHERE first = 2")
    assert "not as they were written" in log.verify().problem
    log.close()
    keys.close()


def test_what_is_new_is_found_without_looking_through_the_log(tmp_path):
    def steps(count: int) -> int:
        log = AuditLog(tmp_path / str(count) / FILE_NAME)
        log.append([event(number) for number in range(count)])
        assert [number for number, _ in log.oldest_first()] == list(range(1, count + 1))
        taken = 0

        def step() -> None:
            nonlocal taken
            taken += 1

        log._read.set_progress_handler(step, 1)
        assert [number for number, _ in log.oldest_first(count - 1)] == [count]
        assert list(log.oldest_first(count)) == []
        log._read.set_progress_handler(None, 1)
        log.close()
        return taken

    assert steps(40 * 256) < 2 * steps(2 * 256)


def test_what_is_of_late_is_found_without_looking_through_the_log(tmp_path):
    def steps(count: int) -> int:
        log = AuditLog(tmp_path / str(count) / FILE_NAME)
        log.append([event(number) for number in range(count)])
        list(log.newest_first())
        taken = 0

        def step() -> None:
            nonlocal taken
            taken += 1

        log._read.set_progress_handler(step, 1)
        found = [each.recorded for _, each in log.newest_first(since=count - 1)]
        assert found == [*range(count - 1, count - 257, -1)]  # the whole row
        assert [each.recorded for _, each in log.newest_first(subject="agent:u1", since=count - 1)] == []
        assert list(log.newest_first(since=count)) == []
        log._read.set_progress_handler(None, 1)
        log.close()
        return taken

    assert steps(40 * 256) < 2 * steps(2 * 256)


def test_what_was_taken_in_late_does_not_hide_what_is_newer(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    for moment in (100, 200, 5, 300, 6):  # a journal that a crash left behind may be older than what is there
        log.append([event(moment)])
        list(log.oldest_first())
    assert [each.recorded for _, each in log.newest_first(since=150)] == [300, 200]
    log.close()


def test_a_log_of_before_has_its_times_indexed(tmp_path):
    log = AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    list(log.oldest_first())
    log.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DROP INDEX batch_newest")
    again = AuditLog(tmp_path / FILE_NAME)
    assert [each.recorded for _, each in again.newest_first(since=1)] == [1]
    again.close()


class Noted:
    """Notes as a store has them, of one writer."""

    complete = True

    def __init__(self) -> None:
        self.there: list[Note] = []
        self.place = 0
        self.busy = False

    def add(self, data: bytes) -> None:
        self.place += 1
        self.there.append(Note(7, self.place, data))

    def kept(self) -> list[Note]:
        return list(self.there)

    def remove(self, places: Mapping[int, int]) -> None:
        if not self.busy:
            self.there = [each for each in self.there if each.place > places.get(each.origin, 0)]


def test_what_was_committed_with_a_write_gets_in_once_among_what_is_in_journals(tmp_path):
    notes = Noted()
    log = AuditLog(tmp_path / FILE_NAME, notes=notes)
    log.append([event(2)])
    notes.add(log.note([event(3), event(4)]))
    notes.add(log.note([event(1)]))
    before = list(notes.there)
    assert numbers(log) == [(1, 1), (2, 2), (3, 3), (4, 4)] and notes.there == []
    notes.there = before  # an older copy of the store was put back
    notes.add(log.note([event(5)]))
    notes.busy = True  # they can't be removed now
    assert numbers(log)[-1] == (5, 5) and len(notes.there) == 3
    log.close()
    notes.busy = False  # as after a crash between the two
    again = AuditLog(tmp_path / FILE_NAME, notes=notes)
    assert len(numbers(again)) == 5 and again.verify().problem == "" and notes.there == []
    again.close()


def test_a_note_that_was_changed_is_told(tmp_path):
    notes = Noted()
    log = AuditLog(tmp_path / FILE_NAME, notes=notes)
    notes.add(log.note([event(1)]).replace(b"u1", b"u2"))
    notes.add(log.note([event(3)]))
    assert "The note 1 of 7 in the store was changed" in log.verify().problem
    assert numbers(log) == [(1, 3)]
    log.close()


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_note_that_was_taken_out_is_told(tmp_path, gone):
    notes = Noted()
    log = AuditLog(tmp_path / FILE_NAME, notes=notes)
    for moment in (1, 2, 3):
        if moment == 2:
            numbers(log)  # takes in the first
        notes.add(log.note([event(moment)]))
        notes.there = [note for note in notes.there if note.place != gone]
    numbers(log)
    if gone == 3:  # it is told by the next
        assert log.verify().problem == ""
        notes.add(log.note([event(4)]))
    assert log.verify().problem == f"The note {gone} of 7 was taken out of the store: events are missing."
    log.close()


def test_notes_that_another_may_have_taken_are_not_missed(tmp_path):
    notes = Noted()
    notes.complete = False
    log = AuditLog(tmp_path / FILE_NAME, notes=notes)
    notes.place = 4
    notes.add(log.note([event(1)]))
    assert numbers(log) == [(1, 1)] and log.verify().problem == ""
    log.close()


def test_notes_are_sealed_and_what_can_not_be_asked_does_not_keep_the_log_from_closing(tmp_path):
    add_key(tmp_path / "master.json")
    keys = DataKeys(tmp_path / "keys.sqlite", MasterKeys(tmp_path / "master.json"))
    notes = Noted()
    log = AuditLog(tmp_path / FILE_NAME, keys=keys, notes=notes)
    notes.add(log.note([event(1)]))
    assert b"u1" not in notes.there[0].data
    assert numbers(log) == [(1, 1)]

    def away() -> list[Note]:
        raise error("unavailable", "The store can't be used now.")

    notes.kept = away  # type: ignore[method-assign]
    log.close()
    keys.close()


def test_notes_that_another_took_in_meanwhile_are_not_taken_again(tmp_path):
    notes = Noted()
    log, other = AuditLog(tmp_path / FILE_NAME, notes=notes), AuditLog(tmp_path / FILE_NAME, notes=notes)
    notes.add(log.note([event(1)]))
    kept = notes.kept

    def overtaken() -> list[Note]:
        found = kept()
        notes.kept = kept  # type: ignore[method-assign]
        notes.add(log.note([event(2)]))
        assert len(numbers(other)) == 2
        return found

    notes.kept = overtaken  # type: ignore[method-assign]
    assert numbers(log) == [(1, 1), (2, 2)]
    notes.add(log.note([event(3)]))
    assert numbers(log) == [(1, 1), (2, 2), (3, 3)]
    for each in (log, other):
        each.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_journal_that_a_command_by_root_made_is_for_whom_the_data_belongs_to(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    log = AuditLog(tmp_path / FILE_NAME)
    log.append([event(1)])
    (journal,) = journals(tmp_path)
    assert (journal.stat().st_uid, journal.parent.stat().st_uid) == (65534, 65534)
    log.close()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM about WHERE subject = 'agent:u2'",
        "UPDATE about SET first = 99",
        "UPDATE batch SET newest = 1 WHERE first = 2",
        "UPDATE batch SET oldest = 9 WHERE first = 1",
    ],
)
def test_what_searches_of_the_log_go_by_is_verified_too(tmp_path, change):
    log = AuditLog(tmp_path / FILE_NAME)
    for moment in (2, 3):
        log.append([event(moment)])
        assert log.verify().problem == ""
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        assert file.execute(change).rowcount
    assert "not found any more" in log.verify().problem
    log.close()


def test_events_that_were_cut_off_at_the_end_are_missed_by_a_head_that_was_kept(tmp_path):
    log, heads = AuditLog(tmp_path / FILE_NAME), [""]
    for moment in (1, 2, 3):
        log.append([event(moment)])
        heads.append(log.verify().head)
    assert [log.verify(head).problem for head in heads] == [""] * 4
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        file.execute("DELETE FROM batch WHERE first = 3")
    assert log.verify().problem == "" and heads[3] in log.verify(heads[3]).problem
    assert log.verify(heads[2]).problem == ""
    log.prune(before=2)
    assert log.verify(heads[1]).problem == ""  # where what is left begins
    log.close()
