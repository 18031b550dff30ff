"""Unified Procedure Steps over associations: push, pull, states and locks, and their Tasks; the peer is pynetdicom."""

from __future__ import annotations

import pytest
from pydicom.uid import generate_uid

from fhir_server.core.settings import Settings
from interfaces.dicom.work.procedure_steps import scheduling
from interfaces.dicom.worklist import worklist
from tests.system.dicom.conftest import TITLE, listening
from tests.system.dicom.procedure_steps import associated, code, dataset, performed, step
from tests.system.dicom.test_studies import idle, order, person, resources
from tests.system.dicom.test_workflow import scheduled


@pytest.fixture(scope="module")
def dicom(tmp_path_factory):
    settings = Settings(
        data=tmp_path_factory.mktemp("steps"), synchronous="OFF", dicom=True, dicom_fsync=False, dicom_reserve_mb=0
    )
    with listening(settings) as found:
        yield found


def task_of(dicom, uid):
    idle(dicom)
    [found] = resources(dicom, "Task", ("identifier", f"urn:dicom:uid|urn:oid:{uid}"))
    return found


def test_a_step_from_its_creation_to_its_end_and_its_task(dicom):
    person(dicom, name=[{"family": "Doe"}])
    order(dicom)
    request = dataset(AccessionNumber="A1", StudyInstanceUID="1.2.3")
    patient = {"PatientID": "P1", "IssuerOfPatientID": "HOSPITAL", "PatientName": "Doe^Jane"}
    with associated(dicom) as peer:
        status, uid = peer.create(step(ReferencedRequestSequence=[request], **patient))
        assert status == 0
        task = task_of(dicom, uid)
        assert (task["status"], task["priority"], task["description"]) == ("requested", "urgent", "Segment the lungs")
        assert task["for"] == {"reference": "Patient/p1"} and task["basedOn"] == [{"reference": "ServiceRequest/o1"}]
        assert task["restriction"]["period"] == {"start": "2026-01-01T10:00:00Z"}
        assert task["input"][0]["valueReference"]["identifier"]["value"] == "urn:oid:1.2.3"
        assert task["code"]["coding"][0]["code"] == "110005"

        transaction = generate_uid()
        assert peer.state(uid, "IN PROGRESS", transaction) == 0
        progress = dataset(ProcedureStepProgress="40", ProcedureStepProgressDescription="Left lung")
        assert peer.set(uid, transaction, ProcedureStepProgressInformationSequence=[progress]) == 0
        task = task_of(dicom, uid)
        assert (task["status"], task["businessStatus"]["text"]) == ("in-progress", "40 %: Left lung")
        assert task["owner"]["identifier"] == {"system": "urn:dicom:ae-title", "value": "PERFORMER"}

        assert peer.state(uid, "COMPLETED", transaction) == 0xC304
        assert peer.set(uid, transaction, **performed()) == 0
        assert peer.state(uid, "COMPLETED", transaction) == 0
        task = task_of(dicom, uid)
        assert task["status"] == "completed"
        assert task["executionPeriod"] == {"start": "2026-01-01T10:10:00Z", "end": "2026-01-01T10:20:00Z"}
        assert task["output"][0]["valueReference"]["identifier"]["value"] == "urn:oid:1.2.4"
        versions = dicom.fhir("GET", f"Task/{task['id']}/_history")["entry"]
        traces = resources(dicom, "Provenance", ("target", f"Task/{task['id']}"))
        assert len(versions) == len(traces) >= 3  # changes that follow at once may be written together
        assert traces[0]["agent"][0]["who"]["display"] == "PERFORMER"


