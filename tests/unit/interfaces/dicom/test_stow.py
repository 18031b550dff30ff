"""Instances over the web go to the disk while they arrive, however their bytes are cut."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc
from pathlib import Path

import pydicom.data
import pydicom.encaps
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.dataset.part10 import read_meta, read_names
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.web.exchange import WebRequest
from interfaces.dicom.web.multipart import parts_of
from interfaces.dicom.web.stow import store
from tests.system.dicom.images import image

FILES = sorted(Path(pydicom.data.__file__).parent.rglob("*.dcm"))
RELATED = 'multipart/related; type="application/dicom"; boundary=x'
BODY = (
    b"preamble\r\n--x\r\nContent-Type: application/dicom\r\nContent-Location: a\r\n\r\n"
    b"\r\n--xy\r\n--x-\r\nend\r\n--x \t\r\n\r\nsecond\r\n--x--\r\nepilogue"
)
PARTS = [({"content-type": "application/dicom", "content-location": "a"}, b"\r\n--xy\r\n--x-\r\nend"), ({}, b"second")]


async def cut(body: bytes, size: int):
    for at in range(0, len(body), size):
        yield body[at : at + size]


def parts(body: bytes, size: int):
    async def read():
        return [
            (headers, b"".join([piece async for piece in pieces]))
            async for headers, pieces in parts_of(cut(body, size), b"x")
        ]

    return asyncio.run(read())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_parts_are_the_same_however_the_body_is_cut(size):
    assert parts(BODY, size) == PARTS


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n", BODY[:-14], b"--x\r\nA: b\r\n--x--", b"\r\n--x\r\n\r\nno end\r\n--x"]
)
def test_what_is_no_whole_body_is_told(body, size):
    with pytest.raises(FhirError, match="multipart body has no"):
        parts(body, size)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_names_are_read_from_the_beginning(path):
    data = path.read_bytes()
    try:
        meta = read_meta(data)
    except Malformed:
        return
    made = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    names = made.get("SOPClassUID", meta.sop_class), made.get("SOPInstanceUID", meta.sop_instance)
    assert read_names(data[meta.start : meta.start + 4096], meta) == names


@pytest.fixture
def archive(tmp_path):
    made = Archive(Settings(data=tmp_path, dicom_fsync=False, dicom_reserve_mb=0))
    yield made
    made.close()


def sent(archive: Archive, chunks, content_type: str, path: tuple[str, ...] = ("studies",)):
    request = WebRequest("POST", path, [], {"content-type": content_type}, "http://base", archive, set())
    answer = asyncio.run(store(request, chunks))
    assert isinstance(answer.body, bytes)
    return answer.status, json.loads(answer.body)


def file_of(made) -> bytes:
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def left(archive: Archive) -> list[str]:
    return os.listdir(archive.folder / "files" / "incoming")


@pytest.mark.parametrize("content_type", [RELATED, "application/dicom"])
def test_a_large_file_is_never_in_memory(archive, content_type):
    made = image(16)
    made.PixelData = b""
    made.NumberOfFrames, made.Rows, made.Columns = 64, 1024, 512
    small, size = file_of(made), 64 * 2**20
    assert small.endswith(b"OW\0\0\0\0\0\0")

    async def chunks():
        if content_type == RELATED:
            yield b"--x\r\nContent-Type: application/dicom\r\n\r\n"
        yield small[:-4] + size.to_bytes(4, "little")
        for number in range(64):
            yield bytes([number]) * 2**20
        if content_type == RELATED:
            yield b"\r\n--x--"

    tracemalloc.start()
    try:
        status, _ = sent(archive, chunks(), content_type)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 200 and peak < size / 4
    [row] = archive.reading.all("instance", {})
    kept = archive.files.read(row["digest"])
    assert len(kept) == row["size"] and kept[-(2**20) :] == bytes([63]) * 2**20 and not left(archive)


def test_a_large_file_that_is_cut_short_or_of_another_study_leaves_nothing(archive):
    made = image(1024, StudyInstanceUID="1.2.1")
    whole = file_of(made)

    def body(content: bytes) -> bytes:
        return b"--x\r\n\r\n" + content + b"\r\n--x--"

    status, told = sent(archive, cut(body(whole[:-10]), 65536), RELATED)
    assert status == 409 and told["00081198"]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert told["00081198"]["Value"][0]["00081155"]["Value"] == [made.SOPInstanceUID]
    status, told = sent(archive, cut(body(whole), 65536), RELATED, ("studies", "1.2.2"))
    assert status == 409 and told["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    with pytest.raises(FhirError):
        sent(archive, cut(body(whole)[:-8], 65536), RELATED)
    assert not left(archive) and not archive.reading.all("instance", {})
    assert sent(archive, cut(body(whole), 65536), RELATED, ("studies", "1.2.1"))[0] == 200


def test_where_the_disk_has_no_room_the_answer_is_507_and_names_the_instances(archive):
    archive.files.reserve = 2**60
    made = image(16)
    status, told = sent(archive, cut(file_of(made), 65536), "application/dicom")
    assert status == 507 and not left(archive)
    assert told["00081198"]["Value"][0]["00081155"]["Value"] == [made.SOPInstanceUID]
    assert told["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]
    archive.files.reserve = 0
    assert sent(archive, cut(file_of(made), 65536), "application/dicom")[0] == 200


def test_bulk_data_without_room_fails_its_instances_alone(archive):
    whole = image(16)
    model = {**image(16).to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}

    async def body():
        yield multipart(("Content-Type: application/dicom", file_of(whole)), (JSON, json.dumps(model).encode()))[:-5]
        archive.files.reserve = 2**60
        yield multipart((at("pixels"), bytes(2**21)))

    status, told = sent(archive, body(), METADATA)
    assert status == 202 and not left(archive)
    assert [each["00081155"]["Value"] for each in told["00081199"]["Value"]] == [[whole.SOPInstanceUID]]
    failed = told["00081198"]["Value"]
    assert [each["00081155"] for each in failed] == [model["00080018"]]
    assert failed[0]["00081197"]["Value"] == [0xA700]


METADATA = 'multipart/related; type="application/dicom+json"; boundary=x'
JSON, OCTETS = "Content-Type: application/dicom+json", "Content-Type: application/octet-stream"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--x\r\n%s\r\n\r\n%s\r\n" % (head.encode(), content) for head, content in parts) + b"--x--"


def at(location: str, type: str = OCTETS) -> str:
    return f"{type}\r\nContent-Location: {location}"


def kept(archive: Archive):
    [row] = archive.reading.all("instance", {})
    return pydicom.dcmread(io.BytesIO(archive.files.read(row["digest"])))


def test_bulk_data_is_never_in_memory_and_leaves_nothing_beside_its_instance(archive):
    model = {**image(16).to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    size = 64 * 2**20

    async def chunks():
        yield multipart((JSON, json.dumps(model).encode()))[:-5]
        yield f"--x\r\n{at('pixels')}\r\n\r\n".encode()
        for number in range(64):
            yield bytes([number]) * 2**20
        yield b"\r\n--x--"

    tracemalloc.start()
    try:
        status, _ = sent(archive, chunks(), METADATA)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 200 and peak < size / 4 and not left(archive)
    pixels = kept(archive).PixelData
    assert len(pixels) == size and pixels[:1] == b"\0" and pixels[-(2**20) :] == bytes([63]) * 2**20


def test_what_was_kept_before_a_body_broke_off_is_told(archive):
    first, second, third = image(), image(), image()
    metadata = json.dumps(second.to_json_dict()).encode()
    dicom = "application/dicom"
    body = multipart((dicom, file_of(first)), (JSON, metadata), (dicom, file_of(third)))
    status, told = sent(archive, cut(body[:-100], 100), RELATED)
    named = [[item["00081155"]["Value"][0] for item in told[tag]["Value"]] for tag in ("00081199", "00081198")]
    assert status == 202 and named == [[first.SOPInstanceUID], [second.SOPInstanceUID]]
    assert told["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert [row["uid"] for row in archive.reading.all("instance", {})] == [first.SOPInstanceUID] and not left(archive)


@pytest.mark.parametrize("size", [100, 65536])
def test_bulk_data_that_is_cut_short_or_whose_request_is_cancelled_leaves_nothing(archive, size):
    model = {**image(16).to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    body = multipart((JSON, json.dumps(model).encode()), (at("pixels"), b"\1\2" * 2**21))
    with pytest.raises(FhirError, match="has no end"):
        sent(archive, cut(body[:-8], size), METADATA)
    assert not left(archive)

    async def ending():
        async for piece in cut(body[:-8], size):
            yield piece
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        sent(archive, ending(), METADATA)
    assert not left(archive) and not archive.reading.all("instance", {})


def test_bulk_data_stands_wherever_metadata_refers_to_it(archive):
    model = image(16, PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192").to_json_dict()
    icon = {"00280010": {"vr": "US", "Value": [1]}, "7FE00010": {"vr": "OB", "BulkDataURI": "icon"}}
    plain = {"00081150": {"vr": "UI", "Value": ["1.2"]}}
    model |= {
        "00880200": {"vr": "SQ", "Value": [plain, icon]},
        "00081140": {"vr": "SQ", "Value": [plain]},
        "00091001": {"vr": "UN", "BulkDataURI": "private"},
        "00189087": {"vr": "FD", "BulkDataURI": "number"},
        "00420010": {"vr": "ST", "BulkDataURI": "title"},
        "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"},
    }
    body = multipart(
        (at("icon"), b"odd"), (JSON, json.dumps([model]).encode()), (at("pixels"), b"\1\2" * 256),
        (at("private"), b"\r\n"), (at("number"), bytes(6) + b"\xf0\x3f"), (at("title"), b"A title"),
    )  # fmt: skip
    assert sent(archive, cut(body, 50), METADATA)[0] == 200
    made = kept(archive)
    assert made.PixelData == b"\1\2" * 256 and made.PatientName == "Müller^Jörg"
    assert made[0x00091001].value == b"\r\n" and made.DiffusionBValue == 1 and made.DocumentTitle == "A title"
    assert made.IconImageSequence[1].PixelData == b"odd\0" and made.IconImageSequence[1].Rows == 1
    assert made.IconImageSequence[0].ReferencedSOPClassUID == "1.2" == made.ReferencedImageSequence[0][0x00081150].value


def test_frames_of_compressed_pixels_are_parts_of_one_location(archive):
    jpeg = "Content-Type: image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
    model = {**image(16, NumberOfFrames=2).to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    frames = [b"\xff\xd8one\xff\xd9", b"\xff\xd8second\xff\xd9"]
    body = multipart((JSON, json.dumps([model]).encode()), *((at("pixels", jpeg), frame) for frame in frames))
    assert sent(archive, cut(body, 50), METADATA)[0] == 200
    made = kept(archive)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    found = list(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=2))
    assert [each.rstrip(b"\0") for each in found] == frames


def test_several_parts_of_a_location_are_no_native_pixels(archive):
    model = {**image(16).to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    body = multipart((JSON, json.dumps([model]).encode()), (at("pixels"), b"ab"), (at("pixels"), b"cd"))
    with pytest.raises(FhirError, match="same Content-Location"):
        sent(archive, cut(body, 50), METADATA)
    assert not left(archive)


@pytest.mark.parametrize("named", [None, "ISO_IR 100"])
def test_texts_of_metadata_are_kept_whatever_character_set_it_names(archive, named):
    within = {"00080005": {"vr": "CS", "Value": [named]}, "00080104": {"vr": "LO", "Value": ["胸部"]}}
    model = image(16).to_json_dict() | {"00081032": {"vr": "SQ", "Value": [within]}}
    model |= {"00081030": {"vr": "LO", "Value": ["Thorax größer 胸部"]}}
    if named:
        model |= {"00080005": {"vr": "CS", "Value": [named]}}
    assert sent(archive, cut(multipart((JSON, json.dumps(model).encode())), 500), METADATA)[0] == 200
    made = kept(archive)
    assert made.StudyDescription == "Thorax größer 胸部" and made.ProcedureCodeSequence[0].CodeMeaning == "胸部"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"00081030": {"Value": ["x"]}}, "00081030 has no vr"), ({"00081030": None}, "00081030 has no vr"),
     ({"00081032": {"vr": "SQ", "Value": [{"00080100": {}}]}}, "00080100 has no vr"),
     ({"7FE00010": {"vr": "OW", "InlineBinary": "!!!"}}, "InlineBinary of 7FE00010"),
     ({"00081030": {"vr": "XX", "Value": ["x"]}}, "XX")],
)  # fmt: skip
def test_what_is_no_attribute_is_told_in_a_line(archive, wrong, said):
    model = image(16).to_json_dict() | wrong
    with pytest.raises(FhirError, match=said) as refused:
        sent(archive, cut(multipart((JSON, json.dumps(model).encode())), 500), METADATA)
    assert "Traceback" not in str(refused.value)


def test_metadata_has_a_limit_of_its_own(archive):
    async def chunks():
        yield f"--x\r\n{JSON}\r\n\r\n".encode()
        while True:
            yield b" " * 2**20

    with pytest.raises(FhirError, match="64 MiB"):
        sent(archive, chunks(), METADATA)


@pytest.mark.parametrize("stated", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_metadata_of_any_native_syntax_is_written_in_explicit_little_endian(archive, stated):
    model = image(16).to_json_dict() | {"00083002": {"vr": "UI", "Value": [stated]}}
    assert sent(archive, cut(multipart((JSON, json.dumps([model]).encode())), 50), METADATA)[0] == 200
    made = kept(archive)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1" and made.Rows == 16
