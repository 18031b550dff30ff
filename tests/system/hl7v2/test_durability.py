"""kill -9, a full disk, several workers, a watched folder, a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from interfaces.hl7v2 import er7
from interfaces.hl7v2.mllp.frames import Frames
from tests.system.hl7v2.conftest import Hospital, Sender, hospital_at, oru
from tests.system.process import command, hms, serving
from tests.system.test_faults import Disk, disk  # noqa: F401  a fixture

LAB = "[listener.lab]\nport = 0\n"


def test_kill_before_the_answer_and_resend(tmp_path: Path):
    sent = [oru(f"kill-{number}", f"K{number % 5}", 5) for number in range(40)]
    answered: set[str] = set()
    with hospital_at(tmp_path, LAB) as hospital:
        sender = Sender(hospital.ports["lab"])
        for text in sent:
            sender.send(text)
        for _ in range(7):
            answered.add(er7.parse(sender.next()).get("MSA-2"))
        hospital.server.kill()
        sender.close()
    with hospital_at(tmp_path, LAB) as hospital, hospital.sender() as sender:
        states = {row["control"]: row["state"] for row in hospital.messages(limit=500)}
        assert {states[control] for control in answered} == {"done"}
        for number, text in enumerate(sent):
            answer = sender.ask(text)
            assert (answer.get("MSA-1"), answer.get("MSA-2")) == ("AA", f"kill-{number}")
        assert len(hospital.messages(limit=500)) == 40
        assert {row["state"] for row in hospital.messages(limit=500)} == {"done"}
        results = hospital.found("Observation?_count=1000")
        assert len(results) == 200
        assert {result["meta"]["versionId"] for result in results} == {"1"}
        provenances = hospital.found("Provenance?_count=1000")
        assert len(provenances) == 40
        assert {each["meta"]["versionId"] for each in provenances} == {"1"}
    assert "whole" in hms("check", "--data", tmp_path / "data")


def test_a_hundred_patients_over_eight_connections_and_eight_workers(tmp_path: Path):
    file = tmp_path / "hl7.toml"
    port = _free_port()
    file.write_text(f"[listener.lab]\nport = {port}\n")
    failures: list[str] = []

    def send(part: int) -> None:
        senders = [Sender(port), Sender(port)]
        for turn in range(2):
            for patient in range(part, 100, 8):
                text = oru(
                    f"{patient}-{turn}", f"W{patient}", [("718-7", f"{turn}.5")], filler=f"w{patient}",
                    sent=f"2026090112000{turn}+0000",
                )  # fmt: skip
                answer = senders[(turn + patient) % 2].ask(text)
                if answer.get("MSA-1") != "AA":
                    failures.append(answer.encode().decode())
        for sender in senders:
            sender.close()

    with serving(tmp_path / "data", "--hl7", file, "--workers", 8) as server:
        hospital = Hospital(server)
        threads = [threading.Thread(target=send, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        results = hospital.found("Observation?_count=1000")
        assert len(results) == 100
        assert {result["valueQuantity"]["value"] for result in results} == {1.5}
        assert {row["state"] for row in hospital.messages(limit=500)} == {"done"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_a_full_disk(disk: Disk):  # noqa: F811
    with hospital_at(disk.path, LAB) as hospital:
        assert hospital.ask(oru("full-0", "D0", 1)).get("MSA-1") == "AA"
        disk.fill()
        refused = 0
        for number in range(1, 30):
            text = oru(f"full-{number}", "D1", 1, msh="|||AL|NE") + "ZZZ|" + "x" * 100_000 + "\r"
            answer = hospital.ask(text)
            if answer.get("MSA-1") == "CE":
                assert answer.get("ERR-3.1") == "207"
                refused += 1
        assert refused
        disk.free()
        assert hospital.ask(oru("full-99", "D2", 1)).get("MSA-1") == "AA"
        accepted = {row["control"] for row in hospital.messages(limit=500)}
        assert len(accepted) == 31 - refused
        hospital.until(lambda: {row["state"] for row in hospital.messages(limit=500)} == {"done"})
        assert "Traceback" not in hospital.server.said()


def test_a_destination_that_is_away_and_comes_back(tmp_path: Path):
    port = _free_port()
    file = f"""
