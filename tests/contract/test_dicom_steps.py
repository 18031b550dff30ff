"""Unified Procedure Steps on both engines of the index; MongoDB where HMS_TEST_MONGODB_URL names a server."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fhir_server.core.erasing import Erased
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.erasing import Erasing
from interfaces.dicom.archive.index import one_of
from interfaces.dicom.dataset.model import text
from interfaces.dicom.workitems import finding, steps
from interfaces.dicom.workitems.retention import DAY, remove_ended
from interfaces.dicom.workitems.statuses import Refused
from interfaces.dicom.workitems.steps import Who
from interfaces.dicom.workitems.subscriptions import FILTERED, GLOBAL, subscribe, suspend, unsubscribe
from tests.contract.test_dicom_index import Archives, archives, element, kind  # noqa: F401
from tests.unit.interfaces.dicom.test_step_attributes import step


def moving(state: str, transaction: str) -> dict[str, Any]:
    return {"00741000": element("CS", state), "00081195": element("UI", transaction)}


def refusal(work: Any, *arguments: Any) -> int:
    with pytest.raises(Refused) as caught:
        work(*arguments)
    return caught.value.code


def subscribed(archive: Archive, uid: str, subscriber: str, lock: bool = False, **keys: Any) -> None:
    archive.write(lambda index: subscribe(index, uid, subscriber, lock, keys, archive.clock()))


def told(archive: Archive, subscriber: str) -> list[str]:
    return [row["uid"] for row in archive.reading.all("workitem_event", {"subscriber": subscriber})]


def test_a_step_is_locked_for_every_process(archives: Archives):  # noqa: F811
    one, two = archives.opened[0], archives.open()
    archives.opened.append(two)
    assert steps.create(one, "1.1", step(), Who("A")) == 0
    assert refusal(steps.create, two, "1.1", step(), Who("B")) == 0x0111
    assert steps.change_state(one, "1.1", moving("IN PROGRESS", "9.1"), Who("A")) == 0
    assert refusal(steps.change_state, two, "1.1", moving("IN PROGRESS", "9.2"), Who("B")) == 0xC301
    assert refusal(steps.update, two, "1.1", {"00741204": element("LO", "Mine")}, Who("B")) == 0xC301
    assert text(steps.get(two.reading, "1.1"), "00741000") == "IN PROGRESS"
    assert [row["key"] for row in one.reading.all("job", {"kind": steps.JOB})] == ["1.1"]


def test_steps_are_found_in_their_order_page_by_page(archives: Archives, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    monkeypatch.setattr(finding, "PAGE", 2)
    [archive] = archives.opened
    for number in range(1, 6):
        steps.create(archive, f"1.{number}", step(**{"00741202": element("LO", "AB"[number % 2])}), Who("A"))
    for keys, expected in (
        ({}, ["1.1", "1.2", "1.3", "1.4", "1.5"]),
        ({"00741202": element("LO", "B")}, ["1.1", "1.3", "1.5"]),
        ({"00080018": element("UI", "1.5", "1.2")}, ["1.2", "1.5"]),
        ({"00741202": element("LO", "?"), "00741204": element("LO", "Pr*")}, ["1.1", "1.2", "1.3", "1.4", "1.5"]),
        ({"00741000": element("CS", "COMPLETED")}, []),
    ):
        assert [found.uid for found in finding.find(archive.reading, keys)] == expected, keys


def test_subscriptions_to_one_to_all_and_to_some(archives: Archives):  # noqa: F811
    [archive] = archives.opened
    steps.create(archive, "1.1", step(), Who("A"))
    subscribed(archive, "1.1", "ONE")
    subscribed(archive, GLOBAL, "ALL", True)
    subscribed(archive, FILTERED, "HIGH", True, **{"00741200": element("CS", "HIGH")})
    assert [told(archive, name) for name in ("ONE", "ALL", "HIGH")] == [["1.1"], ["1.1"], []]
    steps.create(archive, "1.2", step(**{"00741200": element("CS", "HIGH")}), Who("A"))
    assert [told(archive, name) for name in ("ONE", "ALL", "HIGH")] == [["1.1"], ["1.1", "1.2"], ["1.2"]]
    assert archive.write(lambda index: suspend(index, GLOBAL, "ALL")) == 1
    assert archive.write(lambda index: unsubscribe(index, FILTERED, "HIGH")) == 2
    steps.create(archive, "1.3", step(**{"00741200": element("CS", "HIGH")}), Who("A"))
    steps.request_cancel(archive, "1.2", {}, Who("A"))
    assert [told(archive, name) for name in ("ALL", "HIGH")] == [["1.1", "1.2", "1.2", "1.2"], []]


def test_ended_steps_are_removed_after_their_days_unless_one_is_locked(archives: Archives):  # noqa: F811
    [archive] = archives.opened
    for uid in ("1.1", "1.2", "1.3", "1.4"):
        steps.create(archive, uid, step(), Who("A"))
    for uid in ("1.1", "1.2", "1.3"):
        steps.request_cancel(archive, uid, {}, Who("A"))
    subscribed(archive, "1.1", "WATCHER")
    subscribed(archive, "1.2", "WATCHER", lock=True)
    archive.write(lambda index: index.remove("job", {"key": one_of(["1.1", "1.2"])}))  # their Tasks are written
    assert remove_ended(archive) == 0
    moment = archive.clock()
    archive.settings = msgspec.structs.replace(archive.settings, dicom_step_days=30)
    archive.clock = lambda: moment + 29 * DAY
    assert remove_ended(archive) == 0
    archive.clock = lambda: moment + 31 * DAY
    assert remove_ended(archive) == 1
    assert archive.reading.distinct("workitem", "uid", {}) == ["1.2", "1.3", "1.4"]
    archive.write(lambda index: unsubscribe(index, "1.2", "WATCHER"))
    assert remove_ended(archive) == 1 and refusal(steps.get, archive.reading, "1.2") == 0xC307


def test_a_patients_steps_are_erased_and_nobody_elses(archives: Archives):  # noqa: F811
    [archive] = archives.opened
    subscribed(archive, GLOBAL, "ALL")
    for number, patient in enumerate(("P1", "P2", "P1"), 1):
        steps.create(archive, f"1.{number}", step(**{"00100020": element("LO", patient)}), Who("A"))
    archive.write(lambda index: index.change("workitem", {"uid": "1.3"}, {"fhir_patient": "Patient/2"}))
    erased = Erased("Patient/1", frozenset([("", "P1")]), frozenset())
    assert asyncio.run(Erasing(archive)(erased))["workitems"] == 1
    assert [found.uid for found in finding.find(archive.reading, {})] == told(archive, "ALL") == ["1.2", "1.3"]
    assert [row["key"] for row in archive.reading.all("job", {"kind": steps.JOB})] == ["1.2", "1.3"]
