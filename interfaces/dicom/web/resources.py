"""The instances that a path names, and what identifies the state that they are in."""

from __future__ import annotations

import hashlib
import sqlite3

from interfaces.dicom.archive.instances import instances
from interfaces.dicom.web.exchange import WebRequest, not_found

_COLUMNS = {"studies": "t.uid", "series": "s.uid", "instances": "i.uid"}


def named(request: WebRequest, path: tuple[str, ...]) -> list[sqlite3.Row]:
    """The instances of /studies/1[/series/2[/instances/3]]; FhirError "not-found" for none. Held ones are none."""
    pairs = list(zip(path[::2], path[1::2], strict=False))
    where = " AND ".join(f"{_COLUMNS[kind]} = ?" for kind, _ in pairs)
    values = [uid for _, uid in pairs]
    rows = instances(request.archive.reading, f"{where} AND t.state <> 'quarantined'", values)
    if not rows or (request.visible and not request.visible(rows[0]["fhir_study"])):
        kind, uid = pairs[-1]
        raise not_found(f"{ {'studies': 'study', 'series': 'series', 'instances': 'instance'}[kind] } {uid}")
    return rows


def tag_of(rows: list[sqlite3.Row], *others: str) -> str:
    """An entity tag: the digests of the instances, what is coerced, and how they are given."""
    made = hashlib.sha256()
    for row in rows:
        made.update(row["digest"].encode())
    made.update(rows[0]["coercion"].encode())
    made.update(rows[0]["patient"].encode())
    made.update("\0".join(others).encode())
    return made.hexdigest()[:32]


def split(path: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The part of a path that names studies, series and instances, and the rest."""
    at = 0
    while at + 1 < len(path) and path[at] in _COLUMNS:
        at += 2
    return path[:at], path[at:]


def model_url(request: WebRequest, row: sqlite3.Row) -> str:
    """The URL of an instance."""
    return f"{request.base}/studies/{row['study_uid']}/series/{row['series_uid']}/instances/{row['instance_uid']}"
