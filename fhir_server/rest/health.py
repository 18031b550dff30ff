"""Health for whoever runs the server: /health/live (else restart it) and /health/ready (else send it no requests)."""

from __future__ import annotations

import shutil
from typing import Any

from fhir_server.api import FhirServer
from fhir_server.codec.json import serialize
from fhir_server.rest.encode import Answer

LITTLE = 256 * 2**20  # bytes of free disk below which there is a warning
HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


async def live(server: FhirServer) -> Answer:
    """200 as long as the process answers."""
    return _answer({"status": "pass"})


async def ready(server: FhirServer) -> Answer:
    """200 where the store can be read, else 503; a disk that is nearly full is a warning: reads go on."""
    checks = {"store": await _store(server), "disk": _disk(server)}
    states = [check["status"] for check in checks.values()]
    status = next(state for state in ("fail", "warn", "pass") if state in states)
    return _answer({"status": status, "checks": checks})


async def _store(server: FhirServer) -> dict[str, Any]:
    try:
        return {"status": "pass", "change": await server.environment.feed.head()}
    except Exception as problem:  # whatever it is, the answer is that the store can't be read
        return {"status": "fail", "problem": type(problem).__name__}


def _disk(server: FhirServer) -> dict[str, Any]:
    try:
        free = shutil.disk_usage(server.settings.data).free
    except OSError as problem:
        return {"status": "fail", "problem": type(problem).__name__}
    return {"status": "warn" if free < LITTLE else "pass", "free_bytes": free}


def _answer(content: dict[str, Any]) -> Answer:
    return Answer(503 if content["status"] == "fail" else 200, [*HEADERS], serialize(content))
