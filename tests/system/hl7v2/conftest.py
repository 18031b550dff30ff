"""`hms serve` with HL7 v2 listeners, and senders that speak to it over sockets of their own."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from interfaces.hl7v2 import er7
from interfaces.hl7v2.mllp.frames import Frames, framed
from tests.system.process import Server, serving

SECONDS = 180


class Sender:
    """A connection to a listener."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._frames = Frames(2**30)
        self._ready: list[bytes] = []

    def send(self, content: bytes | str) -> None:
        self.raw(framed(content.encode() if isinstance(content, str) else content))

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def next(self) -> bytes:
        """The content of the next frame; b"" where the connection is closed."""
        while not self._ready:
            data = self.socket.recv(65536)
            if not data:
                return b""
            self._ready += [frame.content for frame in self._frames.feed(data)]
        return self._ready.pop(0)

    def ask(self, content: bytes | str) -> er7.Message:
        self.send(content)
        return er7.parse(self.next())

    def close(self) -> None:
        self.socket.close()


class Hospital:
    """A started server, its listeners' ports by name, and short ways to look at what it has."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.origin, timeout=SECONDS)
        rows = self.http.get("/hl7/status").json()["listeners"]
        self.ports = {row["name"]: row["port"] for row in rows}

    @contextmanager
    def sender(self, listener: str = "lab", context: ssl.SSLContext | None = None) -> Iterator[Sender]:
        sender = Sender(self.ports[listener], context)
        try:
            yield sender
        finally:
            sender.close()

    def ask(self, content: bytes | str, listener: str = "lab") -> er7.Message:
        with self.sender(listener) as sender:
            return sender.ask(content)

    def found(self, search: str) -> list[dict[str, Any]]:
        """The matches of a FHIR search."""
        bundle = self.http.get(f"/fhir/{search}").json()
        assert bundle["resourceType"] == "Bundle", bundle
        return [each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"]

    def messages(self, **query: Any) -> list[dict[str, Any]]:
        """The message log."""
        return self.http.get("/hl7/messages", params=query).json()["messages"]

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, self.messages()
            time.sleep(0.05)
        return found


@contextmanager
def hospital_at(folder: Path, interfaces: str, *arguments: object) -> Iterator[Hospital]:
    """A server on a folder's data with these interfaces."""
    file = folder / "hl7.toml"
    file.write_text(interfaces, "utf-8")
    with serving(folder / "data", "--hl7", file, *arguments) as server:
        hospital = Hospital(server)
        try:
            yield hospital
        finally:
            hospital.http.close()


LISTENERS = """
[listener.lab]
port = 0
[listener.release2]
port = 0
release = 2
[listener.small]
port = 0
max_bytes = 100000
[listener.impatient]
port = 0
frame_seconds = 0.5
[listener.strict]
port = 0
strict = true
[sender."WAITING|HOSP"]
unknown_patient = "wait"
[sender."REFUSING|HOSP"]
same_id = "refuse"
"""


@pytest.fixture(scope="package")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital_at(tmp_path_factory.mktemp("hl7"), LISTENERS) as hospital:
        yield hospital
        assert "Traceback" not in hospital.server.said()


def oru(
    control: str,
    patient: str,
    results: list[tuple[str, str]] | int = 20,
    *,
    name: str = "DOE^JANE",
    filler: str = "",
    status: str = "F",
    sent: str = "20260901120000+0000",
    sender: str = "LIS",
    msh: str = "",
    version: str = "2.5.1",
    authority: str = "HOSP",
) -> str:
    """An ORU^R01 with OBX of (code, value); a number of results: so many made-up ones."""
    if isinstance(results, int):
        results = [(f"{1000 + number}-{number % 10}", f"{number}.5") for number in range(results)]
    lines = [
        f"MSH|^~\\&|{sender}|HOSP|HMS|HOSP|{sent}||ORU^R01^ORU_R01|{control}|P|{version}{msh}",
        f"PID|1||{patient}^^^{authority}^MR||{name}||19700101|F",
        f"OBR|1|P{filler or control}^LIS|F{filler or control}^LAB|58410-2^CBC^LN|||20260901110000+0000"
        f"|||||||||||||||{sent}|||{status}",
    ]
    for number, (code, value) in enumerate(results, 1):
        lines.append(f"OBX|{number}|NM|{code}^Test {code}^LN||{value}|g/dL|||||{status}|||20260901110000+0000")
    return "\r".join(lines) + "\r"


def adt(
    event: str, control: str, patient: str, rest: str = "", *, name: str = "DOE^JANE", msh: str = "", pid: str = ""
) -> str:
    """An ADT; pid: the fields of PID after the name; rest: further segments."""
    return (
        f"MSH|^~\\&|ADT|HOSP|HMS|HOSP|20260901120000+0000||ADT^{event}|{control}|P|2.5.1{msh}\r"
        f"EVN|{event}|20260901120000+0000\rPID|1||{patient}^^^HOSP^MR||{name}||{pid or '19700101|F'}\r{rest}"
    )


def token(hospital: Hospital, number: str) -> dict[str, Any]:
    """The one patient with this number."""
    (patient,) = [
        one
        for one in hospital.found(f"Patient?identifier={number}")
        if any(each.get("value") == number for each in one["identifier"])
    ]
    return patient


def codes(answer: er7.Message) -> tuple[str, str]:
    """MSA-1 and the error code."""
    return answer.get("MSA-1"), re.sub(r"\D.*", "", answer.get("ERR-3.1"))
