"""Merges and moves: A18, A30, A34, A36, A39, A40 (patients), A44 (accounts), A45 (visits), A46, A47 (a number).

A merged patient becomes inactive with a `replaced-by` link, whatever referred to it refers to the survivor, and what
later comes for the old number finds the survivor by the link. A number that nobody has yet becomes an inactive patient
with that link, so that the same holds for it. Specification: HL7 v2.9, 3.3.34 to 3.3.47; FHIR R4, Patient.link.
"""

from __future__ import annotations

import copy
import uuid
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Node
from mappings.hl7v2.identifiers import NAMESPACE, Identity, fallback_system, identity_of, token
from mappings.hl7v2.merging import stamp
from mappings.hl7v2.moving import Named, entry_of, move, move_with, patients_of, redirect, replaced, way_to_survivor
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.resources import identities_of
from mappings.hl7v2.source import Message, Segment
from mappings.hl7v2.tables import Tables

PATIENTS, ACCOUNTS, VISITS, NUMBER = "patients", "accounts", "visits", "number"
KINDS = {
    **dict.fromkeys(("A18", "A30", "A34", "A36", "A39", "A40"), PATIENTS),
    "A44": ACCOUNTS, "A45": VISITS, "A46": NUMBER, "A47": NUMBER,
}  # fmt: skip


# Events that have an MRG, too: nobody is to believe that they were done.
UNDONE = {
    "A35": "merges accounts", "A41": "merges accounts", "A42": "merges visits", "A43": "moves single numbers",
    "A48": "changes an alternate number", "A49": "changes an account's number", "A50": "changes a visit's number",
    "A51": "changes a visit's alternate number",
}  # fmt: skip


class Merge(NamedTuple):
    """One MRG segment: what is merged into whom. losing: the identities that MRG states."""

    kind: str
    survivor: Node
    losing: list[tuple[str, str]]
    visits: list[tuple[str, str]]

    async def complete(
        self, reader: Reader, entries: list[dict[str, Any]], kept: dict[str, Any] | None, sent: str, issues: list[str]
    ) -> list[Named]:
        """Adds to the entries of the transaction what does it; gives the patients who end by it, and the visits and
        accounts that it moves with whose they were.

        kept: the survivor as it is, None for a new one; sent: the time of the message, "" for none.
        """
        if self.kind == NUMBER:
            return []  # see known_as
        if self.kind in (ACCOUNTS, VISITS):
            return await self._move(reader, entries, sent, issues)
        return [Named(one) for one in await self._merge(reader, entries, kept, issues)]

    async def _merge(
        self, reader: Reader, entries: list[dict[str, Any]], kept: dict[str, Any] | None, issues: list[str]
    ) -> list[str]:
        survivor = self.survivor.url
        holders = await reader.find({"Patient": self.losing})
        others = [one for one in holders if f"Patient/{one['id']}" != survivor]
        ending = [one for one in others if not replaced(one)]
        for one in others:
            if replaced(one) and f"Patient/{(await way_to_survivor(reader, one))[-1]['id']}" != survivor:
                number = next(value for system, value in self.losing if (system, value) in identities_of(one))
                issues.append(f"MRG-1: {number} was merged into another patient before; nothing is moved.")
        link = {"other": {"reference": survivor}, "type": "replaced-by"}
        ended = [f"Patient/{one['id']}" for one in ending]
        for loser in ending:
            links = [*(one for one in loser.get("link", ()) if one.get("type") != "replaces"), link]
            entry_of(entries, loser)["resource"] |= {"active": False, "link": links}
        await move(reader, entries, dict.fromkeys(ended, survivor))
        nobody = [] if holders else [one for one in self.losing if one not in self.survivor.criteria]
        if nobody:
            entries.append(self._unknown(nobody, link))
            ended.append(entries[-1]["fullUrl"])
        self._link_back(entries, kept, ended)
        return [one for one in ended if one.startswith("Patient/")]

    def _link_back(self, entries: list[dict[str, Any]], kept: dict[str, Any] | None, ended: list[str]) -> None:
        """The survivor replaces those who ended."""
        links = [{"other": {"reference": one}, "type": "replaces"} for one in ended]
        entry = next((one for one in entries if one["fullUrl"] == self.survivor.url), None)
        if links and entry is None and kept is not None:
            entry = entry_of(entries, kept)
        if links and entry is not None:
            entry["resource"] = {**entry["resource"], "link": [*entry["resource"].get("link", ()), *links]}

    def _unknown(self, numbers: list[tuple[str, str]], link: dict[str, Any]) -> dict[str, Any]:
        """An inactive patient that holds numbers which nobody had."""
        system, value = numbers[0]
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": one[0], "value": one[1]} for one in numbers],
            "active": False,
            "link": [link],
        }
        return {
            "fullUrl": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'Patient|{system}|{value}')}",
            "resource": patient,
            "request": {"method": "PUT", "url": f"Patient?identifier={token(system)}|{token(value)}"},
        }

    async def known_as(self, reader: Reader) -> dict[str, Any] | None:
        """A47: the patient with the numbers of MRG-1, who has those of PID-3 from now on; None where it is no A47."""
        if self.kind != NUMBER:
            return None
        found = [one for one in await reader.find({"Patient": self.losing}) if not replaced(one)]
        if len(found) != 1:
            return None
        patient = copy.deepcopy(found[0])
        for one in patient.get("identifier", ()):
            if (one.get("system"), one.get("value")) in self.losing:
                one["use"] = "old"
        return patient

    async def _move(self, reader: Reader, entries: list[dict[str, Any]], sent: str, issues: list[str]) -> list[Named]:
        """A44, A45: accounts (MRG-3) or visits (MRG-5) of another patient become the survivor's, with what belongs to
        them."""
        types = ("Account", "Encounter") if self.kind == ACCOUNTS else ("Encounter",)
        losing = await reader.find({"Patient": self.losing}) if self.losing else []
        losers = {f"Patient/{one['id']}" for one in losing}
        moved: list[Named] = []
        for type_name in types:
            for found in await reader.find({type_name: self.visits}):
                visit = f"{type_name}/{found['id']}"
                for reference in patients_of(found):
                    if reference == self.survivor.url or (losers and reference not in losers):
                        continue
                    moves = {reference: self.survivor.url}
                    written = {entry["fullUrl"]: entry for entry in entries}
                    redirect(entries, written, found, moves)
                    stamp(written[visit]["resource"], sent)
                    await move_with(reader, entries, visit, moves)
                    moved.append(Named(reference, visit))
        if not moved:
            issues.append("MRG: no account or visit with its number is known; nothing was moved.")
        return moved


