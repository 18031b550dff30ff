"""Backups taken beside a running server, and the store had back from them."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from fhir_server.core.keys import instant
from tests.system.process import Server, command, hms, serving
from tests.system.security.test_killed import named, stored


def store(base: str, id: str, family: str) -> str:
    """Stores a patient; gives its lastUpdated."""
    resource = {"resourceType": "Patient", "id": id, "name": [{"family": family}]}
    answer = httpx.put(f"{base}/Patient/{id}", json=resource)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["meta"]["lastUpdated"]


def everything(base: str) -> dict[str, list]:
    """The history of the whole server: what each version says, by reference."""
    found: dict[str, list] = {}
    url = f"{base}/_history?_count=500"
    while url:
        bundle = httpx.get(url, timeout=60).json()
        for entry in bundle.get("entry", ()):
            said = [entry["request"]["method"], entry["response"]["lastModified"], entry.get("resource")]
            found.setdefault(entry["fullUrl"].removeprefix(base), []).append(said)
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return found


def restored(folder: Path, data: Path, *arguments: str) -> dict[str, list]:
    said = hms("restore", folder, "--data", data, *arguments)
    assert "It is whole." in said
    with serving(data) as server:
        return everything(server.base)


@pytest.fixture
def server(tmp_path: Path):
    with serving(tmp_path / "data") as server:
        yield server


def test_what_an_older_program_indexed_otherwise_is_made_anew_by_a_restore(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    server.stop()
    with closing(sqlite3.connect(tmp_path / "data/fhir.sqlite")) as kept, kept:
        kept.execute("DELETE FROM string_value")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    said = hms("restore", tmp_path / "backup", "--data", tmp_path / "restored")
    assert "of an older program; it is made anew" in said and "It is whole." in said
    assert hms("check", "--data", tmp_path / "restored") == "The store is whole.\n"


def test_a_restore_gives_every_version_back_and_searches_find_it(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    store(server.base, "a", "Baker")
    store(server.base, "b", "Clark")
    httpx.delete(f"{server.base}/Patient/b")
    assert "3 changes" in hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    expected = everything(server.base)
    assert restored(tmp_path / "backup", tmp_path / "new") == expected
    with serving(tmp_path / "new") as new:
        assert httpx.get(f"{new.base}/Patient?family=baker&_summary=count").json()["total"] == 1
        assert httpx.get(f"{new.base}/Patient?family=clark&_summary=count").json()["total"] == 0


def test_any_moment_that_the_backup_covers_can_be_had_back(tmp_path: Path, server: Server) -> None:
    first = store(server.base, "a", "Adams")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    moments = []
    for family in ("Baker", "Clark", "Davis"):
        time.sleep(0.01)
        moments.append((store(server.base, "a", family), everything(server.base)))
        hms("backup", tmp_path / "backup", "--data", tmp_path / "data", *["--whole"] * (family == "Clark"))
    for number, (moment, expected) in enumerate(moments):
        assert restored(tmp_path / "backup", tmp_path / f"new-{number}", "--at", moment) == expected
    said = hms("restore", tmp_path / "backup", "--data", tmp_path / "early", "--at", "2020-01-01T00:00:00Z", code=1)
    assert f"The backup begins at {first}" in said


def test_what_was_erased_stays_erased(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    store(server.base, "a", "Baker")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    assert httpx.post(f"{server.base}/Patient/a/$purge").status_code == 200
    store(server.base, "b", "Clark")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    assert set(restored(tmp_path / "backup", tmp_path / "new")) == set(everything(server.base))


def test_an_export_that_an_erasure_took_is_in_the_next_backup_no_more(tmp_path: Path, server: Server) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    store(server.base, "a", "Adams")
    asked = httpx.get(f"{server.base}/$export", headers={"prefer": "respond-async", "accept": "application/fhir+json"})
    while httpx.get(asked.headers["content-location"]).status_code == 202:
        time.sleep(0.05)
    hms("backup", backup, "--data", data)
    assert [*backup.rglob("Patient*.ndjson*.zst")]
    assert httpx.post(f"{server.base}/Patient/a/$purge").status_code == 200
    hms("backup", backup, "--data", data)
    assert not [*backup.rglob("Patient*.ndjson*.zst")]
    hms("restore", backup, "--data", tmp_path / "new")
    assert not [*(tmp_path / "new").rglob("Patient*.ndjson")]


def test_the_drill_kill_and_lose_the_disk(tmp_path: Path) -> None:
    """Recovery takes seconds, and nothing is lost that was answered before the last look of `hms backup --follow`."""
    data, folder = tmp_path / "data", tmp_path / "backup"
    with serving(data) as server:
        run, environment = command("backup", folder, "--data", data, "--follow", "0.2")
        following = subprocess.Popen(run, env=environment, stderr=subprocess.DEVNULL)
        try:
            for number in range(120):
                store(server.base, f"p{number}", f"Family{number}")
            expected = everything(server.base)
            server.kill()
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and until(folder) < 120:
                time.sleep(0.1)
        finally:
            following.send_signal(signal.SIGINT)
            following.wait(60)
    shutil.rmtree(data)
    assert restored(folder, tmp_path / "new") == expected


def until(folder: Path) -> int:
    """How far a backup reaches."""
    try:
        manifest = json.loads((folder / "backup.json").read_bytes())
    except FileNotFoundError:
        return 0
    return max([manifest["bases"][0]["head"], *(segment["until"] for segment in manifest["segments"])])


def test_the_other_files_of_the_data_folder_come_along(tmp_path: Path, server: Server) -> None:
    data = tmp_path / "data"
    (data / "files").mkdir()
    (data / "files" / "one").write_bytes(b"1" * 5000)
    code_system = {
        "resourceType": "CodeSystem",
        "url": "http://ward.test/beds",
        "status": "active",
        "content": "complete",
    }
    code_system["concept"] = [{"code": "window", "display": "By the window"}]
    assert httpx.post(f"{server.base}/CodeSystem", json=code_system).status_code == 201
    lookup = "CodeSystem/$lookup?system=http://ward.test/beds&code=window"
    assert httpx.get(f"{server.base}/{lookup}").status_code == 200
    hms("backup", tmp_path / "backup", "--data", data)
    hms("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert (tmp_path / "new/files/one").read_bytes() == b"1" * 5000
    with serving(tmp_path / "new") as new:
        assert httpx.get(f"{new.base}/{lookup}").status_code == 200


def test_the_events_of_all_that_it_has_are_in_its_copy_of_the_audit_log_once(tmp_path: Path) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    with serving(data, "--audit", "on") as server:
        for number in range(3):
            for each in range(30):
                store(server.base, f"{number}-{each}", "Adams")
            hms("backup", tmp_path / "backup", "--data", data)
        hms("backup", tmp_path / "backup", "--data", data, "--whole")
    hms("restore", tmp_path / "backup", "--data", new)
    assert named(new) == Counter(stored(new)) and len(stored(new)) == 90
    assert "as it was written" in hms("audit", "verify", "--data", new)


def test_what_can_not_work_is_refused_with_what_to_do(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    data, folder = tmp_path / "data", tmp_path / "backup"
    assert "no backup in" in hms("restore", tmp_path / "none", "--data", tmp_path / "new", code=1)
    hms("backup", folder, "--data", data)
    assert "restore into a new folder" in hms("restore", folder, "--data", data, code=1)
    assert "has no time zone" in hms("restore", folder, "--data", tmp_path / "new", "--at", "2026-01-01", code=1)
    assert "is no time" in hms("restore", folder, "--data", tmp_path / "new", "--at", "noon", code=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    assert "name a new folder" in hms("backup", tmp_path / "other", "--data", data, code=1)


def test_a_restored_store_is_backed_up_elsewhere(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    hms("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert "holds the backup of another store" in hms("backup", tmp_path / "backup", "--data", tmp_path / "new", code=1)
    assert "the whole store" in hms("backup", tmp_path / "second", "--data", tmp_path / "new")


def test_a_damaged_backup_is_told_and_leaves_no_store(tmp_path: Path, server: Server) -> None:
    store(server.base, "a", "Adams")
    folder = tmp_path / "backup"
    hms("backup", folder, "--data", tmp_path / "data")
    base = next(folder.glob("base-*"))
    content = bytearray(base.read_bytes())
    content[len(content) // 2] ^= 1
    base.write_bytes(content)
    assert "is damaged" in hms("restore", folder, "--data", tmp_path / "new", code=1)
    assert not (tmp_path / "new" / "fhir.sqlite").exists()


def test_times_are_printed_as_they_are_asked_for(tmp_path: Path, server: Server) -> None:
    moment = store(server.base, "a", "Adams")
    hms("backup", tmp_path / "backup", "--data", tmp_path / "data")
    said = hms("restore", tmp_path / "backup", "--data", tmp_path / "new", "--at", moment)
    assert re.search(r"as it was at (\S+):", said)[1] == moment != instant(0)
