"""What subscribers are told of a step (PS3.4 table CC.2.4-1), kept in order until each has had it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.archive.record import dumped
from interfaces.dicom.dataset.model import Model, items
from interfaces.dicom.workitems.attributes import (
    CONTACT_NAME,
    CONTACT_URI,
    DISCONTINUED,
    PERFORMERS,
    PROGRESS,
    READINESS,
    REASON,
    STATE,
    STATIONS,
    has,
)
from interfaces.dicom.workitems.states import CANCELED

SOP_CLASS = "1.2.840.10008.5.1.4.34.6.4"  # negotiated for events, which are of instances of the push class
STATE_REPORT, CANCEL_REQUESTED, PROGRESS_REPORT, STATUS_CHANGE, ASSIGNED = 1, 2, 3, 4, 5
REQUESTING_AE = "00741236"
PERFORMER_CODE, PERFORMER_ORGANIZATION = "00404009", "00404036"
JOB = "workitem-events"  # its key is the subscriber's AE title


class Event(NamedTuple):
    """An event type and its information."""

    type: int
    information: Model


RESTARTED = Event(
    STATUS_CHANGE,
    {
        "00741242": {"vr": "CS", "Value": ["RESTARTED"]},
        "00741244": {"vr": "CS", "Value": ["WARM START"]},  # the subscriptions
        "00741246": {"vr": "CS", "Value": ["WARM START"]},  # the steps
    },
)


def state_report(model: Model) -> Event:
    """The state and the readiness of a step, and of a cancelled one why."""
    reasons: Model = {}
    if model[STATE]["Value"] == [CANCELED]:
        for part in items(model, PROGRESS)[:1]:
            reasons = _chosen(part, REASON, DISCONTINUED)
    return Event(STATE_REPORT, {**_chosen(model, READINESS, STATE), **reasons})


def cancel_requested(reasons: Model, by: str) -> Event:
    """Somebody would like a step to be cancelled; reasons: the action information of the request."""
    given = _chosen(reasons, REASON, DISCONTINUED, CONTACT_URI, CONTACT_NAME)
    return Event(CANCEL_REQUESTED, {**given, REQUESTING_AE: {"vr": "AE", "Value": [by[:16]]}})


def changes(before: Model, after: Model) -> list[Event]:
    """What a creation (before: {}) or an update has to tell."""
    made = []
    if _differ(before, after, READINESS):
        made.append(state_report(after))
    if _differ(before, after, PROGRESS) and has(after, PROGRESS):
        made.append(Event(PROGRESS_REPORT, _chosen(after, PROGRESS)))
    stations = _chosen(after, STATIONS) if _differ(before, after, STATIONS) and has(after, STATIONS) else {}
    if _differ(before, after, PERFORMERS) and has(after, PERFORMERS):
        for part in items(after, PERFORMERS):
            made.append(Event(ASSIGNED, {**stations, **_chosen(part, PERFORMER_CODE, PERFORMER_ORGANIZATION)}))
    elif stations:
        made.append(Event(ASSIGNED, stations))
    return made


def tell(index: Rows, uid: str, events: Iterable[Event], moment: int) -> None:
    """Has every subscriber of a step told of events, in their order (inside a transaction)."""
    subscribers = index.distinct("subscription", "subscriber", {"uid": uid})
    for event in events if subscribers else ():
        for subscriber in subscribers:
            tell_one(index, subscriber, uid, event, moment)


def tell_one(index: Rows, subscriber: str, uid: str, event: Event, moment: int) -> None:
    """Has one subscriber told of an event (inside a transaction)."""
    values = {"subscriber": subscriber, "uid": uid, "type": event.type, "information": dumped(event.information)}
    index.insert("workitem_event", {**values, "at": moment})
    enqueue(index, JOB, subscriber, moment)


def _chosen(model: Model, *tags: str) -> Model:
    return {tag: model[tag] for tag in tags if tag in model}


def _differ(before: Model, after: Model, tag: str) -> bool:
    return before.get(tag, {}).get("Value") != after.get(tag, {}).get("Value")
