"""Who flushes, and that nobody is told that an event is durable before it is."""

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.processor_waits import ProcessorWaits
from fhir_server.security.audit import FILE_NAME, AuditLog
from fhir_server.security.audit.recorder import Recorder
from tests.unit.security.test_audit_log import event, numbers

pytestmark = pytest.mark.anyio


class Shelf:
    """Keeps events in memory; open: whether a write may end."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, int]] = []  # the thread's name, and how many
        self.open = threading.Event()
        self.open.set()

    def ready(self) -> bool:
        return True

    def write(self, events: Sequence[bytes]) -> bool:
        self.open.wait(10)
        self.writes.append((threading.current_thread().name, len(events)))
        return False

    def tidy(self) -> None:
        raise AssertionError("there is nothing to tidy up")


def recorded(recorder: Recorder, count: int) -> list[asyncio.Future[None]]:
    return [recorder.record(b"[]") for _ in range(count)]


async def test_the_loop_flushes_itself_what_a_turn_brought() -> None:
    shelf = Shelf()
    recorder = Recorder(shelf)
    await asyncio.gather(*recorded(recorder, 3))
    recorder.close()
    assert shelf.writes == [(threading.current_thread().name, 3)]


async def test_after_slow_flushes_the_loop_works_on_while_the_thread_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.security.audit.recorder.QUICK", -1.0)
    monkeypatch.setattr("fhir_server.security.audit.recorder.PAUSE", 1e9)
    shelf = Shelf()
    recorder = Recorder(shelf)
    for _ in range(2):
        await asyncio.gather(*recorded(recorder, 1))
    shelf.open.clear()
    first = recorded(recorder, 2)
    for _ in range(20):
        await asyncio.sleep(0)
    later = recorded(recorder, 5)
    await asyncio.sleep(0)
    assert not any(each.done() for each in first + later)
    shelf.open.set()
    await asyncio.gather(*first, *later)
    recorder.close()
    assert shelf.writes == [(threading.current_thread().name, 1)] * 2 + [("audit", 2), ("audit", 5)]


async def flushed_by(recorder: Recorder, shelf: Shelf) -> list[bool]:
    """Of three flushes, one after the other: whether the loop made it itself."""
    for _ in range(3):
        await recorder.record(b"[]")
    recorder.close()
    return [thread == threading.current_thread().name for thread, _ in shelf.writes]


@pytest.mark.parametrize("late", [1e9, -1.0])
async def test_what_a_loop_waits_for_a_processor_counts_once_it_is_much(
    monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    monkeypatch.setattr("fhir_server.security.audit.recorder.QUICK", -5.0)
    monkeypatch.setattr("fhir_server.security.audit.recorder.LATE", late)
    monkeypatch.setattr("fhir_server.security.audit.recorder.PAUSE", 1e9)
    shelf, waited = Shelf(), itertools.count(0.0, 10.0)
    monkeypatch.setattr(ProcessorWaits, "seconds", lambda self: next(waited))
    assert await flushed_by(Recorder(shelf), shelf) == [True, late > 0, late > 0]


async def test_sending_answers_does_not_count_as_a_slow_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    recorder = Recorder(shelf)
    monkeypatch.setattr("fhir_server.security.audit.recorder.PAUSE", 1e9)
    monkeypatch.setattr("fhir_server.security.audit.recorder.QUICK", 0.2)
    monkeypatch.setattr("fhir_server.security.audit.recorder.LATE", 0.2)
    recorder.tell(b"[]", lambda problem: time.sleep(0.3))
    assert await flushed_by(recorder, shelf) == [True, True, True]


@pytest.mark.parametrize("quick", [-1.0, 1.0])
async def test_who_waits_is_told_that_it_can_not_be_kept(tmp_path: Path, monkeypatch, quick: float) -> None:
    monkeypatch.setattr("fhir_server.security.audit.recorder.QUICK", quick)
    log = AuditLog(tmp_path / FILE_NAME)
    await log.record(event(1))

    def full(block: bytes) -> None:
        raise OSError("no space left")

    append = log._appending._journal.append  # type: ignore[union-attr]
    monkeypatch.setattr(log._appending._journal, "append", full)
    told = await asyncio.gather(log.record(event(2)), log.record(event(3)), return_exceptions=True)
    assert [type(each) for each in told] == [FhirError, FhirError]
    monkeypatch.setattr(log._appending._journal, "append", append)
    await log.record(event(4))
    assert [number for _, number in numbers(log)] == [1, 4]
    log.close()


async def test_the_next_journal_is_there_before_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.security.audit.journal.SIZE", 1000)
    log = AuditLog(tmp_path / FILE_NAME)
    for number in range(120):
        await log.record(event(number))
    assert len(list((tmp_path / "audit.journals").glob("*.journal"))) > 2
    assert numbers(log) == [(number + 1, number) for number in range(120)]
    log.close()
    assert not any((tmp_path / "audit.journals").iterdir())


async def test_who_is_told_is_told_whatever_others_do_then() -> None:
    recorder = Recorder(Shelf())
    told: list[Exception | None] = []

    def failing(problem: Exception | None) -> None:
        raise ValueError("on purpose")

    recorder.tell(b"[]", failing)
    recorder.tell(b"[]", told.append)
    assert told == []
    await recorder.record(b"[]")
    recorder.close()
    assert told == [None]
