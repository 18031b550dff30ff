"""Sockets that servers listen on, and places to call."""

from __future__ import annotations

import errno
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
        number = problem.errno or 0  # below 0 where a name is not known
        reason = os.strerror(number) if number > 0 else str(problem.strerror or problem).partition(" (while")[0]
        elsewhere = number < 0 or number == errno.EADDRNOTAVAIL
        then = "Name an address of this machine by --host" if elsewhere else f"Try another {option}"
        raise error("unavailable", f"{host} port {port} can't be listened on: {reason}. {then}.") from problem
    listening.set_inheritable(True)
    return listening
