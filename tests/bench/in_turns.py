"""An open and a secured server over sockets, each row in turns, as a machine that others use goes up and down.

python -m tests.bench.in_turns --rows read,s_name --rounds 7
python -m tests.bench.in_turns --beside ../other-checkout      # its secured server, in the same turns
python -m tests.bench.in_turns --with HMS_AUDIT=off            # a secured server with this setting, in the same turns
python -m tests.bench.in_turns --open --beside ../other-checkout --rows create_patient,update   # both open
python -m tests.bench.in_turns --engine distributed --beside ../other-checkout     # both open, on the same services
python -m tests.bench.in_turns --open --against peer=http://127.0.0.1:9000,4711    # a peer's server by its process id

Both have the same records, as many connections and as many workers as a server chooses. Medians of the rounds; "of
open" is the median of the rounds' quotients. CPU is that of the server, kernel included, a request; and divided by the
generator's, which goes up and down with the machine as the server's does. On the distributed engine it is that of the
services too, unless the environment names them (tests/backends).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import uvloop

from tests.bench import fhirload
from tests.bench.__main__ import DATABASE, services, serving, token
from tests.engines import EMBEDDED, ENGINES

LOADING = 16  # connections of a load
MOST = 1_000  # connections that a client may open


class Side:
    """One of the servers, with what was loaded into it."""

    def __init__(self, name: str, pids: list[int], client: fhirload.Client) -> None:
        self.name = name
        self.pids = pids
        self.client = client
        self.rows: dict[str, Any] = {}

    async def load(self, patients: int) -> None:
        state: dict[str, Any] = {}
        chosen = SimpleNamespace(patients=patients, seed=42, pids=self.pids, load_conns=LOADING)
        await fhirload.load(self.client, chosen, state)
        self.rows = fhirload.phases(SimpleNamespace(seed=42, run=0, no_cache=False), state)

    async def round(self, row: str, connections: int, seconds: float) -> tuple[float, float, float]:
        """Requests a second, milliseconds of server CPU a request, and these in the generator's."""
        found = await fhirload.closed_loop(self.client, self.rows[row], connections, seconds, 0.2, self.pids)
        assert found["ok"] == found["n"], found.get("errors")
        return found["rps"], found["srv_cpu_ms"], found["srv_cpu_ms"] / found["client_cpu_ms"]


@contextmanager
def side(
    name: str,
    folder: Path,
    security: str,
    options: argparse.Namespace,
    checkout: Path | None = None,
    urls: dict[str, str] | None = None,
    pids: Sequence[int] = (),
    also: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Side]:
    """One of them, until the block ends; urls, pids: of the services that it uses, also: settings of its own."""
    own = {**({**urls, DATABASE: f"{urls[DATABASE]}-{name}"} if urls else {}), **also}
    with serving(folder, options.workers, security, own, checkout) as (server, base):
        headers = {"Authorization": f"Bearer {token(base, folder, options.scope)}"} if security == "smart" else {}
        yield Side(name, [server.pid, *pids], fhirload.Client(base, MOST, headers))


def setting(text: str) -> dict[str, str]:
    """Of NAME=VALUE, as it is in the environment."""
    name, equals, value = text.partition("=")
    if not (name.startswith("HMS_") and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not like HMS_AUDIT=off")
    return {name: value}


def peer(text: str) -> Side:
    """Of NAME=URL,PID: any FHIR server that runs on this machine already, with no need of a token."""
    name, _, rest = text.partition("=")
    base, _, pid = rest.rpartition(",")
    if not (name and base and pid.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not like peer=http://127.0.0.1:9000,4711")
    return Side(name, [int(pid)], fhirload.Client(base, MOST, {}))


async def measured(options: argparse.Namespace, sides: list[Side]) -> None:
    async with AsyncExitStack() as stack:
        for each in sides:
            await stack.enter_async_context(each.client)
            await each.load(options.patients)
        await table(options, sides)


async def rounds(
    options: argparse.Namespace, sides: Sequence[Side], row: str
) -> list[list[tuple[float, float, float]]]:
    """What each side gave in each round of a row; every other round they come in reverse."""
    found: list[list[tuple[float, float, float]]] = [[] for _ in sides]
    for number in range(options.rounds):
        order = list(zip(sides, found, strict=True))
        for each, kept in order[:: -1 if number % 2 else 1]:
            kept.append(await each.round(row, options.connections, options.seconds))
    return found


async def table(options: argparse.Namespace, sides: list[Side]) -> None:
    wanted = options.rows.split(",") if options.rows else list(sides[0].rows)
    print(
        "| row | " + " | ".join(f"{s.name} requests/s | of open % | CPU ms | in the generator's" for s in sides) + " |",
        flush=True,
    )
    for row in wanted:
        found = await rounds(options, sides, row)
        cells = []
        for kept in found:
            rates = [rate for rate, *_ in kept]
            shares = [rate / beside for rate, (beside, *_) in zip(rates, found[0], strict=True)]
            cpu, quotient = (statistics.median(figures) for figures in list(zip(*kept, strict=True))[1:])
            cells.append(
                f"{statistics.median(rates):,.0f} | {statistics.median(shares):.0%} | {cpu:.2f} | {quotient:.2f}"
            )
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


def add_sides(parser: argparse.ArgumentParser) -> None:
    """The options that say which servers there are."""
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--connections", type=int, default=16, help="of the rows; a load has 16")
    parser.add_argument("--scope", default="user/*.cruds")
    parser.add_argument("--beside", type=Path, help="another checkout, by its own environment if it has one")
    parser.add_argument("--open", action="store_true", help="no secured server, of the other checkout the open one")
    parser.add_argument("--with", dest="also", type=setting, action="append", default=[], metavar="HMS_NAME=VALUE")
    parser.add_argument("--against", type=peer, action="append", default=[], metavar="NAME=URL,PID")
    parser.add_argument("--engine", choices=ENGINES, default=EMBEDDED, help="distributed: as with --open")


def sides_of(options: argparse.Namespace, folder: Path, stack: ExitStack) -> list[Side]:
    """The servers that the options ask for, which run until the stack is closed; folder: for their data."""
    wanted: list[tuple[str, Path | None, dict[str, str]]] = [("open", None, {})]
    security = "open"
    if not options.open and options.engine == EMBEDDED:
        security = "smart"
        wanted.append(("secured", None, {}))
    if options.beside:
        wanted.append(("beside", options.beside, {}))
    wanted += [("=".join(pair), None, also) for also in options.also for pair in also.items()]
    urls, pids = stack.enter_context(services(options.engine, folder))
    started = [
        stack.enter_context(
            side(name, folder / name, "open" if name == "open" else security, options, checkout, urls, pids, also)
        )
        for name, checkout, also in wanted
    ]
    return [*started, *options.against]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sides(parser)
    parser.add_argument("--rows", default="", help="names of rows, with commas; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uvloop.run(measured(options, sides_of(options, folder, stack)))


if __name__ == "__main__":
    main()
