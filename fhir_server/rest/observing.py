"""What is noted of every request once it is answered: its time, and a line of the access log where that is on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import structlog

from fhir_server import definitions
from fhir_server.core.settings import Settings
from fhir_server.operations import HANDLERS
from fhir_server.rest.metrics import request_times

Observe = Callable[[str, tuple[str, ...], int, float], None]  # method, path below the base, status, seconds

OTHERS = {"export", "export-status", "export-file", "verify-audit"}  # operations that are made with their parts


def observer(settings: Settings) -> Observe:
    """The function that is called for every request."""
    times = request_times().observe
    return _logged(times) if settings.access_log else times


def _logged(then: Observe) -> Observe:
    log = structlog.get_logger("access")

    def observe(method: str, path: tuple[str, ...], status: int, seconds: float) -> None:
        then(method, path, status, seconds)
        log.info("request", method=method, route=route(path), status=status, milliseconds=round(seconds * 1000, 2))

    return observe


def route(path: tuple[str, ...]) -> str:
    """A path of the words that the server knows, all others as [id]: Patient/[id]/_history/[id]."""
    known = _words()
    return "/".join(part if part in known else "[id]" for part in path)


@functools.cache
def _words() -> frozenset[str]:
    r4 = definitions.load()
    codes = {operation.code for operation in r4.operations} | {handler.code for handler in HANDLERS} | OTHERS
    return frozenset({*r4.resource_types, "metadata", "_history", "_search", "*", *(f"${code}" for code in codes)})
