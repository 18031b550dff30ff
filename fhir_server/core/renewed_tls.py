"""TLS by files that may change: what is new in them counts from the next connection on, those under way go on."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from fhir_server.core.errors import FhirError

log = structlog.get_logger("tls")


def renewed(make: Callable[[], ssl.SSLContext], files: tuple[str, ...]) -> ssl.SSLContext:
    """A server's context that is made anew when files change; "" among them is none.

    FhirError of make where they can't be used at first; later that leaves what was there in force.
    """
    files = tuple(filter(None, files))
    seen = _state(files)
    first = current = make()

    def renew(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Looks at the files when a client begins."""
        nonlocal seen, current
        state = _state(files)
        if state != seen:
            seen = state
            try:
                current = make()
                log.info("changed TLS files are in force")
            except FhirError as problem:
                log.error("changed TLS files are not in force", problem=str(problem))
        if current is not context:
            connection.context = current

    first.sni_callback = renew  # asked for every connection, with a name or without
    return first


def no_password() -> str:
    """For `load_cert_chain`, which would ask the terminal."""
    raise ValueError("the key has a password; keep it without one, readable by the server's user only")


def _state(files: tuple[str, ...]) -> tuple[Any, ...]:
    """What tells that files have changed."""
    found = []
    for file in files:
        with suppress(OSError):
            state = os.stat(file)
            found.append((state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)
