"""STOW-RS uploads whose sender goes away in their middle: nothing of them stays, and as many others follow."""

from __future__ import annotations

import io
import json
import os
import socket
import struct

import httpx
import pytest

from tests.system.dicom.conftest import until
from tests.system.dicom.images import image
from tests.system.dicom.test_serving import OPTIONS
from tests.system.process import serving

CUT = 60  # uploads, more than a process answers at a time


def file_of(made) -> bytes:
    made.save_as(file := io.BytesIO(), enforce_file_format=True)
    return file.getvalue()


def a_file(made) -> tuple[str, bytes]:
    return "application/dicom", file_of(made)


def a_part(made) -> tuple[str, bytes]:
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file_of(made) + b"\r\n--x--"
    return 'multipart/related; type="application/dicom"; boundary=x', body


def metadata_with_bulk_data(made) -> tuple[str, bytes]:
    model = {**made.to_json_dict(), "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    parts = (
        (b"application/dicom+json", json.dumps([model]).encode()),
        (
            b"application/octet-stream\r\nContent-Location: pixels",
            made.PixelData,
        ),
    )
    body = b"".join(b"--x\r\nContent-Type: %s\r\n\r\n%s\r\n" % part for part in parts) + b"--x--"
    return 'multipart/related; type="application/dicom+json"; boundary=x', body


@pytest.mark.parametrize("making", [a_file, a_part, metadata_with_bulk_data])
def test_an_upload_that_is_cut_leaves_nothing_and_holds_no_place(tmp_path, making):
    type, body = making(image(1536))  # 4.7 MB
    with serving(tmp_path / "data", *OPTIONS, "--workers", 1) as server, httpx.Client(base_url=server.origin) as http:
        host, port = server.origin.removeprefix("http://").split(":")
        open_files = f"/proc/{server.process.pid}/fd"
        before = len(os.listdir(open_files))
        incoming = tmp_path / "data" / "dicom" / "files" / "incoming"
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\nContent-Type: {type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        cut = [socket.create_connection((host, int(port))) for _ in range(CUT)]
        for connection in cut:
            connection.sendall(head.encode() + body[: len(body) // 2])
        until(lambda: len(os.listdir(incoming)) == CUT)
        for number, connection in enumerate(cut):
            if number % 2:  # is reset, where the others are closed
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        until(lambda: not os.listdir(incoming))
        assert http.get("/dicom-web/instances").status_code in (200, 204)
        assert http.get("/dicom-web/instances").content in (b"", b"[]")
        assert http.post("/dicom-web/studies", content=body, headers={"content-type": type}).status_code == 200
        assert len(http.get("/dicom-web/instances").json()) == 1 and not os.listdir(incoming)
        assert len(os.listdir(open_files)) < before + CUT / 2
        assert "Traceback" not in server.said()
