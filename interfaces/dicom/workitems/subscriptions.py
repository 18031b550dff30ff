"""Who is told of which steps (PS3.4 section CC.2.3): of one, of all, or of those that match keys."""

from __future__ import annotations

import json

from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.matching import matches
from interfaces.dicom.archive.record import dumped
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.workitems.events import RESTARTED, state_report, tell_one
from interfaces.dicom.workitems.finding import compared, find
from interfaces.dicom.workitems.statuses import INVALID_ARGUMENT, NO_SUCH_STEP, WRONG_INSTANCE, Refused

GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"
EVERYTHING = (GLOBAL, FILTERED)  # well-known instances that stand for the steps there are and will be


def subscribe(index: Rows, uid: str, subscriber: str, lock: bool, keys: Model, moment: int) -> None:
    """Subscribes to a step, or to all that are there and will come (inside a transaction).

    lock: the subscriber wants to see the final state. The states that are there are told: of one step always, of all
    with a lock only (section CC.2.3.3).
    """
    if uid not in EVERYTHING:
        row = index.one("workitem", {"uid": uid})
        if row is None:
            raise Refused(NO_SUCH_STEP)
        _put(index, uid, subscriber, lock)
        tell_one(index, subscriber, uid, state_report(json.loads(row["attributes"])), moment)
        return
    if uid == FILTERED and not keys:
        raise Refused(INVALID_ARGUMENT, "a filtered subscription needs matching keys")
    keys = compared(keys) if uid == FILTERED else {}
    _put(index, uid, subscriber, lock, dumped(keys))
    known = set(index.distinct("subscription", "uid", {"subscriber": subscriber}))
    for found in find(index, keys):
        if found.uid not in known:
            _put(index, found.uid, subscriber, lock)
            if lock:
                tell_one(index, subscriber, found.uid, state_report(found.model), moment)


def unsubscribe(index: Rows, uid: str, subscriber: str) -> int:
    """Ends a subscription to a step, or with a well-known instance all that the subscriber has; gives how many."""
    if uid in EVERYTHING:
        index.remove("workitem_event", {"subscriber": subscriber})
        return index.remove("subscription", {"subscriber": subscriber})
    if index.one("workitem", {"uid": uid}) is None:
        raise Refused(NO_SUCH_STEP)
    return index.remove("subscription", {"subscriber": subscriber, "uid": uid})


def suspend(index: Rows, uid: str, subscriber: str) -> int:
    """Subscribes to no steps that come later; those that are there stay subscribed."""
    if uid not in EVERYTHING:
        raise Refused(WRONG_INSTANCE)
    return index.remove("subscription", {"subscriber": subscriber, "uid": uid})


def subscribe_to_new(index: Rows, uid: str, model: Model) -> None:
    """Subscribes to a new step whoever has asked for all, or for such as it is (inside a transaction)."""
    for everything in EVERYTHING:
        for row in index.all("subscription", {"uid": everything}, "subscriber"):
            if matches(model, json.loads(row["keys"])):
                _put(index, uid, row["subscriber"], bool(row["deletion_lock"]))


def tell_restarted(index: Rows, moment: int) -> None:
    """Has every subscriber told that this service was away, and has lost nothing (inside a transaction)."""
    for subscriber in index.distinct("subscription", "subscriber", {}):
        tell_one(index, subscriber, GLOBAL, RESTARTED, moment)


def _put(index: Rows, uid: str, subscriber: str, lock: bool, keys: str = "{}") -> None:
    index.put("subscription", {"subscriber": subscriber, "uid": uid}, {"deletion_lock": int(lock), "keys": keys})
