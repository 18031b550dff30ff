"""Faults below the server: a full disk, a locked, read-only, strange or newer store."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.storage.sqlite import schema, writer
from fhir_server.storage.sqlite.database import FILE_NAME
from tests.backends.services import free_port
from tests.conftest import Fhir, issue_of
from tests.system.process import hms, serving

MIB = 2**20


class Disk:
    """A small file system in memory."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="hms-disk-"))
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={24 * MIB}", "tmpfs", str(self.path)]
        done = subprocess.run(mounting, capture_output=True, text=True)
        if done.returncode:
            self.path.rmdir()
            pytest.skip(f"a file system of our own can't be mounted here: {done.stderr.strip()}")

    def fill(self) -> None:
        """Leaves less than a MiB of room; free() gives it back."""
        with (self.path / "ballast").open("wb") as file:
            file.write(b"x" * (24 * MIB - 1 * MIB - sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())))

    def fill_whole(self) -> None:
        """Leaves no room at all."""
        with (self.path / "ballast").open("ab", 0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass

    def room(self) -> int:
        """The free bytes."""
        return shutil.disk_usage(self.path).free

    def free(self) -> None:
        (self.path / "ballast").unlink()

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.path)], check=True)
        self.path.rmdir()


@pytest.fixture
def disk() -> Iterator[Disk]:
    if sys.platform != "linux":
        pytest.skip("small file systems are mounted on Linux only")
    disk = Disk()
    yield disk
    disk.unmount()


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def bundle(mark: str, entries: int = 100) -> dict:
    resource = {
        "resourceType": "Basic",
        "identifier": [{"system": "http://hospital.test/mark", "value": mark}],
        "code": {"text": "x" * 2000},
    }
    entry = {"resource": resource, "request": {"method": "POST", "url": "Basic"}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * entries}


def marked(http: httpx.Client, base: str, mark: str) -> int:
    answer = http.get(f"{base}/Basic?identifier=http://hospital.test/mark|{mark}&_summary=count")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


@pytest.mark.parametrize("cache_mb", [2, 32], ids=["full amid a transaction", "full at its end"])
def test_on_a_full_disk_nothing_is_half_done_and_it_goes_on_when_there_is_room(disk: Disk, cache_mb: int) -> None:
    with serving(disk.path / "data", "--cache-mb", cache_mb) as server, httpx.Client(timeout=60) as http:
        assert http.put(f"{server.base}/Patient/a", json={"resourceType": "Patient", "id": "a"}).status_code == 201
        disk.fill()
        answers = asyncio.run(post_all(server.base, [bundle(f"m{number}") for number in range(24)]))
        assert set(answers) <= {200, 507} and 507 in answers
        refused = http.post(server.base, json=bundle("refused", 1000))
        assert refused.status_code == 507
        assert issue_of(refused)["code"] == "no-store"
        for number, status in enumerate(answers):
            assert marked(http, server.base, f"m{number}") == (100 if status == 200 else 0)
        assert marked(http, server.base, "refused") == 0
        assert http.get(f"{server.base}/Patient/a").status_code == 200
        assert http.get(f"{server.origin}/health/ready").json()["status"] == "warn"
        disk.free()
        assert http.post(server.base, json=bundle("after")).status_code == 200
        assert marked(http, server.base, "after") == 100
        assert "Traceback" not in server.said()
    assert "whole" in hms("check", "--data", disk.path / "data")


async def post_all(base: str, bundles: list[dict]) -> list[int]:
    async with httpx.AsyncClient(timeout=60) as http:
        answers = await asyncio.gather(*(http.post(base, json=body) for body in bundles))
    return [answer.status_code for answer in answers]


ASYNCHRONOUS = {"accept": "application/fhir+json", "prefer": "respond-async"}


