"""Finding in the index of the archive, in SQLite and in MongoDB, without a network service around it.

python -m tests.bench.dicom_index [--studies 100000] [--mongodb URL]

The studies are those of tests.bench.dicom, put straight into the index. Each question is asked 5 times; the median of
the milliseconds until its last match.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.levels import STUDY
from interfaces.dicom.archive.query import find
from tests.bench.dicom import fill

TIMES = 5


@contextlib.contextmanager
def in_sqlite(count: int) -> Iterator[Rows]:
    from interfaces.dicom.archive.sqlite.store import SqliteIndex

    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        index = SqliteIndex(Path(folder, "index.sqlite"), "NORMAL")
        fill(Path(folder, "index.sqlite"), count)
        yield index.reading
        index.close()


@contextlib.contextmanager
def in_mongodb(url: str, count: int) -> Iterator[Rows]:
    """The rows that SQLite has after the same filling, as documents."""
    from pymongo import MongoClient

    from interfaces.dicom.archive.mongo.store import open_index

    name = f"bench-{uuid.uuid4().hex[:12]}"
    index = open_index(url, name)
    with MongoClient(url) as client, in_sqlite(count) as rows:
        for table in ("patient", "study", "series"):
            found: list[dict[str, Any]] = [dict(row) for row in rows.all(table, {})]  # pyright: ignore
            documents = [{"_id": row.pop("pk"), **row} for row in found]
            for start in range(0, len(documents), 1000):
                client[name][f"dicom_{table}"].insert_many(documents[start : start + 1000])
        yield index.reading
        index.close()
        client.drop_database(name)


def questions(count: int) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """What is asked, by name: keys, and how."""
    middle = count // 2

    def key(vr: str, value: Any) -> dict[str, Any]:
        return {"vr": vr, "Value": [value]}

    return {
        "patient id": ({"00100020": key("LO", f"P{middle}")}, {}),
        "name with wildcard": ({"00100010": key("PN", {"Alphabetic": f"NAME{middle}^*"})}, {}),
        "accession number": ({"00080050": key("SH", f"A{middle}")}, {}),
        "study UID": ({"0020000D": key("UI", f"1.2.3.{middle}")}, {}),
        "date and name": ({"00080020": key("DA", "20200105"), "00100010": key("PN", {"Alphabetic": "NAME1*"})}, {}),
        "fuzzy name": ({"00100010": key("PN", {"Alphabetic": f"name{middle}"})}, {"fuzzy": True}),
        "page of 100 in the middle": ({}, {"ordered": True, "limit": 100, "offset": middle}),
    }


def measured(rows: Rows, count: int) -> dict[str, Any]:
    """Milliseconds and matches of each question."""
    found = {}
    for name, (keys, how) in questions(count).items():
        times, matches = [], 0
        for _ in range(TIMES):
            begun = time.perf_counter()
            matches = sum(1 for _ in find(rows, STUDY, keys, **how))
            times.append((time.perf_counter() - begun) * 1000)
        found[name] = {"median ms": round(statistics.median(times), 2), "matches": matches}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--mongodb", default="")
    arguments = parser.parse_args()
    with in_sqlite(arguments.studies) as rows:
        print("SQLite", json.dumps(measured(rows, arguments.studies)), flush=True)
    if arguments.mongodb:
        with in_mongodb(arguments.mongodb, arguments.studies) as rows:
            print("MongoDB", json.dumps(measured(rows, arguments.studies)), flush=True)


if __name__ == "__main__":
    main()
