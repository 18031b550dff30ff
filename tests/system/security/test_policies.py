"""Policies and Consents narrow what scopes allow, and break-glass widens it again, in writing."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.core.errors import FhirError, Issue
from fhir_server.core.settings import Settings
from fhir_server.interactions.access.policy_parameters import code_of
from fhir_server.security.policies import load
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, ORIGIN, RESOURCES, observation

pytestmark = pytest.mark.anyio

POLICIES = """
break_glass = ["physician"]

[[rule]]
effect = "permit"
role = ["physician", "reception"]
resources = ["*"]

[[rule]]
effect = "permit"
client = ["statistics"]
interactions = "s"
resources = ["Observation?category=laboratory"]

[[rule]]
effect = "deny"
role = ["reception"]
resources = ["Observation", "Condition"]

[[rule]]
effect = "deny"
resources = ["Observation?_security=R"]
unless_role = ["psychiatrist"]
breakable = true

[[rule]]
effect = "deny"
interactions = "d"
resources = ["*"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "policies.toml"
    file.write_text(POLICIES)
    return Settings(data=tmp_path / "data", synchronous="OFF", security="smart", policies=str(file))


RESTRICTED = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"


@pytest.fixture
async def house(fhir: Fhir) -> AsyncIterator[Fhir]:
    from fhir_server.api import Request

    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    for resource in [*RESOURCES, {**observation("hush", "other"), "meta": label}]:
        await fhir.server.perform(
            Request("PUT", (resource["resourceType"], resource["id"]), resource=resource, base=BASE)
        )
    yield fhir


class As:
    """Asks in a role, with all scopes of a user or those given; user "" for a client by itself."""

    def __init__(
        self, fhir: Fhir, *roles: str, user: str = "Practitioner/doc", client: str = "app", scope: str = "user/*.cruds"
    ) -> None:
        from fhir_server.security.model import Grant

        self.grant = Grant(family="f", client=client, scope=scope, user=user and "u", fhir_user=user)
        self.roles = roles
        self.security = fhir.server.security
        self.token = ""
        self.http = fhir.http

    async def __call__(self, path: str, method: str = "GET", body: Any = None, **headers: str | bytes) -> Any:
        if not self.token:
            grant = self.grant
            await self.security.store.begin_family(grant.family, grant.user, grant.client, grant.scope)
            self.token = await self.security.tokens.access_token(grant, ORIGIN, BASE, self.roles)
        sent = {"authorization": f"Bearer {self.token}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        return await self.http.request(method, f"{BASE}/{path}", json=body, headers=sent)

    async def ids(self, path: str, **headers: str) -> list[str]:
        answer = await self(path, **headers)
        assert answer.status_code == 200, answer.text
        return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", ()))


async def test_a_trial_deletion_tells_of_no_reference_that_may_not_be_seen(house: Fhir, tmp_path: Path) -> None:
    from fhir_server.api import Request

    change(house, tmp_path, f'[[rule]]\neffect = "deny"\nresources = ["Observation?_security={RESTRICTED}"]\n')
    hush = json.loads((await house.server.read("Observation", "hush")).body)
    naming = {**hush, "hasMember": [{"reference": "Observation/mine"}]}
    doctor, outcomes = As(house, "physician"), []
    for resource in (naming, hush):
        await house.server.perform(Request("PUT", ("Observation", "hush"), resource=resource, base=BASE))
        outcomes.append((await doctor("Observation/mine/$validate?mode=delete")).json())
    assert outcomes[0] == outcomes[1]
    open_one = {**observation("open", "me"), "hasMember": [{"reference": "Observation/mine"}]}
    assert (await doctor("Observation/open", "PUT", open_one)).status_code == 201
    assert "Observation/open refers" in (await doctor("Observation/mine/$validate?mode=delete")).text


async def test_what_no_rule_permits_is_not_there(house: Fhir) -> None:
    assert await As(house, "gardener").ids("Patient") == []
    assert await As(house, "physician").ids("Patient") == ["me", "other"]
    statistics = As(house, client="statistics")
    assert await statistics.ids("Observation") == ["lab"]
    assert (await statistics("Observation/lab")).status_code == 404


async def test_denials_win_over_permits(house: Fhir) -> None:
    desk = As(house, "reception")
    assert await desk.ids("Patient?_revinclude=Observation:subject") == ["me", "other"]
    assert await desk.ids("Patient?_has:Observation:subject:category=laboratory") == []
    assert (await As(house, "physician")("Observation/mine", "DELETE")).status_code in (204, 403)
    assert (await As(house, "physician")("Observation/mine")).status_code == 200


async def test_labels_are_for_those_with_clearance(house: Fhir) -> None:
    assert "hush" not in await As(house, "physician").ids("Observation")
    assert "hush" not in await As(house, "physician").ids("Patient/other/$everything")
    assert "hush" in await As(house, "physician", "psychiatrist").ids("Observation")
    labelled = {**observation("new", "me"), "meta": {"security": [{"code": "R"}]}}
    assert (await As(house, "physician")("Observation/new", "PUT", labelled)).status_code == 403


async def test_break_glass_takes_a_role_and_a_reason_and_is_in_the_audit_log(house: Fhir) -> None:
    doctor = As(house, "physician")
    emergency = {"x_purpose": "BTG", "x_purpose_reason": "unconscious in the shock room"}
    assert (await doctor("Observation/hush", x_purpose="BTG")).status_code == 400
    assert "hush" in await doctor.ids("Observation", **emergency)
    assert (await As(house, "reception")("Observation/hush", **emergency)).status_code == 403
    assert (await doctor("Observation/hush")).status_code == 404
    found = await doctor("AuditEvent?subtype=search-type")
    event = next(e["resource"] for e in found.json()["entry"] if e["resource"].get("purposeOfEvent"))
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    assert "shock room" in event["purposeOfEvent"][0]["text"]
    assert (await doctor("Patient/other", **{**emergency, "x_purpose_reason": "another was brought in"})).is_success
    found = (await doctor("AuditEvent?subtype=read&entity=Patient/other")).json()["entry"][0]["resource"]
    assert found["purposeOfEvent"][0]["text"] == "another was brought in"  # each request has its own


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_person_breaks_the_glass_for_a_reason_in_their_language(house: Fhir, encoding: str) -> None:
    doctor, reason = As(house, "physician", user="Person/p"), "bewußtlos im Schockraum"
    person = {"resourceType": "Person", "id": "p", "link": [{"target": {"reference": "Practitioner/doc"}}]}
    assert (await As(house, "physician")("Person/p", "PUT", person)).status_code == 201
    answer = await doctor("Observation/hush", x_purpose="BTG", x_purpose_reason=reason.encode(encoding))
    assert answer.status_code == 200, answer.text
    task = (await As(house, "physician")("Task?code=BTG")).json()["entry"][0]["resource"]
    assert task["reasonCode"]["text"] == reason and task["requester"] == {"identifier": {"value": "u"}}


def consent(provision: dict[str, Any], **more: Any) -> dict[str, Any]:
    coding = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
    return {
        "resourceType": "Consent", "id": "c", "status": "active", "scope": coding,
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "patient": {"reference": "Patient/other"}, "provision": provision, **more,
    }  # fmt: skip


def actor(reference: str) -> dict[str, Any]:
    return {"role": {"text": "any"}, "reference": {"reference": reference}}


async def test_a_consent_denies_from_when_it_is_stored_until_it_ends(house: Fhir) -> None:
    doctor, colleague = As(house, "physician"), As(house, "physician", user="Practitioner/two")
    assert "other" in await doctor.ids("Patient")
    denial = consent({"type": "deny", "actor": [actor("Practitioner/doc")]})
    answer = await colleague("Consent/c", "PUT", denial)
    assert answer.status_code == 201, answer.text
    assert await doctor.ids("Patient") == ["me"]
    assert (await doctor("Observation/theirs")).status_code == 404
    assert (await doctor("Observation?_summary=count")).json()["total"] == 2
    assert "theirs" in await colleague.ids("Observation")
    assert "other" in await doctor.ids("Patient", x_purpose="BTG", x_purpose_reason="cardiac arrest")
    assert (await colleague("Consent/c", "PUT", {**denial, "status": "inactive"})).status_code == 200
    assert "other" in await doctor.ids("Patient")


async def test_a_consent_of_some_types_with_exceptions(house: Fhir) -> None:
    doctor, colleague = As(house, "physician"), As(house, "physician", user="Practitioner/two")
    some = {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
            "provision": [{"type": "permit", "actor": [actor("Practitioner/two")]}]}  # fmt: skip
    assert (await colleague("Consent/c", "PUT", consent(some))).status_code == 201
    assert await doctor.ids("Observation") == ["lab", "mine"]
    assert "other" in await doctor.ids("Patient")
    assert "theirs" in await colleague.ids("Observation")
    over = {"type": "deny", "period": {"end": "2001-01-01"}}
    assert (await colleague("Consent/c", "PUT", consent(over))).status_code == 200
    assert "theirs" in await doctor.ids("Observation")


@pytest.mark.parametrize(
    "provision",
    [
        {"actor": [actor("Practitioner/doc/_history/1")]},
        {"provision": [{"type": "permit", "actor": [{"role": {"text": "any"}, "reference": {"display": "Dr. Own"}}]}]},
        {"provision": [{"type": "permit", "purpose": [{"display": "treatment"}]}]},
        {"class": [{"system": "urn:ietf:bcp:13", "code": "application/hl7-cda+xml"}]},
        {"provision": [{"type": "permit", "code": [{"text": "blood pressure"}]}]},
        {"provision": [{"type": "permit", "class": [{"code": "Observation"}], "action": [{"text": "correct"}]}]},
        {"provision": [{"type": "permit", "class": [{"code": "Observation"}],
                        "provision": [{"type": "deny", "securityLabel": [{"code": "R"}]}]}]},
    ],
)  # fmt: skip
async def test_what_of_a_consent_is_not_applied_denies_more_and_spares_nothing(
    house: Fhir, provision: dict[str, Any]
) -> None:
    doctor, colleague = As(house, "physician"), As(house, "physician", user="Practitioner/two")
    answer = await colleague("Consent/c", "PUT", consent({"type": "deny", **provision}))
    assert answer.status_code == 201, answer.text
    assert (await doctor.ids("Patient"), await doctor.ids("Observation")) == (["me"], ["lab", "mine"])


OBSERVATIONS = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}
NOT_DOC = {"type": "permit", "actor": [actor("Practitioner/two")]}
ANOTHER_MATTER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]}
OPT_OUT = {"policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}}
ALL, NONE, NO_OBSERVATION = (["me", "other"], True), (["me"], False), (["me", "other"], False)


@pytest.mark.parametrize(
    ("provision", "more", "doctor_sees", "colleague_sees"),
    [
        ({}, OPT_OUT, NONE, NONE),
        (None, OPT_OUT, NONE, NONE),
        ({"actor": [actor("Practitioner/doc")]}, OPT_OUT, NONE, ALL),
        (NOT_DOC, OPT_OUT, NONE, ALL),
        ({**NOT_DOC, "provision": [{"type": "deny", **OBSERVATIONS}]}, OPT_OUT, NONE, NO_OBSERVATION),
        ({"type": "permit", "provision": [{"type": "deny", **OBSERVATIONS, "provision": [NOT_DOC]}]},
         {}, NO_OBSERVATION, ALL),
        ({"period": {"end": "2001-01-01"}, "provision": [{"type": "deny"}]}, {}, ALL, ALL),
        ({"type": "deny"}, {"scope": ANOTHER_MATTER}, ALL, ALL),
        ({"type": "deny", "securityLabel": [{"system": RESTRICTED.partition("|")[0], "code": "N"}]},
         {}, NO_OBSERVATION, NO_OBSERVATION),
        ({"type": "deny", "securityLabel": [{"code": "R"}]}, {}, NO_OBSERVATION, NO_OBSERVATION),
    ],
)  # fmt: skip
async def test_a_consent_is_read_from_its_policy_through_all_its_provisions(
    house: Fhir, tmp_path: Path, provision: Any, more: Any, doctor_sees: Any, colleague_sees: Any
) -> None:
    change(house, tmp_path, "")
    doctor, colleague = As(house, "physician"), As(house, "physician", user="Practitioner/two")
    denial = {**consent(provision or {}, **more)}
    if not provision:
        del denial["provision"]
    answer = await colleague("Consent/c", "PUT", denial)
    assert answer.status_code == 201, answer.text
    for asking, sees in ((doctor, doctor_sees), (colleague, colleague_sees)):
        assert (await asking.ids("Patient"), "hush" in await asking.ids("Observation")) == sees


async def test_a_consent_that_names_emergencies_holds_in_them(house: Fhir) -> None:
    doctor, colleague = As(house, "physician"), As(house, "physician", user="Practitioner/two")
    emergency = {"x_purpose": "BTG", "x_purpose_reason": "cardiac arrest"}
    reason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    denial = consent({"type": "deny", "purpose": [{"system": reason, "code": "BTG"}]})
    assert (await colleague("Consent/c", "PUT", denial)).status_code == 201
    assert "other" in await doctor.ids("Patient")
    assert await doctor.ids("Patient", **emergency) == ["me"]


@pytest.mark.parametrize(
    ("named", "user", "denied"),
    [
        ("PractitionerRole/r", "Practitioner/doc", True),
        ("Organization/house", "Practitioner/doc", True),
        ("Organization/above", "Practitioner/doc", True),
        ("Organization/house", "PractitionerRole/r", True),
        ("Practitioner/doc", "PractitionerRole/r", True),
        ("CareTeam/t", "Practitioner/doc", True),
        ("Group/g", "Practitioner/doc", True),
        ("Organization/house", "Practitioner/two", False),
        ("CareTeam/t", "Practitioner/two", False),
        ("Group/g", "Practitioner/two", False),
        ("Organization/house", "", False),
    ],
)
async def test_a_consent_names_whoever_is_of_an_organization_a_team_or_a_group(
    house: Fhir, tmp_path: Path, named: str, user: str, denied: bool
) -> None:
    change(house, tmp_path, "")
    writer = As(house, user="Practitioner/writer")
    belonging: list[dict[str, Any]] = [
        {"resourceType": "Organization", "id": "above", "name": "Above"},
        {"resourceType": "Organization", "id": "house", "partOf": {"reference": "Organization/above"}, "name": "House"},
        {"resourceType": "Practitioner", "id": "two"},
        {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/doc"},
         "organization": {"reference": "Organization/house"}},
        {"resourceType": "PractitionerRole", "id": "over", "practitioner": {"reference": "Practitioner/two"},
         "organization": {"reference": "Organization/house"}, "period": {"end": "2001-01-01"}},
        {"resourceType": "CareTeam", "id": "t", "status": "active", "participant": [
            {"member": {"reference": "Practitioner/doc"}},
            {"member": {"reference": "Practitioner/two"}, "period": {"end": "2001-01-01"}}]},
        {"resourceType": "Group", "id": "g", "type": "practitioner", "actual": True, "member": [
            {"entity": {"reference": "PractitionerRole/r"}},
            {"entity": {"reference": "Practitioner/two"}, "inactive": True}]},
        consent({"type": "deny", "actor": [actor(named)]}),
    ]  # fmt: skip
    for each in belonging:
        answer = await writer(f"{each['resourceType']}/{each['id']}", "PUT", each)
        assert answer.status_code in (200, 201), answer.text
    scope = "user/*.cruds" if user else "system/*.cruds"
    assert ("other" not in await As(house, user=user, scope=scope).ids("Patient")) is denied


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule]]\neffect = 'allow'\nresources = []", "allow"),
        ("[[rule]]\neffect = 'deny'\nresources = ['patient']", "patient"),
        ("[[rule]]\neffect = 'deny'\nresources = ['*']\ninteractions = 'x'", "cruds"),
        ("[[rule]]\neffect = 'deny'\nresources = ['*']\nroles = ['x']", "roles"),
        ("rule = [", "can't be used"),
    ],
)
def test_a_policy_that_can_not_be_understood_is_refused_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(text)
    with pytest.raises(FhirError, match=said):
        load(str(file))


