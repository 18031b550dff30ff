"""hms audit on a log of its own; forwarded to a receiver with TLS."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from fhir_server.commands.program import program
from fhir_server.core.errors import FhirError
from fhir_server.security.audit import FILE_NAME, AuditLog, Event
from fhir_server.security.audit.syslog import as_xml
from tests.authority import Authority


def event(number: int, kind: str = "rest", patient: str = "a") -> Event:
    return Event(recorded=1_790_000_000_000_000 + number, kind=kind, interaction="read" if kind == "rest" else kind,
                 action="R" if kind == "rest" else "E", outcome="0", status=200, path=f"Patient/{patient}",
                 query='name=<"&>', user="u", client="app", address="10.0.0.1", patients=(patient,))  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncio.run(fill(AuditLog(tmp_path / FILE_NAME)))
    return tmp_path


async def fill(log: AuditLog) -> None:
    for number, patient in enumerate("aba"):
        await log.record(event(number, patient=patient))
    await log.record(event(3, "login"))
    log.close()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(program(), ["audit", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_verify_says_how_many_and_the_head(data):
    assert "4 events" in run("verify", "--data", str(data))


def test_export_is_one_audit_event_a_line(data):
    out = data / "out.ndjson"
    run("export", str(out), "--data", str(data), "--patient", "a")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["id"] for each in found] == ["audit-1", "audit-3", "audit-4"]
    assert {each["resourceType"] for each in found} == {"AuditEvent"}


def test_prune_keeps_days_and_the_chain(data):
    assert "0 events" in run("prune", "--days", "30000", "--data", str(data))
    assert "as it was written" in run("verify", "--data", str(data))


def test_a_message_names_the_versions_that_were_written():
    written = replace(event(1), written=("Observation/1/_history/2",))
    named = [each.get("ParticipantObjectID") for each in ElementTree.fromstring(as_xml(written, "house"))]
    assert "Observation/1/_history/2" in named


class Receiver(threading.Thread):
    """An audit record repository that keeps the frames of one connection."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.certificate("repository"))
        self.got = b""

    def run(self) -> None:
        with (
            contextlib.suppress(ssl.SSLError),  # of who does not know the authority
            self.context.wrap_socket(self.listening.accept()[0], server_side=True) as channel,
        ):
            while part := channel.recv(65536):
                self.got += part
        self.listening.close()

    def messages(self) -> list[bytes]:
        """The syslog messages, by the lengths in front of them."""
        found, rest = [], self.got
        while rest:
            length, _, rest = rest.partition(b" ")
            found.append(rest[: int(length)])
            rest = rest[int(length) :]
        return found


def test_forward_sends_dicom_audit_messages_over_tls_and_each_once(data):
    authority = Authority(data)
    port = 0
    for expected in (4, 0):
        receiver = Receiver(authority)
        if port:
            receiver.listening.close()
            receiver.listening = socket.create_server(("127.0.0.1", port))
        port = receiver.listening.getsockname()[1]
        receiver.start()
        run("forward", "localhost", "--port", str(port), "--ca", str(authority.path), "--data", str(data))
        receiver.join(10)
        assert len(receiver.messages()) == expected
        for message in receiver.messages():
            assert message.startswith(b"<85>1 2026-")
            root = ElementTree.fromstring(message.partition(b"\xef\xbb\xbf")[2])
            assert root.tag == "AuditMessage"
            assert root.find("ParticipantObjectIdentification") is not None


def test_a_receiver_that_is_not_trusted_gets_nothing(data):
    receiver = Receiver(Authority(data))
    receiver.start()
    result = CliRunner().invoke(program(), ["audit", "forward", "localhost", "--data", str(data), "--port",
                                      str(receiver.listening.getsockname()[1])])  # fmt: skip
    assert result.exit_code == 1 and "can't be reached" in str(result.exception)
    assert receiver.got == b""


def test_a_name_that_is_none_of_a_receiver(data):
    result = CliRunner().invoke(program(), ["audit", "forward", "é\u202eא", "--data", str(data)])
    assert result.exit_code == 1 and isinstance(result.exception, FhirError)
