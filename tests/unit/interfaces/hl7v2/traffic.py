"""Messages, a small table that gives them a meaning, and an MLLP client, for tests of the transport alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fhir_server.api import FhirServer, Request
from fhir_server.codec import json
from fhir_server.core.errors import error
from interfaces.hl7v2 import er7
from interfaces.hl7v2.configuration import Interfaces, Listener, Sender
from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import Header
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.sqlite.store import SqliteMessageStore
from interfaces.hl7v2.mllp.frames import Frames, framed
from interfaces.hl7v2.translation import Translation
from mappings.hl7v2.moving import Named

MRN = "http://hospital.test/mrn"
RESULT = "http://hospital.test/result"


def message(
    control: str, patient: str = "100", kind: str = "ORU^R01", values: tuple[str, ...] = ("7.2",), **msh: str
) -> bytes:
    """A message of the sender LAB at H; msh: accept, application, processing, version, charset, sender."""
    header = [
        "MSH", "^~\\&", msh.get("sender", "LAB"), "H", "HMS", "H", "20260901120000", "", kind, control,
        msh.get("processing", "P"), msh.get("version", "2.5.1"), "", "", msh.get("accept", ""),
        msh.get("application", ""), "", msh.get("charset", ""),
    ]  # fmt: skip
    lines = ["|".join(header).rstrip("|")]
    if patient:
        lines.append(f"PID|1||{patient}^^^H^MR||DOE^JANE")
    lines += [f"OBX|{number}|NM|718-7^Hb^LN||{value}|g/dL" for number, value in enumerate(values, 1)]
    return ("\r".join(lines) + "\r").encode()


class SmallTable:
    """PID-3 is a Patient, each OBX an Observation, by identifier; gate: what a translation waits for."""

    def __init__(self, server: FhirServer) -> None:
        self.server = server
        self.gate: asyncio.Event | None = None
        self.seen: list[str] = []
        self.away = False

    async def translate(self, raw: bytes, header: Header, sender: Sender, strict: bool) -> Translation:
        read = er7.parse(raw)
        self.seen.append(read.control_id)
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise error("unavailable", "The table is away.")
        if read.type not in ("ADT", "ORU"):
            return Translation(problems=(Problem("200", f"{read.type} is not in the table.", ("MSH", 1, 9, 1, 1)),))
        pid = read.first("PID")
        if pid is None:
            return Translation(problems=(Problem("100", "There is no PID.", ("PID", 1)),))
        if pid.value(5) == "BAD":
            raise ValueError("a mistake of the table")
        number = pid.value(3)
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": MRN, "value": number}],
            "name": [{"family": pid.value(5), "given": [pid.value(5, 1, 2)]}],
        }
        entries: list[dict[str, Any]] = [entry("urn:uuid:p", patient, f"Patient?identifier={MRN}|{number}")]
        for position, segment in enumerate(read.all("OBX")):
            key = f"{read.control_id}-{position}"
            observation = {
                "resourceType": "Observation",
                "identifier": [{"system": RESULT, "value": key}],
                "status": "final",
                "code": {"text": segment.value(3, 1, 2)},
                "subject": {"reference": "urn:uuid:p"},
                "valueQuantity": {"value": float(segment.value(5)), "unit": segment.value(6)},
            }
            url = f"Observation?identifier={RESULT}|{key}"
            entries.append(entry(f"urn:uuid:o{position}", observation, url))
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        query = [("identifier", f"{MRN}|{number}")]
        found = json.parse((await self.server.perform(Request("GET", ("Patient",), query))).body)
        unknown = () if found.get("entry") else (number,)
        return Translation(bundle, brings=read.type == "ADT", unknown=unknown)

    async def named(self, raw: bytes) -> tuple[Named, ...]:
        return ()

    async def left_behind(self, named: Sequence[Named]) -> list[dict[str, Any]]:
        return []


def entry(full_url: str, resource: dict[str, Any], url: str) -> dict[str, Any]:
    return {"fullUrl": full_url, "resource": resource, "request": {"method": "PUT", "url": url}}


class Client:
    """An MLLP connection of a sender."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = Frames(2**30)
        self._ready: list[bytes] = []

    async def send(self, content: bytes) -> None:
        await self.write(framed(content))

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def next(self) -> bytes:
        """The content of the next frame; b"" where the connection is closed."""
        async with asyncio.timeout(20):
            while not self._ready:
                data = await self.reader.read(65536)
                if not data:
                    return b""
                self._ready += [frame.content for frame in self._frames.feed(data)]
        return self._ready.pop(0)

    async def ask(self, content: bytes) -> bytes:
        await self.send(content)
        return await self.next()

    async def silent(self, seconds: float = 0.2) -> bool:
        """Whether nothing comes."""
        try:
            return await asyncio.wait_for(self.next(), seconds) == b"never"
        except TimeoutError:
            return True


@contextlib.asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def code(answer: bytes) -> str:
    """MSA-1."""
    return er7.parse(answer).get("MSA-1")


class Station:
    """An interface on a server, with a listener `lab` at a free port."""

    def __init__(self, server: FhirServer, data: Path, interfaces: Interfaces | None = None) -> None:
        self.server = server
        self.data = data
        self.table = SmallTable(server)
        self.interfaces = interfaces or Interfaces(listener={"lab": Listener(port=0)})
        self.interface = self.made()

    def made(self) -> Hl7Interface:
        clock = self.server.environment.clock
        store = SqliteMessageStore(self.data / "hl7.sqlite", clock, synchronous="OFF")
        return Hl7Interface(self.interfaces, store, self.server, self.table, clock)

    @property
    def port(self) -> int:
        return self.interface.listeners[0].port

    def client(self, **options: Any) -> contextlib.AbstractAsyncContextManager[Client]:
        return connected(self.port, **options)

    async def states(self) -> list[str]:
        """The states of all messages, in the order in which they came."""
        from interfaces.hl7v2.messages.port import Wanted

        return [found.state for found in await self.interface.store.find(Wanted(oldest_first=True))]
