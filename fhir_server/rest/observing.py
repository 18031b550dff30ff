"""What is noted of every request once it is answered: its time, and a line of the access log where that is on."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fhir_server.core.settings import Settings
from fhir_server.rest.metrics import request_times

Observe = Callable[[str, tuple[str, ...], int, float], None]  # method, path below the base, status, seconds


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
    """A path without ids and versions: Patient/[id]/_history/[id]."""
    return "/".join(
        part if part[:1] in "_$" or (number != 1 and part.isalpha()) else "[id]" for number, part in enumerate(path)
    )
