"""The ER7 codec: what is read, what is written, and that nothing is lost on the way."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from interfaces.hl7v2.er7 import Delimiters, Message, parse

MESSAGES = sorted((Path(__file__).parents[4] / "data" / "hl7v2" / "messages").glob("*.hl7"))
HEAD = b"MSH|^~\\&|LAB|HOSP|HMS|HOSP|20240102||ORU^R01^ORU_R01|42|P|2.5.1"


def message(*segments: bytes, head: bytes = HEAD) -> Message:
    return parse(b"\r".join([head, *segments, b""]))


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_an_untouched_message_gives_its_bytes(path):
    assert parse(path.read_bytes()).encode() == path.read_bytes()


@given(st.binary(max_size=200))
def test_bytes_after_the_header_are_kept_or_refused(tail):
    raw = HEAD + b"\r" + tail
    try:
        read = parse(raw)
    except FhirError as problem:
        assert problem.category == "malformed"
        return
    for segment in read.segments:
        for field in range(1, len(segment.fields)):
            segment.repetitions(field)
    assert read.encode() == raw


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_a_text_that_is_written_is_read_again(text):
    read = message(b"PID|1||1^^^A~2||X^Y")
    read.set("PID-5[2].3.2", text)
    assert parse(read.encode()).get("PID-5[2].3.2") == text
    assert parse(read.encode()).get("PID-3[2]") == "2"


def test_places_are_read():
    read = message(b"PID|1||1^^^A&1.2&ISO~2^^^B||DOE^JANE", b"OBX|1|ST|a||x", b"OBX|2|ST|b||y")
    places = ("PID-3.1", "PID-3.4.2", "PID-3[2].4", "PID.5.2", "OBX[2]-5", "PID-40", "ZZZ-1")
    assert [read.get(place) for place in places] == [
        "1", "1.2", "B", "JANE", "y", "", "",
    ]  # fmt: skip


def test_the_header_counts_its_separator():
    read = message()
    assert (read.get("MSH-1"), read.get("MSH-2"), read.get("MSH-3"), read.type, read.event) == (
        "|", "^~\\&", "LAB", "ORU", "R01",
    )  # fmt: skip
    assert (read.structure, read.control_id, read.version) == ("ORU_R01", "42", "2.5.1")


@pytest.mark.parametrize("head", [b"MSH#*+?!#LAB", b"MSH|^~\\&#|LAB", b"MSH|^|LAB", b"MSH|^~\\|LAB", b"MSH$%~\\&$LAB"])
def test_any_delimiters(head):
    read = parse(head + b"\rPID" + head[3:4] + b"1\r")
    assert (read.get("MSH-3"), read.get("PID-1")) == ("LAB", "1")
    read.set("PID-5.1", "a|b^c~d\\e&f#g*h+i?j!k$l%m")
    assert read.encode() != b""


def test_null_is_not_empty():
    read = message(b'PID|1||1||""^|')
    assert (read.get("PID-5"), read.get("PID-6")) == ('""', "")
    read.set("PID-6", '""')
    assert read.encode().endswith(b'PID|1||1||""^|""\r')


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("one\\.br\\two\\.sp2\\three\\.in+4\\.\\.fi\\", "one\ntwo\n\nthree."),
        ("\\H\\loud\\N\\ quiet", "loud quiet"),
        ("\\X41C3A4\\ and \\X0D\\", "Aä and \r"),
        ("C:\\dir, \\ alone", "C:\\dir, \\ alone"),
        ("\\Zlocal\\ \\Q\\", "\\Zlocal\\ \\Q\\"),
        ("\\E\\F\\E\\", "\\F\\"),
        ("5\\S\\9/l \\", "5^9/l \\"),
        ("\\M2442\\;3ED\\C2842\\ Taro", "山田 Taro"),
        ("\\C2D42\\1\\C2842\\x", "ąx"),
    ],
)
def test_escape_sequences(written, text):
    read = message(b"OBX|1|TX|a||" + written.encode() + b"|", head=HEAD + b"||||||UNICODE UTF-8")
    assert read.get("OBX-5") == text
    assert written.encode() in read.encode()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("8859/1", "iso8859-1"), ("8859/2", "iso8859-2"), ("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8"),
     ("UNICODE", "utf-8"), ("utf-8", "utf-8"), ("GB 18030-2000", "gb18030"), ("ASCII~ISO IR87", "iso2022_jp"),
     ("ASCII~8859/1", "iso8859-1"), ("ASCII", "utf-8")],
)  # fmt: skip
def test_character_sets(name, codec):
    letters = {"iso8859-2": "Łódź", "gb18030": "汉字誠", "iso2022_jp": "山田"}.get(codec, "Müller")
    raw = HEAD + b"||||||" + name.encode() + b"\rPID|1||1||" + letters.encode(codec) + b"^X\r"
    read = parse(raw)
    assert (read.get("PID-5.1"), read.get("PID-5.2"), read.problems) == (letters, "X", [])
    read.set("PID-8", "F")
    assert parse(read.encode()).get("PID-5.1") == letters


def test_no_character_set_is_utf_8_if_it_reads_as_such():
    assert message("PID|1||1||Müller".encode()).get("PID-5") == "Müller"
    assert message("PID|1||1||Müller".encode("latin-1")).get("PID-5") == "Müller"


def test_two_byte_unicode():
    raw = (HEAD + b"||||||UNICODE UTF-16\rPID|1||1||M\xc3\xbcller\r").decode().encode("utf-16")
    read = parse(raw)
    assert (read.get("PID-5"), read.encode() == raw) == ("Müller", True)
    read.set("PID-8", "F")
    assert parse(read.encode()).get("PID-5") == "Müller"


def test_an_unknown_character_set_is_a_problem_that_still_can_be_answered():
    read = message(head=HEAD + b"||||||KLINGON")
    assert "KLINGON" in read.problems[0]
    assert read.control_id == "42"


def test_a_letter_outside_the_character_set_is_refused_or_replaced():
    read = message(b"PID|1", head=HEAD + b"||||||8859/1")
    read.set("PID-5", "Łódź")
    with pytest.raises(FhirError, match="MSH-18"):
        read.encode()
    assert b"?" in read.encode(replace=True)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\n\n"])
def test_line_ends(end):
    raw = end.join([HEAD, b"PID|1||7", b"PV1|1|I", b""])
    read = parse(raw)
    assert [segment.name for segment in read.segments] == ["MSH", "PID", "PV1"]
    assert read.encode() == raw
    read.set("PID-3", "8")
    assert read.encode() == raw.replace(b"|7", b"|8")


def test_a_line_feed_within_text_is_text():
    read = message(b"OBX|1|TX|a||first\nsecond line", b"OBX|2|TX|b||x")
    assert read.get("OBX-5") == "first\nsecond line"
    assert len(read.segments) == 3


@pytest.mark.parametrize(
    "raw",
    [b"", b"\r", b"PID|1", b"MSH", b"MSH\r", b"MSH|", b"MSH|\r", b"MSHAB~\\&", b"MSH|^^\\&|", b"hello", b"\x00\xff"],
)
def test_what_is_no_message_is_refused(raw):
    with pytest.raises(FhirError) as caught:
        parse(raw)
    assert caught.value.category == "malformed"


def test_what_stands_before_the_header_is_kept():
    raw = b"\xef\xbb\xbf\r\n" + HEAD + b"\r"
    assert (parse(raw).type, parse(raw).encode()) == ("ORU", raw)


def test_a_message_is_built():
    built = Message.new(Delimiters(), "utf-8")
    built.add("MSH", "HMS", "", ["LAB", "1.2", "ISO"], "", "20240102", "", ["ACK", "R01", "ACK"], "7", "P", "2.5.1")
    built.add("MSA", "AA", "4|2", ("a", ["b", ["c", "d"]]), "", "")
    assert built.encode() == b"MSH|^~\\&|HMS||LAB^1.2^ISO||20240102||ACK^R01^ACK|7|P|2.5.1\rMSA|AA|4\\F\\2|a~b^c&d\r"
    assert parse(built.encode()).get("MSA-2") == "4|2"


def test_adding_a_segment_to_a_read_message_edits_it():
    read = message(b"PID|1")
    read.add("ZHM", "x")
    assert read.encode() == HEAD + b"\rPID|1\rZHM|x\r"


def test_a_wrong_place_is_refused():
    for place in ("", "PID-0", "pid-3", "PID-3.x"):
        with pytest.raises(FhirError):
            message().get(place)


@pytest.mark.parametrize("line", ["and malignant|x", "pid|1||100", " PID|1||100", "PID,1,,100", "OBX^1"])
def test_a_line_that_is_no_segment_is_a_problem(line: str):
    (problem,) = parse(f"MSH|^~\\&|A|B\rOBX|1|TX|1||benign,\r{line}\r".encode()).problems
    assert problem.startswith(f"Line 3, which begins with {line!r}, is no segment")


@pytest.mark.parametrize("line", ["", "\r", "\x1a", "\0\0", " \t", "ZXX", "ZXX|1", "XYZ|2\n"])
def test_a_line_of_padding_or_of_a_segment_that_nobody_knows_is_none(line: str):
    assert parse(f"MSH|^~\\&|A|B\rPID|1\r{line}\r".encode()).problems == []