async def test_an_export_leaves_out_what_policies_and_consents_deny(house: Fhir) -> None:
    doctor = As(house, "physician")
    denial = consent({"type": "deny", "class": [{"code": "Device"}]})
    assert (await doctor("Consent/c", "PUT", denial)).status_code == 201
    status, listed = await exported(doctor)
    assert "Patient" in listed and "Device" not in listed
    observations = (await doctor(listed["Observation"])).text
    assert "theirs" in observations and "hush" not in observations
    for lesser in (
        As(house, "physician", scope="user/Patient.rs"),
        As(house, "reception"),
        As(house, "physician", "psychiatrist"),
        As(house, "physician", user="Practitioner/two"),
    ):
        assert [(await lesser(path)).status_code for path in (status, listed["Observation"])] == [403, 403]


async def exported(asking: As, **headers: str) -> tuple[str, dict[str, str]]:
    """Where the status of an export of everything is, once it is done, and its files by type."""
    begun = await asking("$export", prefer="respond-async", accept="application/fhir+json", **headers)
    assert begun.status_code == 202, begun.text
    status = begun.headers["content-location"].removeprefix(f"{BASE}/")
    while (answer := await asking(status, **headers)).status_code == 202:
        await asyncio.sleep(0.05)
    return status, {file["type"]: file["url"].removeprefix(f"{BASE}/") for file in answer.json()["output"]}


