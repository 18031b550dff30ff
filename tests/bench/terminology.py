"""What the terminology operations take over HTTP, with all of ICD-10-CM loaded: python -m tests.bench.terminology."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import zstandard

from terminology import FILE_NAME, Terminology
from terminology.loaders.jobs import Jobs
from tests.bench.__main__ import serving

CODES = Path(__file__).parents[1] / "data" / "terminology" / "icd10cm-codes-2026-04.txt.zst"
SYSTEM, VALUE_SET = "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/ValueSet/icd-10-cm"
LETTERS = "ABCDEFGHIJKLMNOPQRSTVZ"


class Row(NamedTuple):
    """One measurement: its name, how many connections ask at once, and the URLs that they ask in turn."""

    name: str
    connections: int
    urls: list[str]


def url(operation: str, **parameters: str | int) -> str:
    """The path of a call."""
    return f"/fhir/{operation}?{urlencode(parameters)}"


def rows(codes: list[str]) -> list[Row]:
    """What is measured."""
    here = {"system": SYSTEM}
    filters = [f"{letter}{digit}" for letter in LETTERS for digit in range(10)] + [c.lower() for c in LETTERS]
    expansions = [url("ValueSet/$expand", url=VALUE_SET, filter=text, count=20) for text in filters]
    return [
        Row(
            "ValueSet/$validate-code",
            16,
            [url("ValueSet/$validate-code", url=VALUE_SET, code=c, **here) for c in codes],
        ),
        Row("CodeSystem/$validate-code", 16, [url("CodeSystem/$validate-code", url=SYSTEM, code=c) for c in codes]),
        Row("CodeSystem/$lookup", 16, [url("CodeSystem/$lookup", code=c, **here) for c in codes]),
        Row("CodeSystem/$subsumes", 16, [url("CodeSystem/$subsumes", codeA=c[:3], codeB=c, **here) for c in codes]),
        Row("ValueSet/$expand, filter, first 20", 1, expansions),
        Row("ValueSet/$expand, filter, first 20", 8, expansions),
    ]


async def ask(host: str, port: int, row: Row, seconds: float) -> tuple[int, list[float]]:
    """How many answers there were, and the milliseconds of each; RuntimeError for an answer that is not 200."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def connection(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for path in islice(cycle(row.urls), number, None, row.connections):
            began = time.perf_counter()
            if began > end:
                break
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            if b" 200 " not in head[:20]:
                raise RuntimeError(f"{path}: {body[:300].decode()}")
            taken.append((time.perf_counter() - began) * 1000)
        writer.close()

    await asyncio.gather(*(connection(number) for number in range(row.connections)))
    return len(taken), sorted(taken)


def cpu_seconds(pid: int) -> float:
    """The CPU that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(folder: Path) -> list[str]:
    """Loads ICD-10-CM into the folder's store; returns every hundredth code."""
    listed = folder / "icd10cm-codes-2026-04.txt"
    listed.write_bytes(zstandard.ZstdDecompressor().decompress(CODES.read_bytes()))
    service = Terminology(folder / FILE_NAME)
    jobs = Jobs(service.store, service.clock)
    began = time.perf_counter()
    job = jobs.run(jobs.create("icd10cm", listed))
    print(f"ICD-10-CM {job.state} in {time.perf_counter() - began:.1f} s")
    system = service.catalog.system(SYSTEM)
    assert system is not None
    codes = [concept.code for concept in system.select() if len(concept.code) > 3][::100]
    service.close()
    return codes


def main() -> None:
    """Prints one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        codes = loaded(Path(folder))
        with serving(Path(folder), 1) as (server, base):
            host, port = base.split("/")[2].split(":")
            print(f"{'':<38}{'at once':>8}{'a second':>10}{'p50 ms':>8}{'p95 ms':>8}{'CPU ms':>8}")
            for row in rows(codes):
                before = cpu_seconds(server.pid)
                count, taken = asyncio.run(ask(host, int(port), row, seconds))
                cpu = (cpu_seconds(server.pid) - before) / count * 1000
                middle, late = taken[count // 2], taken[int(count * 0.95)]
                print(
                    f"{row.name:<38}{row.connections:>8}{count / seconds:>10.0f}{middle:>8.2f}{late:>8.2f}{cpu:>8.2f}"
                )


if __name__ == "__main__":
    main()