def merges_of(made: Draft, tables: Tables) -> list[Merge]:
    """The merges that a message asks for; FhirError "unprocessable" where a merge names no number."""
    kind = KINDS.get(made.event) if made.message.type == "ADT" else None
    if kind is None:
        if made.message.type == "ADT" and made.event in UNDONE:
            text = f"{made.event} {UNDONE[made.event]}, which is not done here."
            raise error("not-supported", text, location="MSH-9")
        return []
    fallback = fallback_system(tables, made.facility)
    survivor: Node | None = None
    found: list[Merge] = []
    for segment in made.message.segments:
        if segment.name == "PID":
            own = next(filter(None, (_identities(segment, (field,), tables, fallback) for field in (3, 2, 4))), [])
            survivor = next((one for one in made.of("Patient") if any(each in own for each in one.criteria)), None)
        elif segment.name == "MRG" and survivor is not None:
            losing = _identities(segment, (1, 2, 4), tables, fallback)
            visits = _identities(segment, (3,) if kind == ACCOUNTS else (5, 6), tables, fallback)
            if not losing and kind in (PATIENTS, NUMBER):
                raise error(
                    "unprocessable", "MRG-1 names no patient that is to be merged.", location="MRG-1", code="required"
                )
            others = [one for one in survivor.criteria if one not in losing]
            if kind == PATIENTS and others:  # PID may list the number that ends; it does not tell who is left
                survivor.criteria = others
            else:
                losing = [one for one in losing if one not in survivor.criteria]
            if not losing and kind == PATIENTS:
                raise error("unprocessable", "MRG-1 and PID-3 are the same: nobody is merged.", location="MRG-1")
            if losing or (visits and kind in (ACCOUNTS, VISITS)):
                found.append(Merge(kind, survivor, losing, visits))
    if not any(one.name == "MRG" for one in made.message.segments):
        text = f"{made.event} needs an MRG segment with the number that ends or moves."
        raise error("unprocessable", text, location="MRG", code="required")
    return found


def visits_of(message: Message, tables: Tables) -> list[tuple[list[Identity], list[Identity]]]:
    """The numbers of visits and accounts that a message states, each list after the numbers of whom it states them."""
    header = message.segments[0]
    fallback = fallback_system(tables, header.value(4) or header.value(3))
    found: list[tuple[list[Identity], list[Identity]]] = []
    patient: list[Identity] = []
    for segment in message.segments:
        if segment.name == "PID":
            patient = _identities(segment, (3, 2, 4), tables, fallback)
            found.append((patient, _identities(segment, (18,), tables, fallback)))
        elif segment.name == "PV1":
            found.append((patient, _identities(segment, (19,), tables, fallback)))
        elif segment.name == "MRG":
            losing = _identities(segment, (1, 2, 4), tables, fallback)
            found.append((losing, _identities(segment, (3, 5, 6), tables, fallback)))
    return found


def _identities(segment: Segment, fields: tuple[int, ...], tables: Tables, fallback: str) -> list[Identity]:
    found = []
    for field in fields:
        for value in segment.repetitions(field):
            one = identity_of(value, tables, fallback)
            if one and one not in found:
                found.append(one)
        if found and field == 1:
            break
    return found
