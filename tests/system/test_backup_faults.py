"""Backups that are stopped, broken off, run beside one another or meet a full disk."""

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fhir_server import bootstrap
from fhir_server.api import FhirServer
from fhir_server.backup import taking
from fhir_server.backup.folder import BackupFolder
from fhir_server.backup.restoring import restore
from fhir_server.backup.taking import back_up
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.storage.sqlite.database import FILE_NAME, RESTORING
from tests.conftest import Fhir, HeldClock
from tests.system.process import command, hms, serving
from tests.system.test_backup import everything, restored, store, until
from tests.system.test_faults import Disk, disk, eventually  # noqa: F401  a fixture

FOLLOWING = 0.1  # seconds between two looks


@pytest.fixture
def following(tmp_path: Path):
    """Starts `hms backup --follow` into a folder, as a shell starts what it runs in the background."""
    started: list[subprocess.Popen] = []

    def start(folder: Path) -> subprocess.Popen:
        run, environment = command("backup", folder, "--data", tmp_path / "data", "--follow", FOLLOWING)
        process = subprocess.Popen(
            run,
            env=environment,
            stderr=(tmp_path / "said").open("wb"),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_follows_ends_by_a_signal(tmp_path: Path, following: Any, number: int) -> None:
    with serving(tmp_path / "data") as server:
        store(server.base, "a", "Adams")
        process = following(tmp_path / "backup")
        eventually(lambda: until(tmp_path / "backup") == 1)
        process.send_signal(number)
        assert process.wait(20) == 0


def test_one_that_follows_goes_on_once_there_is_room(tmp_path: Path, disk: Disk, following: Any) -> None:  # noqa: F811
    folder = disk.path / "backup"
    with serving(tmp_path / "data") as server:
        store(server.base, "a", "Adams")
        following(folder)
        eventually(lambda: until(folder) == 1)
        with (disk.path / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="space"):
            while ballast.write(b"x" * 4096):
                pass
        store(server.base, "b", "Baker" * 20_000)
        eventually(lambda: b"No space left on device. It is tried again." in (tmp_path / "said").read_bytes())
        assert until(folder) == 1
        disk.free()
        eventually(lambda: until(folder) == 2)
        assert restored(folder, tmp_path / "new") == everything(server.base)


@pytest.mark.anyio
async def test_one_waits_until_another_into_the_same_folder_has_ended(fhir: Fhir, tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path / "backup")
    await fhir.create({"resourceType": "Patient", "id": "a"})
    async with folder.alone():
        waiting = asyncio.create_task(back_up(fhir.server, folder))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).whole


@pytest.mark.anyio
async def test_one_that_is_broken_off_leaves_the_one_before_it_as_it_was(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = BackupFolder(tmp_path / "backup")
    beside = fhir.server.settings.data / "codes"
    beside.write_bytes(b"first")
    await fhir.create({"resourceType": "Patient", "id": "a"})
    await back_up(fhir.server, folder)
    beside.write_bytes(b"second")
    await fhir.create({"resourceType": "Patient", "id": "b"})
    with monkeypatch.context() as patch:
        patch.setattr(BackupFolder, "write", broken_off)
        with pytest.raises(asyncio.CancelledError):
            await back_up(fhir.server, folder, whole=True)
    (folder.path / "copy.tmp").mkdir()
    (folder.path / "copy.tmp" / "store").touch()
    assert await found(folder, tmp_path / "one") == (b"first", ["a"])
    await back_up(fhir.server, folder)
    assert await found(folder, tmp_path / "other") == (b"second", ["a", "b"])
    assert not (folder.path / "copy.tmp").exists()
    assert len([*(folder.path / "beside").glob("codes*")]) == 1


def broken_off(*_: Any) -> None:
    raise asyncio.CancelledError


async def found(folder: BackupFolder, data: Path) -> tuple[bytes, list[str]]:
    """What a restore brings: the file beside the store, and the ids of patients."""
    settings = Settings(data=data, synchronous="OFF")
    await restore(folder, data, lambda: bootstrap.start(settings, HeldClock(), restoring=True))
    server = await bootstrap.start(settings, HeldClock())
    try:
        stored = [await server.environment.store.read("Patient", id) for id in ("a", "b")]
    finally:
        await server.close()
    return (data / "codes").read_bytes(), [version.id for version in stored if version]


@pytest.mark.anyio
async def test_a_first_one_that_is_broken_off_before_it_is_told_the_store_can_be_taken_up(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = BackupFolder(tmp_path / "backup")
    await fhir.create({"resourceType": "Patient", "id": "a"})
    with monkeypatch.context() as patch:
        patch.setattr(BackupFolder, "forget", broken_off)  # the manifest is written, and nothing comes after it
        with pytest.raises(asyncio.CancelledError):
            await back_up(fhir.server, folder)
    await fhir.create({"resourceType": "Patient", "id": "b"})
    assert (await back_up(fhir.server, folder)).changes == 1


@pytest.mark.anyio
async def test_a_file_that_is_gone_before_it_is_copied_ends_nothing(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = fhir.server.settings.data / "gone"
    monkeypatch.setattr(taking, "_others", lambda data: iter([gone]))
    assert (await back_up(fhir.server, BackupFolder(tmp_path / "backup"))).whole


@pytest.mark.anyio
async def test_damaged_changes_are_told_before_anything_is_restored(fhir: Fhir, tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path / "backup")
    for id in ("a", "b", "c"):
        await fhir.create({"resourceType": "Patient", "id": id})
        await back_up(fhir.server, folder)
    cut = sorted(folder.path.glob("changes-*"))[-1]
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(FhirError, match="is damaged"):
        await found(folder, tmp_path / "new")
    assert not (tmp_path / "new" / "fhir.sqlite").exists()


def test_half_a_restore_is_served_to_nobody_and_made_anew(tmp_path: Path) -> None:
    backup, new = tmp_path / "backup", tmp_path / "new"
    with serving(tmp_path / "data") as server:
        hms("backup", backup, "--data", tmp_path / "data")
        for number in range(30):
            store(server.base, f"p{number}", "Adams")
        hms("backup", backup, "--data", tmp_path / "data")
        expected = everything(server.base)
    run, environment = command("restore", backup, "--data", new)
    restoring = subprocess.Popen(run, env=environment, stderr=subprocess.DEVNULL)
    eventually((new / FILE_NAME).exists)  # it is unpacked; changes are still to come
    restoring.kill()
    restoring.wait()
    assert (new / RESTORING).exists()
    for started in ("serve", "check", "load"):
        arguments = {"serve": ("--port", 0), "load": ("--samples",)}.get(started, ())
        assert "half restored" in hms(started, *arguments, "--data", new, code=1)
    assert restored(backup, new) == expected


@pytest.mark.anyio
async def test_of_two_restores_at_once_into_one_folder_one_is_told_of_the_other(fhir: Fhir, tmp_path: Path) -> None:
    folder, data = BackupFolder(tmp_path / "backup"), tmp_path / "other"
    await fhir.create({"resourceType": "Patient", "id": "a"})
    await back_up(fhir.server, folder)
    settings = Settings(data=data, synchronous="OFF")

    async def start() -> FhirServer:
        with pytest.raises(FhirError, match="Another restore makes"):
            await restore(folder, data, start)
        return await bootstrap.start(settings, HeldClock(), restoring=True)

    await restore(folder, data, start)
    assert not (data / RESTORING).exists() and data.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FhirError, match="already; restore into a new folder"):
        await restore(folder, data, start)
    server = await bootstrap.start(settings, HeldClock())
    try:
        assert await server.environment.store.read("Patient", "a") is not None
    finally:
        await server.close()
