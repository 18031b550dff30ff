"""Modality Worklist (PS3.4 annex K)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pynetdicom import evt

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.matching import in_moments, matches, wrong
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.disclosing import disclosed
from interfaces.dicom.services.identifiers import CHARACTER_SET, answer, keys_of
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, allowed, log, peer_of, status
from interfaces.dicom.worklist import Entry, worklist

PENDING, NOT_ALL_SUPPORTED = 0xFF00, 0xFF01
CANCELLED, UNABLE, OUT_OF_RESOURCES, WRONG_IDENTIFIER = 0xFE00, 0xC000, 0xA700, 0xA900
Element = dict[str, Any]
STEPS, START = "00400100", ("00400002", "00400003")  # scheduled procedure steps, their start date and time
STATION = "00400001"  # AE title
SOP_CLASSES = {"Modality Worklist Information Model - FIND": "1.2.840.10008.5.1.4.31"}
STATUSES = (
    ("FF00", "One scheduled procedure step."),
    ("FF01", "One scheduled procedure step; it has not all of the keys, which match everything then."),
    ("0000", "All were given."),
    ("0124", "The peer may not ask for the worklist (its entry in the peers file)."),
    ("A700", "The FHIR server does not answer; ask again."),
    ("A900", "A date or time of the identifier is none."),
    ("C000", "The identifier is no data set."),
    ("FE00", "The query was cancelled."),
)


def find(context: Context, event: Any) -> Iterator[tuple[Any, Any]]:
    """Gives the scheduled procedure steps that match."""
    if not allowed(context, event, "worklist"):
        yield status(NOT_AUTHORIZED, "this peer may not ask for the worklist"), None
        return
    try:
        keys = keys_of(event)
        problem = wrong(keys)
        if problem:
            yield status(WRONG_IDENTIFIER, problem), None
            return
        entries = context.fhir.call(lambda client: worklist(client, keys, zone=context.settings.timezone))
    except Malformed as problem:
        yield status(UNABLE, str(problem)), None
        return
    except (FhirError, TimeoutError) as problem:
        log.error("the worklist can't be had", problem=str(problem))
        yield status(OUT_OF_RESOURCES, "the FHIR server does not answer"), None
        return
    wanted = {tag: key for tag, key in keys.items() if tag != CHARACTER_SET}
    entries = [entry._replace(item=for_station(keys, entry.item)) for entry in entries]
    found = (entry for entry in entries if wanted_by(supported(keys, entry.item), entry.item))
    for entry in disclosed(context, peer_of(event), "C-FIND/worklist", found, _patients):
        if event.is_cancelled:
            yield CANCELLED, None
            return
        known = supported(keys, entry.item)
        yield PENDING if known == wanted else NOT_ALL_SUPPORTED, answer(entry.item, keys)


def _patients(entry: Entry) -> list[str]:
    return [entry.order["subject"]["reference"]]


def for_station(keys: Model, item: Model) -> Model:
    """An item that names no station as it is for the one that asks: any may do it, and each item has one (PS3.4 table
    K.6-1, type 1)."""
    asking, step = text(next(iter(items(keys, STEPS)), {}), STATION), item[STEPS]["Value"][0]
    if not asking or set("*?") & set(asking) or text(step, STATION):
        return item
    return {**item, STEPS: {**item[STEPS], "Value": [{**step, STATION: {"vr": "AE", "Value": [asking]}}]}}


def wanted_by(keys: Model, item: Model) -> bool:
    """Whether an item matches; a range of start dates and one of start times are one range, from the first moment to
    the last (PS3.4 table K.6-1)."""
    inner = next(iter(items(keys, STEPS)), {})
    if not all("-" in text(inner, tag) for tag in START):
        return matches(item, keys)
    others = {**keys, STEPS: {**keys[STEPS], "Value": [{tag: inner[tag] for tag in inner if tag not in START}]}}
    return matches(item, others) and any(in_moments(step, inner, [START]) for step in items(item, STEPS))


def supported(keys: Model, item: Model) -> Model:
    """The keys that items have; others are optional ones that match everything (PS3.4 section C.2.2.1.3)."""
    return {tag: _within(key, item[tag]) for tag, key in keys.items() if tag in item}


def _within(key: Element, of: Element) -> Element:
    wanted, found = key.get("Value"), of.get("Value")
    if key["vr"] != "SQ" or not (wanted and wanted[0] and found and isinstance(found[0], dict)):
        return key
    return {**key, "Value": [supported(wanted[0], found[0])]}


WORKLIST = Service("Modality Worklist", SOP_CLASSES, ((evt.EVT_C_FIND, find),), "worklist", STATUSES)
