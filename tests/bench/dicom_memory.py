"""Memory of the whole server while one association after another stores instances.

`python -m tests.bench.dicom_memory [COUNT]` sends COUNT files of 128x128 (default 5,000), 500 an association, and
prints the proportional set size in MiB of all processes of the server after each, and how much of it is in no file.
`python -m tests.bench.dicom_memory --index [COUNT]` places COUNT instances (default 60,000) in an index in this process
and prints its own MiB: what an acceptor keeps of instances that have come and gone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.record import record_of
from interfaces.dicom.dataset.part10 import read_file
from tests.system.dicom.conftest import TITLE, dcmtk
from tests.system.dicom.images import files, image, study
from tests.system.dicom.test_serving import OPTIONS, port_of
from tests.system.process import serving

EACH, STUDY = 500, 100  # files an association, images a study


def memory(group: int) -> str:
    """MiB of the processes of a group, what they share counted once: all, and what is in no file."""
    total = own = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                held = dict(re.findall(r"^(\w+): +(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE))
                total += int(held.get("Pss", 0))
                own += int(held.get("Pss_Anon", 0))
    return f"{total // 1024:4} {own // 1024:4}"


def main(count: int) -> None:
    """Sends and prints."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "data"), *OPTIONS) as server:
        print("instances   MiB  anonymous")
        print(f"{0:9}  {memory(server.process.pid)}", flush=True)
        for sent in range(EACH, count + 1, EACH):
            images = [made for _ in range(EACH // STUDY) for made in study(STUDY, 128)]
            files(images, Path(folder, "sent"))
            run = [dcmtk("storescu"), "-aec", TITLE, "+sd", "127.0.0.1", str(port_of(server)), f"{folder}/sent"]
            subprocess.run(run, check=True, env={**os.environ, "TCP_NODELAY": "1"}, capture_output=True)
            print(f"{sent:9}  {memory(server.process.pid)}", flush=True)
        time.sleep(8)  # what follows of the last study is done by then
        print(f"{'at rest':>9}  {memory(server.process.pid)}")


def index(count: int) -> None:
    """Places and prints."""
    read, encoded = image(16), BytesIO()
    read.save_as(encoded, enforce_file_format=True)
    meta, walked = read_file(encoded.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Settings(data=Path(folder), dicom_reserve_mb=0, dicom_fsync=False))
        named = {"transfer_syntax": meta.transfer_syntax, "size": 1, "start": meta.start, "sender": "", "issuer": ""}
        record = record_of(walked, digest="", **named)
        print("instances   MiB")
        for placed in range(1, count + 1):
            uid = f"1.2.826.0.1.{placed}"
            instance = {**record.instance, "00080018": {"vr": "UI", "Value": [uid]}}
            archive.place(record._replace(instance=instance, digest=sha256(uid.encode()).hexdigest()))
            if placed % (count // 12) == 0:
                held = re.search(r"^Anonymous: +(\d+)", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
                print(f"{placed:9}  {int(held[1]) // 1024 if held else 0:4}", flush=True)
        archive.close()


if __name__ == "__main__":
    if "--index" in sys.argv:
        index(int(sys.argv[2]) if len(sys.argv) > 2 else 60_000)
        sys.exit()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
