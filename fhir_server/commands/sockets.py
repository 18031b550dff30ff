"""Sockets that servers listen on, and places to call."""

from __future__ import annotations

import os
import socket

from fhir_server.core.errors import error

BACKLOG = 2048


def host_and_port(option: str, text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; FhirError "value", which names the option, where it is something else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise error("value", f"{option} must be HOST:PORT, not {text!r}.")
    return host, int(port)


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens; FhirError "unavailable", which names the port's option, where the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else str(problem)
        raise error(
            "unavailable", f"{host} port {port} can't be listened on: {reason}. Try another {option}."
        ) from problem
    listening.set_inheritable(True)
    return listening