def test_an_export_without_room_says_so_and_gives_its_room_back(disk: Disk) -> None:
    with serving(disk.path / "data", "--workers", 1) as server, httpx.Client(timeout=60) as http:
        for number in range(8):
            assert http.post(server.base, json=bundle(f"n{number}")).status_code == 200
        disk.fill()
        room = disk.room()
        answer = ended(http, http.get(f"{server.base}/$export", headers=ASYNCHRONOUS))
        assert "disk is full" in issue_of(answer)["diagnostics"]
        assert disk.room() > room - MIB / 4
        disk.fill_whole()
        jobs = [*disk.path.glob("data/exports/*")]
        refused = http.get(f"{server.base}/$export", headers=ASYNCHRONOUS)
        assert (refused.status_code, issue_of(refused)["code"]) == (507, "no-store")
        assert [*disk.path.glob("data/exports/*")] == jobs
        disk.free()
        assert ended(http, http.get(f"{server.base}/$export", headers=ASYNCHRONOUS)).json()["output"][0]["count"] == 800
        assert "Traceback" not in server.said()


def test_an_import_waits_for_room_and_stores_every_line(disk: Disk) -> None:
    lines = [{"resourceType": "Basic", "id": f"i{n}", "code": {"text": "y" * 5000}} for n in range(400)]
    headers = {**ASYNCHRONOUS, "content-type": "application/fhir+ndjson"}
    with serving(disk.path / "data", "--workers", 1) as server, httpx.Client(timeout=60) as http:
        disk.fill()
        with (disk.path / "ballast").open("r+b") as file:
            file.truncate(file.seek(0, 2) - 2 * MIB)  # for what is sent, not for what it becomes
        begun = http.post(f"{server.base}/$import", content="\n".join(map(json.dumps, lines)), headers=headers)
        while "an import waits" not in server.said():
            assert http.get(begun.headers["content-location"]).status_code == 202
            time.sleep(0.05)
        disk.free()
        answer = ended(http, begun)
        assert (answer.json()["output"], answer.json().get("error", [])) == ([{"count": 400}], [])
        assert http.get(f"{server.base}/Basic?_summary=count").json()["total"] == 400
        assert "Traceback" not in server.said()


def ended(http: httpx.Client, begun: httpx.Response) -> httpx.Response:
    """What a job that was begun comes to."""
    assert begun.status_code == 202, begun.text
    while (answer := http.get(begun.headers["content-location"])).status_code == 202:
        time.sleep(0.05)
    return answer


def test_a_store_is_stopped_and_started_on_a_full_disk(disk: Disk) -> None:
    data = disk.path / "data"
    with serving(data) as server:
        for number in range(8):
            assert httpx.post(server.base, json=bundle(f"m{number}"), timeout=60).status_code == 200
        disk.fill()
    with serving(data) as server, httpx.Client(timeout=60) as http:
        assert [marked(http, server.base, f"m{number}") for number in range(8)] == [100] * 8
        statuses = Counter(http.post(server.base, json=bundle(f"n{n}", 300)).status_code for n in range(3))
        assert statuses[507] and set(statuses) <= {200, 507}
        disk.free()
        assert http.post(server.base, json=bundle("after")).status_code == 200
    assert "whole" in hms("check", "--data", data)


def test_a_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / FILE_NAME)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
        sent = {"resourceType": "Patient", "id": "a"}

        async def write_meanwhile() -> tuple[int, int]:
            async with httpx.AsyncClient(timeout=60) as http:
                writing = asyncio.create_task(http.put(f"{server.base}/Patient/a", json=sent))
                reading = (await http.get(f"{server.base}/Patient")).status_code
                await asyncio.sleep(0.5)
                assert not writing.done(), "it was stored although another process holds the lock"
                await asyncio.to_thread(holder.communicate)
                return reading, (await writing).status_code

        assert asyncio.run(write_meanwhile()) == (200, 201)


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@pytest.mark.anyio
async def test_a_lock_that_stays_is_answered_by_503_and_when_to_try_again(
    fhir: Fhir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCK_PATIENCE", 0.2)
    await fhir.create({"resourceType": "Patient", "id": "a"})
    with closing(sqlite3.connect(fhir.server.settings.data / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(fhir.put(f"Patient/b{n}", patient(f"b{n}")) for n in range(5)))
        assert [answer.status_code for answer in answers] == [503] * 5
        assert issue_of(answers[0])["code"] == "lock-error"
        assert int(answers[0].headers["retry-after"]) > 0
        assert (await fhir.get("Patient/a")).status_code == 200
        assert await fhir.ids("Patient") == ["a"]
        other.execute("ROLLBACK")
    await fhir.create(patient("b0"))
    assert await fhir.ids("Patient") == ["a", "b0"]
    assert await fhir.server.check() == []


def patient(id: str) -> dict:
    return {"resourceType": "Patient", "id": id}


def refused(data: Path, *arguments: object) -> str:
    """What `hms serve` says where it can't start; never a stack trace."""
    said = hms("serve", "--port", 0, "--data", data, *arguments, code=1)
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_is_no_database_is_told_at_the_start_and_left_alone(tmp_path: Path, workers: int) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"patients, patients, patients\n" * 1000)
    assert "not a database" in refused(tmp_path, "--workers", workers)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"patients, patients")


