"""What refers to one patient comes to refer to another: in a merge or a move, and where one of them came between.

A message is read against the store as it is and committed a moment later. Where a patient whom it names is merged away
in that moment, or a visit or an account that it names is moved to another patient, under a number that the message does
not have, its resources are put at a patient who has ended, or whose visit it is no more; where they were put there just
before, the merge or the move has not seen them. So both look again once they are committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mappings.hl7v2.reader import Reader

Json = dict[str, Any]
STAYING = ("Patient", "Provenance", "AuditEvent")  # merged patients lead to survivors by links; what was said stays


class Named(NamedTuple):
    """Who may end, or what may be moved, before a transaction is committed.

    patient: Patient/7; visit: a visit or an account (Encounter/9) that was that patient's, "" for the patient as such.
    """

    patient: str
    visit: str = ""


def patients_of(visit: Json) -> list[str]:
    """Whose a visit or an account is (Patient/7)."""
    subject = visit.get("subject", [])
    return [one.get("reference", "") for one in (subject if isinstance(subject, list) else [subject])]


def replaced(patient: Json) -> bool:
    """Whether a patient was merged into another."""
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))


async def way_to_survivor(reader: Reader, patient: Json) -> list[Json]:
    """The patient, those that it was merged into one after the other, and last who is left."""
    way = [patient]
    while True:
        link = next((one for one in way[-1].get("link", ()) if one.get("type") == "replaced-by"), None)
        following = await reader.read(link["other"]["reference"]) if link else None
        if following is None or any(one["id"] == following["id"] for one in way):
            return way
        way.append(following)


async def move(reader: Reader, entries: list[Json], moves: Mapping[str, str]) -> None:
    """Whatever refers to a patient in moves comes to refer to whom it names; what entries write already, in them."""
    written = {entry["fullUrl"]: entry for entry in entries}
    for reference in moves:
        for other in await reader.referring(reference):
            if other["resourceType"] not in STAYING:
                redirect(entries, written, other, moves)


async def move_with(reader: Reader, entries: list[Json], visit: str, moves: Mapping[str, str]) -> None:
    """What refers to a visit or an account (Encounter/9) and to a patient in moves goes to whom moves names."""
    written = {entry["fullUrl"]: entry for entry in entries}
    for reference in moves:
        for other in await reader.referring(reference):
            if other["resourceType"] not in STAYING and _refers(other, visit):
                redirect(entries, written, other, moves)


def redirect(entries: list[Json], written: dict[str, Json], resource: Json, moves: Mapping[str, str]) -> None:
    """The references of a resource by moves, in the entry that writes it or in one of its own."""
    url = f"{resource['resourceType']}/{resource['id']}"
    if (entry := written.get(url)) is not None:
        entry["resource"] = _redirected(entry["resource"], moves)
    elif (moved := _redirected(resource, moves)) != resource:
        written[url] = update_of(moved)
        entries.append(written[url])


async def left_behind(reader: Reader, named: Iterable[Named]) -> list[Json]:
    """The entries that move what is at those who were merged away, and what belongs to visits that were moved; []
    where there is nothing of it."""
    moves: dict[str, str] = {}
    moved: list[tuple[str, dict[str, str]]] = []
    for reference, visit in named:
        found = await reader.read(visit or reference)
        if found is None:
            continue
        if visit:
            now = patients_of(found)
            if len(now) == 1 and reference not in now:
                moved.append((visit, {reference: now[0]}))
        elif replaced(found):
            way = await way_to_survivor(reader, found)
            moves |= {f"Patient/{one['id']}": f"Patient/{way[-1]['id']}" for one in way[:-1]}
    entries: list[Json] = []
    await move(reader, entries, moves)
    for visit, to in moved:
        await move_with(reader, entries, visit, to)
    return entries


def update_of(resource: Json) -> Json:
    """The entry that updates the version that was read."""
    url = f"{resource['resourceType']}/{resource['id']}"
    meta = resource.get("meta", {})
    request = {"method": "PUT", "url": url}
    if "versionId" in meta:
        request["ifMatch"] = f'W/"{meta["versionId"]}"'
    kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")}
    body = {name: value for name, value in resource.items() if name != "meta"}
    return {"fullUrl": url, "resource": {**body, **({"meta": kept} if kept else {})}, "request": request}


def entry_of(entries: list[Json], resource: Json) -> Json:
    """The entry that writes a resource; one that leaves it as it is where there was none."""
    entry = update_of(resource)
    found = next((one for one in entries if one["fullUrl"] == entry["fullUrl"]), None)
    if found is None:
        entries.append(entry)
    return found or entry


def _redirected(value: Any, moves: Mapping[str, str]) -> Any:
    """The same with each reference by moves; what becomes the same by that is there once."""
    if isinstance(value, dict):
        return {
            name: moves[item]
            if name == "reference" and isinstance(item, str) and item in moves
            else _redirected(item, moves)
            for name, item in value.items()
        }
    if isinstance(value, list):
        items = [_redirected(item, moves) for item in value]
        return items if items == value else list({repr(one): one for one in items}.values())
    return value


def _refers(value: Any, reference: str) -> bool:
    """Whether there is such a reference in it, with or without a version."""
    if isinstance(value, dict):
        stated = value.get("reference")
        named = isinstance(stated, str) and stated.partition("/_history/")[0] == reference
        return named or any(_refers(item, reference) for item in value.values())
    return isinstance(value, list) and any(_refers(item, reference) for item in value)