async def test_what_was_exported_in_an_emergency_is_given_in_it_only(house: Fhir) -> None:
    doctor = As(house, "physician")
    status, listed = await exported(doctor, x_purpose="BTG", x_purpose_reason="unconscious in the shock room")
    assert "hush" in (await doctor(listed["Observation"], x_purpose="BTG")).text
    for path in (status, listed["Observation"]):
        assert (await doctor(path)).status_code == 403


MASKED = """
[[rule]]
effect = "mask"
role = ["billing"]
resources = ["Patient"]
fields = ["telecom", "name.given", "birthDate"]
breakable = true
"""
ADA = {
    "resourceType": "Patient", "id": "me", "gender": "female", "birthDate": "1980-01-01",
    "telecom": [{"system": "phone", "value": "555"}], "name": [{"family": "Mine", "given": ["Ada"]}],
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ada 555</div>'},
}  # fmt: skip


def change(house: Fhir, folder: Path, text: str) -> None:
    """Writes the policies anew, a second after they were looked at last."""
    (folder / "policies.toml").write_text(text)
    house.server.environment.callers._in_force._looked = 0.0


@pytest.fixture
async def masked(house: Fhir, tmp_path: Path) -> Fhir:
    from fhir_server.api import Request

    change(house, tmp_path, MASKED)
    await house.server.perform(Request("PUT", ("Patient", "me"), resource=ADA, base=BASE))
    return house


