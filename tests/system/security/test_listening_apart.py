"""`hms hl7 listen` and `hms dicom listen` in processes of their own beside a secured server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.system.dicom.conftest import TITLE, dcmtk, until
from tests.system.dicom.images import files, study
from tests.system.dicom.test_serving import storescu
from tests.system.hl7v2.conftest import Sender, oru
from tests.system.process import Server, command, hms, serving


class House:
    """A secured server that has a client with a key."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.data = folder / "data"
        self.key = folder / "listener.jwk"
        hms(
            "client", "add", "listener", "--backend", "--new-key", self.key, "--scope", "system/*.cruds",
            "--data", self.data,
        )  # fmt: skip
        self.token = hms("token", "--data", self.data, "--base-url", server.base).strip()

    def total(self, search: str) -> int:
        answer = httpx.get(f"{self.server.base}/{search}", headers={"authorization": f"Bearer {self.token}"})
        return answer.json()["total"]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("secure")
    with serving(folder / "data", "--security", "smart") as server:
        yield House(server, folder)


@contextmanager
def listening(interface: str, secure: House, *arguments: object) -> Iterator[int]:
    """The port of a listener that has been started."""
    run, environment = command(interface, "listen", "--server", secure.server.base, *arguments)
    process = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = (re.search(r"(?:mllp://| at )[\d.]+:(\d+)", line) for line in process.stderr)
        yield next(int(match[1]) for match in found if match)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_messages_are_committed_by_a_client_with_its_key(secure: House, tmp_path: Path) -> None:
    file = tmp_path / "hl7.toml"
    file.write_text("[listener.lab]\nport = 0\n")
    proof = ("--client-id", "listener", "--client-key", secure.key)
    with listening("hl7", secure, "--hl7", file, "--data", tmp_path / "hl7", *proof) as port:
        sender = Sender(port)
        assert sender.ask(oru("secure-1", "S1", 2)).get("MSA-1") == "AA"
        sender.close()
    assert secure.total("Observation?patient.identifier=S1") == 2


def test_messages_wait_until_the_token_file_has_one_that_counts(secure: House, tmp_path: Path) -> None:
    file, token = tmp_path / "hl7.toml", tmp_path / "token"
    file.write_text("[listener.lab]\nport = 0\n")
    token.write_text("of yesterday")
    with listening("hl7", secure, "--hl7", file, "--data", tmp_path / "hl7", "--token-file", token) as port:
        sender = Sender(port)
        sender.send(oru("secure-2", "S2", 1))
        until(lambda: "refuses the token" in hms("hl7", "show", 1, "--data", tmp_path / "hl7"))
        token.write_text(secure.token)
        assert b"MSA|AA|secure-2" in sender.next()
        sender.close()
    assert secure.total("Observation?patient.identifier=S2") == 1


def echo(port: int, calling: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([dcmtk("echoscu"), "-aet", calling, "-aec", TITLE, "127.0.0.1", str(port)], timeout=60)


def test_images_become_studies(secure: House, tmp_path: Path) -> None:
    proof = ("--client-id", "listener", "--client-key", secure.key)
    peers = tmp_path / "peers.toml"
    peers.write_text('[[peer]]\nae_title = "STORESCU"\nhost = "127.0.0.1"\n')
    options = ("--dicom-peers", peers, "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 1)
    before = secure.total("ImagingStudy")
    with listening("dicom", secure, *options, "--data", tmp_path / "dicom", *proof) as port:
        assert echo(port, "STRANGER").returncode != 0 and echo(port, "STORESCU").returncode == 0
        assert storescu(port, *files(study(2), tmp_path / "sent")).returncode == 0
        until(lambda: secure.total("ImagingStudy") == before + 1)


def test_what_goes_out_and_is_refused_is_in_the_audit_log_of_the_listeners_folder(
    secure: House, tmp_path: Path
) -> None:
    proof = ("--client-id", "listener", "--client-key", secure.key)
    peers, data = tmp_path / "peers.toml", tmp_path / "dicom"
    peers.write_text(
        '[[peer]]\nae_title = "STORESCU"\nhost = "127.0.0.1"\nmay = ["store"]\n'
        '[[peer]]\nae_title = "READER"\nhost = "127.0.0.1"\nmay = ["query"]\n'
    )
    options = ("--dicom-peers", peers, "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 0)
    before = secure.total("ImagingStudy")
    with listening("dicom", secure, *options, "--data", data, *proof) as port:
        assert storescu(port, *files(study(1, PatientID="D1"), tmp_path / "sent")).returncode == 0
        until(lambda: secure.total("ImagingStudy") == before + 1)
        assert echo(port, "STRANGER").returncode != 0
        asked = "-S", "-k", "0008,0052=STUDY", "-k", "0010,0020=D1", "-k", "0020,000d"
        for calling in ("READER", "STORESCU"):
            run = [dcmtk("findscu"), "-aet", calling, "-aec", TITLE, "127.0.0.1", str(port), *asked]
            subprocess.run(run, timeout=60)
    events = [json.loads(line) for line in hms("audit", "export", "--data", data).splitlines() if line.startswith("{")]
    told = [(each["outcome"], str(each["agent"]), str(each["entity"])) for each in events]
    assert any(outcome == "4" and "STRANGER" in agent for outcome, agent, _ in told)
    assert any(outcome == "0" and "READER" in agent and "Patient/" in entity for outcome, agent, entity in told)
    assert any(outcome == "4" and "STORESCU" in agent for outcome, agent, _ in told)
    assert "as it was written" in hms("audit", "verify", "--data", data)


def test_a_key_that_is_no_key_is_told_at_the_start(secure: House, tmp_path: Path) -> None:
    proof = ("--client-id", "listener", "--client-key", tmp_path / "none")
    told = hms("dicom", "listen", "--server", secure.server.base, "--data", tmp_path, *proof, code=1)
    assert "key file" in told and "Traceback" not in told
