"""What becomes of studies in FHIR: one ImagingStudy each, patients, orders, quarantine, merges."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from interfaces.dicom.work.quarantine import reconcile
from tests.system.dicom.conftest import until
from tests.system.dicom.images import encoded, image, study

MRN = "urn:x-hl7v2:authority:HOSPITAL"  # the system that HL7 v2 messages give the same name


def receive(dicom, *images, sender="CT1", issuer=""):
    for made in images:
        syntax = str(made.file_meta.TransferSyntaxUID)
        dicom.archive.receive(encoded(made), transfer_syntax=syntax, sender=sender, issuer=issuer)


def idle(dicom):
    until(lambda: dicom.count("job") == 0)


def resources(dicom, type, *query):
    bundle = dicom.fhir("GET", type, query=list(query))
    return [entry["resource"] for entry in bundle.get("entry", [])]


def person(dicom, id="p1", value="P1", system=MRN, **others):
    resource = {"resourceType": "Patient", "id": id, "identifier": [{"system": system, "value": value}], **others}
    return dicom.fhir("PUT", f"Patient/{id}", resource)


def order(dicom, id="o1", accession="A1", subject="Patient/p1"):
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
    resource = {
        "resourceType": "ServiceRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "subject": {"reference": subject},
        "identifier": [{"type": kind, "value": accession}],
    }
    return dicom.fhir("PUT", f"ServiceRequest/{id}", resource)


def retrieved(dicom, study_uid):
    """How many instances C-GET gives of a study."""
    with tempfile.TemporaryDirectory() as folder:
        dicom.tool("getscu", "-S", "-od", folder, "-k", "0008,0052=STUDY", "-k", f"0020,000d={study_uid}")
        return len(list(Path(folder).iterdir()))


@pytest.mark.parametrize(("sent", "other"), [("A%42", "AB"), ("A+B", "A B"), ("A&B", "A"), ("A#B", "A")])
def test_a_patient_id_with_signs_of_a_url_is_no_other_patients(dicom, sent, other):
    person(dicom, value=other)
    receive(
        dicom, image(PatientID=sent, IssuerOfPatientID="HOSPITAL"), image(PatientID=sent, IssuerOfPatientID="St. X")
    )
    idle(dicom)
    subjects = {each["subject"]["reference"] for each in resources(dicom, "ImagingStudy")}
    assert len(subjects) == 2 and "Patient/p1" not in subjects
    made = [each["identifier"][0]["value"] for each in resources(dicom, "Patient") if each["id"] != "p1"]
    assert made == [sent, sent]


def test_texts_with_control_characters_hold_up_no_study(dicom):
    receive(
        dicom, image(PatientID="P1\0rest", PatientName="Doe^Ja\x07ne", StudyDescription="Chest\x1b[1m", StudyID="\0")
    )
    idle(dicom)
    [made], [patient] = resources(dicom, "ImagingStudy"), resources(dicom, "Patient")
    assert made["description"] == "Chest[1m" and patient["identifier"][0]["value"] == "P1"
    assert patient["name"] == [{"family": "Doe", "given": ["Jane"]}]


def test_a_study_becomes_one_imaging_study_with_all_that_belongs_to_it(dicom):
    images = study(3, IssuerOfPatientID="HOSPITAL", Manufacturer="Acme", StationName="CT-1")
    receive(dicom, *images)
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{images[0].StudyInstanceUID}"}
    assert (made["numberOfSeries"], made["numberOfInstances"]) == (1, 3)
    assert [each["number"] for each in made["series"][0]["instance"]] == [1, 2, 3]
    assert made["series"][0]["modality"]["code"] == "CT" and made["started"] == "2026-01-01T10:15:00Z"
    [patient] = resources(dicom, "Patient")
    assert made["subject"]["reference"] == f"Patient/{patient['id']}"
    assert patient["identifier"][0]["system"] == MRN and patient["name"][0] == {"family": "Doe", "given": ["Jane"]}
    assert (patient["birthDate"], patient["gender"]) == ("1970-01-01", "female")
    [endpoint] = resources(dicom, "Endpoint")
    assert made["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs" and endpoint["address"].endswith("/dicom-web")
    [trace] = resources(dicom, "Provenance")
    assert trace["target"][0]["reference"].startswith(f"ImagingStudy/{made['id']}")
    assert trace["agent"][0]["who"]["identifier"]["value"] == "CT1"
    assert len(resources(dicom, "AuditEvent")) == len(resources(dicom, "Device")) == 1


def test_more_images_update_the_same_imaging_study_and_the_same_ones_change_nothing(dicom):
    images = study(4)
    receive(dicom, *images[:2])
    idle(dicom)
    receive(dicom, *images[2:])
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["numberOfInstances"] == 4 and made["meta"]["versionId"] == "2"
    dicom.archive.enqueue("study", images[0].StudyInstanceUID)
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["meta"]["versionId"] == "2" and len(resources(dicom, "Patient")) == 1


def test_the_order_of_the_accession_number_is_based_on(dicom):
    person(dicom)
    order(dicom)
    receive(dicom, *study(1, IssuerOfPatientID="HOSPITAL"))
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["basedOn"] == [{"reference": "ServiceRequest/o1"}] and made["subject"]["reference"] == "Patient/p1"


def test_an_order_that_comes_after_its_images_is_based_on_too(dicom):
    person(dicom)
    receive(dicom, image(IssuerOfPatientID="HOSPITAL"))
    until(lambda: any(name == "Patient/p1" for name, _ in dicom.archive.followed))
    idle(dicom)
    order(dicom)
    until(lambda: resources(dicom, "ImagingStudy")[0].get("basedOn") == [{"reference": "ServiceRequest/o1"}])


def test_an_order_that_gets_another_number_keeps_its_images(dicom):
    person(dicom)
    order(dicom)
    [made] = images = study(1, IssuerOfPatientID="HOSPITAL")
    receive(dicom, *images)
    idle(dicom)
    for number in ("A2", "A3"):
        order(dicom, accession=number)
        until(lambda number=number: dicom.count("study", accession=number))
        idle(dicom)
        [resource] = resources(dicom, "ImagingStudy")
        assert resource["identifier"][1]["value"] == number
        assert resource["basedOn"] == [{"reference": "ServiceRequest/o1"}]
    dicom.fhir("DELETE", "ServiceRequest/o1")
    receive(dicom, image(StudyInstanceUID=made.StudyInstanceUID, IssuerOfPatientID="HOSPITAL"))
    until(lambda: dicom.count("study", accession="A1", fhir_order=""))
    idle(dicom)
    [resource] = resources(dicom, "ImagingStudy")
    assert resource["identifier"][1]["value"] == "A1" and "basedOn" not in resource


def test_the_senders_issuer_tells_patients_apart(dicom):
    person(dicom, "p1", "P1", "urn:dicom:issuer:A")  # as issuers were stored before
    person(dicom, "p2", "P1", "urn:x-hl7v2:authority:B")
    receive(dicom, image(), issuer="B")
    receive(dicom, image(), issuer="A")
    idle(dicom)
    assert {made["subject"]["reference"] for made in resources(dicom, "ImagingStudy")} == {"Patient/p1", "Patient/p2"}


def test_a_patient_that_is_not_the_orders_is_quarantined_with_its_pixels_and_reconciled_in_one_step(dicom):
    person(dicom, "p1", "OTHER")
    order(dicom, subject="Patient/p1")
    made = image(IssuerOfPatientID="HOSPITAL")
    receive(dicom, made)
    idle(dicom)
    assert resources(dicom, "ImagingStudy") == []
    assert dicom.count("study", state="quarantined") == 1 and len(dicom.stored_files()) == 1
    assert dicom.tool("findscu", "-d", "-S", "-k", "0008,0052=STUDY").stderr.count("Find Response: ") == 0
    assert retrieved(dicom, made.StudyInstanceUID) == 0
    reconcile(dicom.archive, made.StudyInstanceUID, "Patient/p1", "ServiceRequest/o1", "tester")
    idle(dicom)
    [study_resource] = resources(dicom, "ImagingStudy")
    assert study_resource["subject"]["reference"] == "Patient/p1"
    row = dicom.archive.reading.one("event", {"kind": "reconciled"})
    assert json.loads(row["detail"])["by"] == "tester"
    coerced = json.loads(dicom.archive.reading.one("study", {})["coercion"])
    assert coerced["00100020"]["Value"] == ["OTHER"]
    assert retrieved(dicom, made.StudyInstanceUID) == 1


def test_two_patients_in_one_study_are_quarantined(dicom):
    first, second = study(2)
    second.PatientID = "P2"
    receive(dicom, first, second)
    idle(dicom)
    assert dicom.count("study", state="quarantined") == 1 and dicom.count() == 2
    assert resources(dicom, "ImagingStudy") == []


def test_another_patient_in_a_study_that_is_coerced_is_quarantined_and_the_same_one_is_not(dicom):
    person(dicom, id="kept", value="P2", name=[{"family": "Doe", "given": ["Jane", "Marie"]}])
    person(dicom, active=False, link=[{"other": {"reference": "Patient/kept"}, "type": "replaced-by"}])
    first, more, foreign = study(3, IssuerOfPatientID="HOSPITAL")
    receive(dicom, first)
    idle(dicom)
    receive(dicom, more)
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["numberOfInstances"] == 2 and made["subject"]["reference"] == "Patient/kept"
    foreign.PatientID = "P9"
    receive(dicom, foreign)
    idle(dicom)
    [held] = dicom.archive.reading.all("study", {"state": "quarantined"})
    assert "another patient (P9)" in held["reason"] and retrieved(dicom, held["uid"]) == 0
    assert resources(dicom, "ImagingStudy")[0]["status"] == "registered"
    reconcile(dicom.archive, held["uid"], "Patient/kept", "", "somebody")
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert (made["status"], made["numberOfInstances"]) == ("available", 3) and retrieved(dicom, held["uid"]) == 3


def test_a_study_that_is_sent_again_after_a_deletion_is_of_whom_it_says_now(dicom):
    person(dicom, name=[{"family": "Roe"}])
    person(dicom, id="p2", value="P2", name=[{"family": "Poe"}])
    [wrong] = study(1, IssuerOfPatientID="HOSPITAL")
    receive(dicom, wrong)
    idle(dicom)
    dicom.archive.delete({"0020000D": wrong.StudyInstanceUID})
    idle(dicom)
    right, more = study(2, IssuerOfPatientID="HOSPITAL", PatientID="P2", StudyInstanceUID=wrong.StudyInstanceUID)
    for each in (right, more):
        receive(dicom, each)
        idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["subject"]["reference"] == "Patient/p2" and made["numberOfInstances"] == 2


def test_unknown_patients_are_held_where_the_setting_says_so(dicom_with):
    dicom = dicom_with(dicom_unknown_patients="hold")
    receive(dicom, image())
    idle(dicom)
    assert resources(dicom, "Patient") == [] and dicom.count("study", state="quarantined") == 1


@pytest.mark.parametrize("name", ["", None])
def test_a_study_without_patient_id_is_quarantined(dicom, name):
    receive(dicom, image(PatientID=name))
    idle(dicom)
    assert dicom.count("study", state="quarantined") == 1


def test_a_merge_follows_into_queries_and_into_what_is_retrieved(dicom, tmp_path):
    import pydicom

    made = image(IssuerOfPatientID="HOSPITAL")
    receive(dicom, made)
    idle(dicom)
    [old] = resources(dicom, "Patient")
    person(dicom, "new", "P9", name=[{"family": "Roe", "given": ["Jane"]}], birthDate="1970-01-01", gender="female")
    old["link"] = [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    dicom.fhir("PUT", f"Patient/{old['id']}", old)
    until(lambda: dicom.count("study", fhir_patient="Patient/new"), 60)
    idle(dicom)
    [resource] = resources(dicom, "ImagingStudy")
    assert resource["subject"]["reference"] == "Patient/new"
    (tmp_path / "found").mkdir()
    dicom.tool(
        "findscu",
        "-X",
        "-od",
        tmp_path / "found",
        "-S",
        "-k",
        "0008,0052=STUDY",
        "-k",
        "0010,0020=P9",
        "-k",
        "0010,0010",
    )
    [answer] = (tmp_path / "found").iterdir()
    assert pydicom.dcmread(answer, force=True).PatientName == "Roe^Jane"
    (tmp_path / "got").mkdir()
    keys = ("-k", "0008,0052=STUDY", "-k", f"0020,000d={made.StudyInstanceUID}")
    dicom.tool("getscu", "-S", "-od", tmp_path / "got", *keys)
    [got] = (tmp_path / "got").iterdir()
    sent = pydicom.dcmread(got)
    assert (sent.PatientID, str(sent.PatientName), sent.PixelData) == ("P9", "Roe^Jane", made.PixelData)
    [kept] = dicom.stored_files()
    assert pydicom.dcmread(kept).PatientID == "P1"


def test_a_deleted_study_is_cancelled(dicom):
    made = image()
    receive(dicom, made)
    idle(dicom)
    assert dicom.archive.delete({"0020000D": made.StudyInstanceUID}, "tester") == 1
    idle(dicom)
    [resource] = resources(dicom, "ImagingStudy")
    assert resource["status"] == "cancelled" and dicom.stored_files() == [] and dicom.count("patient") == 0


def test_a_study_of_5000_instances_is_one_imaging_study(dicom_with):
    dicom = dicom_with(dicom_study_pause_seconds=1)
    first = image(4, SOPInstanceUID="1.2.3.10000", StudyInstanceUID="1.2.5000", SeriesInstanceUID="1.2.5001")
    data, syntax = encoded(first), str(first.file_meta.TransferSyntaxUID)
    for number in range(5000):
        dicom.archive.receive(data.replace(b"1.2.3.10000", b"1.2.3.1%04d" % number), transfer_syntax=syntax)
    idle(dicom)
    [made] = resources(dicom, "ImagingStudy")
    assert made["numberOfInstances"] == len({each["uid"] for each in made["series"][0]["instance"]}) == 5000
    answer = dicom.tool("findscu", "-S", "-k", "0008,0052=IMAGE", "-k", "0020,000d=1.2.5000", "-k", "0008,0018")
    assert (answer.stdout + answer.stderr).count("1.2.3.1") == 5000


def test_what_scheduled_an_order_has_begun_once_its_images_arrive(dicom):
    person(dicom)
    order(dicom)
    based = {"intent": "order", "basedOn": [{"reference": "ServiceRequest/o1"}]}
    for id, status in (("t1", "requested"), ("t2", "failed")):
        dicom.fhir("PUT", f"Task/{id}", {"resourceType": "Task", "id": id, "status": status, **based})
    receive(dicom, image(IssuerOfPatientID="HOSPITAL"))
    idle(dicom)
    assert [dicom.fhir("GET", f"Task/{id}")["status"] for id in ("t1", "t2")] == ["in-progress", "failed"]
