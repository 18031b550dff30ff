"""IHE Scheduled Workflow with dcmtk as the modality: order, worklist, procedure step, images, study, report."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, EnhancedSRStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep, StorageCommitmentPushModel  # pyright: ignore[reportAttributeAccessIssue]

from interfaces.dicom.archive.index import is_not
from interfaces.dicom.scu.checkpoint import steady
from interfaces.dicom.services.commitment import INSTANCE
from tests.system.dicom.conftest import TITLE, free_port, until
from tests.system.dicom.images import files, image, study
from tests.system.dicom.test_studies import idle, order, person, receive, resources

DCM = "http://dicom.nema.org/resources/ontology/DCM"


def scheduled(dicom, id="o1", accession="A1", subject="Patient/p1", modality="CT", **others):
    """An order as an order entry system writes it."""
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
    resource = {
        "resourceType": "ServiceRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "subject": {"reference": subject},
        "identifier": [{"type": kind, "value": accession}],
        "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "71250", "display": "CT chest"}]},
        "orderDetail": [{"coding": [{"system": DCM, "code": modality}]}],
        "requester": {"display": "Ref^Er"},
        "occurrenceDateTime": "2026-01-01T10:00:00Z",
        **others,
    }
    return dicom.fhir("PUT", f"ServiceRequest/{id}", resource)


def worklist(dicom, folder, *keys):
    """The items that findscu gets."""
    folder.mkdir()
    step = "(0040,0100)[0]."
    asked = [
        "0010,0010",
        "0010,0020",
        "0008,0050",
        "0020,000d",
        "0040,1001",
        "0032,1060",
        step + "0008,0060",
        step + "0040,0001",
        step + "0040,0002",
        step + "0040,0003",
        step + "0040,0009",
        "0032,1064",
    ]
    asked = [key for key in asked if not any(given.startswith(key) for given in keys)]
    answer = dicom.tool(
        "findscu", "-W", "-X", "-od", folder, *[part for key in (*asked, *keys) for part in ("-k", key)]
    )
    assert answer.returncode == 0, answer.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]


def modality(dicom, sop_class, **roles):
    entity = AE("MODALITY")
    entity.add_requested_context(sop_class)
    return steady(entity.associate("127.0.0.1", dicom.port, ae_title=TITLE, **roles))


def begun(item):
    """The attributes of an N-CREATE for a worklist item."""
    made = Dataset()
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    made.PerformedProcedureStepStartDate, made.PerformedProcedureStepStartTime = "20260101", "101000"
    made.PerformedProcedureStepID, made.PerformedStationAETitle = "1", "MODALITY"
    made.PerformedProcedureStepDescription = "CT chest"
    made.PatientID, made.PatientName, made.Modality = item.PatientID, item.PatientName, "CT"
    step = Dataset()
    step.StudyInstanceUID, step.AccessionNumber = item.StudyInstanceUID, item.AccessionNumber
    step.ScheduledProcedureStepID = item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
    made.ScheduledStepAttributesSequence = [step]
    return made


def ended(status):
    """The attributes of an N-SET to a final state."""
    series, made = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ProtocolName = generate_uid(), "Chest"
    made.PerformedProcedureStepStatus, made.PerformedSeriesSequence = status, [series]
    made.PerformedProcedureStepEndDate, made.PerformedProcedureStepEndTime = "20260101", "102000"
    return made


def test_the_whole_loop_from_order_to_report(dicom, tmp_path):
    person(dicom, name=[{"family": "Doe", "given": ["Jane"]}], birthDate="1970-01-01", gender="female")
    scheduled(dicom)
    task = {
        "resourceType": "Task",
        "id": "t1",
        "status": "requested",
        "intent": "order",
        "basedOn": [{"reference": "ServiceRequest/o1"}],
        "for": {"reference": "Patient/p1"},
        "owner": {"identifier": {"system": "urn:dicom:ae-title", "value": "MODALITY"}},
        "executionPeriod": {"start": "2026-01-01T10:00:00Z"},
    }
    dicom.fhir("PUT", "Task/t1", task)

    [item] = worklist(dicom, tmp_path / "worklist", "(0040,0100)[0].0008,0060=CT", "(0040,0100)[0].0040,0002=20260101")
    assert (item.PatientID, str(item.PatientName), item.AccessionNumber) == ("P1", "Doe^Jane", "A1")
    assert item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "MODALITY"
    assert item.RequestedProcedureCodeSequence[0].CodeValue == "71250"

    uid = generate_uid()
    association = modality(dicom, ModalityPerformedProcedureStep)
    status, _ = association.send_n_create(begun(item), ModalityPerformedProcedureStep, uid)
    assert status.Status == 0
    idle(dicom)
    assert dicom.fhir("GET", "Task/t1")["status"] == "in-progress"
    [procedure] = resources(dicom, "Procedure")
    assert procedure["status"] == "in-progress" and procedure["basedOn"] == [{"reference": "ServiceRequest/o1"}]
    assert worklist(dicom, tmp_path / "empty") == []

    images = study(3, 64, StudyInstanceUID=item.StudyInstanceUID, IssuerOfPatientID="HOSPITAL")
    assert dicom.tool("storescu", *files(images, tmp_path / "sent")).returncode == 0
    done = ended("COMPLETED")
    assert association.send_n_set(done, ModalityPerformedProcedureStep, uid)[0].Status == 0
    assert association.send_n_set(done, ModalityPerformedProcedureStep, uid)[0].Status == 0x0110
    association.release()
    idle(dicom)
    assert dicom.fhir("GET", "Task/t1")["status"] == "completed"
    [procedure] = resources(dicom, "Procedure")
    assert procedure["status"] == "completed"
    assert procedure["performedPeriod"] == {"start": "2026-01-01T10:10:00Z", "end": "2026-01-01T10:20:00Z"}
    [imaging] = resources(dicom, "ImagingStudy", ("basedon", "ServiceRequest/o1"))
    assert imaging["numberOfInstances"] == 3 and imaging["subject"]["reference"] == "Patient/p1"

    report = measurement_report(StudyInstanceUID=item.StudyInstanceUID)
    assert dicom.tool("storescu", *files([report], tmp_path / "report")).returncode == 0
    idle(dicom)
    [written] = resources(dicom, "DiagnosticReport")
    assert written["imagingStudy"] == [{"reference": f"ImagingStudy/{imaging['id']}"}]
    assert written["basedOn"] == [{"reference": "ServiceRequest/o1"}] and written["status"] == "final"
    [measured] = resources(dicom, "Observation")
    assert measured["valueQuantity"] == {
        "value": 12.5,
        "unit": "millimeter",
        "system": "http://unitsofmeasure.org",
        "code": "mm",
    }


def code(value, scheme, meaning):
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def content(kind, name, children=(), **attributes):
    made = Dataset()
    made.RelationshipType, made.ValueType, made.ConceptNameCodeSequence = "CONTAINS", kind, [name]
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    if children:
        made.ContentSequence = list(children)
    return made


def measurement_report(**attributes):
    """An SR of TID 1500 with one measurement group."""
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", [code("mm", "UCUM", "millimeter")]
    length = content("NUM", code("410668003", "SCT", "Length"), MeasuredValueSequence=[measured])
    site = content("CODE", code("363698007", "SCT", "Finding Site"))
    site.ConceptCodeSequence = [code("39607008", "SCT", "Lung")]
    tracking = content("TEXT", code("112039", "DCM", "Tracking Identifier"), TextValue="Nodule 1")
    group = content("CONTAINER", code("125007", "DCM", "Measurement Group"), [tracking, site, length])
    measurements = content("CONTAINER", code("126010", "DCM", "Imaging Measurements"), [group])
    impression = content("TEXT", code("121073", "DCM", "Impression"), TextValue="One nodule & nothing else.")
    made = image(Modality="SR", SOPClassUID=EnhancedSRStorage, IssuerOfPatientID="HOSPITAL")
    for keyword in (
        "PixelData",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ):
        delattr(made, keyword)
    made.ValueType, made.ConceptNameCodeSequence = "CONTAINER", [code("126000", "DCM", "Imaging Measurement Report")]
    made.ContentSequence, made.CompletionFlag, made.VerificationFlag = (
        [measurements, impression],
        "COMPLETE",
        "VERIFIED",
    )
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize("flag, status", [("VERIFIED", "final"), ("UNVERIFIED", "preliminary")])
def test_a_measurement_report_becomes_a_report_and_observations(dicom, flag, status):
    receive(dicom, measurement_report(VerificationFlag=flag))
    idle(dicom)
    [written] = resources(dicom, "DiagnosticReport")
    assert written["code"]["coding"][0] == {"system": DCM, "code": "126000", "display": "Imaging Measurement Report"}
    assert written["conclusion"] == "One nodule & nothing else." and "Length: 12.5 millimeter" in written["text"]["div"]
    [measured] = resources(dicom, "Observation")
    assert measured["code"]["coding"][0]["code"] == "410668003" and measured["note"] == [{"text": "Nodule 1"}]
    assert measured["bodySite"]["coding"][0]["display"] == "Lung"
    assert written["result"] == [{"reference": f"Observation/{measured['id']}"}]
    assert (written["status"], measured["status"]) == (status, status)


@pytest.mark.parametrize("below", [True, False])
def test_a_site_keeps_its_side(dicom, below):
    side = content("CODE", code("272741003", "SCT", "Laterality"), ConceptCodeSequence=[code("7771000", "SCT", "Left")])
    site = content("CODE", code("G-C0E3", "SRT", "Finding Site"), [side] if below else [])
    site.ConceptCodeSequence = [code("64033007", "SCT", "Kidney")]
    margin = content("CODE", code("129736005", "SCT", "Margin"), ConceptCodeSequence=[code("1", "99T", "Sharp")])
    group = content("CONTAINER", code("125007", "DCM", "Measurement Group"), [site, margin, *([] if below else [side])])
    receive(dicom, measurement_report(ContentSequence=[group]))
    idle(dicom)
    [made] = resources(dicom, "Observation")
    kidney = {"system": "http://snomed.info/sct", "code": "64033007", "display": "Kidney"}
    assert made["bodySite"] == {"coding": [kidney], "text": "Kidney, Left"}


def test_evaluations_and_groups_within_groups_become_observations_too(dicom):
    margin = content("CODE", code("129736005", "SCT", "Margin"), ConceptCodeSequence=[code("1", "99T", "Spiculated")])
    remark = content("TEXT", code("121106x", "99T", "Appearance"), TextValue="Solid")
    inner = content("CONTAINER", code("125007", "DCM", "Measurement Group"), [margin])
    outer = content("CONTAINER", code("125007", "DCM", "Measurement Group"), [inner])
    likely = content("CODE", code("2", "99T", "Likely"), ConceptCodeSequence=[code("3", "99T", "Malignant")])
    evaluations = content("CONTAINER", code("C0034375", "UMLS", "Qualitative Evaluations"), [likely, remark])
    receive(dicom, measurement_report(ContentSequence=[outer, evaluations]))
    idle(dicom)
    made = {each["code"]["text"]: each for each in resources(dicom, "Observation")}
    assert made["Margin"]["valueCodeableConcept"]["text"] == "Spiculated"
    assert made["Likely"]["valueCodeableConcept"]["text"] == "Malignant"
    assert made["Appearance"]["valueString"] == "Solid" and len(made) == 3


def test_codes_that_are_none_of_fhir_hold_up_no_report(dicom):
    margin = content("CODE", code("1  29", "99 ACME", "Margin"), ConceptCodeSequence=[code("a\r\nb", "99T", "Sharp")])
    group = content("CONTAINER", code("125007", "DCM", "Measurement Group"), [margin])
    receive(dicom, measurement_report(ContentSequence=[group], Modality="SR  X"))
    idle(dicom)
    [made] = resources(dicom, "Observation")
    coded = {"system": "urn:dicom:scheme:99%20ACME", "code": "1 29", "display": "Margin"}
    assert made["code"]["coding"] == [coded] and made["valueCodeableConcept"]["coding"][0]["code"] == "a b"
    [images] = resources(dicom, "ImagingStudy")
    assert images["series"][0]["modality"]["code"] == "SR X" and len(resources(dicom, "DiagnosticReport")) == 1


def test_an_encapsulated_pdf_becomes_a_report_with_it(dicom):
    made = measurement_report()
    del made.ContentSequence
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    made.EncapsulatedDocument, made.EncapsulatedDocumentLength = b"%PDF-1.4 x\0", 10
    made.DocumentTitle, made.MIMETypeOfEncapsulatedDocument = "Letter", "application/pdf"
    receive(dicom, made)
    idle(dicom)
    [written] = resources(dicom, "DiagnosticReport")
    form = {"contentType": "application/pdf", "data": "JVBERi0xLjQgeA==", "title": "Letter"}
    assert written["presentedForm"] == [form]


def test_the_worklist_shows_what_is_open_and_what_matches(dicom, tmp_path):
    person(dicom, name=[{"family": "Doe", "given": ["Jane"]}])
    scheduled(dicom, "o1", "A1")
    scheduled(dicom, "o2", "A2", modality="MR", occurrenceDateTime="2026-02-01T09:00:00Z")
    scheduled(dicom, "o3", "A3", status="completed")
    order(dicom, "o4", "A4")  # no imaging: it has no modality
    shown = {item.AccessionNumber for item in worklist(dicom, tmp_path / "all")}
    assert shown == {"A1", "A2"}
    step = "(0040,0100)[0]."
    for number, (key, expected) in enumerate(
        [
            (f"{step}0008,0060=MR", {"A2"}),
            (f"{step}0040,0002=20260101-20260115", {"A1"}),
            ("0010,0010=doe*", {"A1", "A2"}),
            ("0010,0020=P2", set()),
            ("0008,0050=A2", {"A2"}),
            ("0010,4000=unknown", {"A1", "A2"}),
        ]
    ):
        assert {item.AccessionNumber for item in worklist(dicom, tmp_path / str(number), key)} == expected
    answer = dicom.tool("findscu", "-d", "-W", "-k", f"{step}0040,0002=tomorrow")
    assert "0xa900" in (answer.stdout + answer.stderr).lower()


@pytest.mark.parametrize(
    ("dates", "times", "expected"),
    [
        ("20260101-20260102", "2200-0600", {"A1", "A2"}),
        ("20260101-20260102", "2200-0500", {"A1"}),
        ("20260101-", "2330-", {"A2", "A3"}),
        ("20260101", "2200-2359", {"A1"}),
        ("20260101-20260103", "054500", {"A2"}),
    ],
)
def test_ranges_of_start_dates_and_times_are_one_range(dicom, tmp_path, dates, times, expected):
    person(dicom)
    for number, start in enumerate(("2026-01-01T23:15:00Z", "2026-01-02T05:45:00Z", "2026-01-03T12:00:00Z"), 1):
        scheduled(dicom, f"o{number}", f"A{number}", occurrenceDateTime=start)
    keys = (f"(0040,0100)[0].0040,0002={dates}", f"(0040,0100)[0].0040,0003={times}")
    assert {item.AccessionNumber for item in worklist(dicom, tmp_path / "list", *keys)} == expected


def test_an_appointment_schedules_station_and_time(dicom, tmp_path):
    person(dicom)
    scheduled(dicom)
    station = {"resourceType": "Device", "id": "ct", "identifier": [{"system": "urn:dicom:ae-title", "value": "CT7"}]}
    dicom.fhir("PUT", "Device/ct", station)
    appointment = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-03-04T08:30:00Z",
        "end": "2026-03-04T09:00:00Z",
        "basedOn": [{"reference": "ServiceRequest/o1"}],
        "participant": [
            {"actor": {"reference": "Device/ct"}, "status": "accepted"},
            {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
        ],
    }
    dicom.fhir("PUT", "Appointment/a1", appointment)
    [item] = worklist(dicom, tmp_path / "list", "(0040,0100)[0].0040,0001=CT7")
    step = item.ScheduledProcedureStepSequence[0]
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260304", "083000")
    assert worklist(dicom, tmp_path / "other", "(0040,0100)[0].0040,0001=CT8") == []


def test_an_order_that_names_no_station_is_for_each_that_asks(dicom, tmp_path):
    person(dicom)
    scheduled(dicom)
    for title, expected in (("CT7", "CT7"), ("CT8", "CT8"), ("", "")):
        [item] = worklist(dicom, tmp_path / f"list{title}", f"(0040,0100)[0].0040,0001={title}")
        assert item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == expected
    keys = ("(0040,0100)[0].0040,0001=CT7", "(0040,0100)[0].0008,0060=MR")
    assert worklist(dicom, tmp_path / "of another kind", *keys) == []


ITEM = Dataset()
ITEM.PatientID, ITEM.PatientName, ITEM.StudyInstanceUID, ITEM.AccessionNumber = "P1", "Doe^Jane", "1.2.3.4", "A1"
ITEM.ScheduledProcedureStepSequence = [Dataset()]
ITEM.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID = "1"


@pytest.mark.parametrize(("status", "code"), [("COMPLETED", 0x0106), ("IN PROGRESS", 0)])
def test_a_step_begins_in_progress_and_once(dicom, status, code):
    made = begun(ITEM)
    made.PerformedProcedureStepStatus = status
    association = modality(dicom, ModalityPerformedProcedureStep)
    uid = generate_uid()
    assert association.send_n_create(made, ModalityPerformedProcedureStep, uid)[0].Status == code
    if code == 0:
        assert association.send_n_create(made, ModalityPerformedProcedureStep, uid)[0].Status == 0x0111
    assert association.send_n_set(made, ModalityPerformedProcedureStep, generate_uid())[0].Status == 0x0112
    association.release()


@pytest.mark.parametrize(("key", "status"), [("0008,0050=A1", "ff00"), ("0010,0030", "ff00"), ("0018,0015", "ff01")])
def test_an_item_tells_whether_it_has_all_keys(dicom, key, status):
    person(dicom)
    scheduled(dicom)
    answer = dicom.tool("findscu", "-d", "-W", "-k", "0010,0020", "-k", key)
    said = (answer.stdout + answer.stderr).lower()
    assert f"0x{status}" in said and ({"ff00", "ff01"} - {status}).pop() not in said


def test_a_step_needs_what_identifies_it_and_its_start(dicom):
    association = modality(dicom, ModalityPerformedProcedureStep)
    for name, without in (("PerformedProcedureStepID", ""), ("ScheduledStepAttributesSequence", []), ("Modality", "")):
        lacking, empty = begun(ITEM), begun(ITEM)
        delattr(lacking, name)
        setattr(empty, name, without)
        for made, code in ((lacking, 0x0120), (empty, 0x0121)):
            answer, _ = association.send_n_create(made, ModalityPerformedProcedureStep, generate_uid())
            assert answer.Status == code and name in answer.ErrorComment
    association.release()
    assert dicom.archive.reading.one("procedure_step", {}) is None


def test_a_final_state_needs_the_end_and_the_series(dicom):
    association, uid = modality(dicom, ModalityPerformedProcedureStep), generate_uid()
    association.send_n_create(begun(ITEM), ModalityPerformedProcedureStep, uid)
    for keyword in ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "PerformedSeriesSequence",
                    "SeriesInstanceUID", "ProtocolName"):  # fmt: skip
        for change, code in ((delattr, 0x0120), (lambda where, name: setattr(where, name, None), 0x0121)):
            lacking = ended("COMPLETED")
            change(lacking if keyword in lacking else lacking.PerformedSeriesSequence[0], keyword)
            answer, _ = association.send_n_set(lacking, ModalityPerformedProcedureStep, uid)
            assert (answer.Status, keyword in answer.ErrorComment) == (code, True), keyword
    series, last = ended("IN PROGRESS"), ended("COMPLETED")
    del last.PerformedSeriesSequence  # which an N-SET before it has said
    for made in (series, last):
        assert association.send_n_set(made, ModalityPerformedProcedureStep, uid)[0].Status == 0
    association.release()


def test_a_step_without_any_series_can_be_discontinued(dicom):
    association, uid = modality(dicom, ModalityPerformedProcedureStep), generate_uid()
    association.send_n_create(begun(ITEM), ModalityPerformedProcedureStep, uid)
    done = ended("DISCONTINUED")
    del done.PerformedSeriesSequence
    assert association.send_n_set(done, ModalityPerformedProcedureStep, uid)[0].Status == 0
    association.release()


def test_an_ended_step_says_by_its_error_id_that_it_may_not_be_updated(dicom):
    association = modality(dicom, ModalityPerformedProcedureStep)
    done, uid = ended("DISCONTINUED"), generate_uid()
    association.send_n_create(begun(ITEM), ModalityPerformedProcedureStep, uid)
    assert association.send_n_set(done, ModalityPerformedProcedureStep, uid)[0].Status == 0
    answer, _ = association.send_n_set(done, ModalityPerformedProcedureStep, uid)
    association.release()
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)


def test_an_operation_that_a_sop_class_has_not_is_no_other_classs(dicom):
    association = modality(dicom, ModalityPerformedProcedureStep)
    answer, _ = association.send_n_get([0x00400252], ModalityPerformedProcedureStep, "1.2.3")
    assert answer.Status == 0x0211
    association.release()


def test_a_step_of_a_wrong_entry_leaves_the_order_on_the_worklist(dicom, tmp_path):
    person(dicom)
    scheduled(dicom)
    scheduled(dicom, "o2", "A2")
    association = modality(dicom, ModalityPerformedProcedureStep)
    for number, reason in ((1, "110514"), (2, "110501")):
        [item] = worklist(dicom, tmp_path / str(number), f"0008,0050=A{number}")
        assert association.send_n_create(begun(item), ModalityPerformedProcedureStep, f"1.2.{number}")[0].Status == 0
        wrong = ended("DISCONTINUED")
        wrong.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code(reason, "DCM", "Why")]
        assert association.send_n_set(wrong, ModalityPerformedProcedureStep, f"1.2.{number}")[0].Status == 0
    association.release()
    idle(dicom)
    assert [item.AccessionNumber for item in worklist(dicom, tmp_path / "after")] == ["A1"]


def test_a_step_stays_the_patients_that_it_began_with(dicom):
    made, changed = begun(ITEM), Dataset()
    changed.PatientID, changed.PerformedProcedureStepDescription = "P2", "Chest"
    association = modality(dicom, ModalityPerformedProcedureStep)
    assert association.send_n_create(made, ModalityPerformedProcedureStep, "no uid")[0].Status == 0x0117
    assert association.send_n_create(made, ModalityPerformedProcedureStep, "1.2.3")[0].Status == 0
    answer, _ = association.send_n_set(changed, ModalityPerformedProcedureStep, "1.2.3")
    association.release()
    assert answer.Status == 0x0107 and "00100020" in answer.ErrorComment
    kept = json.loads(dicom.archive.reading.one("procedure_step", {"uid": "1.2.3"})["attributes"])
    assert kept["00100020"]["Value"] == ["P1"] and kept["00400254"]["Value"] == ["Chest"]


def test_a_step_of_another_patient_than_its_orders_performs_nothing(dicom, tmp_path):
    person(dicom)
    person(dicom, id="p2", value="P2")
    scheduled(dicom)
    [item] = worklist(dicom, tmp_path / "worklist")
    item.PatientID = "P2"
    association = modality(dicom, ModalityPerformedProcedureStep)
    created, _ = association.send_n_create(begun(item), ModalityPerformedProcedureStep, generate_uid())
    association.release()
    assert created.Status == 0
    [job] = until(lambda: dicom.archive.reading.all("job", {"kind": "procedure-step", "attempts": is_not(0)}))
    assert "is of Patient/p2, and its order ServiceRequest/o1 of Patient/p1" in job["problem"]
    assert not resources(dicom, "Procedure")


def test_what_two_say_of_a_step_at_once_is_all_kept(dicom):
    one, other = (modality(dicom, ModalityPerformedProcedureStep) for _ in range(2))
    assert one.send_n_create(begun(ITEM), ModalityPerformedProcedureStep, "1.2.3")[0].Status == 0

    def say(association, keyword, value):
        said = Dataset()
        setattr(said, keyword, value)
        assert association.send_n_set(said, ModalityPerformedProcedureStep, "1.2.3")[0].Status == 0

    with ThreadPoolExecutor(2) as both:
        for number in map(str, range(30)):
            said = ((one, "PerformedProcedureStepDescription"), (other, "CommentsOnThePerformedProcedureStep"))
            list(both.map(lambda each, value=number: say(each[0], each[1], value), said))
            kept = json.loads(dicom.archive.reading.one("procedure_step", {"uid": "1.2.3"})["attributes"])
            assert kept["00400254"]["Value"] == kept["00400280"]["Value"] == [number]
    one.release()
    other.release()


@pytest.mark.parametrize(
    ("kind", "instance", "code"), [(2, INSTANCE, 0x0123), (1, "1.2.3", 0x0112), (1, INSTANCE, 0x0110)]
)
def test_commitment_is_one_action_of_one_instance_for_a_transaction(dicom_with, tmp_path, kind, instance, code):
    peers = tmp_path / "peers.toml"
    peers.write_text('[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\n')
    dicom = dicom_with(dicom_peers=str(peers))
    action, item = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    action.TransactionUID, action.ReferencedSOPSequence = "no uid", [item]
    association = modality(dicom, StorageCommitmentPushModel)
    assert association.send_n_action(action, kind, StorageCommitmentPushModel, instance)[0].Status == code
    association.release()


def test_a_transaction_that_is_not_reported_yet_is_not_replaced(dicom_with, tmp_path):
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\nport = {free_port()}\n')
    dicom = dicom_with(dicom_peers=str(peers))
    association = modality(dicom, StorageCommitmentPushModel)

    def asked(transaction, uid):
        action, item = Dataset(), Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
        action.TransactionUID, action.ReferencedSOPSequence = transaction, [item]
        return association.send_n_action(action, 1, StorageCommitmentPushModel, INSTANCE)[0].Status

    assert asked("1.2.9", "1.2.3.4") == 0
    assert asked("1.2.9", "1.2.3.5") == 0x0110
    assert asked("1.2.9", "1.2.3.4") == 0
    assert asked("1.2.10", "1.2.3.5") == 0
    association.release()
    rows = dicom.archive.reading.all("job", {"kind": "commitment"}, "key")
    assert {row["key"]: json.loads(row["payload"])["instances"][0][1] for row in rows} == {
        "MODALITY 1.2.10": "1.2.3.5",
        "MODALITY 1.2.9": "1.2.3.4",
    }


def test_storage_commitment_is_reported_later(dicom_with, tmp_path):
    port, reports, heard = free_port(), [], threading.Event()

    def told(event):
        reports.append((event.event_type, event.event_information))
        heard.set()
        return 0x0000, None

    entity = AE("MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, told)])
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\nport = {port}\n')
    dicom = dicom_with(dicom_peers=str(peers))
    made = image()
    receive(dicom, made)
    wanted = []
    for uid in (made.SOPInstanceUID, "1.2.3.4"):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = made.SOPClassUID, uid
        wanted.append(item)
    action = Dataset()
    action.TransactionUID, action.ReferencedSOPSequence = "1.2.9", wanted
    association = modality(dicom, StorageCommitmentPushModel)
    status, _ = association.send_n_action(action, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
    association.release()
    assert status.Status == 0 and server is not None
    try:
        assert heard.wait(30)
    finally:
        server.shutdown()
    [(kind, information)] = reports
    assert kind == 2 and information.TransactionUID == "1.2.9"
    assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == made.SOPInstanceUID
    assert information.FailedSOPSequence[0].FailureReason == 0x0112


def test_studies_are_forwarded_by_rule_and_tried_again_until_the_peer_is_there(dicom_with, tmp_path):
    from tests.system.dicom.test_query import receiver

    port = free_port()
    peers = tmp_path / "peers.toml"
    peers.write_text(
        f'[[peer]]\nae_title = "ARCHIVE2"\nhost = "127.0.0.1"\nport = {port}\n'
        '[[forward]]\nto = "ARCHIVE2"\nsenders = ["CT1"]\nmodalities = ["CT"]\n'
    )
    dicom = dicom_with(dicom_peers=str(peers))
    receive(dicom, image(Modality="MR", StudyInstanceUID="1.9"))
    images = study(3)
    receive(dicom, *images)
    until(lambda: dicom.count("job", kind="forward", attempts=is_not(0)))
    process = receiver(tmp_path / "got", port)
    try:
        idle(dicom)
    finally:
        process.terminate()
        process.wait()
    got = {pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "got").iterdir()}
    assert got == {made.SOPInstanceUID for made in images}
