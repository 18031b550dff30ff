"""What was answered stays: through kill -9 of workers and of MongoDB, under load."""

import asyncio
import os
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.security.encryption.master_keys import add_key
from tests.backends.services import Service, together
from tests.engines import ELASTICSEARCH
from tests.system.load import ENTRIES, STEPS, SYSTEM, Ledger, write
from tests.system.process import Server, hms, serving
from tests.system.security.test_killed import batch, named, shown

WAIT = 90  # seconds for an index to come


@pytest.fixture
def options(service: Service, request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    return configured(tmp_path, service, f"killed-{abs(hash(request.node.name)) % 10**10}", "projectors = 2")


def configured(folder: Path, service: Service, database: str, more: str) -> list[str]:
    """Options of a server on MongoDB and Elasticsearch, by a file in a folder; more: a line of it."""
    url = os.environ.get(ELASTICSEARCH)
    if not url:
        pytest.skip(f"{ELASTICSEARCH} names no Elasticsearch")
    file = folder / "distributed.toml"
    services = f'mongodb_url = "{service.url}"\nmongodb_database = "{database}"\nelasticsearch_url = "{url}"\n'
    file.write_text(f"{services}{more}\n")
    return ["--config", str(file)]


def wait_for_searches(base: str) -> None:
    until = time.monotonic() + WAIT
    while httpx.get(f"{base}/Patient?_summary=count", timeout=60).status_code != 200:
        assert time.monotonic() < until, "no search is answered"
        time.sleep(0.2)


def assert_kept(base: str, ledger: Ledger) -> None:
    """Every version that was answered is there as it was sent, and every transaction whole or absent."""
    wait_for_searches(base)
    with httpx.Client(timeout=60) as http:
        ledger.assert_versions_kept(http, base)
        for mark in sorted(ledger.asked)[:60]:
            count = http.get(f"{base}/Observation?identifier={SYSTEM}|{mark}&_summary=count").json()["total"]
            assert count in ((ENTRIES,) if mark in ledger.answered else (0, ENTRIES)), f"{mark} is half-done"
        for value in sorted(ledger.created)[:60]:
            assert http.get(f"{base}/Patient?identifier={SYSTEM}|{value}&_summary=count").json()["total"] == 1


def test_workers_killed_under_load_lose_nothing_that_was_answered(tmp_path: Path, options: list[str]) -> None:
    ledger = Ledger()
    for number in range(2):
        with serving(tmp_path, "--workers", 2, *options) as server:
            asyncio.run(write(server.base, ledger, f"k{number}", 60, server.kill))
    assert len(ledger.answered) > 2 and len(ledger.created) > 2
    with serving(tmp_path, *options) as server:
        assert_kept(server.base, ledger)
    assert "whole" in hms("check", "--data", tmp_path, *options)


def test_mongodb_killed_under_load_loses_nothing_that_was_answered(
    tmp_path: Path, options: list[str], service: Service
) -> None:
    ledger = Ledger()

    def again() -> None:
        service.kill()
        told = httpx.get(f"{server.origin}/metrics", timeout=60)
        service.start()
        assert told.status_code == 200 and "hms_disk_free_bytes" in told.text

    with serving(tmp_path, *options) as server:
        asyncio.run(write(server.base, ledger, "before", 60, again))
        asyncio.run(write(server.base, ledger, "after", 30, lambda: None))
        assert_kept(server.base, ledger)


def test_two_servers_that_start_at_once_on_nothing_serve_one_store(tmp_path: Path, options: list[str]) -> None:
    servers = [Server("--data", tmp_path / str(number), *options) for number in range(2)]
    try:
        threads = [threading.Thread(target=server.wait_until_ready) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        one, other = servers
        sent = {"resourceType": "Patient", "id": "a"}
        assert httpx.put(f"{one.base}/Patient/a", json=sent, timeout=60).status_code == 201
        assert httpx.get(f"{other.base}/Patient/a", timeout=60).status_code == 200
        assert httpx.put(f"{other.base}/Patient/a", json=sent, timeout=60).json()["meta"]["versionId"] == "2"
        wait_for_searches(other.base)
        assert httpx.get(f"{other.base}/Patient?_id=a&_summary=count", timeout=60).json()["total"] == 1
    finally:
        for server in servers:
            server.close()
    assert "whole" in hms("check", "--data", tmp_path / "0", *options)


def versions_of(service: Service, name: str) -> list[str]:
    """Every version that is in the store."""
    with MongoClient(service.url) as client:
        newest = [f"{each['_id']}/_history/{each['version']}" for each in client[name]["resources"].find()]
        older = [f"{each['key']}/_history/{each['version']}" for each in client[name]["history"].find()]
        return newest + older


@pytest.mark.parametrize(("machines", "workers"), [(1, 2), (2, 1)])
def test_killed_under_load_each_version_has_exactly_one_event(
    tmp_path: Path, service: Service, machines: int, workers: int
) -> None:
    keys, name = tmp_path / "keys.json", f"noted-{machines}"
    add_key(keys)
    options = [*configured(tmp_path, service, name, f'account_keys = "{keys}"'), "--security", "smart"]
    folders = [tmp_path / str(number) for number in range(machines)]
    ledger = Ledger()
    for kill in range(2):
        servers = [Server("--data", folder, "--workers", workers, *options) for folder in folders]
        try:
            for server in servers:
                server.wait_until_ready()
            names = [f"k{kill}{number}" for number in range(machines)]
            together(*(partial(load, ledger, options[:2], *each) for each in zip(servers, names, folders, strict=True)))
        finally:
            for server in servers:
                server.close()
        with MongoClient(service.url) as client:  # the stand-in sometimes answers nobody beside a dead one's
            client.admin.command("killAllSessions", [])
    assert machines > 1 or not ledger.failures  # one that lives may be held up by the transaction of one that is dead
    events = sum((named(folder, *options[:2]) for folder in folders), Counter[str]())
    versions = versions_of(service, name)
    assert len(versions) >= len(ledger.versions) >= 80
    assert events == Counter(versions)
    for folder in folders:
        with serving(folder, *options):
            pass
    assert sum((named(folder, *options[:2]) for folder in folders), Counter[str]()) == events
    assert "as it was written" in hms("audit", "verify", "--data", folders[0], *options[:2])
    with MongoClient(service.url) as client:
        assert client[name]["notes"].count_documents({}) == 0


def load(ledger: Ledger, options: list[str], server: Server, name: str, data: Path) -> None:
    """Writes until the server is killed."""
    headers = shown(server, data, *options)
    asyncio.run(write(server.base, ledger, name, 40, server.kill, (*STEPS, batch), headers))
