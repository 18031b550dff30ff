from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from interfaces.hl7v2.configuration import Interfaces
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.traffic import Station

Open = Callable[..., Awaitable[Station]]


@pytest.fixture
async def open_station(fhir: Fhir, tmp_path: Path) -> AsyncIterator[Open]:
    """Starts an interface, with the interfaces that are given."""
    stations: list[Station] = []

    async def start(interfaces: Interfaces | None = None) -> Station:
        station = Station(fhir.server, tmp_path / f"hl7-{len(stations)}", interfaces)
        await station.interface.start()
        stations.append(station)
        return station

    yield start
    for station in stations:
        await station.interface.stop()


@pytest.fixture
async def station(open_station: Open) -> Station:
    return await open_station()