async def test_hidden_fields_are_in_no_answer(masked: Fhir) -> None:
    clerk = As(masked, "billing")
    seen = (await clerk("Patient/me")).json()
    assert seen["name"] == [{"family": "Mine"}] and seen["meta"]["tag"][0]["code"] == "SUBSETTED"
    for path in ("Patient/me", "Patient", "Patient/me/_history", "Patient/me/_history/1", "_history",
                 "Observation?_include=Observation:subject", "Patient/me/$everything",
                 "Patient?family=mine"):  # fmt: skip
        answer = await clerk(path)
        assert answer.status_code == 200, (path, answer.text)
        assert not any(text in answer.text for text in ("Ada", "555", "1980")), path
    assert (await As(masked, "physician")("Patient/me")).json()["telecom"]


async def test_changes_filtered_by_what_is_hidden_are_refused_before_a_stream_begins(masked: Fhir) -> None:
    for accept in ("application/json", "text/event-stream"):
        answer = await As(masked, "billing")("$changes?_typeFilter=Patient?birthdate=1980-01-01", accept=accept)
        assert answer.status_code == 403, answer.text


async def test_an_export_that_asks_by_what_is_hidden_is_refused_before_it_begins(masked: Fhir, tmp_path: Path) -> None:
    async def begun(asking: As, path: str) -> int:
        return (await asking(path, prefer="respond-async", accept="application/fhir+json")).status_code

    clerk = As(masked, "billing")
    assert await begun(clerk, "$export?_type=Patient&_typeFilter=Patient?birthdate=1980-01-01") == 403
    assert await begun(clerk, "Patient/$export?_type=Patient,Observation") == 202
    change(masked, tmp_path, '[[rule]]\neffect = "mask"\nresources = ["Observation"]\nfields = ["subject"]\n')
    assert await begun(clerk, "Patient/$export?_type=Patient,Observation") == 403
    assert await begun(clerk, "Patient/$export?_type=Patient,Condition") == 202
    assert await begun(clerk, "$export?_type=Observation") == 202


async def test_a_search_by_what_is_hidden_is_refused(masked: Fhir) -> None:
    clerk = As(masked, "billing")
    for search in (
        "Patient?given=ada", "Patient?name=ada", "Patient?telecom=555", "Patient?phone:missing=true",
        "Patient?_sort=birthdate", "Patient?_filter=birthdate eq 1980-01-01", "Patient?_content=ada",
        "Patient?_text=ada",
        "Observation?subject:Patient.birthdate=1980-01-01", "Patient?phonetic=ada", "Patient?link:Patient.given=ada",
        "Practitioner?_has:Patient:general-practitioner:given=ada",
    ):  # fmt: skip
        assert (await clerk(search)).status_code == 403, search
    assert (await clerk("Patient", "POST", {"resourceType": "Patient"}, if_none_exist="given=Ada")).status_code == 403


