"""Files that are put into a folder: taken like frames, moved to done/ or failed/, with the answer beside them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fhir_server.core.errors import FhirError
from interfaces.hl7v2.configuration import Folder
from interfaces.hl7v2.exchange.intake import Unanswered
from interfaces.hl7v2.mllp.frames import Frames

if TYPE_CHECKING:
    from interfaces.hl7v2.interface import Hl7Interface

log = structlog.get_logger("hl7")

LONGEST = 2**30  # bytes of a file
PATIENCE = 600.0  # seconds until what a file's messages came to is not waited for any more


async def watch(name: str, folder: Folder, interface: Hl7Interface) -> None:
    """Looks into a folder again and again; one process of a server at a time does."""
    sizes: dict[Path, tuple[int, int]] = {}
    while True:
        try:
            if await interface.lease(f"folder {name}", max(30.0, folder.seconds * 3)):
                sizes = await _look(name, folder, interface, sizes)
        except FhirError as problem:
            log.warning("hl7 folder not read", folder=name, problem=str(problem))
        except OSError as problem:
            log.warning("hl7 folder not read", folder=name, problem=problem.strerror)
        await asyncio.sleep(folder.seconds)


async def _look(
    name: str, folder: Folder, interface: Hl7Interface, before: dict[Path, tuple[int, int]]
) -> dict[Path, tuple[int, int]]:
    """Takes the files that did not change since the last look; the state of the others."""
    growing = {}
    for file in sorted(folder.path.glob(folder.pattern)):
        if not file.is_file():
            continue
        state = file.stat().st_size, file.stat().st_mtime_ns
        if before.get(file) == state:
            await _take(name, file, interface)
        else:
            growing[file] = state
    return growing


async def _take(name: str, file: Path, interface: Hl7Interface) -> None:
    content = await asyncio.to_thread(_read, file)
    try:
        reply = await interface.intake.take(content, name, PATIENCE)
    except Unanswered:
        return  # it is kept; the next look finds it again as what was kept, and waits on
    if not reply.kept:
        target = file.parent / "failed"
    else:
        later = await reply.later if reply.later is not None else None
        answers = b"".join(part for part in (reply.now, later) if part)
        bad = any(mark in answers for mark in (b"MSA|AE", b"MSA|AR", b"MSA|CE", b"MSA|CR"))
        target = file.parent / ("failed" if bad else "done")
        reply = reply._replace(now=answers)
    target.mkdir(exist_ok=True)
    if reply.now:
        (target / f"{file.name}.ack").write_bytes(reply.now)
    os.replace(file, target / file.name)
    log.info("hl7 file taken", folder=name, outcome=target.name)


def _read(file: Path) -> bytes:
    """The content, out of its frames where the file has some."""
    content = file.read_bytes()
    if not content.startswith(b"\x0b"):
        return content
    return b"".join(frame.content.rstrip(b"\r\n") + b"\r" for frame in Frames(LONGEST).feed(content))
