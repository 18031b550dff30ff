"""Instances whose files are gone or cut on the disk: the others are given, and who is missing is told everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless

from tests.system.dicom.conftest import Called, free_port
from tests.system.dicom.images import files, image, study
from tests.system.dicom.test_retrieval import get, keep, keys, move, receiving
from tests.system.dicom.test_serving import OPTIONS
from tests.system.dicom.test_web import XML, path_of
from tests.system.process import serving

PARTS = {"accept": 'multipart/related; type="application/dicom"'}


def file_of(folder: Path, made: Dataset) -> Path:
    """The file that the archive keeps of an instance."""
    uid = made.SOPInstanceUID.encode()
    [path] = (path for path in (folder / "dicom" / "files").rglob("*.dcm") if uid in path.read_bytes())
    return path


def spoil(path: Path, size: int) -> None:
    """Cuts a file to a size; 0: removes it."""
    path.write_bytes(path.read_bytes()[:size]) if size else path.unlink()


@pytest.mark.parametrize("size", [0, 400])
def test_a_study_is_given_without_what_is_lost_and_says_so(tmp_path, size):
    port, images = free_port(), study(3, 64)
    lost, root = images[1], f"/dicom-web/studies/{images[0].StudyInstanceUID}"
    with (
        serving(tmp_path / "data", *OPTIONS[:2], "--dicom-port", port, "--dicom-reserve-mb", 0) as server,
        httpx.Client(base_url=server.origin) as http,
    ):
        assert Called(port).tool("storescu", *files(images, tmp_path / "sent")).returncode == 0
        whole = http.get(root, headers=PARTS)
        assert whole.status_code == 200 and "etag" in whole.headers
        spoil(file_of(tmp_path / "data", lost), size)
        for path, headers in (
            ("", PARTS),
            ("/metadata", {}),
            ("/metadata", XML),
            ("/rendered", {"accept": "image/png"}),
        ):
            answer = http.get(root + path, headers=headers)
            assert answer.status_code == 206 and "etag" not in answer.headers, path
            assert f"1 of 3 instances can't be given: {lost.SOPInstanceUID}" in answer.headers["warning"]
            found = [made for made in images if made.SOPInstanceUID.encode() in answer.content]
            assert found == [images[0], images[2]], path
        for path in ("", "/metadata", "/frames/1", "/rendered", "/bulkdata/7FE00010"):
            answer = http.get(f"/dicom-web{path_of(lost)}{path}")
            assert answer.status_code == 503, path
            assert str(tmp_path) not in answer.text and "backup" in answer.text
        events = [each for each in http.get("/dicom/api/events").json() if each["kind"] == "lost"]
        assert [each["subject"] for each in events] == [lost.SOPInstanceUID]
        said = [line for line in server.said().splitlines() if "gone, or not as they were kept" in line]
        assert said and all(lost.SOPInstanceUID in line for line in said)
        for made in (images[0], images[2]):
            spoil(file_of(tmp_path / "data", made), size)
        assert http.get(root, headers=PARTS).status_code == 503 == http.get(f"{root}/rendered").status_code
        assert "Traceback" not in server.said()


def test_what_can_not_be_converted_is_left_out_and_said(tmp_path):
    port, [native, *_] = free_port(), study(1, 64)
    lossless = image(64, StudyInstanceUID=native.StudyInstanceUID)
    lossless.file_meta.TransferSyntaxUID = JPEGLossless
    lossless.PixelData = encapsulate([b"\xff\xd8 no decoder reads it \xff\xd9"])
    lossless["PixelData"].is_undefined_length = True
    sent = files([native, lossless], tmp_path / "sent")
    root = f"/dicom-web/studies/{native.StudyInstanceUID}"
    with (
        serving(tmp_path / "data", *OPTIONS[:2], "--dicom-port", port, "--dicom-reserve-mb", 0) as server,
        httpx.Client(base_url=server.origin) as http,
    ):
        for path in sent:
            headers = {"content-type": "application/dicom"}
            assert http.post("/dicom-web/studies", content=path.read_bytes(), headers=headers).status_code == 200
        answer = http.get(root, headers=PARTS)
        assert answer.status_code == 206 and lossless.SOPInstanceUID in answer.headers["warning"]
        assert native.SOPInstanceUID.encode() in answer.content
        every = http.get(root, headers={"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
        assert every.status_code == 200 and lossless.SOPInstanceUID.encode() in every.content
        alone = http.get(f"/dicom-web{path_of(lossless)}", headers=PARTS)
        assert alone.status_code == 406 and "transfer-syntax=*" in json.dumps(alone.json())


@pytest.mark.parametrize("size", [0, 400, 2**21])
def test_a_retrieval_goes_on_behind_what_is_lost_and_lists_it(moving, size):
    dicom, port = moving
    images, seen = study(3, 1100), []  # 2.4 MB, which are read in pieces
    keep(dicom, images)
    lost = images[1]
    spoil(file_of(dicom.context.settings.data, lost), size)
    ended = (0xB000, (None, 2, 1, 0), [lost.SOPInstanceUID])
    responses, came = get(dicom, keys(StudyInstanceUID=lost.StudyInstanceUID))
    assert responses[-1] == ended and len(came) == 2
    with receiving(port, seen):
        assert move(dicom, lost.StudyInstanceUID)[-1] == ended
    assert len(seen) == 2
    assert [row["subject"] for row in dicom.archive.reading.all("event", {"kind": "lost"})] == [lost.SOPInstanceUID]


def test_what_is_cut_is_not_committed(dicom):
    from interfaces.dicom.work.commitment import report

    images = study(2)
    keep(dicom, images)
    spoil(file_of(dicom.context.settings.data, images[1]), 400)
    wanted = [[made.SOPClassUID, made.SOPInstanceUID] for made in images]
    made, kind = report(dicom.archive, "1.2.3", wanted)
    assert kind == 2 and [each.ReferencedSOPInstanceUID for each in made.FailedSOPSequence] == [wanted[1][1]]
