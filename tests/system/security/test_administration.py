"""Interfaces are shown whole to those with a role of administration, whatever policies and Consents take from them."""

from pathlib import Path

import pytest

from fhir_server import bootstrap
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import OPEN
from fhir_server.core.settings import Settings
from fhir_server.interactions.access.policy_parameters import code_of
from fhir_server.rest.auditing import Auditing
from tests.conftest import BASE, Fhir
from tests.system.security.conftest import ORIGIN
from tests.system.security.test_policies import As, consent, house

pytestmark = pytest.mark.anyio
__all__ = ["house"]

NAMED = """
[[rule]]
effect = "mask"
role = ["integration"]
resources = ["Patient"]
fields = ["address"]

[administration]
"*" = ["chief"]
hl7 = ["integration"]
"""
PAGES = ("hl7/messages", "dicom/api/peers", "workforce/state")
ALL = [200, 200, 503]  # no process of subsystems is started beside the test
NONE = [403, 403, 403]
NOTHING = {"resourceType": "Parameters"}


@pytest.fixture
def policies() -> str:
    return ""


@pytest.fixture
def settings(tmp_path: Path, policies: str) -> Settings:
    hl7, file = tmp_path / "hl7.toml", tmp_path / "policies.toml"
    hl7.write_text("[listener.ward]\nport = 0\n")
    file.write_text(policies)
    return Settings(
        data=tmp_path / "data", synchronous="OFF", security="smart", policies=str(file), hl7=str(hl7), dicom=True,
        subsystems=("workforce",),
    )  # fmt: skip


async def statuses(house: Fhir, *roles: str, **more: str) -> list[int]:
    """What each page answers while a Consent is in force that denies everybody one patient's record."""
    stored = await As(house)("Consent/c", "PUT", consent({"type": "deny"}))
    assert stored.status_code == 201, stored.text
    asking = As(house, *roles, **more)
    return [(await asking(f"../{page}")).status_code for page in PAGES]


async def test_an_administrator_gets_the_pages_while_a_consent_denies(house: Fhir) -> None:
    assert await statuses(house, "administrator") == ALL
    assert (await As(house, "administrator")("Patient/other")).status_code == 404


async def test_who_asks_a_subsystem_is_in_the_audit_log(house: Fhir) -> None:
    administrator, physician = As(house, "administrator"), As(house, "physician")
    auditing, scope = Auditing(house.server), {"method": "GET", "headers": [], "query_string": b""}
    given = b'[{"patient":"Patient/other"},"Patient/me, not Outpatient/x"]'
    await auditing.forwarded({**scope, "path": "/workforce/work"}, OPEN, 200, given)
    await administrator("../workforce/patients/me/shifts")
    await As(house)("Consent/c", "PUT", consent({"type": "deny", "class": [{"code": "Device"}]}))
    await physician("../workforce/work")
    told = []
    for entry in (await administrator("AuditEvent?_count=100")).json()["entry"]:
        what = [each["what"] for each in entry["resource"].get("entity", ()) if "what" in each]
        named = [each.get("reference") or each["display"] for each in what]
        told += [(entry["resource"]["outcome"], *named)] if "workforce" in "".join(named[-1:]) else []
    assert told[::-1] == [
        ("0", "Patient/other", "Patient/me", "workforce/work"),
        ("8", "Patient/me", "workforce/patients/me/shifts"),
        ("4", "workforce/work"),
    ]


async def test_a_clinician_does_not(house: Fhir) -> None:
    assert await statuses(house, "physician") == NONE
    refused = await As(house, "physician")("../hl7/messages")
    assert "administrator" in refused.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "more", [{"scope": "user/Patient.cruds"}, {"scope": "user/*.cruds?_security=N"}, {"user": "Patient/me"}]
)
async def test_a_role_reaches_no_further_than_scopes_and_record(house: Fhir, more: dict[str, str]) -> None:
    assert await statuses(house, "administrator", **more) == NONE


async def test_what_reads_only_changes_nothing(house: Fhir) -> None:
    assert await statuses(house, "administrator", scope="user/*.rs") == ALL
    reading = As(house, "administrator", scope="user/*.rs")
    assert (await reading("../hl7/messages/1/replay", "POST", {})).status_code == 403
    assert (await reading("../dicom/api/peers/X/echo", "POST", {})).status_code == 403


