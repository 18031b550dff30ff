"""A MongoDB of a test's own, which it may kill, and stores on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.storage.mongo.database import Database, connect
from fhir_server.storage.mongo.store import MongoStore
from tests.backends.services import Service, mongodb
from tests.conftest import HeldClock
from tests.contract.conftest import EXTRACT, Shelf
from tests.distributed.machines import Machines
from tests.engines import DISTRIBUTED, chosen, settings_on

# A server that refuses tells its clients by the answer that they wait for when it can be asked again. One that only
# pretends to, by failCommand, does not; so clients here look twice a second themselves.
LOOKING = "&serverMonitoringMode=poll&heartbeatFrequencyMS=500"


@pytest.fixture(autouse=True)
def _only_distributed(request: pytest.FixtureRequest) -> None:
    if DISTRIBUTED not in chosen(request.config.getoption("engines")):
        pytest.skip("about the distributed engine: make test-distributed")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Service]:
    """One process, with the commands that make it fail."""
    if DISTRIBUTED not in chosen(request.config.getoption("engines")):
        pytest.skip("about the distributed engine: make test-distributed")
    started = mongodb(tmp_path_factory.mktemp("mongodb") / "data", "--enable-test-commands").start()
    yield started
    started.stop()


class Stores:
    """Opens stores on one database."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.opened: list[MongoStore] = []

    async def database(self) -> Database:
        return await connect(self.url + LOOKING, self.name)

    async def open(self, clock: Callable[[], int] | None = None) -> Shelf:
        store = MongoStore(await self.database(), clock or HeldClock(), EXTRACT, lambda type, field: True)
        await store.start()
        self.opened.append(store)
        return Shelf(store, self.open)

    async def fail(self, times: int, **how: Any) -> None:
        """Has the next commands fail (MongoDB's failCommand: failCommands, errorCode, closeConnection…)."""
        mode = {"times": times} if times else "off"
        admin = self.opened[0].database.client.admin
        await admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": how})


@pytest.fixture
async def stores(service: Service, request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    made = Stores(service.url, f"t{abs(hash(request.node.name)) % 10**12}")
    yield made
    for store in made.opened:
        await store.close()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """The audit logs of machines on one MongoDB."""
    with settings_on(DISTRIBUTED, tmp_path / "unused") as settings:
        found = Machines(settings, tmp_path)
        yield found
        found.close()
