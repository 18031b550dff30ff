"""Patients that are linked (A24) and no longer are (A37): two records of what is one person, each of which keeps its
numbers and visits (HL7 v2.9, 3.3.24 and 3.3.37; FHIR R4, Patient.link of type seealso)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.moving import entry_of

EVENTS = ("A24", "A37")
LINK = "seealso"


def link_patients(draft: Draft, current: dict[int, dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    """Adds to the entries what links the two patients of a message, or parts them. current: the patients as they are,
    by the id of their node; FhirError "unprocessable" where there are not two."""
    if draft.message.type != "ADT" or draft.event not in EVENTS:
        return
    patients = draft.of("Patient")
    if len({one.url for one in patients}) != 2:
        text = f"{draft.event} needs two PID segments, of two patients that are not merged."
        raise error("unprocessable", text, location="PID-3")
    for mine, other in (patients, patients[::-1]):
        kept = current.get(id(mine))
        entry = next((one for one in entries if one["fullUrl"] == mine.url), None)
        links = (entry["resource"] if entry else kept or {}).get("link", [])
        wanted = {"other": {"reference": other.url}, "type": LINK}
        rest = [one for one in links if not _is_link(one, other.url)]
        after = [*rest, wanted] if draft.event == "A24" else rest
        if after == links or (draft.event == "A24" and len(rest) < len(links)):
            continue
        if entry is None:
            assert kept is not None  # who is new has an entry
            entry = entry_of(entries, kept)
        resource = {name: value for name, value in entry["resource"].items() if name != "link"}
        entry["resource"] = resource | ({"link": after} if after else {})


def _is_link(link: dict[str, Any], url: str) -> bool:
    return link.get("type") == LINK and link["other"].get("reference") == url
