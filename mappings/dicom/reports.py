"""SR documents and encapsulated PDFs as DiagnosticReports, measurement reports (TID 1500) as Observations.

PS3.3 section C.17 and PS3.16 annex A, https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import html
from typing import Any

from mappings.dicom.conversions import URN_DCM_UID, coding_of, moment, oid
from mappings.dicom.engine import Model

IMAGING = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}
CATEGORY = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}
MEASUREMENT_GROUP = "125007"  # PS3.16 TID 1501
TRACKING_UID, FINDING_SITE, FINDING = "112040", ("363698007", "G-C0E3"), "121071"
SITE_MODIFIERS = ("272741003", "G-C171", "106233006", "G-A1F8")  # Laterality, Topographical modifier
EVALUATIONS = ("C0034375",)  # Qualitative Evaluations, TID 1500 row 10
VALUES = ("NUM", "CODE", "TEXT")
# what says of a group or of its image which it is, and is no evaluation (PS3.16 TID 1419, 1501, 1502)
ABOUT_THE_GROUP = frozenset({"", *FINDING_SITE, FINDING, TRACKING_UID}).union(
    ("112039", "C1299494", "272741003", "G-C171", "110910", "121112", "276214006", "121233", "R-40FB4", "363704007"),
    ("G-A1F8", "370129005", "G-C306", "246205007", "C67447", "126072", "121106", "121058", "121401", "112227"),
    ("126070", "126071", "121322", "371881003"),
)
LONGEST = 64 * 1024
# value types whose value is one attribute
_PLAIN = {"DATE": "0040A121", "TIME": "0040A122", "DATETIME": "0040A120", "UIDREF": "0040A124"}


def diagnostic_report(
    model: Model, *, subject: str, study: str, based_on: str, issued: str, pdf: bytes | None = None
) -> dict[str, Any]:
    """The DiagnosticReport of a document; pdf: the document that it encapsulates."""
    uid = _first(model, "00080018")
    complete = _first(model, "0040A491") != "PARTIAL"
    title = concept_of(model.get("0040A043"))
    made: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": URN_DCM_UID, "value": oid(uid)}],
        "status": "final" if _verified(model) or pdf else "preliminary" if complete else "partial",
        "category": [{"coding": [IMAGING]}],
        "code": title or {"text": _first(model, "00420010") or _first(model, "00081030") or "Imaging report"},
        "subject": {"reference": subject},
        "imagingStudy": [{"reference": study}],
        "issued": issued,
    }
    effective = moment(model, "00080023", "00080033") or moment(model, "00080020", "00080030")
    if effective:
        made["effectiveDateTime"] = effective
    if based_on:
        made["basedOn"] = [{"reference": based_on}]
    if pdf:
        import base64

        form = {"contentType": "application/pdf", "data": base64.b64encode(pdf).decode()}
        made["presentedForm"] = [{**form, "title": _first(model, "00420010")} if _first(model, "00420010") else form]
    else:
        lines = list(text_lines(model))
        body = "".join(f"<p>{html.escape(line)}</p>" for line in lines) or "<p>No text.</p>"
        narrative = f'<div xmlns="http://www.w3.org/1999/xhtml">{body[:LONGEST]}</div>'
        if len(body) <= LONGEST:
            made["text"] = {"status": "generated", "div": narrative}
        conclusions = [line for line in lines if line.startswith(("Conclusion", "Impression"))]
        if conclusions:
            made["conclusion"] = "\n".join(line.partition(": ")[2] for line in conclusions)
    return made


def text_lines(item: Model) -> list[str]:
    """The content tree as lines: name: value."""
    lines = []
    for child in _items(item, "0040A730"):
        name = _meaning(child.get("0040A043"))
        value = value_text(child)
        if value:
            lines.append(f"{name}: {value}" if name else value)
        lines += text_lines(child)
    return lines


def value_text(item: Model) -> str:
    """The value of a content item as text, "" for a container or an image."""
    kind = _first(item, "0040A040")
    if kind == "TEXT":
        return _first(item, "0040A160")
    if kind == "CODE":
        return _meaning(item.get("0040A168"))
    if kind == "PNAME":
        name: dict[str, Any] = next(iter(_items(item, "0040A123")), {})
        return " ".join(part for part in str(name.get("Alphabetic", "")).split("^") if part)
    if kind == "NUM":
        for measured in _items(item, "0040A300"):
            unit = _unit(measured)
            return f"{_first(measured, '0040A30A')} {unit.get('display') or unit.get('code', '')}".strip()
    return _first(item, _PLAIN.get(kind, ""))


def observations(model: Model, *, subject: str, study: str, issued: str) -> list[dict[str, Any]]:
    """The measurements and evaluations of a document: each NUM, and each CODE and TEXT that is an evaluation.

    Groups within groups count too; site and tracking identifier are those of the group that a value stands in.
    """
    uid = _first(model, "00080018")
    effective = moment(model, "00080023", "00080033") or moment(model, "00080020", "00080030")
    status = "final" if _verified(model) else "preliminary"
    made: list[dict[str, Any]] = []
    for group in _groups(model):
        children = _items(group, "0040A730")
        coded = {_code(child.get("0040A043")): child for child in children}
        site = next((coded[code] for code in FINDING_SITE if code in coded), None)
        beside = [coded[code] for code in SITE_MODIFIERS if code in coded]
        tracking = coded.get("112039")  # Tracking Identifier
        for child in children:
            if _first(child, "0040A040") not in VALUES or _code(child.get("0040A043")) in ABOUT_THE_GROUP:
                continue
            observation = _observation(child, f"{oid(uid)}#{len(made) + 1}", status, subject, study)
            if observation is None:
                continue
            observation["issued"] = issued
            if effective:
                observation["effectiveDateTime"] = effective
            own = _items(child, "0040A730")
            for part, others in ((site, beside), *((part, own) for part in own)):
                if part is not None and _code(part.get("0040A043")) in FINDING_SITE:
                    concept = _site(part, others)
                    if concept:
                        observation["bodySite"] = concept
            if tracking is not None and _first(tracking, "0040A160"):
                observation["note"] = [{"text": _first(tracking, "0040A160")}]
            made.append(observation)
    return made


def _verified(model: Model) -> bool:
    """Whether somebody has signed what a document says (PS3.3 C.17.2, Verification Flag)."""
    return _first(model, "0040A493") == "VERIFIED"


def _site(item: Model, beside: list[Model]) -> dict[str, Any] | None:
    """A finding site, with its side and place in the text: a CodeableConcept has one site, however many codes.

    beside: where some senders write what belongs below the site (PS3.16 TID 1419).
    """
    site = concept_of(item.get("0040A168"))
    modifiers = [
        _meaning(part.get("0040A168"))
        for part in (*_items(item, "0040A730"), *beside)
        if _code(part.get("0040A043")) in SITE_MODIFIERS
    ]
    if site is None or not any(modifiers):
        return site
    named = site.get("text") or site["coding"][0]["code"]
    return {**site, "text": ", ".join([named, *filter(None, modifiers)])}


def _groups(item: Model) -> list[Model]:
    found = []
    for child in _items(item, "0040A730"):
        if _code(child.get("0040A043")) in (MEASUREMENT_GROUP, *EVALUATIONS):
            found.append(child)
        found += _groups(child)
    return found


def _observation(item: Model, identifier: str, status: str, subject: str, study: str) -> dict[str, Any] | None:
    code = concept_of(item.get("0040A043"))
    found = _observed(item)
    if code is None or found is None:
        return None
    return {
        "resourceType": "Observation",
        "identifier": [{"system": URN_DCM_UID, "value": identifier}],
        "status": status,
        "category": [{"coding": [CATEGORY]}],
        "code": code,
        "subject": {"reference": subject},
        "partOf": [{"reference": study}],
        **found,
    }


def _observed(item: Model) -> dict[str, Any] | None:
    """The value[x] of a content item; None where it has none."""
    kind = _first(item, "0040A040")
    if kind == "CODE":
        concept = concept_of(item.get("0040A168"))
        return {"valueCodeableConcept": concept} if concept else None
    if kind == "TEXT":
        text = _first(item, "0040A160")
        return {"valueString": text} if text else None
    measured = next(iter(_items(item, "0040A300")), {})
    value = measured.get("0040A30A", {}).get("Value")
    if not value or not isinstance(value[0], (int, float)):
        return None
    quantity: dict[str, Any] = {"value": value[0]}
    unit = _unit(measured)
    if unit.get("system") == "http://unitsofmeasure.org":
        quantity |= {"unit": unit.get("display") or unit["code"], "system": unit["system"], "code": unit["code"]}
    elif unit:
        quantity["unit"] = unit.get("display") or unit["code"]
    return {"valueQuantity": quantity}


def concept_of(attribute: dict[str, Any] | None) -> dict[str, Any] | None:
    """A code sequence as a CodeableConcept."""
    for item in (attribute or {}).get("Value", ()):
        coding = coding_of(item)
        if coding:
            return {"coding": [coding], "text": coding["display"]} if "display" in coding else {"coding": [coding]}
    return None


def _unit(measured: Model) -> dict[str, str]:
    for item in _items(measured, "004008EA"):
        return coding_of(item) or {}
    return {}


def _meaning(attribute: dict[str, Any] | None) -> str:
    concept = concept_of(attribute)
    return concept.get("text", "") if concept else ""


def _code(attribute: dict[str, Any] | None) -> str:
    concept = concept_of(attribute)
    return concept["coding"][0]["code"] if concept else ""


def _items(model: Model, tag: str) -> list[Model]:
    return [item for item in model.get(tag, {}).get("Value", ()) if item and isinstance(item, dict)]


def _first(model: Model, tag: str) -> str:
    values = model.get(tag, {}).get("Value")
    return "" if not values or values[0] is None else str(values[0])
