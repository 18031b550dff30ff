"""$match: patients that may be the one described (https://hl7.org/fhir/R4/patient-operation-match.html; IHE PDQm).

Candidates are found by identifier, by name with date of birth, and by name alone; each is scored by how much agrees.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
GRADES = ((0.95, "certain"), (0.8, "probable"), (0.5, "possible"))
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
    scored = []
    for candidate in (await _candidates(environment, call, asked)).values():
        score = score_of(asked, candidate)
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


def score_of(asked: dict[str, Any], candidate: dict[str, Any]) -> float:
    """How sure it is that both are one person, from 0 to 1."""
    numbers = {(one.get("system"), one.get("value")) for one in asked.get("identifier", ()) if one.get("system")}
    shared = any((one.get("system"), one.get("value")) in numbers for one in candidate.get("identifier", ()))
    agreed = stated = 0.0
    for name, weight in WEIGHTS.items():
        mine, other = _values(asked, name), _values(candidate, name)
        if not mine or not other:
            continue
        stated += weight
        if mine & other:
            agreed += weight
        elif name in ("family", "given") and any(a[:3] == b[:3] for a in mine for b in other):
            agreed += weight / 2
    if shared:
        return 1.0 if not stated or agreed / stated >= 0.5 else 0.7  # one number and another person is no certainty
    share = agreed / stated if stated else 0.0
    return round(share * min(1.0, stated / 0.8), 3)


def _values(patient: dict[str, Any], name: str) -> set[str]:
    if name in ("birthDate", "gender"):
        return {patient[name]} if patient.get(name) else set()
    if name == "telecom":
        values = ("".join(filter(str.isalnum, str(one.get("value", "")))) for one in patient.get("telecom", ()))
        return {value for value in values if value}
    if name == "postalCode":
        return {_plain(one["postalCode"]) for one in patient.get("address", ()) if one.get("postalCode")}
    found = [one.get(name, []) for one in patient.get("name", ())]
    return {_plain(text) for one in found for text in ([one] if isinstance(one, str) else one)}


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
        family = _escaped(name["family"])
        if asked.get("birthDate"):
            searches.append([("birthdate", asked["birthDate"]), ("family", family[:3])])
        searches.append([("family", family), *[("given", _escaped(one)) for one in name.get("given", ())[:1]]])
    for one in asked.get("telecom", ())[:3]:
        if one.get("value") and asked.get("birthDate"):
            searches.append([("telecom", _escaped(one["value"])), ("birthdate", asked["birthDate"])])
    if not searches:
        raise error("required", "$match needs an identifier with its system, or a family name.", location="resource")
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
