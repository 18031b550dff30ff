"""What sealing costs DICOM files: MB a second of processor time that arrive, and that are read whole; parts a second.

python -m tests.bench.sealed_images [--size 8] [--files 100]

One thread, no flushes, the least of some rounds. Every file is hashed and put into the index as in a C-STORE, without
the network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from fhir_server.core.settings import Settings
from fhir_server.security.encryption.master_keys import add_key
from interfaces.dicom.archive.archive import Archive
from tests.system.dicom.images import encoded, image

PART = 64 * 1024  # bytes, as of a frame
ROUNDS = 3


def least(work: Callable[[], None]) -> float:
    """Seconds of the quickest round."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def measured(archive: Archive, size: int, count: int) -> dict[str, float]:
    """MB/s and parts a second."""
    side = int((size * 2**20 / 2) ** 0.5)
    syntax = ""

    def arrive() -> None:
        for data in made:
            archive.receive(data, transfer_syntax=syntax)

    seconds = []
    for _ in range(ROUNDS):
        images = [image(side) for _ in range(count)]
        syntax = str(images[0].file_meta.TransferSyntaxUID)
        made = [encoded(each) for each in images]
        began = time.process_time()
        arrive()
        seconds.append(time.process_time() - began)
    digests = list(archive.files.digests())[:count]
    size_of_one = len(archive.files.read(digests[0]))
    parts = [(digest, at) for digest in digests for at in range(0, size_of_one - PART, size_of_one // 10)]
    whole = least(lambda: [archive.files.read(digest) for digest in digests] and None)
    part = least(lambda: [archive.files.read(digest, at, PART) for digest, at in parts] and None)
    megabytes = count * size_of_one / 1e6
    return {"arriving MB/s": megabytes / min(seconds), "whole MB/s": megabytes / whole, "parts/s": len(parts) / part}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=float, default=8, help="MiB of a file")
    arguments.add_argument("--files", type=int, default=100)
    given = arguments.parse_args()
    for kind in ("clear", "sealed"):
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(data=Path(folder) / "data", dicom_fsync=False, dicom_reserve_mb=0)
            if kind == "sealed":
                add_key(Path(folder) / "master.json")
                settings = msgspec.structs.replace(settings, encryption_keys=f"{folder}/master.json")
            archive = Archive(settings)
            found = measured(archive, given.size, given.files)
            archive.close()
            print(kind, ", ".join(f"{name} {value:,.0f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
