"""Who watches Unified Procedure Steps: subscriptions, and the events that come over associations of the archive."""

from __future__ import annotations

import queue
import threading

import pytest
from pydicom.uid import generate_uid
from pynetdicom.sop_class import (
    UPSFilteredGlobalSubscriptionInstance,
    UPSGlobalSubscriptionInstance,
)

from interfaces.dicom.workitems.subscriptions import tell_restarted
from tests.system.dicom.conftest import listening, until
from tests.system.dicom.procedure_steps import associated, code, dataset, performed, step
from tests.system.dicom.test_studies import idle, person, resources
from tests.system.dicom.watching import Watcher, watched_by

CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = 2, 3, 4, 5


@pytest.fixture
def watcher(dicom):
    made = dicom.watchers["WATCHER"]
    yield made
    with associated(dicom) as peer:
        peer.act(UPSGlobalSubscriptionInstance, UNSUBSCRIBE, ReceivingAE="WATCHER")
    idle(dicom)
    made.told = queue.Queue()


@pytest.fixture(scope="module")
def dicom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    watchers = {title: Watcher(title) for title in ("WATCHER", "LATE")}
    watchers["WATCHER"].start()
    stranger = '[[peer]]\nae_title = "STRANGER"\nhost = "127.0.0.1"\nmay = ["store"]\n'
    with listening(watched_by(folder, *watchers.values(), more=stranger)) as found:
        found.watchers = watchers
        yield found
    for each in watchers.values():
        each.stop()


def test_a_subscriber_is_told_of_each_change_of_a_step_in_order(dicom, watcher):
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        assert peer.act(uid, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="TRUE") == 0
        kind, information = watcher.next(uid)
        assert (kind, information.ProcedureStepState, information.InputReadinessState) == (1, "SCHEDULED", "READY")
        assert peer.set(uid, ScheduledStationNameCodeSequence=[code("WS1", "Workstation", "99L")]) == 0
        human = dataset(HumanPerformerCodeSequence=[code("P1", "Jane", "99L")], HumanPerformerOrganization="Radiology")
        assert peer.set(uid, ScheduledHumanPerformersSequence=[human], InputReadinessState="INCOMPLETE") == 0
        transaction = generate_uid()
        assert peer.state(uid, "IN PROGRESS", transaction) == 0
        progress = dataset(ProcedureStepProgress="10")
        assert peer.set(uid, transaction, ProcedureStepProgressInformationSequence=[progress]) == 0
        assert peer.set(uid, transaction, **performed()) == 0
        assert peer.state(uid, "COMPLETED", transaction) == 0
    told = [watcher.next(uid) for _ in range(6)]
    assert [kind for kind, _ in told] == [5, 1, 5, 1, 3, 1]
    assert told[0][1].ScheduledStationNameCodeSequence[0].CodeValue == "WS1"
    assert told[1][1].InputReadinessState == "INCOMPLETE"
    assert told[2][1].HumanPerformerOrganization == "Radiology"
    assert told[4][1].ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 10
    assert told[5][1].ProcedureStepState == "COMPLETED"


