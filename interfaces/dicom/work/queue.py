"""Jobs in the index: claimed for a while, tried again after growing pauses, kept for people to see where they fail."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row, Rows, Where, above, apart_from, at_most, below, is_not, one_of

LEASE = 120_000_000  # microseconds after which a job of a process that ended is taken by another
PAUSES = (1, 5, 15, 60, 300, 900)  # seconds before it is tried again
ATTEMPTS = 12


class Job(NamedTuple):
    """One job: its kind, what it is about, and how often it was tried."""

    pk: int
    kind: str
    key: str
    round: int
    attempts: int
    payload: dict[str, Any]


def claim(archive: Archive, kinds: Collection[str] = (), busy: Collection[str] = ()) -> Job | None:
    """The next job that is due, of these kinds or of any, for this process alone.

    busy: peers whose jobs are passed over, by AE title, which their keys begin with.
    """
    moment = archive.clock()
    wanted: dict[str, Any] = {"kind": one_of([*kinds])} if kinds else {}
    if busy:
        wanted["key"] = apart_from([*busy])
    if _due(archive.reading, wanted, moment) is None:
        return None

    def work(index: Rows) -> Job | None:
        row = _due(index, wanted, moment)
        if row is None:
            return None
        index.change("job", {"pk": row["pk"]}, {"state": "running", "leased": moment + LEASE})
        payload = json.loads(row["payload"])
        return Job(row["pk"], row["kind"], row["key"], row["round"], row["attempts"], payload)

    return archive.write(work)


def _due(index: Rows, wanted: Where, moment: int) -> Row | None:
    """The job to do first: one that waits, or one whose process has ended."""
    found = [
        *index.all("job", {**wanted, "state": "waiting", "due": at_most(moment)}, "due", limit=1),
        *index.all("job", {**wanted, "state": "running", "leased": below(moment)}, "due", limit=1),
    ]
    return min(found, key=lambda row: row["due"], default=None)


def done(archive: Archive, job: Job) -> None:
    """Takes a job off the list, unless it was asked for again meanwhile."""

    def work(index: Rows) -> None:
        index.remove("job", {"pk": job.pk, "round": job.round})
        index.change("job", {"pk": job.pk, "state": "running"}, {"state": "waiting"})

    archive.write(work)


def renew(archive: Archive, job: Job) -> None:
    """Keeps a job that takes long from being taken by another process."""
    leased = {"leased": archive.clock() + LEASE}
    archive.write(lambda index: index.change("job", {"pk": job.pk, "state": "running"}, leased))


def later(archive: Archive, job: Job, due: int) -> None:
    """Puts a job off that was not tried."""
    archive.write(lambda index: index.change("job", {"pk": job.pk}, {"state": "waiting", "due": due}))


def failed(archive: Archive, job: Job, problem: str, *, transient: bool) -> bool:
    """Puts a job off; False once it is given up: a transient failure never is."""
    attempts = job.attempts + 1
    pause = PAUSES[min(attempts, len(PAUSES)) - 1] * 1_000_000
    given_up = attempts >= ATTEMPTS and not transient
    changed = {
        "state": "failed" if given_up else "waiting",
        "attempts": attempts,
        "due": archive.clock() + pause,
        "problem": problem[:500],
    }
    archive.write(lambda index: index.change("job", {"pk": job.pk}, changed))
    return not given_up


def again(archive: Archive, pk: int) -> bool:
    """Has a job tried at once, one that was given up too; False where there is none."""
    asked = {"state": "waiting", "attempts": 0, "due": archive.clock()}
    return bool(archive.write(lambda index: index.change("job", {"pk": pk, "state": is_not("running")}, asked)))


def listed(archive: Archive, after: int = 0, most: int = -1) -> list[dict[str, Any]]:
    """Jobs that are not done, the one asked for first first; after: the number (pk) behind which they begin."""
    names = ("pk", "kind", "key", "state", "attempts", "due", "problem")
    rows = archive.reading.all("job", {"pk": above(after)}, limit=most)
    return [{name: row[name] for name in names} for row in rows]
