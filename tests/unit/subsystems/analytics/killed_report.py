"""Writes a report again and again, killed at each statement of its archive in turn.

python -m tests.unit.subsystems.analytics.killed_report FOLDER. FOLDER/found.json then has for each of them what stood
in the archive after the kill, and after the next process that wrote what was missing; the last one came to its end.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.mounted import make
from fhir_server.subsystems.analytics.reports.archive import Archive

NOW = 1_775_030_400_000_000  # 2026-04-01T08:00:00Z


def write(folder: Path, kill_at: int) -> bool:
    """Writes the report in a process of its own; whether that was killed, before the statement of this number."""
    if os.fork() == 0:
        numbers = itertools.count(1)
        connect = sqlite3.connect

        def counted(statement: str) -> None:
            if next(numbers) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def watched(*given: Any, **others: Any) -> sqlite3.Connection:
            connection = connect(*given, **others)
            connection.set_trace_callback(counted)
            return connection

        sqlite3.connect = watched  # type: ignore[assignment]
        desk = make(Settings(data=folder, reports=str(folder / "reports"))).desk
        report = desk.reports().reports["ward"]
        desk.write(report, desk.ended(report, "2026-03", NOW), NOW)
        os._exit(0)
    _, status = os.wait()
    return os.WIFSIGNALED(status)


def standing(folder: Path) -> list[Any]:
    """Each report of the archive: its period, the months of its indicators, and whom it goes to."""
    archive = Archive(folder / "reports.sqlite")
    return [
        (each.period, [measured.months for measured in each.content.indicators] if each.content else None,
         [delivery.recipient for delivery in archive.deliveries("ward", each.period)])
        for each in archive.all("ward")
    ]  # fmt: skip


def main(folder: Path) -> None:
    found = []
    for kill_at in itertools.count(1):
        for file in folder.glob("reports.sqlite*"):
            file.unlink()
        killed = write(folder, kill_at)
        left = standing(folder)
        write(folder, 0)
        found.append([left, standing(folder)])
        if not killed:
            break
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
