"""Memory of the whole server while one association after another stores instances.

`python -m tests.bench.dicom_memory [COUNT]` sends COUNT files of 128x128 (default 5,000), 500 an association, and
prints the proportional set size in MiB of all processes of the server after each, and how much of it is in no file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.system.dicom.conftest import TITLE, dcmtk
from tests.system.dicom.images import files, study
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