async def test_an_erasure_takes_the_role_and_a_view_of_everything(house: Fhir) -> None:
    async def erasing(*roles: str, **more: str) -> int:
        return (await As(house, *roles, **more)("Patient/other/$purge", "POST", NOTHING)).status_code

    assert await erasing("physician") == 403
    assert await erasing("administrator", scope="user/Patient.cruds") == 403
    assert await erasing("administrator", scope="user/*.rs") == 403
    assert await erasing("administrator") == 200
    assert (await As(house)("Patient/other")).status_code == 404


FHIRPATH = """
[[rule]]
effect = "deny"
role = ["student"]
resources = ["Patient"]
fhirpath = "name.given.count() = 1"
"""


@pytest.mark.parametrize("policies", [FHIRPATH])
async def test_a_rule_by_fhirpath_takes_nothing_from_whom_it_is_not_about(house: Fhir, policies: str) -> None:
    physician, administrator = As(house, "physician"), As(house, "administrator")
    assert await As(house, "student").ids("Patient") in ([], ["other"])
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Parameters"}}]}
    id = code_of("Patient", "name.given.count() = 1")
    for ask in (physician, administrator):
        assert await ask.ids("Patient") == ["me", "other"]
        assert (await ask("../hl7/messages")).status_code == 200
        assert (await ask("Bundle", "POST", bundle)).status_code == 201
        for way in (f"SearchParameter/{id}", f"SearchParameter/{id}/_history", f"SearchParameter/{id}/_history/1"):
            assert (await ask(way)).status_code == 404, way
        assert id not in (await ask("SearchParameter")).text + (await ask("_history?_count=200")).text
        assert (await ask(f"SearchParameter/{id}", "DELETE")).status_code in (204, 403, 404)
    caller = await house.server.caller_of("GET", {"authorization": f"Bearer {administrator.token}"}, BASE)
    assert caller.restriction is None and caller.inside is None
    assert (await administrator("Patient/other/$purge", "POST", NOTHING)).status_code == 200
    stored = await house.server.environment.store.read("SearchParameter", id)
    assert stored is not None and not stored.deleted


async def test_an_erasure_is_refused_where_a_consent_narrows_the_view(house: Fhir) -> None:
    await As(house)("Consent/c", "PUT", consent({"type": "deny"}))
    assert (await As(house, "administrator")("Patient/me/$purge", "POST", NOTHING)).status_code == 403


@pytest.mark.parametrize("policies", [NAMED])
async def test_policies_name_the_roles_of_each_interface(house: Fhir, policies: str) -> None:
    assert await statuses(house, "integration") == [200, 403, 403]
    assert [(await As(house, "chief")(f"../{page}")).status_code for page in PAGES] == ALL
    assert (await As(house, "administrator")("../hl7/messages")).status_code == 403


@pytest.mark.parametrize("policies", ['[administration]\nworkforce = ["roster"]\n'])
@pytest.mark.parametrize(
    "way", ["%2e%2e/billing", "..%2Fbilling", "x%2f..%2f..%2Fbilling", "%252e%252e/billing", "..%5cbilling"]
)
async def test_the_role_of_one_subsystem_leads_to_no_other(house: Fhir, policies: str, way: str) -> None:
    roster = As(house, "roster")
    assert (await roster("../workforce/state")).status_code == 503
    climbing = f"{ORIGIN}/workforce/{way}/state"
    answer = await house.http.get(climbing, headers={"authorization": f"Bearer {roster.token}"})
    assert answer.status_code == 404 and "leave . and .. out" in answer.text


@pytest.mark.parametrize("policies", ['interfaces = ["listener"]\n'])
async def test_consents_keep_nothing_from_an_interface_that_acts_by_itself(house: Fhir, policies: str) -> None:
    stored = await As(house)("Consent/c", "PUT", consent({"type": "deny"}))
    assert stored.status_code == 201, stored.text
    for client, seen in (("listener", ["me", "other"]), ("nightly", ["me"])):
        assert await As(house, client=client, user="", scope="system/*.cruds").ids("Patient") == seen
    assert await As(house, client="listener").ids("Patient") == ["me"]


@pytest.mark.parametrize("policies", ['[administration]\nhl8 = ["chief"]\n'])
async def test_a_role_for_an_interface_that_there_is_not_stops_the_start(settings: Settings) -> None:
    with pytest.raises(FhirError, match="hl8"):
        await bootstrap.start(settings)