async def test_what_is_hidden_of_a_resource_is_found_in_no_other_that_has_it_inside(masked: Fhir) -> None:
    doctor, clerk = As(masked, "physician"), As(masked, "billing")
    inner = {"resourceType": "Patient", "birthDate": "1999-09-09", "gender": "male"}
    within = [("Observation", "gender", "contained.ofType(Patient).gender"),
              ("Observation", "resolved", "subject.resolve().birthDate"),
              ("Observation", "born", "contained.ofType(Patient).birthDate"),
              ("Bundle", "held", "entry.resource.ofType(Patient).birthDate")]  # fmt: skip
    for type, code, path in within:
        made = {"resourceType": "SearchParameter", "url": f"urn:test:{code}", "name": code, "code": f"x-{code}",
                "status": "active", "description": "x", "base": [type], "expression": f"{type}.{path}",
                "type": "token" if code == "gender" else "date"}  # fmt: skip
        assert (await doctor("SearchParameter", "POST", made)).status_code == 201
    letter = {"resourceType": "Bundle", "type": "collection",
              "entry": [{"fullUrl": "urn:uuid:8d4b2c1e-6d2f-4d2c-9a44-1f2a3b4c5d6e", "resource": inner}]}  # fmt: skip
    observed = {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                "contained": [{**inner, "id": "p"}], "subject": {"reference": "#p"}}  # fmt: skip
    for resource in (letter, observed):
        assert (await doctor(resource["resourceType"], "POST", resource)).status_code == 201
    for type, code, _ in within:
        while (await doctor(f"{type}?x-{code}:missing=true")).status_code == 503:  # it is being indexed
            await asyncio.sleep(0.02)
    for search in ("Observation?x-resolved=1999-09-09", "Observation?x-born=1999-09-09", "Bundle?x-held=1999-09-09",
                   "Observation?_sort=x-born", "Observation?_content=1999-09-09",
                   "Bundle?_content=1999-09-09"):  # fmt: skip
        assert len(await doctor.ids(search)) >= 1, search
        assert (await clerk(search)).status_code == 403, search
    for search in ("Observation?x-gender=male", "Observation?subject:Patient._id=me", "Observation?_text=x"):
        assert (await clerk(search)).status_code == 200, search


async def test_headers_of_a_subscription_are_hidden_and_sent_nowhere_else(house: Fhir, tmp_path: Path) -> None:
    rule = '[[rule]]\neffect = "mask"\nunless_role = ["integration"]\nresources = ["Subscription"]\n'
    change(house, tmp_path, f'{rule}fields = ["channel.header"]\n')
    maker, other = As(house, "integration"), As(house, "physician")
    channel = {"type": "rest-hook", "endpoint": "https://93.184.216.34/hook", "payload": "application/fhir+json"}
    asked = {"resourceType": "Subscription", "id": "s", "status": "requested", "reason": "x",
             "criteria": "Observation?status=final"}  # fmt: skip
    secret = {**channel, "header": ["Authorization: Bearer sesame"]}
    assert (await maker("Subscription/s", "PUT", {**asked, "channel": secret})).status_code == 201
    assert "Authorization: sealed." in (await maker("Subscription/s")).text
    seen = (await other("Subscription/s")).json()
    assert seen["channel"] == channel
    assert (await other("Subscription?_content=sesame")).status_code == 403
    moved = {**channel, "endpoint": "https://93.184.216.35/mine"}
    assert (await other("Subscription/s", "PUT", {**seen, "channel": moved})).status_code == 403
    patch = [{"op": "replace", "path": "/channel/endpoint", "value": "https://93.184.216.35/mine"}]
    kind = {"content_type": "application/json-patch+json"}
    assert (await other("Subscription/s", "PATCH", patch, **kind)).status_code == 403
    assert (await other("Subscription", "POST", {**asked, "channel": secret})).status_code == 403


async def test_writes_keep_what_is_hidden_and_can_not_change_it(masked: Fhir) -> None:
    clerk, doctor = As(masked, "billing"), As(masked, "physician")
    seen = (await clerk("Patient/me")).json()
    answer = await clerk("Patient/me", "PUT", {**seen, "gender": "other"})
    assert answer.status_code == 200 and "555" not in answer.text
    whole = (await doctor("Patient/me")).json()
    assert whole["telecom"] == ADA["telecom"] and whole["name"] == ADA["name"] and whole["gender"] == "other"
    assert "tag" not in whole["meta"] and "text" not in whole
    assert await doctor.ids("Patient?telecom=555&birthdate=1980-01-01") == ["me"]
    for changed in ({"birthDate": "1990-01-01"}, {"name": [{"family": "Yours"}]}, {"telecom": []}):
        assert (await clerk("Patient/me", "PUT", {**seen, **changed})).status_code in (403, 422), changed
    patch = [{"op": "replace", "path": "/gender", "value": "male"}]
    kind = {"content_type": "application/json-patch+json"}
    assert (await clerk("Patient/me", "PATCH", patch, **kind)).status_code == 200
    assert (await doctor("Patient/me")).json()["birthDate"] == "1980-01-01"
    tried = [{"op": "test", "path": "/birthDate", "value": "1980-01-01"}, *patch]
    assert (await clerk("Patient/me", "PATCH", tried, **kind)).status_code >= 400


async def test_a_mask_of_no_element_is_refused_at_the_start(tmp_path: Path) -> None:
    from fhir_server import definitions
    from fhir_server.interactions.access.masks import require_known

    file = tmp_path / "policies.toml"
    file.write_text("[[rule]]\neffect = 'mask'\nresources = ['Patient']\nfields = ['adress']")
    with pytest.raises(FhirError, match="adress"):
        require_known(load(str(file)), definitions.load())
    file.write_text("[[rule]]\neffect = 'deny'\nresources = ['Patient']\nfields = ['address']")
    with pytest.raises(FhirError, match="mask"):
        load(str(file))


