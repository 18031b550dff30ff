"""What a process is started with: its clock, and the name of its machine among others on one database."""

from __future__ import annotations

import contextlib
import time
import uuid

from fhir_server.core.settings import Settings

NODE_FILE = "node"  # in the data folder: the name of this machine among others on one database


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def audited_as(settings: Settings) -> str:
    """The name of this machine in the audit log: 12 hexadecimal digits."""
    return machine_of(settings)[:12]


def machine_of(settings: Settings) -> str:
    """The name of this data folder among those of other machines on one database: 32 hexadecimal digits."""
    file = settings.data / NODE_FILE
    if not file.exists():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), file.open("x", encoding="ascii") as made:
            made.write(uuid.uuid4().hex)
    return file.read_text(encoding="ascii")
