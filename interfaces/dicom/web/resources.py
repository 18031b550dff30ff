"""The instances that a path names, and what identifies the state that they are in."""

from __future__ import annotations

import hashlib

from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.archive.lost import is_whole, tell_lost
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, not_found

MOST_NAMED = 10  # instances in a warning
_TAGS = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}


def named(request: WebRequest, path: tuple[str, ...]) -> list[Row]:
    """The instances of /studies/1[/series/2[/instances/3]]; FhirError "not-found" for none. Held ones are none."""
    pairs = list(zip(path[::2], path[1::2], strict=False))
    rows = instances(request.archive.reading, keys_of(path))
    if not rows or (request.visible and not request.visible(rows[0]["fhir_study"])):
        kind, uid = pairs[-1]
        raise not_found(f"{ {'studies': 'study', 'series': 'series', 'instances': 'instance'}[kind] } {uid}")
    request.about.update(row["fhir_patient"] for row in rows)
    return rows


def readable(request: WebRequest, rows: list[Row]) -> list[Row]:
    """Those of the instances whose files are whole, the others told; Torn where none is."""
    archive = request.archive
    whole = [row for row in rows if is_whole(archive, row)]
    if len(whole) < len(rows):
        kept = {row["instance_uid"] for row in whole}
        tell_lost(archive, [row for row in rows if row["instance_uid"] not in kept])
    if not whole:
        raise Torn(
            "Each file of what is asked for" if len(rows) > 1 else f"The file of instance {rows[0]['instance_uid']}"
        )
    return whole


def partial(answer: WebAnswer, wanted: list[Row], given: list[Row]) -> WebAnswer:
    """An answer of instances; 206 without ETag, with a warning that names who is missing, where not all are given
    (PS3.18 table 10.4.3-1)."""
    there = {row["instance_uid"] for row in given}
    missing = [row["instance_uid"] for row in wanted if row["instance_uid"] not in there]
    if not missing:
        return answer
    named = ", ".join(missing[:MOST_NAMED]) + (" and others" if len(missing) > MOST_NAMED else "")
    told = f"{len(missing)} of {len(wanted)} instances can't be given: {named}"
    headers = [(name, value) for name, value in answer.headers if name != "etag"]
    return answer._replace(status=206, headers=[*headers, ("warning", f'299 - "{told}"')])


def keys_of(path: tuple[str, ...]) -> dict[str, str]:
    """The unique keys that a path names: tag -> UID."""
    return {_TAGS[kind]: uid for kind, uid in zip(path[::2], path[1::2], strict=False)}


def tag_of(rows: list[Row], *others: str) -> str:
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
    while at + 1 < len(path) and path[at] in _TAGS:
        at += 2
    return path[:at], path[at:]


def model_url(request: WebRequest, row: Row) -> str:
    """The URL of an instance."""
    return f"{request.base}/studies/{row['study_uid']}/series/{row['series_uid']}/instances/{row['instance_uid']}"