async def test_a_changed_file_counts_without_a_restart_and_a_broken_one_does_not(house: Fhir, tmp_path: Path) -> None:
    gardener = As(house, "gardener")
    assert await gardener.ids("Patient") == []
    change(house, tmp_path, POLICIES + '[[rule]]\neffect = "permit"\nrole = ["gardener"]\nresources = ["Patient"]\n')
    assert await gardener.ids("Patient") == ["me", "other"]
    change(house, tmp_path, "[[rule]]\neffect = 'allow'")
    assert await gardener.ids("Patient") == ["me", "other"]


async def test_who_may_not_create_makes_nothing_by_an_update_either(house: Fhir, tmp_path: Path) -> None:
    change(house, tmp_path, "[[rule]]\neffect = 'deny'\ninteractions = 'c'\nresources = ['Observation']\n")
    for scope in ("user/Observation.u", "user/Observation.cu"):
        assert (await As(house, scope=scope)("Observation/new", "PUT", observation("new", "me"))).status_code == 403
        assert (await As(house, scope=scope)("Observation/mine", "PUT", observation("mine", "me"))).status_code == 200


def parameter(id: str, code: str, base: str, expression: str, **more: str) -> dict[str, Any]:
    return {"resourceType": "SearchParameter", "id": id, "url": f"urn:test:{id}", "name": "x", "status": "active",
            "description": "x", "code": code, "base": [base], "type": "token", "expression": expression,
            **more}  # fmt: skip