def test_a_performer_that_is_subscribed_is_asked_to_cancel(dicom, watcher):
    with associated(dicom, "WATCHER") as peer:
        uid, _ = peer.begin()
        assert peer.act(uid, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
    with associated(dicom, "DESK") as peer:
        assert peer.act(uid, CANCEL, ReasonForCancellation="Patient left", ContactDisplayName="Desk 1") == 0
        assert watcher.states(uid, 1) == ["IN PROGRESS"]
        kind, information = watcher.next(uid)
        assert (kind, information.RequestingAE, information.ReasonForCancellation) == (2, "DESK", "Patient left")
        assert information.ContactDisplayName == "Desk 1"
        assert peer.get(uid).ProcedureStepState == "IN PROGRESS"


def test_whoever_subscribes_to_all_is_told_of_those_that_come(dicom, watcher):
    with associated(dicom) as peer:
        _, before = peer.create(step())
        assert peer.act(UPSGlobalSubscriptionInstance, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
        _, uid = peer.create(step())
        assert watcher.states(uid, 1) == ["SCHEDULED"]
        assert peer.act(before, CANCEL) == 0
        assert watcher.states(before, 2) == ["IN PROGRESS", "CANCELED"]
        assert peer.act(UPSGlobalSubscriptionInstance, SUSPEND, ReceivingAE="WATCHER") == 0
        _, unseen = peer.create(step())
        assert peer.act(unseen, CANCEL) == peer.act(uid, CANCEL) == 0
        assert watcher.states(uid, 2) == ["IN PROGRESS", "CANCELED"]


def test_a_subscription_with_a_lock_begins_with_the_states_there_are(dicom, watcher):
    label = generate_uid()[-16:]
    with associated(dicom) as peer:
        _, uid = peer.create(step(WorklistLabel=label))
        peer.create(step(WorklistLabel="OTHER"))
        keys = {"WorklistLabel": label, "ReceivingAE": "WATCHER", "DeletionLock": "TRUE"}
        assert peer.act(UPSFilteredGlobalSubscriptionInstance, SUBSCRIBE, **keys) == 0
        assert watcher.states(uid, 1) == ["SCHEDULED"]
        peer.create(step(WorklistLabel="OTHER"))
        _, matching = peer.create(step(WorklistLabel=label))
        assert watcher.states(matching, 1) == ["SCHEDULED"]
        assert peer.act(matching, UNSUBSCRIBE, ReceivingAE="WATCHER") == 0
        assert peer.act(matching, CANCEL) == peer.act(uid, CANCEL) == 0
        assert watcher.states(uid, 2) == ["IN PROGRESS", "CANCELED"]


@pytest.mark.parametrize(
    ("instance", "action", "information", "expected"),
    [
        (None, SUBSCRIBE, {"ReceivingAE": "NOBODY", "DeletionLock": "FALSE"}, 0xC308),
        (None, SUBSCRIBE, {"DeletionLock": "FALSE"}, 0x0115),
        (None, SUBSCRIBE, {"ReceivingAE": "WATCHER", "DeletionLock": "MAYBE"}, 0x0115),
        ("1.2.3.4", SUBSCRIBE, {"ReceivingAE": "WATCHER", "DeletionLock": "FALSE"}, 0xC307),
        ("1.2.3.4", UNSUBSCRIBE, {"ReceivingAE": "WATCHER"}, 0xC307),
        (None, SUSPEND, {"ReceivingAE": "WATCHER"}, 0xC314),
        (UPSGlobalSubscriptionInstance, CANCEL, {}, 0xC314),
        (UPSFilteredGlobalSubscriptionInstance, SUBSCRIBE, {"ReceivingAE": "WATCHER"}, 0x0115),
    ],
)
def test_what_is_no_subscription_is_refused(dicom, instance, action, information, expected):
    with associated(dicom) as peer:
        uid = instance or peer.create(step())[1]
        assert peer.act(uid, action, **information) == expected


def test_who_may_not_use_steps_is_refused(dicom):
    with associated(dicom, "STRANGER") as peer:
        assert peer.create(step())[0] == peer.get("1.2.3") == peer.act("1.2.3", CANCEL) == 0x0124


def test_a_subscriber_that_was_away_is_told_later_in_order(dicom):
    late = dicom.watchers["LATE"]
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        assert peer.act(uid, SUBSCRIBE, ReceivingAE="LATE", DeletionLock="TRUE") == 0
        assert peer.act(uid, CANCEL) == 0
    late.start()
    assert late.states(uid, 3) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


def test_a_restart_is_told_to_subscribers(dicom, watcher):
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        assert peer.act(uid, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
        watcher.next(uid)
    dicom.archive.write(lambda index: tell_restarted(index, dicom.archive.clock()))
    kind, information = watcher.next(UPSGlobalSubscriptionInstance)
    assert (kind, information.SCPStatus, information.SubscriptionListStatus) == (4, "RESTARTED", "WARM START")


def test_of_many_that_claim_a_step_at_once_one_has_it(dicom):
    with associated(dicom) as peer:
        _, uid = peer.create(step())
    answers, together = [], threading.Barrier(4)

    def claim():
        with associated(dicom) as peer:
            together.wait()
            answers.append(peer.state(uid, "IN PROGRESS", generate_uid()))

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0, 0xC301, 0xC301, 0xC301]


def test_a_task_that_is_cancelled_in_fhir_cancels_its_step(dicom):
    with associated(dicom) as peer:
        _, uid = peer.create(step())
        begun, _ = peer.begin()
        idle(dicom)
        for each in (uid, begun):
            [task] = resources(dicom, "Task", ("identifier", f"urn:dicom:uid|urn:oid:{each}"))
            dicom.fhir("PUT", f"Task/{task['id']}", {**task, "status": "cancelled"})
        until(lambda: peer.get(uid).ProcedureStepState == "CANCELED")
        until(
            lambda: resources(
                dicom, "Task", ("identifier", f"urn:dicom:uid|urn:oid:{begun}"), ("status", "in-progress")
            )
        )
        assert peer.get(begun).ProcedureStepState == "IN PROGRESS"


def test_a_change_of_the_patient_follows_into_steps(dicom):
    person(dicom, "p5", "P5", name=[{"family": "Old"}])
    patient = {"PatientID": "P5", "IssuerOfPatientID": "HOSPITAL", "PatientName": "Old"}
    with associated(dicom) as peer:
        _, uid = peer.create(step(**patient))
        idle(dicom)
        person(dicom, "p5", "P5", name=[{"family": "New"}], birthDate="1970-01-01")
        until(lambda: peer.get(uid).PatientName == "New")
        assert [each.PatientBirthDate for each in peer.find(PatientName="new", PatientBirthDate="")] == ["19700101"]
        assert peer.find(PatientName="Old") == []
