"""A subsystem that follows the feed works once it has taken in what was there when it began."""

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fhir_server.client import FhirClient
from fhir_server.subsystems import following, subsystem
from fhir_server.subsystems.following import Follower
from fhir_server.subsystems.subsystem import Portion
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio


class Recorder:
    """Keeps how many changes it had taken in whenever it worked."""

    name = "recorder"
    types: tuple[str, ...] = ()
    pause = 0.0

    def __init__(self) -> None:
        self.place = self.taken = self.failures = 0
        self.worked: list[int] = []
        self.working = asyncio.Event()

    def position(self) -> int:
        return self.place

    def take(self, portion: Portion) -> None:
        self.place = portion.position
        self.taken += len(portion.changes)

    async def work(self, client: FhirClient, now: int) -> None:
        self.worked.append(self.taken)
        self.working.set()

    def drop(self) -> None:
        self.place = self.taken = 0

    async def next(self) -> None:
        await asyncio.wait_for(self.working.wait(), 30)
        self.working.clear()


@contextmanager
def followed(fhir: Fhir, folder: Path, recorder: Recorder) -> Iterator[Follower]:
    follower = Follower(fhir.server, recorder, lambda: 0, folder)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()


async def test_a_feed_longer_than_a_portion_is_taken_in_whole_before_it_works(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subsystem, "AT_ONCE", 2)
    for number in range(7):
        await fhir.create({"resourceType": "Patient", "id": f"p{number}"})
    recorder = Recorder()
    with followed(fhir, tmp_path, recorder) as follower:
        await recorder.next()
        follower.rebuild()
        await recorder.next()
        await fhir.create({"resourceType": "Patient", "id": "p7"})
        await recorder.next()
    assert recorder.worked == [7, 7, 8]


async def test_a_full_disk_is_said_in_a_line_and_gone_on_from_once_there_is_room(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "LONGEST_WAIT", 0.0)
    recorder = Recorder()
    await fhir.create({"resourceType": "Patient", "id": "p"})
    full, seen = OSError(errno.ENOSPC, "No space left on device"), asyncio.Event()

    def lacking(portion: Portion) -> None:
        seen.set()
        raise full

    with followed(fhir, tmp_path, recorder) as follower, capture_logs() as logs:
        recorder.take = lacking  # type: ignore[method-assign]
        await asyncio.wait_for(seen.wait(), 30)
        while not follower.problem:
            await asyncio.sleep(0)
        assert "disk is full" in follower.problem
        del recorder.take
        await recorder.next()
    assert {line["event"] for line in logs} == {"subsystem waits"}


async def test_types_that_it_does_not_follow_do_not_look_like_the_end(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subsystem, "AT_ONCE", 3)
    recorder = Recorder()
    recorder.types = ("Patient",)
    for type in ("Patient", "Group", "Group", "Patient"):
        await fhir.create({"resourceType": type, **({"type": "person", "actual": True} if type == "Group" else {})})
    with followed(fhir, tmp_path, recorder):
        await recorder.next()
    assert recorder.worked == [2]


async def test_the_newest_position_is_told_while_a_subsystem_rests(fhir: Fhir, tmp_path: Path):
    recorder = Recorder()
    recorder.pause = 3600
    await fhir.create({"resourceType": "Patient"})
    with followed(fhir, tmp_path, recorder) as follower:
        await recorder.next()
        await fhir.create({"resourceType": "Patient"})
        assert (await follower.newest(), recorder.position()) == (2, 1)
