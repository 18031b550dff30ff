"""`hms serve` with DICOM whose index is in MongoDB: several processes, a kill, queries, and the study in FHIR."""

from __future__ import annotations

import httpx
import pytest

from tests.engines import DISTRIBUTED, named, settings_on
from tests.system.dicom.conftest import Called, until
from tests.system.dicom.images import files, study
from tests.system.dicom.test_serving import OPTIONS, port_of
from tests.system.process import serving


@pytest.fixture
def options(tmp_path):
    with settings_on(DISTRIBUTED, tmp_path / "data") as settings:
        yield [*OPTIONS, "--dicom-processes", 2, *named(settings, tmp_path / "options")]


def found(server, uid):
    told = Called(port_of(server)).tool(
        "findscu", "-S", "-k", "0008,0052=IMAGE", "-k", f"0020,000d={uid}", "-k", "0008,0018"
    )
    return (told.stdout + told.stderr).count("Find Response:")


def test_a_study_is_received_found_kept_over_a_kill_and_told_to_fhir(tmp_path, options):
    images = study(12)
    uid, paths = images[0].StudyInstanceUID, files(images, tmp_path / "sent")
    with serving(tmp_path / "data", *options) as server:
        assert Called(port_of(server)).tool("storescu", *paths).returncode == 0
        assert found(server, uid) == 12
        server.kill()
    assert not (tmp_path / "data/dicom/index.sqlite").exists()
    with serving(tmp_path / "data", *options) as server:
        assert found(server, uid) == 12
        assert len(httpx.get(f"{server.origin}/dicom-web/studies/{uid}/instances", timeout=60).json()) == 12

        def imaging_study():
            asked = httpx.get(f"{server.base}/ImagingStudy", params={"identifier": f"urn:dicom:uid|urn:oid:{uid}"})
            return [entry["resource"] for entry in asked.json().get("entry", ())]

        [made] = until(imaging_study, 60)
        assert made["numberOfInstances"] == 12
