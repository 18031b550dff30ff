"""The rows of the benchmark as a lean generator asks them: wrk, a program in C, in turns over one server or several.

python -m tests.bench.lean --rows read,metadata --rounds 5             # an open and a secured server
python -m tests.bench.lean --open --connections 64 --rows create_patient
python -m tests.bench.lean --open --against peer=http://127.0.0.1:9000,4711    # a peer's server by its process id

The requests are those of tests.bench.fhirload, made before they are counted; that generator takes 0.13 ms of the two
cores and more for each, wrk 0.01. So these are rates of the server, those what generator and server reach together.
wrk is a package of Debian's (`apt install wrk`), looks at nothing of an answer but its status, and is a process of one
thread. Medians of the rounds; "of open" is the median of the rounds' quotients.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

from tests.bench import fhirload
from tests.bench.in_turns import Side, add_sides, sides_of

SCRIPT = Path(__file__).with_name("lean.lua")
ROWS = ("read", "s_identifier", "metadata", "history_instance", "create_patient", "create_observation", "update")
MOST = 20_000  # requests a second that are made for a row; when they are used up wrk begins anew


class Round(NamedTuple):
    """What one round of one side gave; times in milliseconds."""

    rate: float
    middle: float
    late: float
    cpu: float
    own: float


def raw(base: str, headers: Mapping[str, str], request: Sequence[Any]) -> bytes:
    """A request of a row as it goes over the wire."""
    method, url, body, more = request
    where = urlsplit(f"{base}/{url}")
    target = where.path + (f"?{where.query}" if where.query else "")
    named = {"Host": where.netloc, **headers, "Accept-Encoding": "gzip, deflate", **(more or {})}
    if body:
        named["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def asked(side: Side, make: Callable[[], Sequence[Any]], options: argparse.Namespace, file: Path) -> Round:
    """One round; file: for its requests."""
    client = side.client
    made = islice(iter(make, None), MOST * options.seconds)
    file.write_bytes(b"".join(raw(client.base, client.headers, request) + b"\0" for request in made))
    command = [options.wrk, "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "-s", str(SCRIPT)]
    before, own = fhirload.cpu_s(side.pids), resource.getrusage(resource.RUSAGE_CHILDREN)
    given = subprocess.run([*command, client.base, "--", str(file)], check=True, capture_output=True, text=True)
    found = json.loads(given.stdout.splitlines()[-1])
    assert not found["failed"], f"{found['failed']} of {found['count']} requests failed"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, _ = fhirload.cpu_ms(side.pids, before, found["count"], 3)
    took = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    rate = found["count"] / found["seconds"]
    return Round(rate, found["middle"], found["late"], cpu, took * 1000 / found["count"])


async def measured(options: argparse.Namespace, sides: Sequence[Side], folder: Path) -> None:
    async with AsyncExitStack() as stack:
        for each in sides:
            await stack.enter_async_context(each.client)
            await each.load(options.patients)
    print("| row | server | requests/s | of open % | p50 ms | p95 ms | CPU ms | the generator's |", flush=True)
    for row in options.rows.split(","):
        found: list[list[Round]] = [[] for _ in sides]
        for number in range(options.rounds):
            order = list(zip(sides, found, strict=True))
            for each, kept in order[:: -1 if number % 2 else 1]:
                kept.append(asked(each, each.rows[row], options, folder / "requests"))
        for each, kept in zip(sides, found, strict=True):
            share = statistics.median(mine.rate / beside.rate for mine, beside in zip(kept, found[0], strict=True))
            middle = Round(*map(statistics.median, zip(*kept, strict=True)))
            cells = f"{middle.rate:,.0f} | {share:.0%} | {middle.middle:.1f} | {middle.late:.1f}"
            print(f"| {row} | {each.name} | {cells} | {middle.cpu:.3f} | {middle.own:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sides(parser)
    parser.add_argument("--rows", default=",".join(ROWS), help="names of rows, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    parser.add_argument("--wrk", default=shutil.which("wrk"), help="its program")
    options = parser.parse_args()
    if not options.wrk:
        raise SystemExit("wrk is not installed: apt install wrk, or name its program by --wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uvloop.run(measured(options, sides_of(options, folder, stack), folder))


if __name__ == "__main__":
    main()
