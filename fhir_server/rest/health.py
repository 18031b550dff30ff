"""Health for whoever runs the server: /health/live (else restart it) and /health/ready (else send it no requests)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from typing import Any

from fhir_server.api import FhirServer
from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.rest.encode import Answer
from fhir_server.rest.mounting import Mounted

LITTLE = 256 * 2**20  # bytes of free disk below which there is a warning
PATIENCE = 4.0  # seconds for a store to answer: those who ask wait five (docker/kubernetes)
BEHIND = 10.0  # seconds that the search index may be behind the store without a warning
HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


async def live(server: FhirServer) -> Answer:
    """200 as long as the process answers."""
    return _answer({"status": "pass"})


async def ready(server: FhirServer, mounted: Sequence[Mounted] = ()) -> Answer:
    """200 where the store can be read, else 503; a nearly full disk, a search index that is away, and what is mounted
    and has a problem, are warnings."""
    store, search = await asyncio.gather(_store(server), _search(server))
    checks = {"store": store, "disk": _disk(server)}
    if search is not None:
        checks["search"] = search
    for each in mounted:
        found = await _mounted(each)
        if found is not None:
            checks[each.prefix[1:]] = found
    states = [check["status"] for check in checks.values()]
    status = next(state for state in ("fail", "warn", "pass") if state in states)
    return _answer({"status": status, "checks": checks})


async def _search(server: FhirServer) -> dict[str, Any] | None:
    """Whether the index that follows the store can be asked and has kept up: never more than a warning."""
    if server.environment.index_state is None:
        return None
    try:
        state = await asyncio.wait_for(server.environment.index_state(), PATIENCE)
    except (FhirError, TimeoutError) as problem:
        return {"status": "warn", "problem": _told(problem)}
    if state.away:
        return {"status": "warn", "problem": state.away}
    behind = state.seconds > BEHIND or state.problems
    return {"status": "warn" if behind else "pass", **state._asdict()}


async def _store(server: FhirServer) -> dict[str, Any]:
    try:
        newest = server.environment.feed.newest()  # a commit that takes long, here or elsewhere, is not waited for
        return {"status": "pass", "change": await asyncio.wait_for(newest, PATIENCE)}
    except Exception as problem:  # whatever it is, the answer is that the store can't be read
        return {"status": "fail", "problem": _told(problem)}


async def _mounted(mounted: Mounted) -> dict[str, Any] | None:
    try:
        return await mounted.health() if mounted.health is not None else None
    except Exception as problem:  # as of a store that is away
        return {"status": "warn", "problem": _told(problem)}


def _told(problem: Exception) -> str:
    """What an error says that was made to be told; of others the kind only."""
    if isinstance(problem, TimeoutError):
        return "It does not answer in time; it is overloaded, or hangs."
    return str(problem) if isinstance(problem, FhirError) else type(problem).__name__


def _disk(server: FhirServer) -> dict[str, Any]:
    try:
        free = shutil.disk_usage(server.settings.data).free
    except OSError as problem:
        return {"status": "fail", "problem": type(problem).__name__}
    return {"status": "warn" if free < LITTLE else "pass", "free_bytes": free}


def _answer(content: dict[str, Any]) -> Answer:
    return Answer(503 if content["status"] == "fail" else 200, [*HEADERS], serialize(content))
