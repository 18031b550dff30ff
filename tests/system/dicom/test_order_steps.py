"""Orders of imaging have Unified Procedure Steps made, where the setting says so."""

from __future__ import annotations

import pytest

from interfaces.dicom.work import following as followed
from tests.system.dicom.conftest import until
from tests.system.dicom.test_studies import idle, order, person, resources

CT = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}
CODE = {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "CT Chest"}], "text": "Chest"}


def imaging(dicom, id="o1", accession="A1", **others):
    made = order(dicom, id, accession)
    more = {
        "category": [CT],
        "code": CODE,
        "priority": "stat",
        "occurrenceDateTime": "2026-02-01T10:00:00Z",
        **others,
    }
    return dicom.fhir("PUT", f"ServiceRequest/{id}", {**made, **more})


def rows(dicom):
    return dicom.archive.reading.all("workitem", {})


def looked_at(dicom):
    """Waits until what was written before is followed."""
    place = dicom.archive.reading.one("note", {"name": "followed"})
    until(lambda: dicom.archive.reading.one("note", {"name": "followed"})["value"] != place["value"])
    idle(dicom)


def following(dicom):
    until(lambda: dicom.archive.reading.one("note", {"name": "followed"}))


def test_an_order_has_one_step_made_whose_task_is_based_on_it(dicom_with):
    dicom = dicom_with(dicom_order_steps=True)
    following(dicom)
    person(dicom, name=[{"family": "Doe", "given": ["Jane"]}])
    imaging(dicom)
    [row] = until(lambda: rows(dicom))
    assert (row["state"], row["label"], row["patient_id"]) == ("SCHEDULED", "ULTIMATEHMS", "P1")
    idle(dicom)
    [task] = resources(dicom, "Task")
    assert task["basedOn"] == [{"reference": "ServiceRequest/o1"}] and task["for"]["reference"] == "Patient/p1"
    assert task["priority"] in ("stat", "asap", "urgent")
    imaging(dicom, note=[{"text": "again"}])
    looked_at(dicom)
    assert len(rows(dicom)) == 1
    found = dicom.tool("findscu", "-W", "-k", "0010,0020", "-k", "(0040,0100)[0].0008,0060=CT")
    assert (found.stdout + found.stderr).count("Find Response: 1") == 1  # the worklist has it as before


def test_more_changes_than_a_page_has_are_all_followed(dicom_with, monkeypatch):
    monkeypatch.setattr(followed, "PAGE", "2")
    dicom = dicom_with(dicom_order_steps=True)
    following(dicom)
    person(dicom)
    imaging(dicom)
    until(lambda: rows(dicom))
    first = dicom.fhir("GET", "ServiceRequest/o1")
    orders = [{**first, "id": f"o{number}"} for number in range(2, 7)]
    for each in orders:
        each["identifier"] = [{**first["identifier"][0], "value": each["id"]}]
    puts = [{"resource": each, "request": {"method": "PUT", "url": f"ServiceRequest/{each['id']}"}} for each in orders]
    dicom.fhir("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": puts})
    until(lambda: len(rows(dicom)) == 6)


def test_an_order_that_is_taken_back_cancels_its_step(dicom_with):
    dicom = dicom_with(dicom_order_steps=True)
    following(dicom)
    person(dicom)
    imaging(dicom)
    until(lambda: rows(dicom))
    imaging(dicom, status="revoked")
    until(lambda: rows(dicom)[0]["state"] == "CANCELED")


@pytest.mark.parametrize(("wanted", "category"), [(True, {"text": "Laboratory"}), (False, CT)])
def test_what_is_no_imaging_and_what_nobody_wants_makes_no_step(dicom_with, wanted, category):
    dicom = dicom_with(dicom_order_steps=wanted)
    following(dicom)
    person(dicom)
    imaging(dicom, category=[category])
    looked_at(dicom)
    assert rows(dicom) == []
