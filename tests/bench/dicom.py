"""C-STORE beside dcmtk's storescp and Orthanc, DICOMweb beside Orthanc's, C-FIND over many studies.

python -m tests.bench.dicom [--files 300] [--studies 100000]

Each receiver runs alone, on the same disk, and gets the same CT files of 512x512 from dcmtk's storescu (TCP_NODELAY=1)
over one association and over four at once. This server runs as `hms serve` with fsync on and makes the FHIR resources
within the time that is measured for it as "with FHIR". storescp does not flush; Orthanc flushes with its SQLite index
(StorageCompression off, SyncStorageArea on, its default).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fhir_server.core.settings import Settings
from tests.system.dicom.conftest import free_port, until
from tests.system.dicom.images import files, study
from tests.system.process import serving

TITLE = "ULTIMATEHMS"
REPEATED = 50  # queries on one association, beyond the first


def quiet(run: list[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.Popen(run, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def reachable(port: int, title: str) -> bool:
    return subprocess.run(["echoscu", "-aec", title, "127.0.0.1", str(port)], capture_output=True).returncode == 0


@contextmanager
def storescp(folder: Path) -> Iterator[dict[str, Any]]:
    port = free_port()
    (folder / "got").mkdir(parents=True)
    process = quiet(["storescp", "--fork", "-aet", "STORESCP", "-od", str(folder / "got"), str(port)])
    try:
        until(lambda: reachable(port, "STORESCP"))
        yield {"port": port, "title": "STORESCP", "pid": process.pid}
    finally:
        process.terminate()
        process.wait()


@contextmanager
def orthanc(folder: Path) -> Iterator[dict[str, Any]]:
    dicom, web = free_port(), free_port()
    folder.mkdir(parents=True)
    settings = {
        "Name": "bench", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "DicomAet": "ORTHANC", "DicomPort": dicom, "HttpPort": web, "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True,
        "DicomCheckCalledAet": False, "SyncStorageArea": True, "StorageCompression": False, "Plugins": PLUGINS,
        "DicomThreadsCount": 8, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = quiet(["Orthanc", str(folder / "orthanc.json")])
    try:
        until(lambda: reachable(dicom, "ORTHANC"))
        base = f"http://127.0.0.1:{web}/dicom-web"
        yield {"port": dicom, "title": "ORTHANC", "pid": process.pid, "web": base if PLUGINS else ""}
    finally:
        process.terminate()
        process.wait()


PLUGINS = [str(path) for path in Path("/usr/share/orthanc/plugins").glob("*DicomWeb*.so")]


@contextmanager
def ours(folder: Path, processes: int = 2) -> Iterator[dict[str, Any]]:
    options = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 1)
    with serving(folder, *options, "--dicom-processes", processes) as server:
        import re

        told = re.search(r"^DICOM +\S+ at \S+:(\d+)$", server.said(), re.MULTILINE)
        assert told
        port = int(told[1])
        until(lambda: reachable(port, TITLE))
        yield {
            "port": port, "title": TITLE, "pid": server.process.pid,
            "web": f"{server.origin}/dicom-web", "fhir": server.base,
        }  # fmt: skip


def send(receiver: dict[str, Any], paths: list[Path], associations: int) -> float:
    """Seconds until the last of so many senders has its last answer."""
    run = ["storescu", "-aec", receiver["title"], "127.0.0.1", str(receiver["port"])]
    started = time.perf_counter()
    senders = [quiet([*run, *map(str, paths[at::associations])]) for at in range(associations)]
    codes = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - started
    assert codes == [0] * associations, codes
    return seconds


def studies_of(base: str) -> int:
    return httpx.get(f"{base}/ImagingStudy?_summary=count").json()["total"]


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True).stdout
    wanted = {pid}
    for own, parent in sorted(tuple(map(int, line.split())) for line in listed.splitlines()):
        if parent in wanted:
            wanted.add(own)
    return sorted(wanted)


def memory(pid: int) -> float:
    """MiB of a process and all below it."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor(pid: int) -> float:
    """Milliseconds of a processor that a process and all below it have used, with children that ended."""
    ticks = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):  # it may end meanwhile
            ticks += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def senders() -> float:
    """Milliseconds of a processor that programs have used which were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def unused() -> tuple[float, float]:
    """Milliseconds for which processors had nothing to do, and for which they waited for the disk."""
    ticks = Path("/proc/stat").read_text().partition("\n")[0].split()[4:6]
    idle, waiting = (int(each) * 1000 / os.sysconf("SC_CLK_TCK") for each in ticks)
    return idle, waiting


def settled(pid: int) -> None:
    """Waits until a receiver that has started does nothing any more."""
    before = -1.0
    while processor(pid) - before > 10:
        before = processor(pid)
        time.sleep(0.5)


RECEIVERS: dict[str, Callable[[Path], Any]] = {"ultimate-hms": ours, "storescp": storescp, "orthanc": orthanc}
PROGRAMS = {"storescp": "storescp", "orthanc": "Orthanc"}


def storing(count: int, runs: int, names: list[str]) -> dict[str, Any]:
    """The receivers take turns in each run, so that what else the machine does meets all of them."""
    results: dict[str, Any] = {}
    for name in [name for name in names if name in PROGRAMS and not shutil.which(PROGRAMS[name])]:
        print(f"{name} is not installed: left out", file=sys.stderr)
        names.remove(name)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as root:
        for run in range(runs):
            for associations in (1, 4):
                for name in names:
                    folder = Path(root, f"{name}-{associations}-{run}")
                    paths = files(study(count, 512), Path(root, "sent"))
                    with RECEIVERS[name](folder) as started:
                        found = one_run(started, paths, associations)
                        if run == 0 and associations == 1 and started.get("web"):
                            results[f"{name} web"] = web(started["web"], paths)
                    # nothing is removed before the end: ext4 passes over inodes that were freed lately one by one
                    os.sync()
                    kept = results.setdefault(f"{name} C-STORE {associations}", {})
                    for figure, value in found.items():
                        kept.setdefault(figure, []).append(value)
                    print(f"{name} C-STORE {associations}", found, f"load {os.getloadavg()[0]:.1f}", flush=True)
    return results


def one_run(started: dict[str, Any], paths: list[Path], associations: int) -> dict[str, float]:
    size = sum(path.stat().st_size for path in paths) / 1e6
    settled(started["pid"])
    before = processor(started["pid"]), senders(), *unused()
    begun = time.perf_counter()
    found = {"MB/s": round(size / send(started, paths, associations), 1)}
    after = processor(started["pid"]), senders(), *unused()
    parts = ("ms of a processor a file", "the senders'", "of no processor in use", "of the disk waited for")
    found |= {name: round((b - a) / len(paths), 2) for name, a, b in zip(parts, before, after, strict=True)}
    if "fhir" in started:
        until(lambda: studies_of(started["fhir"]) == 1)
        found["seconds with FHIR, pause of 1 s included"] = round(time.perf_counter() - begun, 2)
    return found | {"MiB": round(memory(started["pid"]))}


def web(base: str, paths: list[Path]) -> dict[str, Any]:
    """Requests in a second, one after another on one connection."""
    from pydicom import dcmread

    made = dcmread(paths[0], stop_before_pixels=True)
    series = f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}"
    one = f"{series}/instances/{made.SOPInstanceUID}"
    asked = {
        "QIDO studies": ("/studies", "application/dicom+json"),
        "QIDO 300 instances": (f"{series}/instances", "application/dicom+json"),
        "WADO-RS instance": (one, 'multipart/related; type="application/dicom"; transfer-syntax=*'),
        "WADO-RS frame": (f"{one}/frames/1", 'multipart/related; type="application/octet-stream"'),
        "WADO-RS instance metadata": (f"{one}/metadata", "application/dicom+json"),
        "WADO-RS series metadata": (f"{series}/metadata", "application/dicom+json"),
        "WADO-RS rendered": (f"{one}/rendered", "image/jpeg"),
    }
    found = {}
    with httpx.Client(timeout=60) as client:
        for name, (path, accept) in asked.items():
            answer = client.get(base + path, headers={"accept": accept})
            if answer.status_code != 200:
                found[name] = f"status {answer.status_code}"
                continue
            started, count = time.perf_counter(), 0
            while time.perf_counter() - started < 2:
                client.get(base + path, headers={"accept": accept})
                count += 1
            found[name] = round(count / (time.perf_counter() - started), 1)
    print(base, found, flush=True)
    return found


def finding(count: int) -> dict[str, Any]:
    """Milliseconds of a C-FIND of dcmtk's findscu on an open association over so many studies."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as root, ours(Path(root, "data"), 1) as started:
        fill(Path(root, "data/dicom/index.sqlite"), count)
        found: dict[str, Any] = {}
        for name, keys in {
            "patient id": {"PatientID": f"P{count // 2}"},
            "name with wildcard": {"PatientName": f"NAME{count // 2}^*"},
            "accession number": {"AccessionNumber": f"A{count // 2}"},
            "date, 10 studies": {"StudyDate": "20200105", "PatientName": "NAME1*"},
            "study uid": {"StudyInstanceUID": f"1.2.3.{count // 2}"},
        }.items():
            asked = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "PatientName": "", **keys}
            once = [findscu(started, asked, 1) for _ in range(5)]
            often = [findscu(started, asked, REPEATED + 1) for _ in range(5)]
            milliseconds = statistics.median(many[0] - one[0] for one, many in zip(once, often, strict=True)) / REPEATED
            found[name] = {"median ms": round(milliseconds * 1000, 1), "matches": once[0][1]}
        with httpx.Client(timeout=60) as client:
            for name, query in {
                "QIDO patient id": f"PatientID=P{count // 2}",
                "QIDO page of 100": "limit=100&offset=50000",
                "QIDO fuzzy name": f"PatientName=name{count // 2}&fuzzymatching=true",
            }.items():
                times = []
                for _ in range(11):
                    begun = time.perf_counter()
                    client.get(f"{started['web']}/studies?{query}")
                    times.append((time.perf_counter() - begun) * 1000)
                found[name] = {"median ms": round(statistics.median(times), 1)}
    print(found, flush=True)
    return found


