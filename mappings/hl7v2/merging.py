"""A resource as it is and what a message says of it, as the resource that it becomes.

Empty keeps, `""` removes (HL7 v2.9, 2.5.3); a repeating element that the message states is stated whole; an older
message changes nothing of what a newer one said. The time of the message is kept in the resource's meta.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fhir_server.definitions import load

SNAPSHOT = "urn:x-hl7v2:snapshot"  # the extension of meta that tells MSH-7 of the message that spoke last
# Lists that grow: an element that a message states is added to those there, or takes the place of its like.
GROWING = {
    ("Patient", "identifier"), ("Encounter", "identifier"), ("DiagnosticReport", "identifier"),
    ("DiagnosticReport", "result"), ("ServiceRequest", "identifier"), ("Specimen", "identifier"),
    ("Encounter", "location"), ("Encounter", "diagnosis"), ("Appointment", "identifier"),
    ("DocumentReference", "relatesTo"), ("Patient", "link"), ("Account", "subject"),
}  # fmt: skip

OVER = ("finished", "cancelled", "entered-in-error")  # states of a visit whose patient is in no place of it


def snapshot_of(resource: dict[str, Any]) -> str:
    """The time of the message that spoke last of a resource, "" for none."""
    for extension in resource.get("meta", {}).get("extension", ()):
        if extension.get("url") == SNAPSHOT:
            return extension.get("valueDateTime", "")
    return ""


def is_older(sent: str, kept: str) -> bool:
    """Whether a message sent then is older than what is kept; unknown or equal times are not."""
    try:
        return bool(sent and kept) and _moment(sent) < _moment(kept)
    except ValueError:
        return False


def stamp(resource: dict[str, Any], sent: str) -> None:
    """Keeps the time of the message in a resource."""
    if not sent:
        return
    meta = resource.setdefault("meta", {})
    others = [one for one in meta["extension"] if one.get("url") != SNAPSHOT] if "extension" in meta else ()
    meta["extension"] = [*others, {"url": SNAPSHOT, "valueDateTime": sent}]


def merge(current: dict[str, Any], said: dict[str, Any], removals: list[Any]) -> dict[str, Any]:
    """What current becomes by what a message says; neither is changed."""
    type_name = said["resourceType"]
    merged = dict(current)
    if "meta" in current:
        merged["meta"] = {
            name: value for name, value in current["meta"].items() if name not in ("versionId", "lastUpdated")
        }
    merged.pop("text", None)
    for path, told, _ in removals:
        _remove(merged, path, told)
    told = any(name == "component" or _is_value(name) or name == "dataAbsentReason" for name in said)
    if type_name == "Observation" and told:
        for name in [name for name in merged if name == "component" or _is_value(name)]:
            del merged[name]  # obs-6, obs-7: a value of its own, those of components, or why there is none
    stems = choices_of(type_name)
    for name, value in said.items():
        if name in ("resourceType", "id", "meta"):
            continue
        for stem in stems:
            if name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper():
                for other in [
                    one for one in merged if one.startswith(stem) and one[len(stem) : len(stem) + 1].isupper()
                ]:
                    del merged[other]
                if stem == "value":
                    merged.pop("dataAbsentReason", None)
        if merged.get(name) != value and f"_{name}" not in said:
            merged.pop(f"_{name}", None)  # extensions of another value, such as the time of another birth
        merged[name] = _joined(type_name, name, merged.get(name), value)
    if type_name == "Encounter":
        _move(merged, said)
    drop_unused(merged)
    return merged


def keep_participants(said: dict[str, Any], current: dict[str, Any], unstated: set[str]) -> None:
    """Adds to what a message says of an appointment those participants of kinds that it names no segment for."""
    stated = said.get("participant", [])
    known = {one.get("actor", {}).get("reference") for one in stated}
    for one in current.get("participant", ()):
        reference = one.get("actor", {}).get("reference", "")
        kind = (
            reference.lstrip("#").partition("/")[0].partition("-")[0]
        )  # Location/7, or #location-… of a contained one
        if reference not in known and any(kind.lower() == name.lower() for name in unstated):
            said.setdefault("participant", []).append(one)


def drop_supposed(said: dict[str, Any], current: dict[str, Any], notes: dict[str, Any]) -> None:
    """Takes from what a message says of a resource what it only supposes and the resource has already.

    notes: "supposed" has the elements with the values that they yield to, () for any; of a status that is taken back
    with the end of a period ("removals") nothing is kept.
    """
    removed = [path for path, _, _ in notes.get("removals", ())]
    for name, values in notes.get("supposed", {}).items():
        if values and ("period", "end") in removed:
            continue
        stem = next((one for one in choices_of(said["resourceType"]) if name.startswith(one)), name)
        kept = next((current[one] for one in current if one == name or (stem != name and one.startswith(stem))), None)
        if kept is not None and (not values or kept in values):
            said.pop(name, None)


def _is_value(name: str) -> bool:
    return name.startswith("value") and name[5:6].isupper()


def drop_unused(resource: dict[str, Any]) -> None:
    """Contained resources that nothing refers to any more."""
    contained = resource.get("contained")
    if not contained:
        return
    by_id = {f"#{one.get('id')}": one for one in contained}
    waiting = list(_values_of("reference", {name: value for name, value in resource.items() if name != "contained"}))
    used: set[str] = set()
    while waiting:
        reference = waiting.pop()
        if reference in by_id and reference not in used:
            used.add(reference)
            waiting.extend(_values_of("reference", by_id[reference]))
    kept = [one for one in contained if f"#{one.get('id')}" in used]
    if kept:
        resource["contained"] = kept
    else:
        del resource["contained"]


def _values_of(name: str, item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        for key, value in item.items():
            if key == name:
                yield value
            else:
                yield from _values_of(name, value)
    elif isinstance(item, list):
        for one in item:
            yield from _values_of(name, one)


@functools.cache
def choices_of(type_name: str) -> frozenset[str]:
    """The stems of a type's choices, such as value of value[x]."""
    return frozenset(element.name for element in load().types[type_name].elements if element.choice)


