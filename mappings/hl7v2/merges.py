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
from mappings.hl7v2.identifiers import NAMESPACE, fallback_system, identity_of, token
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.source import Segment
from mappings.hl7v2.tables import Tables

PATIENTS, ACCOUNTS, VISITS, NUMBER = "patients", "accounts", "visits", "number"
KINDS = {
    **dict.fromkeys(("A18", "A30", "A34", "A36", "A39", "A40"), PATIENTS),
    "A44": ACCOUNTS, "A45": VISITS, "A46": NUMBER, "A47": NUMBER,
}  # fmt: skip


class Merge(NamedTuple):
    """One MRG segment: what is merged into whom. losing: the identities that MRG states."""

    kind: str
    survivor: Node
    losing: list[tuple[str, str]]
    visits: list[tuple[str, str]]

    async def entries(
        self, reader: Reader, made: Draft, current: dict[int, dict[str, Any]], issues: list[str]
    ) -> list[dict[str, Any]]:
        """The entries of the transaction that do it."""
        if self.kind == NUMBER:
            return []  # see known_as
        if self.kind in (ACCOUNTS, VISITS):
            return await self._move(reader, issues)
        return await self._merge(reader, current)

    async def _merge(self, reader: Reader, current: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        survivor = self.survivor.url
        kept = current.get(id(self.survivor))
        found = [
            one
            for one in await reader.find({"Patient": self.losing})
            if f"Patient/{one['id']}" != survivor and not _replaced(one)
        ]
        if not found and await reader.find({"Patient": self.losing}):
            return []  # merged before
        entries: list[dict[str, Any]] = []
        link = {"other": {"reference": survivor}, "type": "replaced-by"}
        for loser in found:
            reference = f"Patient/{loser['id']}"
            changed = copy.deepcopy(loser)
            changed["active"] = False
            changed["link"] = [*(one for one in changed.get("link", ()) if one.get("type") != "replaces"), link]
            entries.append(_update(changed))
            for other in await reader.referring(reference):
                if other["resourceType"] == "Patient" or other["resourceType"] in ("Provenance", "AuditEvent"):
                    continue
                moved = _redirected(other, reference, survivor)
                if moved != other:
                    entries.append(_update(moved))
            if kept is not None:
                back = {"other": {"reference": reference}, "type": "replaces"}
                entries.append(_update({**kept, "link": [*kept.get("link", ()), back]}))
        if not found:
            entries.append(self._unknown(link))
        return entries

    def _unknown(self, link: dict[str, Any]) -> dict[str, Any]:
        """An inactive patient that holds a number which nobody had."""
        system, value = self.losing[0]
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": one[0], "value": one[1]} for one in self.losing],
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
        found = [one for one in await reader.find({"Patient": self.losing}) if not _replaced(one)]
        if len(found) != 1:
            return None
        patient = copy.deepcopy(found[0])
        for one in patient.get("identifier", ()):
            if (one.get("system"), one.get("value")) in self.losing:
                one["use"] = "old"
        return patient

    async def _move(self, reader: Reader, issues: list[str]) -> list[dict[str, Any]]:
        """A44, A45: accounts (MRG-3) or visits (MRG-5) of another patient become the survivor's."""
        types = ("Account", "Encounter") if self.kind == ACCOUNTS else ("Encounter",)
        entries: list[dict[str, Any]] = []
        losing = await reader.find({"Patient": self.losing}) if self.losing else []
        losers = {f"Patient/{one['id']}" for one in losing}
        for type_name in types:
            for found in await reader.find({type_name: self.visits}):
                subject = found.get("subject")
                for reference in [
                    one.get("reference", "") for one in (subject if isinstance(subject, list) else [subject or {}])
                ]:
                    if reference == self.survivor.url or (losers and reference not in losers):
                        continue
                    entries.append(_update(_redirected(found, reference, self.survivor.url)))
                    if type_name == "Encounter":
                        for other in await reader.referring(reference):
                            if f"Encounter/{found['id']}" in repr(other) and other["id"] != found["id"]:
                                entries.append(_update(_redirected(other, reference, self.survivor.url)))
        if not entries:
            issues.append("MRG: no account or visit with its number is known; nothing was moved.")
        return entries


def merges_of(made: Draft, tables: Tables) -> list[Merge]:
    """The merges that a message asks for; FhirError "unprocessable" where a merge names no number."""
    kind = KINDS.get(made.event) if made.message.type == "ADT" else None
    if kind is None:
        if made.message.type == "ADT" and made.event == "A43":
            raise error("not-supported", "A43 moves single numbers, which is not done here.", location="MSH-9")
        return []
    fallback = fallback_system(tables, made.facility)
    patients = iter(made.of("Patient"))
    survivor: Node | None = None
    found: list[Merge] = []
    for segment in made.message.segments:
        if segment.name == "PID":
            survivor = next(patients, survivor)
        elif segment.name == "MRG" and survivor is not None:
            losing = _identities(segment, (1, 2, 4), tables, fallback)
            visits = _identities(segment, (3,) if kind == ACCOUNTS else (5, 6), tables, fallback)
            if not losing and kind in (PATIENTS, NUMBER):
                raise error(
                    "unprocessable", "MRG-1 names no patient that is to be merged.", location="MRG-1", code="required"
                )
            losing = [one for one in losing if one not in survivor.criteria]
            if losing or (visits and kind in (ACCOUNTS, VISITS)):
                found.append(Merge(kind, survivor, losing, visits))
    if not found and kind in (PATIENTS, NUMBER) and not any(one.name == "MRG" for one in made.message.segments):
        raise error(
            "unprocessable", "A merge needs an MRG segment with the number that ends.", location="MRG", code="required"
        )
    return found


def _identities(segment: Segment, fields: tuple[int, ...], tables: Tables, fallback: str) -> list[tuple[str, str]]:
    found = []
    for field in fields:
        for value in segment.repetitions(field):
            one = identity_of(value, tables, fallback)
            if one and one not in found:
                found.append(one)
        if found and field == 1:
            break
    return found


def _replaced(patient: dict[str, Any]) -> bool:
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))


def _redirected(value: Any, old: str, new: str) -> Any:
    """The same with each reference to old as one to new."""
    if isinstance(value, dict):
        return {
            name: new if name == "reference" and item == old else _redirected(item, old, new)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_redirected(item, old, new) for item in value]
    return value


def _update(resource: dict[str, Any]) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    meta = resource.get("meta", {})
    request = {"method": "PUT", "url": url}
    if "versionId" in meta:
        request["ifMatch"] = f'W/"{meta["versionId"]}"'
    kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")}
    body = {name: value for name, value in resource.items() if name != "meta"}
    return {"fullUrl": url, "resource": {**body, **({"meta": kept} if kept else {})}, "request": request}
