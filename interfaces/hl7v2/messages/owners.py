"""Names of the processes that work on messages, which tell others whether a process has ended."""

from __future__ import annotations

import os
import socket

HOST = socket.gethostname()


def owner_name() -> str:
    """A name for this process that tells others whether it has ended: host/process id/its start."""
    return f"{HOST}/{os.getpid()}/{_started(os.getpid())}"


def ended(name: str) -> bool:
    """Whether the process of this name, on this machine, has ended; False where it can't be told."""
    host, process, started = name.split("/")[:3]
    if host != HOST:
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(process)) != started


def _started(process: int) -> str:
    """When a process began, in the kernel's ticks; "" where this system has no /proc."""
    try:
        with open(f"/proc/{process}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
