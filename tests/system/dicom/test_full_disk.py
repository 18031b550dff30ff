"""A disk that fills up amid work: what has no room is refused as that, nothing is half kept, and work goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import httpx
import pytest
from pydicom import Dataset
from pynetdicom import AE

from interfaces.dicom.scu.checkpoint import steady
from tests.system.dicom.conftest import TITLE, Called, free_port, until
from tests.system.dicom.images import files, study
from tests.system.dicom.procedure_steps import step
from tests.system.dicom.test_workflow import begun
from tests.system.process import serving
from tests.system.test_faults import Disk

PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unmount()


def test_what_has_no_room_is_refused_as_that_and_work_goes_on_when_there_is(disk, tmp_path):
    port, data = free_port(), disk.path / "data"
    small, large = files(study(1), tmp_path / "small"), files(study(2, 1024), tmp_path / "large")
    options = ("--dicom", "true", "--dicom-port", port, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 0)
    with serving(data, *options) as server, httpx.Client(base_url=server.origin, timeout=60) as http:
        dicom = Called(port)
        stow = {"content-type": "application/dicom"}
        assert dicom.tool("storescu", *small).returncode == 0
        until(lambda: http.get("/fhir/ImagingStudy").json()["total"] == 1)
        disk.fill()
        for _ in range(2):
            assert "OutOfResources" in dicom.tool("storescu", "-v", "-R", *large).stderr
            assert http.post("/dicom-web/studies", content=large[0].read_bytes(), headers=stow).status_code == 507
            disk.fill_whole()
        assert dicom.tool("echoscu").returncode == 0
        assert tell(port, "1.2.3.1") == 0x0213
        json_type = {"content-type": "application/dicom+json"}
        body = json.dumps([step().to_json_dict()])
        assert http.post("/dicom-web/workitems?workitem=1.2.3.2", content=body, headers=json_type).status_code == 507
        assert len(http.get("/dicom-web/instances").json()) == 1
        assert not os.listdir(data / "dicom" / "files" / "incoming")
        disk.free()
        assert tell(port, "1.2.3.1") == 0
        assert dicom.tool("storescu", "-R", *large).returncode == 0
        until(lambda: http.get("/fhir/ImagingStudy").json()["total"] == 2)
        until(lambda: http.get("/fhir/Procedure").json()["total"] == 1)
        assert len(http.get("/dicom-web/instances").json()) == 3
        assert "Traceback" not in server.said()


def tell(port: int, uid: str) -> int:
    """The status of an N-CREATE of a performed procedure step."""
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = steady(entity.associate("127.0.0.1", port, ae_title=TITLE))
    assert association.is_established
    item, planned = Dataset(), Dataset()
    planned.ScheduledProcedureStepID = "1"
    item.PatientID, item.PatientName, item.StudyInstanceUID, item.AccessionNumber = "P1", "Doe^Jane", "1.2.3", "A1"
    item.ScheduledProcedureStepSequence = [planned]
    answer, _ = association.send_n_create(begun(item), PERFORMED_STEP, uid)
    association.release()
    return answer.Status
