"""Next of kin as a snapshot: those that an ADT message states take the place of those before.

A person who is stated no more becomes inactive; a message without NK1 says nothing of them, and one whose NK1 has nulls
only says that there is nobody. Specification: HL7 v2.9, 2.10.4.1.
"""

from __future__ import annotations

from typing import Any

from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.identifiers import KEY
from mappings.hl7v2.merging import is_older, snapshot_of, stamp
from mappings.hl7v2.moving import update_of
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.resources import identities_of


async def end_others(draft: Draft, patients: list[dict[str, Any]], reader: Reader) -> list[dict[str, Any]]:
    """The entries that end the relatives whom a message states no more. patients: those of the message, as they are."""
    told = [one for one in draft.message.segments if one.name == "NK1" and any(one.fields[2:])]
    if not told or draft.message.type != "ADT" or len(patients) != 1:
        return []
    if is_older(draft.sent, snapshot_of(patients[0])):  # contacts are the patient's too
        return []
    stated = {one.url for one in draft.of("RelatedPerson")}
    ended = []
    for person in await reader.about("RelatedPerson", f"Patient/{patients[0]['id']}"):
        other = f"RelatedPerson/{person['id']}" not in stated and _is_kin(person)
        if other and not is_older(draft.sent, snapshot_of(person)):
            ended.append(update_of({**person, "active": False}))
            stamp(ended[-1]["resource"], draft.sent)
    return ended


def _is_kin(person: dict[str, Any]) -> bool:
    """Whether it is active, and was made of an NK1: of a GT1 are guarantors."""
    codes = {coding.get("code") for one in person.get("relationship", ()) for coding in one.get("coding", ())}
    made = any(system == f"{KEY}relatedperson" for system, _ in identities_of(person))
    return person.get("active") is not False and made and "GUAR" not in codes