def test_a_step_is_read_without_its_lock(dicom):
    with associated(dicom) as peer:
        uid, _ = peer.begin(PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192")
        found = peer.get(uid)
        assert found.ProcedureStepState == "IN PROGRESS" and found.PatientName == "Müller^Jörg"
        assert "TransactionUID" not in found and "SOPInstanceUID" not in found
        assert found.ScheduledStationNameCodeSequence == [] and found.ScheduledProcedureStepModificationDateTime
        found = peer.get(uid, "TransactionUID", "ProcedureStepLabel", "SOPInstanceUID")
        assert {element.keyword for element in found} == {"ProcedureStepLabel", "SOPInstanceUID"}
        assert not peer.get(uid, "TransactionUID")
        assert peer.get(generate_uid()) == 0xC307


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, 0),
        ({"WorklistLabel": ""}, 0),
        ({"ProcedureStepState": "IN PROGRESS"}, 0xC309),
        ({"InputReadinessState": "MAYBE"}, 0x0106),
        ({"ScheduledProcedureStepPriority": ""}, 0x0121),
        ({"ProcedureStepLabel": None}, 0x0120),
        ({"TransactionUID": "1.2.3"}, 0x0106),
        ({"SOPInstanceUID": "1.2.3"}, 0x0106),
        ({"EncapsulatedDocument": b"0" * 2000}, 0x0110),
    ],
)
def test_what_a_new_step_must_have(dicom, attributes, expected):
    made = step(**{name: value for name, value in attributes.items() if value is not None})
    for name, value in attributes.items():
        if value is None:
            delattr(made, name)
    with associated(dicom) as peer:
        status, uid = peer.create(made)
        assert status == expected
        assert (peer.get(uid) == 0xC307) is (expected != 0)
        if not expected:
            assert peer.get(uid).WorklistLabel == (attributes.get("WorklistLabel", "POST") or TITLE)
            assert peer.create(step(), uid)[0] == 0x0111


def test_states_change_as_the_table_says(dicom):
    other = generate_uid()
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        for state, transaction, expected in (
            ("SCHEDULED", other, 0xC303),
            ("IN PROGRESS", "", 0xC301),
            ("COMPLETED", other, 0xC310),
            ("CANCELED", other, 0xC310),
            ("RUNNING", other, 0x0115),
        ):
            assert peer.state(uid, state, transaction) == expected, state
        uid, transaction = peer.begin()
        for state, given, expected in (
            ("IN PROGRESS", transaction, 0xC302),
            ("IN PROGRESS", other, 0xC301),
            ("COMPLETED", other, 0xC301),
            ("CANCELED", transaction, 0xC304),
        ):
            assert peer.state(uid, state, given) == expected, state
        assert peer.set(uid, transaction, **performed()) == 0
        assert peer.state(uid, "COMPLETED", transaction) == 0
        for state, given, expected in (
            ("COMPLETED", transaction, 0xB306),
            ("COMPLETED", other, 0xC301),
            ("IN PROGRESS", transaction, 0xC300),
            ("CANCELED", transaction, 0xC300),
        ):
            assert peer.state(uid, state, given) == expected, state
        assert peer.state(generate_uid(), "IN PROGRESS", other) == 0xC307
        assert peer.act(uid, 9) == 0x0123


def test_a_performer_cancels_with_a_reason(dicom):
    with associated(dicom) as peer:
        uid, transaction = peer.begin()
        reason = dataset(
            ProcedureStepCancellationDateTime="20260101103000",
            ReasonForCancellation="Wrong study",
            ProcedureStepDiscontinuationReasonCodeSequence=[code("110514", "Incorrect Worklist Entry Selected")],
        )
        assert peer.set(uid, transaction, ProcedureStepProgressInformationSequence=[reason]) == 0
        assert peer.state(uid, "CANCELED", transaction) == 0
        assert peer.state(uid, "CANCELED", transaction) == 0xB304
    task = task_of(dicom, uid)
    assert (task["status"], task["statusReason"]["text"]) == ("cancelled", "Wrong study")
    assert task["statusReason"]["coding"][0]["code"] == "110514"