[listener.lab]
port = 0
[sender.default]
reply = "back"
[destination.back]
host = "127.0.0.1"
port = {port}
back_off_seconds = 0.1
longest_pause_seconds = 0.5
failures = 2
"""
    with hospital_at(tmp_path, file) as hospital:
        with hospital.sender() as sender:
            for number in range(5):
                answer = sender.ask(oru(f"away-{number}", f"B{number}", 1, msh="|||AL|AL"))
                assert answer.get("MSA-1") == "CA"

        def status() -> dict:
            return hospital.http.get("/hl7/destinations").json()["destinations"][0]

        hospital.until(lambda: status()["letters"].get("queued", 0) == 5 and status()["circuit"] == "open")
        with socket.create_server(("127.0.0.1", port)) as listening:
            listening.settimeout(30)
            came, _ = listening.accept()
            came.settimeout(30)
            frames, controls = Frames(100_000), []
            while len(controls) < 5:
                controls += [er7.parse(frame.content).get("MSA-2") for frame in frames.feed(came.recv(65536))]
            assert sorted(controls) == [f"away-{number}" for number in range(5)]
            hospital.until(lambda: status()["letters"] == {"accepted": 5} and status()["circuit"] == "closed")
            came.close()


def test_a_watched_folder(tmp_path: Path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with hospital_at(tmp_path, f'[folder.files]\npath = "{inbox}"\nseconds = 0.2\n') as hospital:
        (inbox / "one.hl7").write_text(oru("folder-1", "E1", 2))
        batch = "BHS|^~\\&|LIS|HOSP|HMS|HOSP|2026||||b\r" + oru("folder-2", "E2", 1) + "BTS|9\r"
        (inbox / "two.hl7").write_text(batch)
        hospital.until(lambda: (inbox / "done" / "one.hl7").exists() and (inbox / "failed" / "two.hl7").exists())
        assert b"MSA|AA|folder-1" in (inbox / "done" / "one.hl7.ack").read_bytes()
        assert len(hospital.found("Observation?patient.identifier=E1")) == 2


def test_a_process_of_its_own_against_a_server_that_goes_and_comes(tmp_path: Path):
    data = tmp_path / "fhir"
    with serving(data) as server:
        run, environment = command(
            "hl7", "listen", "--server", server.base, "--hl7-port", _free_port(), "--data", tmp_path / "hl7"
        )
        listening = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            assert listening.stderr is not None
            port = next(int(line.split(":")[2].split()[0]) for line in listening.stderr if "mllp://" in line)
            sender = Sender(port)
            assert sender.ask(oru("apart-1", "A1", 2)).get("MSA-1") == "AA"
            assert sender.ask(oru("apart-1", "A1", 2)).get("MSA-1") == "AA"
            assert sender.ask(oru("apart-2", "A1", 2, msh="|||AL|AL")).get("MSA-1") == "CA"
            assert er7.parse(sender.next()).get("MSA-1") == "AA"
            sender.close()
        finally:
            listening.send_signal(signal.SIGTERM)
            assert listening.wait(30) == 0
        assert "apart-2" in hms("hl7", "list", "--data", tmp_path / "hl7")
        assert "done" in hms("hl7", "show", 1, "--data", tmp_path / "hl7")


def test_changes_of_a_server_elsewhere_become_messages(tmp_path: Path):
    port = _free_port()
    file = tmp_path / "hl7.toml"
    file.write_text(f"""
[listener.lab]
port = 0
[destination.his]
host = "127.0.0.1"
port = {port}
message = "ADT"
subscribe = ["Patient?active=true"]
""")
    with serving(tmp_path / "fhir") as server, socket.create_server(("127.0.0.1", port)) as listening:
        run, environment = command("hl7", "listen", "--server", server.base, "--hl7", file, "--data", tmp_path / "hl7")
        apart = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            listening.settimeout(60)
            assert apart.stderr is not None
            assert any("mllp://" in line for line in apart.stderr)
            frames, came, numbers = Frames(100_000), None, []
            for number in range(100):  # until it has begun to follow
                for active in (False, True):
                    patient = {"resourceType": "Patient", "id": f"p{number}-{active}".lower(), "active": active}
                    patient["identifier"] = [{"system": "urn:oid:1.2", "value": f"N{number}-{active}"}]
                    assert httpx.put(f"{server.base}/Patient/{patient['id']}", json=patient).status_code == 201
                listening.settimeout(0.5)
                try:
                    came, _ = listening.accept()
                    break
                except TimeoutError:
                    continue
            assert came is not None
            came.settimeout(60)
            while not numbers:
                for frame in frames.feed(came.recv(65536)):
                    numbers.append(er7.parse(frame.content).get("PID-3"))
            assert all(number.endswith("True") for number in numbers)
            came.close()
        finally:
            apart.send_signal(signal.SIGTERM)
            assert apart.wait(30) == 0


def test_the_command_line(tmp_path: Path):
    with hospital_at(tmp_path, LAB) as hospital:
        file = tmp_path / "message.hl7"
        file.write_text(oru("cli-1", "C1", 1).replace("ORU^R01^ORU_R01", "ADT^Z99"))
        to = f"127.0.0.1:{hospital.ports['lab']}"
        assert "MSA|AR|cli-1" in hms("hl7", "send", file, "--to", to, code=1)
        for where in (("--server", hospital.server.base), ("--data", tmp_path / "data")):
            assert "cli-1" in hms("hl7", "list", "--state", "failed", *where)
        file.write_text(oru("cli-1", "C1", 1))
        hms("hl7", "correct", 1, file, "--reason", "the event", "--data", tmp_path / "data")
        hospital.until(lambda: hospital.messages()[0]["state"] == "done")
        assert "1 messages" in hms("hl7", "replay", "--state", "done", "--server", hospital.server.base)
        hospital.until(lambda: hospital.messages()[0]["state"] == "done")
        assert "only failed" in hms("hl7", "dismiss", 1, "--reason", "x", "--data", tmp_path / "data", code=1)
        assert "No message 9" in hms("hl7", "show", 9, "--data", tmp_path / "data", code=1).replace("There is no", "No")


@pytest.mark.parametrize("port", ["99999", "x"])
def test_a_mistake_in_the_file_ends_the_start(tmp_path: Path, port: str):
    file = tmp_path / "hl7.toml"
    file.write_text(f"[listener.lab]\nport = '{port}'\n")
    said = hms("serve", "--port", 0, "--data", tmp_path / "data", "--hl7", file, code=1)  # which waits a while only
    assert "hl7.toml" in said and "port" in said
