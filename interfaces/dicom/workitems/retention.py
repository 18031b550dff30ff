"""Ended steps are removed after the days of the setting; a deletion lock keeps one (PS3.4 section CC.2.3.1)."""

from __future__ import annotations

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Rows, below, one_of
from interfaces.dicom.workitems.states import FINAL
from interfaces.dicom.workitems.steps import JOB

DAY = 86_400 * 1_000_000  # microseconds
TOGETHER = 200


def remove_ended(archive: Archive) -> int:
    """Removes steps that ended longer ago than `dicom_step_days`; their Tasks stay. Gives how many."""
    days = archive.settings.dicom_step_days
    if not days:
        return 0
    old = {"state": one_of(sorted(FINAL)), "changed": below(archive.clock() - days * DAY)}
    uids = archive.reading.distinct("workitem", "uid", old)
    removed = 0
    for start in range(0, len(uids), TOGETHER):
        part = uids[start : start + TOGETHER]
        removed += archive.write(lambda index, part=part: _remove(index, part))
    return removed


def _remove(index: Rows, uids: list[str]) -> int:
    """Those that nobody locks and whose Task is written (inside a transaction)."""
    named = one_of(uids)
    kept = {*index.distinct("subscription", "uid", {"uid": named, "deletion_lock": 1})}
    kept |= {*index.distinct("job", "key", {"kind": JOB, "key": named})}
    free = one_of([uid for uid in uids if uid not in kept])
    index.remove("subscription", {"uid": free})
    return index.remove("workitem", {"uid": free})