@pytest.mark.parametrize("name", ["terminology.db", "hl7.sqlite", "dicom/index.sqlite"])
def test_a_damaged_file_beside_the_store_is_named_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"patients, patients, patients\n" * 1000)
    said = refused(tmp_path, "--hl7-port", free_port(), "--dicom", "true", "--dicom-port", free_port())
    assert f"{tmp_path / name} is not a database" in said


def test_a_store_of_a_newer_layout_is_told_at_the_start_and_left_alone(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        file.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    said = refused(tmp_path)
    assert f"version {schema.VERSION + 1}" in said and "choose another data folder" in said


def test_a_data_folder_that_is_a_file_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    assert "can't be written" in refused(tmp_path / "data")


def test_a_read_only_data_folder_is_told_at_the_start(disk: Disk) -> None:
    data = disk.path / "data"
    with serving(data):
        pass
    disk.read_only()
    assert "Name another" in refused(data)
    assert "can't be written" in refused(disk.path / "new")


@pytest.mark.parametrize("command", ["info", "check", "export", "reindex"])
def test_a_command_on_a_read_only_data_folder_names_it_in_a_line(disk: Disk, command: str, tmp_path: Path) -> None:
    with serving(disk.path / "data"):
        pass
    disk.read_only()
    folder = [tmp_path / "out"] if command == "export" else []
    said = hms(command, *folder, "--data", disk.path / "data", code=1)
    assert f"{disk.path / 'data'} can't be written" in said.splitlines()[-1], said


def test_a_load_and_an_export_without_room_end_with_a_line(disk: Disk, tmp_path: Path) -> None:
    patients = [{"resourceType": "Patient", "id": f"p{n}", "name": [{"text": f"{n:01000}"}]} for n in range(3000)]
    (tmp_path / "in.ndjson").write_text("\n".join(map(json.dumps, patients)))
    hms("load", tmp_path / "in.ndjson", "--data", tmp_path / "data")
    disk.fill()
    said = hms("load", tmp_path / "in.ndjson", "--data", disk.path / "data", code=1)
    assert "disk is full" in said and "Load again" in said and "refused" not in said, said[:2000]
    said = hms("export", disk.path / "out", "--data", tmp_path / "data", code=1)
    assert said == f"hms: {disk.path}/out/Patient.ndjson can't be written: No space left on device.\n"


def test_subsystems_that_find_the_disk_full_say_so_in_a_line_and_start_once_there_is_room(disk: Disk) -> None:
    with serving(disk.path / "data"):
        pass
    disk.fill_whole()
    with (disk.path / "ballast").open("r+b") as file:
        file.truncate((disk.path / "ballast").stat().st_size - 300 * 1024)  # the server starts in that, they don't
    with serving(disk.path / "data", "--subsystems", "billing", "--workers", 1) as server:
        eventually(lambda: "subsystems can't start" in server.said())
        assert httpx.get(f"{server.base}/metadata").status_code == 200
        assert "Traceback" not in server.said()
        disk.free()
        eventually(lambda: httpx.get(f"{server.origin}/billing/state", timeout=60).status_code == 200)
