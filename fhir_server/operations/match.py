"""$match: patients that may be the one described (https://hl7.org/fhir/R4/patient-operation-match.html; IHE PDQm).

Candidates are found by identifier, by name with date of birth, and by name alone; each is scored by how much agrees.
Who was merged into another is found as that one (Patient.link, replaced-by).
"""

from __future__ import annotations

import unicodedata
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
GRADES = ((0.95, "certain"), (0.8, "probable"), (0.5, "possible"))
MOST_REPLACED = 10  # merges one after the other
OTHER_NUMBER = 0.9  # at most, of who has another number of the same system
# What agreement weighs; what neither states counts for nothing.
WEIGHTS = {"family": 0.3, "given": 0.2, "birthDate": 0.3, "gender": 0.05, "telecom": 0.1, "postalCode": 0.05}


async def match(environment: Environment, call: Call) -> Response:
    """A searchset of candidates, the best first, with score and grade."""
    asked = call.parameters.one("resource")
    if not isinstance(asked, dict) or asked.get("resourceType") != "Patient":
        raise error("required", "$match needs a parameter 'resource' with a Patient.", location="resource")
    environment.checked({name: value for name, value in asked.items() if name != "meta"})  # its profiles ask for more
    only_certain = call.parameters.flag("onlyCertainMatches")
    count = call.parameters.whole("count", 20)
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for candidate in (await _candidates(environment, call, asked)).values():
        score, stands = score_of(asked, candidate), await _standing(environment, call, candidate)
        best[stands["id"]] = max((score, stands), best.get(stands["id"], (0.0, stands)), key=lambda one: one[0])
    scored = []
    for score, candidate in best.values():
        grade = next((name for least, name in GRADES if score >= least), None)
        if grade and (grade == "certain" or not only_certain):
            scored.append((score, grade, candidate))
    scored.sort(key=lambda one: (-one[0], one[2]["id"]))
    if only_certain and len(scored) > 1:
        scored = []  # two that are certain are none
    entries = [
        {
            "fullUrl": f"{call.request.base}/Patient/{candidate['id']}",
            "resource": candidate,
            "search": {"extension": [{"url": GRADE, "valueCode": grade}], "mode": "match", "score": score},
        }
        for score, grade, candidate in scored[:count]
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(scored)}
    if entries:
        bundle["entry"] = entries
    return Response(200, body=serialize(bundle))


async def _standing(environment: Environment, call: Call, patient: dict[str, Any]) -> dict[str, Any]:
    """Who stands for a patient now: who replaced it, where that is here, or itself."""
    for _ in range(MOST_REPLACED):
        replaced = [link for link in patient.get("link", ()) if link.get("type") == "replaced-by"]
        text = replaced[0]["other"].get("reference", "") if replaced else ""
        local = parse_reference(text, call.request.base)
        found = await environment.store.read("Patient", local.id) if local and local.type == "Patient" else None
        if found is None or found.deleted:
            break
        patient = decode(found.body)
    return patient


def score_of(asked: dict[str, Any], candidate: dict[str, Any]) -> float:
    """How sure it is that both are one person, from 0 to 1."""
    mine, theirs = _numbers(asked), _numbers(candidate)
    agreed = stated = 0.0
    for name, weight in WEIGHTS.items():
        one, other = _values(asked, name), _values(candidate, name)
        if not one or not other:
            continue
        stated += weight
        if one & other:
            agreed += weight
        elif name in ("family", "given") and any(a[:3] == b[:3] for a in one for b in other):
            agreed += weight / 2
    if mine & theirs:
        return 1.0 if not stated or agreed / stated >= 0.5 else 0.7  # one number and another person is no certainty
    share = agreed / stated if stated else 0.0
    other_numbers = {system for system, _ in mine} & {system for system, _ in theirs}
    return round(min(share * min(1.0, stated / 0.8), OTHER_NUMBER if other_numbers else 1.0), 3)


def _numbers(patient: dict[str, Any]) -> set[tuple[str, str]]:
    listed = patient.get("identifier", ())
    return {(one["system"], one["value"]) for one in listed if one.get("system") and one.get("value")}


def _values(patient: dict[str, Any], name: str) -> set[str]:
    if name in ("birthDate", "gender"):
        return {patient[name]} if patient.get(name) else set()
    if name == "telecom":
        values = ("".join(filter(str.isalnum, str(one.get("value", "")))) for one in patient.get("telecom", ()))
        return {value for value in values if value}
    if name == "postalCode":
        return {_plain(one["postalCode"]) for one in patient.get("address", ()) if one.get("postalCode")}
    found = [one.get(name, []) for one in patient.get("name", ())]
    return {_plain(text) for one in found for text in ([one] if isinstance(one, str) else one) if text}


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in folded if character.isalnum())


async def _candidates(environment: Environment, call: Call, asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    names = [one for one in asked.get("name", ()) if one.get("family")]
    searches = [
        [("identifier", f"{_escaped(one['system'])}|{_escaped(one['value'])}")]
        for one in asked.get("identifier", ())
        if one.get("system") and one.get("value")
    ]
    for name in names[:3]:
        family, given = name["family"], [one for one in name.get("given", ()) if one]
        if asked.get("birthDate"):
            searches.append([("birthdate", asked["birthDate"]), ("family", _escaped(family[:3]))])
        searches.append([("family", _escaped(family)), *[("given", _escaped(one)) for one in given[:1]]])
    for one in asked.get("telecom", ())[:3]:
        if one.get("value") and asked.get("birthDate"):
            searches.append([("telecom", _escaped(one["value"])), ("birthdate", asked["birthDate"])])
    if not searches:
        raise error(
            "required",
            "$match needs an identifier with its system, a family name, or a telecom with the birthDate.",
            location="resource",
        )
    for search in searches:
        request = Request(
            "GET", ("Patient",), [*search, ("_count", "100")], base=call.request.base, caller=call.request.caller
        )
        page = await environment.index.search(await environment.searching.query("Patient", request))
        for version in page.matches:
            found[version.id] = decode(version.body)
    return found


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


HANDLERS = (OperationHandler("match", match, type=True, types=("Patient",)),)
