"""What a secured server stores has its event in the audit log, though it is killed at any moment."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.storage.sqlite.database import FILE_NAME
from tests.system.load import STEPS, Connection, Ledger, write
from tests.system.process import Server, hms, serving

VERSIONS = "SELECT t.name, r.id, v.version FROM version v JOIN resource r USING (rid) JOIN type t ON t.type = v.type"


async def batch(connection: Connection, number: int) -> None:
    """Stores one and deletes one."""
    id = f"{connection.name}-{number}"
    patient = {"resourceType": "Patient", "id": id}
    entry = [
        {"resource": patient, "request": {"method": "PUT", "url": f"Patient/{id}"}},
        {"request": {"method": "DELETE", "url": f"Patient/{connection.name}-{number - 1}"}},
    ]
    await connection.send("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entry})


def shown(server: Server, data: Path, *options: str) -> dict[str, str]:
    token = hms("token", "--data", data, "--base-url", server.base, *options).split()[-1]
    return {"authorization": f"Bearer {token}"}


def stored(data: Path) -> list[str]:
    """Every version that is in the store."""
    with closing(sqlite3.connect(data / FILE_NAME)) as file:
        return [f"{type}/{id}/_history/{version}" for type, id, version in file.execute(VERSIONS)]


def named(data: Path, *options: str) -> Counter[str]:
    """How many events of the log name a version."""
    hms("audit", "export", data / "events.ndjson", "--data", data, *options)
    found: Counter[str] = Counter()
    for line in (data / "events.ndjson").read_bytes().splitlines():
        references = [each.get("what", {}).get("reference", "") for each in json.loads(line).get("entity", ())]
        found.update(each for each in references if "/_history/" in each)
    return found


@pytest.mark.parametrize(("workers", "kills"), [(1, 3), (2, 2)])
def test_killed_under_load_each_version_has_exactly_one_event(tmp_path: Path, workers: int, kills: int) -> None:
    ledger = Ledger()
    for number in range(kills):
        with serving(tmp_path, "--workers", workers, "--security", "smart") as server:
            headers = shown(server, tmp_path)
            end = server.kill
            asyncio.run(write(server.base, ledger, f"k{number}", 150 + 97 * number, end, (*STEPS, batch), headers))
    assert not ledger.failures
    events, versions = named(tmp_path), stored(tmp_path)
    assert len(versions) > len(ledger.versions) > 150 * kills
    assert events == Counter(versions)
    assert "as it was written" in hms("audit", "verify", "--data", tmp_path)
    with serving(tmp_path, "--security", "smart"):
        pass
    assert named(tmp_path) == events
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        assert file.execute("SELECT count(*) FROM note").fetchone() == (0,)