def findscu(started: dict[str, Any], keys: dict[str, str], times: int) -> tuple[float, int]:
    """Seconds of so many queries, one after another on one association, and the matches of all."""
    run = ["findscu", "-S", "--repeat", str(times), "-aec", TITLE, "127.0.0.1", str(started["port"])]
    run += [word for keyword, value in keys.items() for word in ("-k", f"{keyword}={value}")]
    begun = time.perf_counter()
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "TCP_NODELAY": "1"}, check=True)
    return time.perf_counter() - begun, (done.stdout + done.stderr).count("Find Response:")


def fill(index: Path, count: int) -> None:
    """So many studies, straight into the index."""
    Settings()
    with sqlite3.connect(index, timeout=60) as connection:
        for at in range(count):
            patient = {"00100020": {"vr": "LO", "Value": [f"P{at}"]},
                       "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"NAME{at}^TEST"}]}}  # fmt: skip
            date = f"20{20 + at % 5}{at % 12 + 1:02d}{at % 28 + 1:02d}"
            made = {"0020000D": {"vr": "UI", "Value": [f"1.2.3.{at}"]}, "00080020": {"vr": "DA", "Value": [date]},
                    "00080050": {"vr": "SH", "Value": [f"A{at}"]}}  # fmt: skip
            connection.execute(
                "INSERT INTO patient VALUES (?,?,'',?,'','',?)",
                (at + 1, f"P{at}", f"NAME{at}^TEST", json.dumps(patient)),
            )
            connection.execute(
                "INSERT INTO study (pk, uid, patient, date, time, accession, accession_issuer, study_id, description,"
                " referring, modalities, series_count, sender, received, attributes)"
                " VALUES (?,?,?,?,'',?,'','','','','\\CT\\',1,'',0,?)",
                (at + 1, f"1.2.3.{at}", at + 1, date, f"A{at}", json.dumps(made)),
            )
            connection.execute("INSERT INTO series VALUES (?,?,?,'CT',1,1,'{}')", (at + 1, f"1.2.3.{at}.1", at + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--only", choices=("storing", "finding"))
    parser.add_argument("--receivers", default=",".join(RECEIVERS))
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "files": arguments.files,
    }
    if arguments.only != "finding":
        results |= storing(arguments.files, arguments.runs, arguments.receivers.split(","))
    if arguments.only != "storing":
        results["C-FIND"] = finding(arguments.studies)
    if arguments.results:
        arguments.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
