"""The resources that a message is made of, found by following references from the one that changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from mappings.hl7v2.reader import Reader

Json = dict[str, Any]
SHARED = ("resourceType", "status", "effectiveDateTime", "method")  # what holds for components too
MOST = 400  # references that are followed for one message


class Gathered:
    """The focus and what it refers to; resources by reference."""

    def __init__(self, focus: Json) -> None:
        self.focus = focus
        self.by_reference: dict[str, Json] = {}
        self.patient: Json | None = None
        self.visit: Json | None = None
        self.results: list[Json] = []
        self.specimens: list[Json] = []
        self.relatives: list[Json] = []

    def of(self, name: str) -> list[Json]:
        """The resources that a segment is made of, by the name that segments.csv has."""
        report = self.focus if self.focus["resourceType"] == "DiagnosticReport" else None
        singles = {"focus": self.focus, "report": report, "patient": self.patient, "visit": self.visit}
        if name in singles:
            found = singles[name]
            return [found] if found is not None else []
        if name == "results":
            return self.results
        if name == "specimen":
            return self.specimens
        if name == "relatives":
            return self.relatives
        if name == "diagnoses":
            return [{**(self.visit or {}), "diagnosis": [one]} for one in self._diagnoses()]
        wanted = {"practitioners": "Practitioner", "locations": "Location"}[name]
        return [
            one
            for participant in self.focus.get("participant", ())
            if (one := self.resolve(participant.get("actor", {}))) and one["resourceType"] == wanted
        ]

    def _diagnoses(self) -> list[Json]:
        """The diagnoses of the visit whose conditions are known and were not entered in error."""
        found = [(one, self.resolve(one.get("condition", {}))) for one in (self.visit or {}).get("diagnosis", ())]
        return [one for one, condition in found if condition is not None and not _is_error(condition)]

    def resolve(self, reference: Json) -> Json | None:
        """The resource of a reference; None where it was not found."""
        text = reference.get("reference", "")
        if text.startswith("#"):
            return self.by_reference.get(text)
        return self.by_reference.get("/".join(text.split("/")[:2]))


async def gather(focus: Json, reader: Reader) -> Gathered:
    """What a message about a resource needs."""
    found = Gathered(focus)
    budget = [MOST]
    await _follow(focus, found, reader, budget)
    if focus["resourceType"] == "Patient":
        found.patient = focus
        survivor = next((one["other"] for one in focus.get("link", ()) if one.get("type") == "replaced-by"), None)
        if survivor is not None:
            found.patient = found.resolve(survivor)
    elif focus["resourceType"] == "Encounter":
        found.visit = focus
    for one in list(_references(focus)):
        resolved = found.resolve(one)
        if resolved is None:
            continue
        kind = resolved["resourceType"]
        if kind == "Patient" and found.patient is None:
            found.patient = resolved
        elif kind == "Encounter" and found.visit is None:
            found.visit = resolved
            await _follow(resolved, found, reader, budget)
        elif kind == "Specimen":
            found.specimens.append(resolved)
    found.focus = focus = _with_order_numbers(focus, found)
    if focus["resourceType"] == "DiagnosticReport":
        results = (one for reference in focus.get("result", ()) if (one := found.resolve(reference)))
        found.results = [part for one in results for part in _parts(one)]
        found.results += [document async for document in _documents(focus, reader)]
    elif focus["resourceType"] == "Observation":
        found.results = _parts(focus)
    return found


async def add_relatives(found: Gathered, reader: Reader) -> None:
    """The patient's next of kin: persons that are active and have a name, and contacts of other names."""
    patient = found.patient or {}
    persons = await reader.about("RelatedPerson", f"Patient/{patient.get('id', '')}")
    kin = [one for one in persons if one.get("active") is not False and one.get("name") and not _is_guarantor(one)]
    known = {_spelled(name) for one in kin for name in one["name"]}
    for contact in patient.get("contact", ()):
        if "name" in contact and _spelled(contact["name"]) not in known:
            several = {name: [contact[name]] for name in ("name", "address") if name in contact}
            kin.append({**contact, **several, "resourceType": "RelatedPerson"})
    found.relatives = kin


def _spelled(name: Json) -> tuple[str, ...]:
    return (str(name.get("family", "")).casefold(), *(str(one).casefold() for one in name.get("given", ())))


def _is_guarantor(person: Json) -> bool:
    """Whether it is known as who pays only (GT1)."""
    codes = {coding.get("code") for one in person.get("relationship", ()) for coding in one.get("coding", ())}
    return codes == {"GUAR"}


def _is_error(condition: Json) -> bool:
    status = condition.get("verificationStatus", {}).get("coding", ())
    return any(coding.get("code") == "entered-in-error" for coding in status)


async def _documents(report: Json, reader: Reader) -> AsyncIterator[Json]:
    """The report once for each document that presents it, with the document's data."""
    for form in report.get("presentedForm", ()):
        if "data" not in form and str(form.get("url", "")).startswith("Binary/"):
            binary = await reader.read(form["url"]) or {}
            form = {**form, **{name: binary[name] for name in ("contentType", "data") if name in binary}}
        if "data" in form:
            told = {name: value for name, value in report.items() if name != "conclusion"}  # the report's own NTE
            yield {**told, "presentedForm": [form]}


def _with_order_numbers(focus: Json, found: Gathered) -> Json:
    """The focus with the placer's number of each order that it is based on, as ORC-2 of that order states it."""
    if focus["resourceType"] not in ("DiagnosticReport", "Observation") or "basedOn" not in focus:
        return focus
    based_on = []
    for one in focus["basedOn"]:
        order = found.resolve(one)
        if order is not None and "identifier" not in one and (number := _placer_number(order)):
            one = {**one, "identifier": number}
        based_on.append(one)
    return {**focus, "basedOn": based_on}


def _placer_number(order: Json) -> Json:
    """The number of the placer; another that is not the filler's; the id where there is none."""
    stated = order.get("identifier", [])
    kinds = [[coding.get("code") for coding in one.get("type", {}).get("coding", ())] for one in stated]
    placers = [one for one, kind in zip(stated, kinds, strict=True) if "PLAC" in kind]
    if not placers and not any("FILL" in kind for kind in kinds):
        placers = stated or [{"value": order["id"]}]
    return placers[0] if placers else {}


def _parts(observation: Json) -> list[Json]:
    """An observation, and each of its components as one: a segment holds one value."""
    components = [one for one in observation.get("component", ()) if _is_valued(one)]
    shared = {name: observation[name] for name in SHARED if name in observation}
    own = [observation] if not components or _is_valued(observation) else []
    return [*own, *({**shared, **component} for component in components)]


def _is_valued(item: Json) -> bool:
    return any(name.startswith("value") for name in item)


async def _follow(resource: Json, found: Gathered, reader: Reader, budget: list[int]) -> None:
    for contained in resource.get("contained", ()):
        found.by_reference[f"#{contained['id']}"] = contained
    for reference in _references(resource):
        text = "/".join(reference["reference"].split("/")[:2])
        if text.startswith("#") or text in found.by_reference or "/" not in text or budget[0] <= 0:
            continue
        budget[0] -= 1
        read = await reader.read(text)
        if read is not None:
            found.by_reference[text] = read
            if read["resourceType"] == "PractitionerRole":
                await _follow(read, found, reader, budget)


def _references(item: Any) -> Iterator[Json]:
    if isinstance(item, dict):
        if isinstance(item.get("reference"), str):
            yield item
        for value in item.values():
            yield from _references(value)
    elif isinstance(item, list):
        for value in item:
            yield from _references(value)
