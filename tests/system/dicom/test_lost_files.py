"""Instances whose files are gone or cut on the disk: the others are given, and who is missing is told everywhere."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEGLossless, generate_uid

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
        assert http.get(f"{root}/metadata").status_code == 200
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


def test_what_turns_out_not_to_be_decoded_is_told_in_its_place(tmp_path):
    port, sound = free_port(), dcmread(str(get_testdata_file("MR_small_RLE.dcm")))
    frame, broken = get_frame(sound.PixelData, 0), copy.deepcopy(sound)
    broken.SOPInstanceUID = broken.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    broken.NumberOfFrames, broken.PixelData = 3, encapsulate([frame, b"\xff" * 100, frame])
    broken["PixelData"].is_undefined_length = True
    root = f"/dicom-web/studies/{sound.StudyInstanceUID}"
    with (
        serving(tmp_path / "data", *OPTIONS[:2], "--dicom-port", port, "--dicom-reserve-mb", 0) as server,
        httpx.Client(base_url=server.origin) as http,
    ):
        assert Called(port).tool("storescu", "-xr", *files([sound, broken], tmp_path / "sent")).returncode == 0
        for path, type, count in (
            (root, "application/dicom", 2),
            (f"/dicom-web{path_of(broken)}/frames/1,2,3", "application/octet-stream", 3),
            (f"/dicom-web{path_of(broken)}/frames/1,2,3/rendered", "image/png", 3),
        ):
            answer = http.get(path, headers={"accept": f'multipart/related; type="{type}"'})
            types = re.findall(rb"Content-Type: (.*?)\r\n", answer.content)
            assert answer.status_code == 200 and answer.content.rstrip().endswith(b"--")
            assert sorted(types) == sorted([type.encode()] * (count - 1) + [b"application/fhir+json"]), path
        alone = http.get(f"/dicom-web{path_of(broken)}/frames/2", headers={"accept": "application/octet-stream"})
        several = http.get(f"/dicom-web{path_of(broken)}/frames/2,2", headers={"accept": "*/*; transfer-syntax=*"})
        assert alone.status_code == 406 and several.status_code == 200
        assert "Traceback" not in server.said()