async def test_what_decides_who_sees_what_is_redefined_by_nobody_from_whom_something_is_kept(house: Fhir) -> None:
    official = {"url": "http://hl7.org/fhir/SearchParameter/individual-gender"}
    doctor, administrator = As(house, "physician"), As(house, "physician", "administrator")
    redefining = (
        parameter("a", "gender", "Patient", "Patient.active"),
        parameter("a", "other", "Patient", "Patient.active", **official),
        parameter("a", "_security", "Observation", "Observation.status"),
        parameter("a", "patient", "Observation", "Observation.focus", type="reference"),
    )
    for made in redefining:
        assert (await doctor("SearchParameter/a", "PUT", made)).status_code == 403, made
        entry = {"resource": made, "request": {"method": "POST", "url": "SearchParameter"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert (await doctor("", "POST", bundle)).status_code == 403, made
    own = parameter("b", "speaks", "Patient", "Patient.communication.language")
    assert (await doctor("SearchParameter/b", "PUT", own)).status_code == 201
    patch = [{"op": "replace", "path": "/expression", "value": "Patient.active"}]
    kind = {"content_type": "application/json-patch+json"}
    assert (await doctor("SearchParameter/b", "PATCH", patch, **kind)).status_code == 403
    assert (await doctor("SearchParameter/b", "DELETE")).status_code == 403
    assert (await administrator("SearchParameter/b", "PATCH", patch, **kind)).status_code == 200
    assert (await administrator("SearchParameter/a", "PUT", redefining[0])).status_code == 201


async def test_a_value_set_that_a_rule_or_a_scope_asks_by_counts_as_soon_as_it_is_changed(
    house: Fhir, tmp_path: Path
) -> None:
    doctor, writer = As(house, "physician"), As(house, "writer")
    app = As(house, "writer", scope="user/Observation.rs?code:in=urn:kept")

    async def keeps(*codes: str) -> None:
        include = [{"system": "http://loinc.org", "concept": [{"code": code} for code in codes]}]
        kept = {"resourceType": "ValueSet", "id": "v", "url": "urn:kept", "status": "active",
                "compose": {"include": include}}  # fmt: skip
        assert (await writer("ValueSet/v", "PUT", kept)).status_code in (200, 201)

    rule = '[[rule]]\neffect = "deny"\nrole = ["physician"]\nresources = ["Observation?code:in=urn:kept"]\n'
    change(house, tmp_path, rule)
    for codes in (("1-8",), ("1-8", "8867-4"), ("1-8",)):
        await keeps(*codes)
        inside = "8867-4" in codes
        assert (await doctor("Observation/mine")).status_code == (404 if inside else 200), codes
        assert (await app("Observation/mine")).status_code == (200 if inside else 404), codes
    assert (await writer("ValueSet/v", "DELETE")).status_code == 204
    refused = await doctor("Observation/mine")
    assert (refused.status_code, "urn:kept" in refused.text) == (503, False)


@pytest.mark.parametrize("criteria", ["_security:in=urn:nowhere", "code:in=urn:nowhere", "nothing-has-this=1"])
async def test_a_denial_of_all_types_that_can_not_be_told_is_none_that_is_passed_over(
    house: Fhir, tmp_path: Path, criteria: str
) -> None:
    rule = f'[[rule]]\neffect = "deny"\nrole = ["physician"]\nresources = ["*?{criteria}"]\n'
    change(house, tmp_path, rule)
    assert (await As(house, "physician")("Observation/mine")).status_code == 503
    assert (await As(house, "nurse")("Observation/mine")).status_code == 200


async def test_nobody_puts_another_parameter_in_the_place_of_one_that_the_policies_need(
    house: Fhir, tmp_path: Path
) -> None:
    rule = '[[rule]]\neffect = "deny"\nrole = ["clerk"]\nresources = ["Patient"]\nfhirpath = "active"\n'
    change(house, tmp_path, rule)
    for ask in (As(house, "physician"), As(house, "administrator")):
        assert (await ask("Patient")).status_code == 200
        taking = parameter("a", code_of("Patient", "active"), "Patient", "Patient.active and false")
        assert (await ask("SearchParameter/a", "PUT", taking)).status_code == 403


async def test_a_count_of_what_must_be_looked_into_says_that_the_index_is_behind(house: Fhir) -> None:
    environment = house.server.environment
    whole = environment.index

    class Behind:
        def __getattr__(self, name: str) -> Any:
            return getattr(whole, name)

        async def search(self, query: Any) -> Any:
            return replace(await whole.search(query), warnings=(Issue("warning", "incomplete", "It is behind."),))

    environment.index = Behind()
    counted = (await As(house, "physician")("Bundle?_summary=count")).json()
    assert counted["total"] == 0 and "It is behind." in str(counted["entry"])


async def test_a_rule_by_fhirpath_where_search_is_not_enough(house: Fhir, tmp_path: Path) -> None:
    doctor = As(house, "physician")
    expression = "name.given.count() = 1 and birthDate < @1990-01-01"
    change(house, tmp_path, f'[[rule]]\neffect = "deny"\nresources = ["Patient"]\nfhirpath = "{expression}"\n')
    assert await doctor.ids("Patient") in ([], ["other"])  # nothing until everything is indexed
    for _ in range(200):
        if not house.server.indexing():
            break
        await asyncio.sleep(0.02)
    assert await doctor.ids("Patient") == ["other"]
    assert (await doctor("Patient/me")).status_code == 404
    assert (await doctor("Patient/new", "PUT", {**ADA, "id": "new"})).status_code == 403


async def test_the_search_parameter_of_a_policy_is_nobodys_to_meet_or_change(house: Fhir, tmp_path: Path) -> None:
    expression = "name.given.count() = 1"
    change(house, tmp_path, f'[[rule]]\neffect = "deny"\nresources = ["Patient"]\nfhirpath = "{expression}"\n')
    doctor, id = As(house, "physician"), code_of("Patient", expression)
    assert await doctor.ids("Patient") in ([], ["other"])
    assert await house.server.environment.store.read("SearchParameter", id) is not None
    assert id not in (await doctor("metadata")).text
    assert await doctor.ids("SearchParameter") == []
    assert (await doctor(f"SearchParameter/{id}")).status_code == 404
    for method, body in (("PUT", {"resourceType": "SearchParameter", "id": id, "status": "retired"}), ("DELETE", None)):
        assert (await doctor(f"SearchParameter/{id}", method, body)).status_code in (204, 403, 404, 422)
    stored = await house.server.environment.store.read("SearchParameter", id)
    assert stored is not None and stored.version == 1


async def test_what_patients_are_known_by_is_not_changed_within_a_patients_context(house: Fhir, tmp_path: Path) -> None:
    change(house, tmp_path, "")
    desk, own = As(house, "reception"), As(house, user="Patient/me")
    app = As(house, client="app", scope="patient/*.cruds user/Patient.u?gender=male")
    app.grant = msgspec.structs.replace(app.grant, context={"patient": "me"})
    number = {"identifier": [{"system": "urn:mrn", "value": "1"}]}
    stored = {**ADA, "id": "me", **number}
    assert (await desk("Patient/me", "PUT", stored)).status_code == 200
    for ask in (own, app):
        assert (await ask("Patient/me", "PUT", {**stored, "birthDate": "1979-01-01"})).status_code == 200
        extended = {"_active": {"extension": [{"url": "urn:x", "valueCode": "x"}]}}
        for changed in ({"identifier": []}, {"active": False}, {"deceasedBoolean": True}, extended):
            sent = {name: value for name, value in {**stored, **changed}.items() if value != []}
            answer = await ask("Patient/me", "PUT", sent)
            assert answer.status_code == 403 and "context" in answer.text, changed
        more = [{"op": "add", "path": "/identifier/-", "value": {"system": "urn:mrn", "value": "2"}}]
        patched = await ask("Patient/me", "PATCH", more, content_type="application/json-patch+json")
        assert patched.status_code == 403
        assert (await ask("Patient/me", "DELETE")).status_code == 403
        sent = {**stored, "active": False}
        assert (await ask("Patient?identifier=urn:mrn|1", "PUT", sent)).status_code == 403
        for type in ("batch", "transaction"):
            entry = {"resource": sent, "request": {"method": "PUT", "url": "Patient/me"}}
            answer = await ask("", "POST", {"resourceType": "Bundle", "type": type, "entry": [entry]})
            assert "context" in answer.text, type
    found = (await desk("Patient/me")).json()
    assert (found["identifier"], "active" in found) == (number["identifier"], False)
    change(house, tmp_path, "[kept_from_patients]")
    without = {name: value for name, value in stored.items() if name != "identifier"}
    assert (await own("Patient/me", "PUT", without)).status_code == 200


@pytest.mark.parametrize("kept", ["Patient = ['identifer']", "Patent = ['identifier']"])
def test_what_is_kept_of_patients_is_elements_that_there_are(tmp_path: Path, kept: str) -> None:
    from fhir_server import definitions
    from fhir_server.bootstrap.securing import check_policies

    file = tmp_path / "policies.toml"
    file.write_text(f"[kept_from_patients]\n{kept}")
    with pytest.raises(FhirError, match="kept_from_patients"):
        check_policies(load(str(file)), definitions.load())


def test_an_expression_that_can_not_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    from fhir_server import definitions
    from fhir_server.bootstrap.securing import check_policies

    file = tmp_path / "policies.toml"
    file.write_text("[[rule]]\neffect = 'deny'\nresources = ['Patient']\nfhirpath = 'nmae.exists()'")
    with pytest.raises(FhirError, match="nmae"):
        check_policies(load(str(file)), definitions.load())


async def test_an_emergency_ends_and_is_reviewed(house: Fhir) -> None:
    from fhir_server.api import Request

    doctor, reviewer = As(house, "physician"), As(house, "physician", "psychiatrist", user="Practitioner/two")
    emergency = {"x_purpose": "BTG", "x_purpose_reason": "unconscious in the shock room"}
    assert (await doctor("Observation/hush", **emergency)).status_code == 200
    assert (await doctor("Observation/hush", x_purpose="BTG")).status_code == 200  # it goes on
    found = (await reviewer("Task?code=BTG&status=requested")).json()["entry"]
    task = found[0]["resource"]
    assert len(found) == 1 and task["reasonCode"]["text"] == "unconscious in the shock room"
    assert task["requester"]["reference"] == "Practitioner/doc"
    seen = (await reviewer(task["input"][0]["valueString"])).json()["entry"]
    assert any("Observation/hush" in str(entry) for entry in seen)
    clock: Any = house.server.environment.clock
    clock.now += 3601 * 1_000_000
    doctor = As(house, "physician")
    assert (await doctor("Observation/hush", x_purpose="BTG")).status_code == 400
    assert (await doctor("Observation/hush", **emergency)).status_code == 200
    found = (await As(house, "physician")("Task?code=BTG&_sort=-authored-on")).json()["entry"]
    assert len(found) == 2
    last = found[0]["resource"]
    shown = {"authorization": f"Bearer {doctor.token}", "x-purpose": "BTG"}
    callers, caller = house.server.environment.callers, await house.server.caller_of("GET", shown, BASE)
    assert (await callers.renewed(caller)).reason == emergency["x_purpose_reason"]
    ended = await As(house, "psychiatrist", "physician")(f"Task/{last['id']}", "PUT", {**last, "status": "rejected"})
    assert ended.status_code == 200
    with pytest.raises(FhirError, match="has ended this emergency"):
        await callers.renewed(caller)
    assert (await doctor("Observation/hush", **emergency)).status_code == 403
    writer = As(house, "psychiatrist", "physician")
    assert (await writer(f"Task/{last['id']}", "PUT", {**last, "status": "requested"})).status_code == 200
    assert (await doctor("Observation/hush", **emergency)).status_code == 403  # what has ended does not go on
    await house.server.perform(Request("DELETE", ("Task", last["id"]), base=BASE))
    assert (await doctor("Observation/hush", **emergency)).status_code == 403
    alert = (await As(house, "physician")("AuditEvent?subtype=110127")).json()["entry"]
    assert len(alert) == 2 and alert[0]["resource"]["type"]["code"] == "110113"


@pytest.mark.parametrize(
    ("narrowing", "left"),
    [
        ({"dataPeriod": {"start": "2020-01-01", "end": "2020-12-31"}}, ["later"]),
        ({"dataPeriod": {"end": "2019-01-01"}}, ["early", "later"]),
        ({"data": [{"meaning": "instance", "reference": {"reference": "Observation/early"}}]}, ["later", "undated"]),
        ({"data": [{"meaning": "dependents", "reference": {"reference": "Encounter/e"}}]}, ["later", "undated"]),
        ({"data": [{"meaning": "related", "reference": {"reference": "Observation/later"}}]}, ["early", "undated"]),
        ({"data": [{"meaning": "instance", "reference": {"reference": "http://elsewhere.test/Observation/1"}}]}, []),
    ],
)
async def test_a_consent_of_a_period_or_of_some_resources(
    house: Fhir, narrowing: dict[str, Any], left: list[str]
) -> None:
    colleague, doctor = As(house, "physician", user="Practitioner/two"), As(house, "physician")
    visit = {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
             "subject": {"reference": "Patient/other"}}  # fmt: skip
    early = {
        **observation("early", "other"),
        "effectiveDateTime": "2020-03-01",
        "encounter": {"reference": "Encounter/e"},
    }
    later = {**observation("later", "other"), "effectiveDateTime": "2021-03-01"}
    for resource in (visit, early, later, observation("undated", "other")):
        assert (await colleague(f"{resource['resourceType']}/{resource['id']}", "PUT", resource)).status_code == 201
    kinds = {"type": "deny", "class": [{"code": "Observation"}], "actor": [actor("Practitioner/doc")]}
    assert (await colleague("Consent/c", "PUT", consent({**kinds, **narrowing}))).status_code == 201
    found = await doctor.ids("Observation?subject=Patient/other")
    assert [id for id in found if id in ("early", "later", "undated")] == left


@pytest.mark.parametrize("effect", ["", "deny", "mask"])
async def test_a_rule_within_a_patients_context_keeps_who_else_is_of_a_group(
    house: Fhir, tmp_path: Path, effect: str
) -> None:
    members = [{"entity": {"reference": f"Patient/{id}"}} for id in ("me", "other")]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members}
    fields = 'fields = ["member"]\n' if effect == "mask" else ""
    rule = f'[[rule]]\neffect = "{effect}"\nresources = ["Group"]\n{fields}within_patient = true\n' if effect else ""
    change(house, tmp_path, f'[[rule]]\neffect = "permit"\nresources = ["*"]\n{rule}')
    doctor, patient = As(house, "physician"), As(house, user="Patient/me")
    app = As(house, "physician", user="Patient/me", client="phone")
    assert (await doctor("Group/g", "PUT", group)).status_code == 201
    assert "Patient/other" in (await doctor("Group/g")).text
    for path in ("Group/g", "Group", "Group/g/_history", "Group/g/_history/1", "Patient/me/$everything"):
        for asking in (patient, app):
            assert ("Patient/other" in (await asking(path)).text) is not bool(effect), path
