"""Instances over the web go to the disk while they arrive, however their bytes are cut."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc
from pathlib import Path

import pydicom.data
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
