"""The states of a Unified Procedure Step and what changes them (PS3.4 section CC.1.1)."""

from __future__ import annotations

from interfaces.dicom.workitems.statuses import (
    ALREADY_CANCELED,
    ALREADY_COMPLETED,
    ALREADY_IN_PROGRESS,
    COMPLETED_BEFORE,
    NO_LONGER_UPDATED,
    NOT_IN_PROGRESS,
    ONLY_BY_CREATION,
    SUCCESS,
    WRONG_TRANSACTION,
)

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = STATES = ("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")
FINAL = (COMPLETED, CANCELED)
# table CC.1.1-2, with the correct Transaction UID: state asked for -> state it is in -> status; on success it changes
CHANGES = {
    SCHEDULED: dict.fromkeys(STATES, ONLY_BY_CREATION),
    IN_PROGRESS: {
        SCHEDULED: SUCCESS,
        IN_PROGRESS: ALREADY_IN_PROGRESS,
        COMPLETED: NO_LONGER_UPDATED,
        CANCELED: NO_LONGER_UPDATED,
    },
    COMPLETED: {
        SCHEDULED: NOT_IN_PROGRESS,
        IN_PROGRESS: SUCCESS,
        COMPLETED: ALREADY_COMPLETED,
        CANCELED: NO_LONGER_UPDATED,
    },
    CANCELED: {
        SCHEDULED: NOT_IN_PROGRESS,
        IN_PROGRESS: SUCCESS,
        COMPLETED: NO_LONGER_UPDATED,
        CANCELED: ALREADY_CANCELED,
    },
}
# the same table's row of a requested cancellation
CANCEL_REQUESTS = {
    SCHEDULED: SUCCESS,
    IN_PROGRESS: SUCCESS,
    COMPLETED: COMPLETED_BEFORE,
    CANCELED: ALREADY_CANCELED,
}


def change(state: str, wanted: str, lock: str, transaction: str) -> int:
    """The status of a change of state; lock: the Transaction UID that the step has, transaction: the one given."""
    if wanted != SCHEDULED and not holds(lock, transaction):
        return WRONG_TRANSACTION
    return CHANGES[wanted][state]


def update(state: str, lock: str, transaction: str) -> int:
    """The status of an N-SET (section CC.2.6): a scheduled step is set without a Transaction UID."""
    if state in FINAL:
        return NO_LONGER_UPDATED
    if state == SCHEDULED:
        return NOT_IN_PROGRESS if transaction else SUCCESS
    return SUCCESS if holds(lock, transaction) else WRONG_TRANSACTION


def holds(lock: str, transaction: str) -> bool:
    """Whether a Transaction UID is the correct one: any is as long as none locks the step."""
    return bool(transaction) and lock in ("", transaction)