@functools.cache
def stems_of(type_name: str) -> dict[str, str]:
    """The names by which a type's choices are stated: valueQuantity -> value."""
    properties = load().properties(type_name)
    return {name: found.element.name for name, found in properties.items() if found.element.choice}


def _joined(type_name: str, name: str, old: Any, new: Any) -> Any:
    if name == "extension":
        return _extensions(old or [], new)
    if (type_name, name) in GROWING and isinstance(old, list):
        kept = [one for one in old if _mark(name, one) not in {_mark(name, other) for other in new}]
        return [*kept, *new] if name != "identifier" else _identifiers(old, new)
    if (
        isinstance(old, dict)
        and isinstance(new, dict)
        and name in ("hospitalization", "period", "collection", "context")
    ):
        return {**old, **new}
    if name == "contained" and isinstance(old, list):
        ids = {one["id"] for one in new}
        return [*(one for one in old if one.get("id") not in ids), *new]
    return new


def _identifiers(old: list[Any], new: list[Any]) -> list[Any]:
    joined = list(old)
    for one in new:
        at = next(
            (index for index, other in enumerate(joined) if _mark("identifier", other) == _mark("identifier", one)),
            None,
        )
        if at is None:
            joined.append(one)
        else:
            joined[at] = {**joined[at], **one}
    return joined


def _mark(name: str, item: Any) -> Any:
    """What tells an item of a growing list from its like."""
    if name == "identifier":
        return item.get("system"), item.get("value")
    if name == "location":
        return item.get("location", {}).get("reference")
    if name == "diagnosis":
        return item.get("condition", {}).get("reference")
    if name == "link":
        return item.get("other", {}).get("reference")
    return item.get("reference") or repr(item)


def _extensions(old: list[Any], new: list[Any]) -> list[Any]:
    urls = {one["url"] for one in new}
    return [*(one for one in old if one.get("url") not in urls), *new]


def _move(merged: dict[str, Any], said: dict[str, Any]) -> None:
    """A visit is in the place that the message names; the places before are completed, all where it is over."""
    stated = {one.get("location", {}).get("reference"): one for one in said.get("location", ())}
    active = any(one.get("status") == "active" for one in stated.values())
    over = merged.get("status") in OVER
    for at, one in enumerate(merged.get("location", ())):
        left = over or (active and one.get("location", {}).get("reference") not in stated)
        if left and one.get("status") == "active":
            merged["location"][at] = {**one, "status": "completed"}


def _remove(resource: dict[str, Any], path: tuple[str, ...], told: dict[str, str]) -> None:
    name, *others = path
    if others:
        inner = resource.get(name)
        if isinstance(inner, dict):
            resource[name] = inner = dict(inner)  # that of the resource as it is stays
            _remove(inner, tuple(others), told)
            if not inner:
                del resource[name]
        return
    if isinstance(resource.get(name), list) and told:
        home = name == "telecom" and told.get("use") == "home"  # as is what states no use: work is always told
        kept = [one for one in resource[name] if not (_matches(one, told) or (home and "use" not in one))]
        if kept:
            resource[name] = kept
        else:
            del resource[name]
        return
    if name == "identifier":
        return  # who somebody is is not removed by a null
    resource.pop(name, None)
    resource.pop(f"_{name}", None)


def _matches(item: Any, told: dict[str, str]) -> bool:
    return all(wanted in _values(item, path.split(".")) for path, wanted in told.items())


def _values(item: Any, names: list[str]) -> list[Any]:
    if isinstance(item, list):
        return [found for one in item for found in _values(one, names)]
    if not names:
        return [item]
    return _values(item[names[0]], names[1:]) if isinstance(item, dict) and names[0] in item else []


def _moment(text: str) -> datetime:
    padded = text if "T" in text else f"{text}-01-01"[:10] if len(text) == 4 else f"{text}-01"[:10]
    found = datetime.fromisoformat(padded.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=datetime.fromisoformat("2000-01-01T00:00:00+00:00").tzinfo)
