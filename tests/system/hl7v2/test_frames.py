"""What comes over the wire, in whatever pieces, to a started server."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from hl7.client import MLLPClient
from hl7apy.parser import parse_message

from interfaces.hl7v2 import er7
from interfaces.hl7v2.mllp.frames import framed
from tests.authority import Authority
from tests.system.hl7v2.conftest import Hospital, Sender, codes, hospital_at, oru

MIB = 2**20


def test_a_result_with_twenty_observations(hospital: Hospital):
    answer = hospital.ask(oru("clean-1", "F1"))
    assert (answer.get("MSA-1"), answer.get("MSA-2"), answer.get("MSH-9")) == ("AA", "clean-1", "ACK")
    assert len(hospital.found("Observation?patient.identifier=F1&_count=50")) == 20
    (row,) = hospital.messages(text="clean-1")
    shown = hospital.http.get(f"/hl7/messages/{row['id']}").json()
    assert shown["state"] == "done"
    assert sum(link.startswith("Observation/") for link in shown["links"]) == 20
    provenance = hospital.http.get(f"/fhir/{shown['provenance']}").json()
    assert len(provenance["target"]) == len(shown["links"])


def test_two_frames_in_one_packet(hospital: Hospital):
    with hospital.sender() as sender:
        sender.raw(framed(oru("two-1", "F2").encode()) + framed(oru("two-2", "F3").encode()))
        answers = [er7.parse(sender.next()) for _ in range(2)]
    assert [(each.get("MSA-1"), each.get("MSA-2")) for each in answers] == [("AA", "two-1"), ("AA", "two-2")]


def test_one_byte_at_a_time(hospital: Hospital):
    with hospital.sender() as sender:
        sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(oru("byte-1", "F4", 1).encode()):
            sender.raw(bytes([byte]))
        assert er7.parse(sender.next()).get("MSA-1") == "AA"


def test_half_a_message_then_close(hospital: Hospital):
    with hospital.sender() as sender:
        sender.raw(framed(oru("half-1", "F5").encode())[:200])
    assert hospital.ask(oru("half-2", "F5")).get("MSA-1") == "AA"
    assert hospital.messages(text="half-1") == []


def test_half_then_silence_while_others_go_on(hospital: Hospital):
    with hospital.sender("impatient") as silent, hospital.sender("impatient") as other:
        silent.raw(framed(oru("silent-1", "F6").encode())[:200])
        assert other.ask(oru("other-1", "F6")).get("MSA-1") == "AA"
        assert silent.next() == b""
        assert other.ask(oru("other-2", "F6")).get("MSA-1") == "AA"


def test_junk_before_the_start_byte(hospital: Hospital):
    with hospital.sender() as sender:
        sender.raw(b"GET / HTTP/1.0\r\n\r\n\x00\xff" + framed(oru("junk-1", "F7", 1).encode()))
        assert er7.parse(sender.next()).get("MSA-1") == "AA"


def test_an_end_without_its_carriage_return(hospital: Hospital):
    with hospital.sender() as sender:
        for number in (1, 2):
            sender.raw(b"\x0b" + oru(f"end-{number}", "F8", 1).encode() + b"\x1c")
            assert er7.parse(sender.next()).get("MSA-2") == f"end-{number}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_feeds(hospital: Hospital, end: str):
    answer = hospital.ask(oru(f"line-{len(end)}", f"F9{len(end)}", 3).replace("\r", end))
    assert answer.get("MSA-1") == "AA"
    assert len(hospital.found(f"Observation?patient.identifier=F9{len(end)}")) == 3


def test_accept_always(hospital: Hospital):
    with hospital.sender() as sender:
        first = sender.ask(oru("always-1", "F10", msh="|||AL|AL"))
        second = er7.parse(sender.next())
    assert [(each.get("MSA-1"), each.get("MSA-2")) for each in (first, second)] == [
        ("CA", "always-1"),
        ("AA", "always-1"),
    ]


def test_mllp_release_2(hospital: Hospital):
    with hospital.sender("release2") as sender:
        sender.send(oru("two-1-release", "F11", 1))
        assert sender.next() == b"\x06"
        assert er7.parse(sender.next()).get("MSA-1") == "AA"
        sender.send(b"\x06")
        sender.send(oru("two-2-release", "F11", 1))
        assert sender.next() == b"\x06"


def test_a_frame_over_the_limit(hospital: Hospital):
    with hospital.sender("small") as sender:
        answer = sender.ask(oru("over-1", "F12", 1) + "NTE|1||" + "x" * 200_000 + "\r")
        assert codes(answer) == ("AE", "207")
        assert "100,000" in answer.get("ERR-8")
        assert sender.ask(oru("over-2", "F12", 1)).get("MSA-1") == "AA"
    assert hospital.messages(text="over-1") == []


def test_fifty_megabytes(hospital: Hospital):
    text = ("x" * 1000 + "~") * (50 * MIB // 1001)
    answer = hospital.ask(oru("large-1", "F13", 1) + f"ZZZ|1|{text}\r")
    assert answer.get("MSA-1") == "AA"
    (row,) = hospital.messages(text="large-1")
    assert row["size"] > 50_000_000


def waiting(sender: Sender) -> bytes | None:
    """The next frame where it is here by now."""
    try:
        return sender.next()
    except BlockingIOError:
        return None


def test_twenty_thousand_segments_while_others_are_answered(tmp_path: Path):
    many = [(f"{number}-{number % 10}", "1.5") for number in range(20_000)]
    with hospital_at(tmp_path, "[listener.lab]\nport = 0\n") as hospital:
        with hospital.sender() as sender, hospital.sender() as other:
            sender.send(oru("many-1", "F14", many, msh="|||AL|AL"))
            assert er7.parse(sender.next()).get("MSA-1") == "CA"
            sender.socket.setblocking(False)
            answered = 0
            while (answer := waiting(sender)) is None:
                assert other.ask(oru(f"beside-{answered}", "F15", 1, msh="|||AL|NE")).get("MSA-1") == "CA"
                answered += 1
        assert er7.parse(answer).get("MSA-1") == "AA"
        assert answered > 30  # while it was translated and committed
        counted = hospital.http.get("/fhir/Observation?patient.identifier=F14&_summary=count").json()
        assert counted["total"] == 20_000


def test_two_thousand_segments_are_committed(hospital: Hospital):
    many = [(f"{number}-{number % 10}", "1.5") for number in range(2000)]
    assert hospital.ask(oru("many-2", "F19", many)).get("MSA-1") == "AA"
    assert len(hospital.found("Observation?patient.identifier=F19&_count=1000")) == 1000  # a page of them


def test_python_hl7s_client(hospital: Hospital):
    with MLLPClient("127.0.0.1", hospital.ports["lab"]) as client:
        for number in range(3):
            answer = er7.parse(client.send_message(oru(f"python-hl7-{number}", "F16")).strip(b"\x0b\x1c\r"))
            assert (answer.get("MSA-1"), answer.get("MSA-2")) == ("AA", f"python-hl7-{number}")


def test_hl7apys_messages(hospital: Hospital):
    message = parse_message(oru("hl7apy-1", "F17", 2), find_groups=True)
    with hospital.sender() as sender:
        sender.raw(message.to_mllp().encode())
        parsed = parse_message(sender.next().decode(), find_groups=False)
    assert (parsed.msa.msa_1.value, parsed.msa.msa_2.value) == ("AA", "hl7apy-1")


def test_a_renewed_certificate_counts_without_a_restart(tmp_path: Path):
    authority = Authority(tmp_path)
    certificate, key = authority.certificate("server", (-9, -2))
    file = f'[listener.tls]\nport = 0\ntls = {{ certificate = "{certificate}", key = "{key}" }}\n'
    context = ssl.create_default_context(cafile=str(authority.path))
    with hospital_at(tmp_path, file) as hospital:
        with pytest.raises(ssl.SSLCertVerificationError), hospital.sender("tls", context):
            pass
        authority.certificate("server")
        with hospital.sender("tls", context) as sender:
            assert sender.ask(oru("tls-1", "F18", 1)).get("MSA-1") == "AA"


def test_client_certificates(tmp_path: Path):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.certificate("server")
    file = f"""
[listener.tls]
port = 0
tls = {{ certificate = "{certificate}", key = "{key}", authorities = "{ours.path}" }}
"""
    with hospital_at(tmp_path, file) as hospital:

        def context(authority: Authority | None, name: str) -> ssl.SSLContext:
            made = ssl.create_default_context(cafile=str(ours.path))
            if authority is not None:
                made.load_cert_chain(*authority.certificate(name))
            return made

        with hospital.sender("tls", context(ours, "right")) as sender:
            assert sender.ask(oru("tls-1", "F18", 1)).get("MSA-1") == "AA"
        for authority, name in ((theirs, "wrong"), (None, "")):
            answer = b""  # a connection that is refused ends with an error or just ends, as the handshake goes
            with contextlib.suppress(OSError), hospital.sender("tls", context(authority, name)) as sender:
                sender.send(oru("tls-2", "F18", 1))
                answer = sender.next()
            assert answer == b"", "a wrong certificate was taken"
        with hospital.sender("tls", context(ours, "again")) as sender:
            assert sender.ask(oru("tls-3", "F18", 1)).get("MSA-1") == "AA"
        assert [row["control"] for row in hospital.messages()] == ["tls-3", "tls-1"]
