"""Scheduled Workflow with an order by HL7 v2 in the same server: order, worklist, step, images, study, report."""

from __future__ import annotations

import pytest
from pydicom.uid import generate_uid
from pynetdicom.sop_class import ModalityPerformedProcedureStep

from tests.system.dicom.conftest import Called
from tests.system.dicom.images import files, study
from tests.system.dicom.test_serving import OPTIONS, port_of
from tests.system.dicom.test_workflow import begun, ended, measurement_report, modality, worklist
from tests.system.hl7v2.conftest import codes, hospital_at

SENT = "20260901120000+0000"
IMAGING = f"""MSH|^~\\&|RIS|HOSP|HMS|HOSP|{SENT}||OMI^O23^OMI_O23|C1|P|2.5.1
PID|1||P1^^^HOSP^MR||DOE^JANE||19700101|F
PV1|1|O|RAD
ORC|NW|P77^RIS|F77^RAD|||||||||1234^REF^ER^^^DR
TQ1|1||||||20260101100000+0000||R
OBR|1|P77^RIS|F77^RAD|71250^CT chest^C4
OBX|1|NM|29463-7^Body weight^LN||70|kg|||||F
IPC|A1^RIS|RP1|1.2.826.77|SPS1|CT|CHEST^Chest protocol^L|Scanner|ROOM1|CT01
"""
RADIOLOGY = f"""MSH|^~\\&|RIS|HOSP|HMS|HOSP|{SENT}||ORM^O01|C2|P|2.3.1
PID|1||P2^^^HOSP^MR||ROE^RITA||19700101|F
PV1|1|O|RAD
ORC|NW|P78^RIS|F78^RAD||SC||1^once^^20260101100000+0000^^S||{SENT}|||1234^REF^ER^^^DR
OBR|1|P78^RIS|F78^RAD|71250^CT chest^C4||||||||||||||A2|RP2|SPS2||||CT
ZDS|1.2.826.78^RIS^Application^DICOM
"""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    with hospital_at(tmp_path_factory.mktemp("ris"), "[listener.lab]\nport = 0\n", *OPTIONS) as hospital:
        yield hospital


@pytest.mark.parametrize(
    ("message", "patient", "accession", "study_uid", "station"),
    [(IMAGING, "P1", "A1", "1.2.826.77", "CT01"), (RADIOLOGY, "P2", "A2", "1.2.826.78", "")],
    ids=["OMI^O23", "ORM^O01"],
)
def test_the_loop_from_an_order_by_hl7_to_its_report(
    hospital, tmp_path, message, patient, accession, study_uid, station
):
    called = Called(port_of(hospital.server))
    assert codes(hospital.ask(message.replace("\n", "\r")))[0] == "AA"
    [order] = hospital.until(lambda: hospital.found(f"ServiceRequest?identifier={accession}"))

    keys = ("(0040,0100)[0].0008,0060=CT", "(0040,0100)[0].0040,0002=20260101", f"0008,0050={accession}")
    [item] = worklist(called, tmp_path / "worklist", *keys)
    assert (item.PatientID, item.AccessionNumber, item.StudyInstanceUID) == (patient, accession, study_uid)
    [scheduled] = item.ScheduledProcedureStepSequence
    assert (scheduled.ScheduledProcedureStepStartTime, scheduled.ScheduledStationAETitle) == ("100000", station)

    step = generate_uid()
    association = modality(called, ModalityPerformedProcedureStep)
    assert association.send_n_create(begun(item), ModalityPerformedProcedureStep, step)[0].Status == 0
    sent = {"StudyInstanceUID": study_uid, "PatientID": patient, "AccessionNumber": accession}
    sent["PatientName"] = str(item.PatientName)
    images = study(2, **sent)
    assert called.tool("storescu", *files(images, tmp_path / "images")).returncode == 0
    done = ended("COMPLETED")
    assert association.send_n_set(done, ModalityPerformedProcedureStep, step)[0].Status == 0
    association.release()

    based_on = f"ServiceRequest/{order['id']}"
    [imaging] = hospital.until(lambda: hospital.found(f"ImagingStudy?basedon={based_on}"))
    assert imaging["numberOfInstances"] == 2 and imaging["subject"] == order["subject"]
    assert hospital.until(lambda: hospital.found(f"Procedure?based-on={based_on}&status=completed"))
    report = measurement_report(**sent, IssuerOfPatientID=None)
    assert called.tool("storescu", *files([report], tmp_path / "report")).returncode == 0
    [written] = hospital.until(lambda: hospital.found(f"DiagnosticReport?based-on={based_on}"))
    assert written["imagingStudy"] == [{"reference": f"ImagingStudy/{imaging['id']}"}]
    assert worklist(called, tmp_path / "empty", f"0008,0050={accession}") == []