def test_only_who_holds_the_lock_updates(dicom):
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        assert peer.set(uid, ProcedureStepLabel="Another") == 0
        assert peer.set(uid, generate_uid(), ProcedureStepLabel="Locked") == 0xC310
        transaction = generate_uid()
        assert peer.state(uid, "IN PROGRESS", transaction) == 0
        assert peer.set(uid, ProcedureStepLabel="Nobody's") == 0xC301
        assert peer.set(uid, generate_uid(), ProcedureStepLabel="Somebody's") == 0xC301
        for attributes, expected in (
            ({"ProcedureStepState": "SCHEDULED"}, 0xC303),
            ({"ProcedureStepState": "COMPLETED"}, 0x0105),
            ({"PatientID": "P2"}, 0x0105),
            ({"ProcedureStepLabel": ""}, 0x0121),
            ({"InputReadinessState": "NOW"}, 0x0106),
        ):
            assert peer.set(uid, transaction, **attributes) == expected, attributes
        assert peer.set(uid, transaction, **performed()) == peer.state(uid, "COMPLETED", transaction) == 0
        assert peer.set(uid, transaction, ProcedureStepLabel="Late") == 0xC300
        assert peer.set(generate_uid(), ProcedureStepLabel="None") == 0xC307
        assert peer.get(uid).ProcedureStepLabel == "Another"


def test_steps_are_found_by_keys(dicom):
    label = generate_uid()[-16:]
    with associated(dicom) as peer:
        first = peer.create(step(WorklistLabel=label, PatientName="Doe^Jane", PatientID="Q1"))[1]
        later = peer.create(step(WorklistLabel=label, ScheduledProcedureStepStartDateTime="20260301080000"))[1]
        begun, _ = peer.begin(WorklistLabel=label, ScheduledWorkitemCodeSequence=[code("110013", "Print")])
        for keys, expected in (
            ({}, [first, later, begun]),
            ({"ProcedureStepState": "SCHEDULED"}, [first, later]),
            ({"ProcedureStepState": ["IN PROGRESS", "COMPLETED"]}, [begun]),
            ({"ScheduledProcedureStepStartDateTime": "20260201-20260401"}, [later]),
            ({"PatientName": "doe*"}, [first]),
            ({"PatientID": "Q?"}, [first]),
            ({"ScheduledWorkitemCodeSequence": [dataset(CodeValue="110013")]}, [begun]),
            ({"TransactionUID": "1.2.3", "PatientID": "Q1"}, [first]),
        ):
            found = peer.find(**{"WorklistLabel": label, "SOPInstanceUID": "", **keys})
            assert [each.SOPInstanceUID for each in found] == expected, keys
            assert not any("TransactionUID" in each for each in found)
        assert [each.SOPInstanceUID for each in peer.find(SOPInstanceUID=[first, begun])] == [first, begun]


def test_a_request_to_cancel_ends_what_nobody_has_begun(dicom):
    with associated(dicom, "SCHEDULER") as peer:
        _, uid = peer.create(step())
        assert peer.act(uid, 2, ReasonForCancellation="No more needed", ContactDisplayName="Desk") == 0
        assert peer.act(uid, 2) == 0xB304
        [progress] = peer.get(uid, "ProcedureStepProgressInformationSequence").ProcedureStepProgressInformationSequence
        assert progress.ReasonForCancellation == "No more needed" and progress.ProcedureStepCancellationDateTime
        assert progress.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110513"
        assert progress.ProcedureStepCommunicationsURISequence[0].ContactDisplayName == "Desk"
        uid, transaction = peer.begin()
        assert peer.act(uid, 2) == 0xC312
        assert peer.set(uid, transaction, **performed()) == peer.state(uid, "COMPLETED", transaction) == 0
        assert peer.act(uid, 2) == 0xC311
        assert peer.act(generate_uid(), 2) == 0xC307


def test_a_step_is_on_no_modality_worklist_and_mpps_leaves_it(dicom):
    person(dicom, "p7", "P7")
    scheduled(dicom, "o7", "A7", "Patient/p7")
    with associated(dicom) as peer:
        _, uid = peer.create(step(ReferencedRequestSequence=[dataset(AccessionNumber="A7")]))
    task = task_of(dicom, uid)
    assert task["basedOn"] == [{"reference": "ServiceRequest/o7"}] and task["for"] == {"reference": "Patient/p7"}
    entries = dicom.context.fhir.call(worklist)
    [entry] = [entry for entry in entries if entry.order["id"] == "o7"]
    assert entry.step is None
    assert dicom.context.fhir.call(lambda client: scheduling(client, entry.order)) == []
