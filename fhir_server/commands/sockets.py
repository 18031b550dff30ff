"""Sockets that servers listen on."""

from __future__ import annotations

import os
import socket

from fhir_server.core.errors import error

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; FhirError "unavailable" where the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else str(problem)
        raise error(
            "unavailable", f"{host} port {port} can't be listened on: {reason}. Try another --port."
        ) from problem
    listening.set_inheritable(True)
    return listening
