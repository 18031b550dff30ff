"""Memory of the whole server while one association after another stores instances.

`python -m tests.bench.dicom_memory [COUNT]` sends COUNT files (default 5,000), 500 an association, and prints MiB of
all processes of the server after each 2,500, what they share counted once, and how much of it is in no file; beside it
what is in no file of each process. `--small` makes the server's caches small: what stays flat then grew by caches.
`python -m tests.bench.dicom_memory --index [COUNT]` places COUNT instances (default 60,000) in an index in this process
and prints its own MiB: what an acceptor keeps of instances that have come and gone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import msgspec

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.record import described, record_of
from interfaces.dicom.dataset.part10 import read_file
from tests.system.dicom.conftest import TITLE, dcmtk
from tests.system.dicom.images import files, image, study
from tests.system.dicom.test_serving import OPTIONS, port_of
from tests.system.process import PROGRAM, Server, serving

EACH, STUDY, SHOWN = 500, 100, 2500  # files an association, images a study, files between two lines
SMALL = "tests.bench.small_caches"


class Held(NamedTuple):
    """Memory of a process in KiB: with its part of what is shared, of that what is in no file, and all of its own that
    is in no file."""

    shared: int
    of_it_anonymous: int
    anonymous: int


def held_by(process: Path) -> Held:
    """The memory of a process; OSError where it has ended."""
    found = dict(re.findall(r"^(\w+): +(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE))
    return Held(*(int(found.get(name, 0)) for name in ("Pss", "Pss_Anon", "Anonymous")))


def named(process: Path, server: Server) -> str:
    """What a process of the server is."""
    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    line = (process / "cmdline").read_text()
    if int(process.name) == server.process.pid:
        return "starter"
    if "resource_tracker" in line:
        return "tracker"
    if parent != server.process.pid:
        return "acceptor"
    begun = "".join(each.read_text() for each in process.glob("task/*/children"))
    return "dicom" if begun else "worker"


def memory(server: Server) -> str:
    """MiB of the server's processes: together, of that in no file, and in no file of each."""
    total = own = 0
    each: list[str] = []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == server.process.pid:
                held = held_by(process)
                total += held.shared
                own += held.of_it_anonymous
                each.append(f"{named(process, server)} {held.anonymous // 1024}")
    return f"{total // 1024:4} {own // 1024:4}  {', '.join(each)}"


def sending(count: int, pixels: int, small: bool) -> None:
    """Sends and prints."""
    program, options = (SMALL, (*OPTIONS, "--cache-mb", 2)) if small else (PROGRAM, OPTIONS)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "data"), *options, program=program) as server:
        print("instances   MiB  in no file, of each process")
        print(f"{0:9}  {memory(server)}", flush=True)
        for sent in range(EACH, count + 1, EACH):
            images = [made for _ in range(EACH // STUDY) for made in study(STUDY, pixels)]
            files(images, Path(folder, "sent"))
            run = [dcmtk("storescu"), "-aec", TITLE, "+sd", "127.0.0.1", str(port_of(server)), f"{folder}/sent"]
            subprocess.run(run, check=True, env={**os.environ, "TCP_NODELAY": "1"}, capture_output=True)
            if sent % SHOWN == 0 or sent == EACH:
                print(f"{sent:9}  {memory(server)}", flush=True)
        time.sleep(8)  # what follows of the last study is done by then
        print(f"{'at rest':>9}  {memory(server)}")


def index(count: int) -> None:
    """Places and prints."""
    read, encoded = image(16), BytesIO()
    read.save_as(encoded, enforce_file_format=True)
    meta, walked = read_file(encoded.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Settings(data=Path(folder), dicom_reserve_mb=0, dicom_fsync=False))
        named = {"transfer_syntax": meta.transfer_syntax, "size": 1, "start": meta.start, "sender": "", "issuer": ""}
        record = record_of(described(walked), digest="", **named)
        print("instances   MiB")
        for placed in range(1, count + 1):
            uid = f"1.2.826.0.1.{placed}"
            instance = {**record.instance, "00080018": {"vr": "UI", "Value": [uid]}}
            digest = sha256(uid.encode()).hexdigest()
            archive.place(msgspec.structs.replace(record, instance=instance, uid=uid, digest=digest))
            if placed % (count // 12) == 0:
                print(f"{placed:9}  {held_by(Path('/proc/self')).anonymous // 1024:4}", flush=True)
        archive.close()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?")
    parser.add_argument("--pixels", type=int, default=128, help="of an edge of an image")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--index", action="store_true")
    options = parser.parse_args()
    if options.index:
        index(options.count or 60_000)
    else:
        sending(options.count or 5000, options.pixels, options.small)


if __name__ == "__main__":
    main()
