"""What FHIR knows of a patient and an order as attributes, where a data set says something else."""

from __future__ import annotations

from typing import Any

from mappings.dicom.conversions import GENDERS, REPRESENTATION, REPRESENTATIONS
from mappings.dicom.engine import Model
from mappings.dicom.identifiers import ACSN, issuer_of, systems_of

SEXES = {gender: sex for sex, gender in GENDERS.items()}


def person_names(names: list[dict[str, Any]]) -> dict[str, str]:
    """HumanNames as the groups of a PN: of each representation the first official or usual one."""
    made = {group: _name_of(names, code) for group, code in REPRESENTATIONS.items()}
    return {group: text for group, text in made.items() if text}


def person_name(names: list[dict[str, Any]]) -> str:
    """The alphabetic group."""
    return _name_of(names, REPRESENTATIONS["Alphabetic"])


def _representation(name: dict[str, Any]) -> str:
    found = (each.get("valueCode") for each in name.get("extension", ()) if each.get("url") == REPRESENTATION)
    return next(found, None) or REPRESENTATIONS["Alphabetic"]


def _name_of(names: list[dict[str, Any]], representation: str) -> str:
    order = {"official": 0, "usual": 1}
    for name in sorted(names, key=lambda each: order.get(each.get("use", ""), 2)):
        if ("family" in name or "given" in name) and _representation(name) == representation:
            given = name.get("given", [])
            parts = [
                name.get("family", ""),
                given[0] if given else "",
                " ".join(given[1:]),
                " ".join(name.get("prefix", ())),
                " ".join(name.get("suffix", ())),
            ]
            return "^".join(part.replace("^", " ") for part in parts).rstrip("^")
    return ""


def patient_attributes(patient: dict[str, Any], kept: Model) -> Model:
    """The patient module of a Patient; kept: the attributes of the data set, which choose among its identifiers."""
    made: Model = {}
    issuer = _first(kept, "00100021")
    identifiers = [each for each in patient.get("identifier", ()) if each.get("value") and each.get("use") != "old"]
    same_id = [each for each in identifiers if each["value"] == _first(kept, "00100020")]
    same_issuer = [each for each in identifiers if each.get("system", "") in systems_of(issuer)]
    for identifier in (*same_id, *same_issuer, *identifiers):
        made["00100020"] = {"vr": "LO", "Value": [identifier["value"]]}
        found = issuer_of(identifier.get("system", ""))
        if found and (issuer or identifier["value"] != _first(kept, "00100020")):
            made["00100021"] = {"vr": "LO", "Value": [found]}
        break
    groups = person_names(patient.get("name", []))
    if groups:
        made["00100010"] = {"vr": "PN", "Value": [groups]}
    if len(patient.get("birthDate", "")) == 10:
        made["00100030"] = {"vr": "DA", "Value": [patient["birthDate"].replace("-", "")]}
    if patient.get("gender") in SEXES:
        made["00100040"] = {"vr": "CS", "Value": [SEXES[patient["gender"]]]}
    return made


def order_attributes(order: dict[str, Any]) -> Model:
    """The accession number of a ServiceRequest."""
    for identifier in order.get("identifier", ()):
        codings = identifier.get("type", {}).get("coding", ())
        if any(coding.get("code") == ACSN["code"] for coding in codings) and identifier.get("value"):
            return {"00080050": {"vr": "SH", "Value": [identifier["value"]]}}
    return {}


def differing(known: Model, kept: Model) -> Model:
    """What FHIR says otherwise than the data set does; names are compared without case and empty components."""
    return {tag: value for tag, value in known.items() if _plain(kept.get(tag)) != _plain(value)}


def _plain(value: dict[str, Any] | None) -> str:
    found: list[Any] = (value or {}).get("Value") or [""]
    text = found[0].get("Alphabetic", "") if isinstance(found[0], dict) else str(found[0] or "")
    return text.rstrip("^ ").upper()


def _first(model: Model, tag: str) -> str:
    values = model.get(tag, {}).get("Value")
    return "" if not values or values[0] is None else str(values[0])
