"""python -m tests.bench.hl7v2_memory: memory over applied messages, in one process with its senders.

After each round: MiB of the process, and the kinds of objects that Python's collector knows of which there are more.
--small makes every cache small that grows with messages, so that what stays flat then grew by caches alone.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import gc
import socket
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from fhir_server import bootstrap
from fhir_server.core.settings import Settings
from fhir_server.storage.sqlite import dictionaries
from interfaces.hl7v2.assembly import beside_server
from interfaces.hl7v2.er7 import segment
from interfaces.hl7v2.messages.sqlite import journal, store
from mappings.hl7v2 import laying, lines, message_rows, plans
from tests.bench.hl7v2 import PAGE, send

CONNECTIONS = 16


def shrink() -> None:
    """Makes the caches small."""
    dictionaries.CACHE_LIMIT = 5000
    laying.MOST_VALUES = lines.MOST_LINES = 500
    plans.MOST_TEXTS = message_rows.MOST_TEXTS = segment.MOST_READ = 300
    connect = journal.connect

    def small(path: Path, **options: Any) -> sqlite3.Connection:
        connection = connect(path, **options)
        connection.execute("PRAGMA cache_size = -256")
        return connection

    journal.connect = store.connect = small


def known() -> collections.Counter:
    """How many objects there are, by type."""
    gc.collect()
    return collections.Counter(type(each).__name__ for each in gc.get_objects())


async def measure(options: argparse.Namespace, folder: Path) -> None:
    """Sends and prints."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    file = folder / "hl7.toml"
    file.write_text(f"[listener.lab]\nport = {port}\n")
    settings = Settings(data=folder / "data", hl7=str(file), cache_mb=2 if options.small else 32)
    server = await bootstrap.start(settings)
    interface = await beside_server(server, server.environment.clock)
    before = known()
    for number in range(options.rounds):
        start, tally = number * options.messages, {}
        parts = [range(start + c, start + options.messages, CONNECTIONS) for c in range(CONNECTIONS)]
        await asyncio.gather(*(send(port, list(part), 1000, "", "LIS", tally) for part in parts))
        after = known()
        more = ", ".join(f"{name} {count}" for name, count in (after - before).most_common(5))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(f"{start + options.messages} {tally}: {pages * PAGE / 2**20:.0f} MiB; more of: {more}", flush=True)
        before = after
    await interface.stop()
    await server.close()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=700)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        shrink()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
