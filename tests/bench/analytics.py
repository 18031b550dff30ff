"""What analytics costs: python -m tests.bench.analytics [--observations 1000000].

Feed to lake (changes with their resources, in this process, from a store on a fresh folder), the lake by itself, a view
over observations in DuckDB, and exporting. CPU seconds of all threads beside wall seconds: the machine is shared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from fhir_server import bootstrap
from fhir_server import definitions as r4
from fhir_server.api import Request
from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.subsystem import Change, Portion, catch_up, read
from fhir_server.views.library import SHIPPED, Library
from fhir_server.views.sql.prepare import prepare

STORED = 10_000


def observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                  "code": "vital-signs", "display": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"{8300 + number % 50}-2",
                             "display": "Body Height"}],
                 "text": "Body Height"},
        "subject": {"reference": f"Patient/p{number % 5000}"},
        "encounter": {"reference": f"Encounter/e{number % 20000}"},
        "effectiveDateTime": "2014-01-01T10:00:00+01:00",
        "issued": "2014-01-01T10:00:00.000+01:00",
        "valueQuantity": {"value": 100 + number % 997 / 10, "unit": "cm", "system": "http://unitsofmeasure.org",
                          "code": "cm"},
    }  # fmt: skip


@contextmanager
def measured(what: str, count: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{what:<44} {count:>9} in {wall:7.2f} s, {count / wall:>9.0f}/s; {cpu:6.2f} s CPU, {count / cpu:>9.0f}/CPU s"
    )


async def feed(folder: Path) -> None:
    server = await bootstrap.start(Settings(data=folder / "data", synchronous="OFF"))
    try:
        for at in range(0, STORED, 1000):
            entry = [
                {"resource": each, "request": {"method": "PUT", "url": f"Observation/{each['id']}"}}
                for each in map(observation, range(at, at + 1000))
            ]
            await server.perform(
                Request("POST", (), resource={"resourceType": "Bundle", "type": "transaction", "entry": entry})
            )
        with measured("feed to subsystem, changes with resources", STORED):
            after = 0
            while (portion := await read(server, after)).position != after:
                after = portion.position
        lake = Lake(folder / "fed")
        with measured("feed to lake", STORED):
            await catch_up(server, lake)
    finally:
        await server.close()


def lake(folder: Path) -> None:
    count = 100_000
    bodies = [msgspec.Raw(json.dumps(observation(number)).encode()) for number in range(count)]
    changes = [
        Change(n + 1, "Observation", f"o{n}", 1, "PUT", "2026-01-01T00:00:00.000Z", body)
        for n, body in enumerate(bodies)
    ]
    made = Lake(folder / "lake")
    with measured("lake, new resources", count):
        for at in range(0, count, 5000):
            made.take(Portion(changes[at : at + 5000], at + 5000, count))
    with measured("lake, changed resources", 5000):
        again = [msgspec.structs.replace(change, position=count + 1, version=2) for change in changes[::20]]
        made.take(Portion(again, count + 1, count + 1))


def view(folder: Path, count: int) -> None:
    connection = duckdb.connect()
    bodies = [json.dumps(observation(number)) for number in range(1000)]
    connection.execute("CREATE TABLE bodies AS SELECT unnest(?) AS body", [bodies])
    file = folder / "observations.parquet"
    connection.execute(f"COPY (SELECT body FROM bodies, range({count // 1000})) TO '{file}' (COMPRESSION zstd)")
    query = prepare(connection, Library([SHIPPED], r4.load()).find("observations"), r4.load(),
                    f"SELECT body FROM read_parquet('{file}')")  # fmt: skip
    with measured("view: mean value by code, 15 columns there", count):
        connection.execute(f"SELECT code, avg(value), count(*) FROM ({query}) GROUP BY 1").fetchall()
    with measured("view: all 15 columns as a table", count):
        connection.execute(f"CREATE TABLE whole AS {query}")


def asked(folder: Path, count: int) -> None:
    """The same by a lake: rows of the view are kept beside its files."""
    r4s = r4.load()
    made = Lake(folder / "asked")
    body = [msgspec.Raw(json.dumps(observation(number)).encode()) for number in range(5000)]
    for at in range(0, count, 50_000):
        changes = [
            Change(at + n + 1, "Observation", f"o{at + n}", 1, "PUT", "2026-01-01T00:00:00.000Z", body[n % 5000])
            for n in range(50_000)
        ]
        made.take(Portion(changes, at + 50_000, count))
    query = LakeQuery(made, Library([SHIPPED], r4s), r4s, "UTC")
    with measured("rows of the views of a lake, once", count):
        query.refresh()
    with measured("lake: mean value by code", count):
        assert len(query.ask("SELECT code, avg(value), count(*) FROM observations GROUP BY 1").rows) == 50
    with measured("lake: newest of each patient and code", count):
        query.ask("SELECT patient, code, max(effective) FROM observations GROUP BY 1, 2 ORDER BY 1, 2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(feed(Path(folder)))
        lake(Path(folder))
        view(Path(folder), given.observations)
        asked(Path(folder), given.observations)


if __name__ == "__main__":
    main()
