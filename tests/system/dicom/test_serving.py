"""`hms serve` with DICOM beside it: several processes, stops, and kills."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time

import httpx

from fhir_server.security.encryption.master_keys import add_key
from tests.system.dicom.conftest import TITLE, dcmtk, until
from tests.system.dicom.images import files, study
from tests.system.process import Server, serving

FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
OPTIONS = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 1)


def port_of(server: Server) -> int:
    return int(re.search(r"^DICOM +\S+ at \S+:(\d+)$", server.said(), re.MULTILINE)[1])


def storescu(port, *paths):
    run = [dcmtk("storescu"), "-aec", TITLE, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(run, capture_output=True, timeout=120)


def counted(data):
    with sqlite3.connect(data / "dicom" / "index.sqlite") as connection:
        return connection.execute("SELECT count(*) FROM instance").fetchone()[0]


def test_several_processes_accept_on_one_port_and_end_with_the_server(tmp_path):
    paths = files(study(12), tmp_path / "sent")
    with serving(tmp_path / "data", *OPTIONS, "--dicom-processes", 3) as server:
        port = port_of(server)
        run = [dcmtk("storescu"), "-aec", TITLE, "127.0.0.1", str(port)]
        senders = [subprocess.Popen([*run, *map(str, paths[at::4])]) for at in range(4)]
        assert [sender.wait(60) for sender in senders] == [0] * 4
        assert counted(tmp_path / "data") == 12
        assert server.stop() == 0
    assert storescu(port, paths[0]).returncode != 0


def processes_of(server: Server) -> dict[int, int]:
    """Those of its process group that live, each with its parent."""
    asked = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="]
    rows = map(str.split, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines())
    return {
        int(pid): int(parent)
        for pid, parent, group, state in rows
        if int(group) == server.process.pid and not state.startswith("Z")
    }


def test_an_acceptor_that_ends_is_started_again_and_none_outlives_a_killed_server(tmp_path):
    paths = files(study(2), tmp_path / "sent")
    with serving(tmp_path / "data", *OPTIONS, "--dicom-processes", 2, "--subsystems", "workforce") as server:
        found = processes_of(server)
        acceptors = [pid for pid, parent in found.items() if found.get(parent) == server.process.pid]
        assert len(acceptors) == 1
        os.kill(acceptors[0], signal.SIGKILL)
        until(lambda: "an acceptor process ended and is started again" in server.said())
        assert storescu(port_of(server), *paths).returncode == 0
        server.process.kill()
        server.process.wait()
        until(lambda: not processes_of(server))


def test_what_was_acknowledged_survives_a_kill_and_what_lies_between_file_and_index_is_found(tmp_path):
    paths = files(study(30, 128), tmp_path / "sent")
    data = tmp_path / "data"
    with serving(data, *OPTIONS) as server:
        run = [dcmtk("storescu"), "-v", "-aec", TITLE, "127.0.0.1", str(port_of(server)), *map(str, paths)]
        sender = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: (data / "dicom").exists() and counted(data) >= 5)
        server.kill()
        acknowledged = sender.communicate(timeout=60)[0].count("Store Response (Success)")
    time.sleep(0.2)
    kept = counted(data)
    assert kept >= acknowledged >= 1
    with sqlite3.connect(data / "dicom" / "index.sqlite") as connection:  # as if killed before the index was written
        connection.execute("DELETE FROM instance WHERE pk IN (SELECT max(pk) FROM instance)")
    half = data / "dicom" / "files" / "incoming" / "half"
    half.write_bytes(b"x")
    with serving(data, *OPTIONS) as server:
        assert kept <= counted(data) <= len(paths) and not half.exists()  # one may have been on disk without an answer
        assert storescu(port_of(server), *paths).returncode == 0
        assert counted(data) == 30


def test_sealed_files_are_there_after_a_kill_and_unreadable_on_the_disk(tmp_path):
    made = study(4, 256, PatientName="Quxenbaum^Ada")
    paths, data, keys = files(made, tmp_path / "sent"), tmp_path / "data", tmp_path / "master.json"
    add_key(keys)
    options = (*OPTIONS, "--encryption-keys", keys)
    with serving(data, *options) as server:
        assert storescu(port_of(server), *paths).returncode == 0
        server.kill()
    stored = list((data / "dicom" / "files").glob("*/*.dcm"))
    assert len(stored) == 4
    content = b"".join(path.read_bytes() for path in stored)
    assert b"Quxenbaum" not in content and made[0].PixelData[1000:1064] not in content
    with serving(data, *options) as server:
        url = f"{server.origin}/dicom-web/studies/{made[0].StudyInstanceUID}/series/{made[0].SeriesInstanceUID}"
        frame = httpx.get(f"{url}/instances/{made[2].SOPInstanceUID}/frames/1", headers={"accept": FRAMES})
        assert made[2].PixelData in frame.content
        shown = httpx.get(f"{url}/metadata", headers={"accept": "application/dicom+json"})
        assert len(shown.json()) == 4 and shown.text.count("Quxenbaum") == 4
