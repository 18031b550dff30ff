"""What a token's scopes let it do, through every interaction (SMART scopes and launch context)."""

from typing import Any

import httpx
import pytest

from fhir_server.api import Request
from fhir_server.security.model import User
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, CODE, ORIGIN, observation

pytestmark = pytest.mark.anyio


async def token(
    fhir: Fhir, scope: str, patient: str = "", fhir_user: str = "Practitioner/doc", client: str = "app"
) -> dict[str, str]:
    """The header of a token with this scope."""
    from fhir_server.security.model import Grant

    security = fhir.server.security
    await security.store.begin_family("family", "u", client, scope)
    context = {"patient": patient} if patient else {}
    grant = Grant(family="family", client=client, scope=scope, user="u", fhir_user=fhir_user, context=context)
    return {"authorization": f"Bearer {await security.tokens.access_token(grant, ORIGIN, BASE)}"}


class Asking:
    """Asks with one token."""

    def __init__(self, fhir: Fhir, scope: str, **more: Any) -> None:
        self._token = lambda: token(fhir, scope, **more)
        self.headers: dict[str, str] = {}
        self.http = fhir.http

    async def __call__(self, path: str, method: str = "GET", body: Any = None) -> httpx.Response:
        self.headers = self.headers or await self._token()
        return await self.http.request(method, f"{BASE}/{path}", json=body, headers=self.headers)

    async def ids(self, path: str) -> list[str]:
        answer = await self(path)
        assert answer.status_code == 200, answer.text
        return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", ()))


async def test_without_a_token_nothing_but_metadata_is_answered(hospital: Fhir) -> None:
    for path in ("Patient/me", "Patient", "", "_history", "Patient/me/$everything", "Patient/me/_history/1"):
        answer = await hospital.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await hospital.get("metadata")).status_code == 200


OTHERS: list[dict[str, Any]] = [
    {"resourceType": "BiologicallyDerivedProduct", "collection": {"source": {"reference": "Patient/other"}}},
    {"resourceType": "EnrollmentResponse", "request": {"reference": "EnrollmentRequest/of-other"}},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "value", "diagnostics": "theirs"}]},
    {"resourceType": "PaymentReconciliation", "status": "active", "created": "2026-01-01", "paymentDate": "2026-01-01",
     "paymentAmount": {"value": 7, "currency": "EUR"},
     "detail": [{"type": {"text": "payment"}, "request": {"reference": "Claim/of-other"}}]},
]  # fmt: skip


@pytest.mark.parametrize("resource", OTHERS, ids=lambda each: each["resourceType"])
async def test_what_no_search_parameter_ties_to_its_patient_is_not_shown_within_one(
    hospital: Fhir, resource: dict[str, Any]
) -> None:
    type = resource["resourceType"]
    stored = await Asking(hospital, "user/*.cruds")(f"{type}/theirs", "PUT", {**resource, "id": "theirs"})
    assert stored.status_code == 201, stored.text
    ask = Asking(hospital, "patient/*.rs", patient="me")
    assert (await ask(f"{type}/theirs")).status_code == 404
    assert await ask.ids(type) == []


async def test_a_patient_scope_stays_within_the_patient(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/*.rs", patient="me")
    assert await ask.ids("Patient") == ["me"]
    assert await ask.ids("Observation") == ["lab", "mine"]
    assert (await ask("Patient/other")).status_code == 404
    assert (await ask("Observation/theirs")).status_code == 404
    assert (await ask("Observation/theirs/_history")).status_code == 404
    assert await ask.ids("Device") == []
    assert (await ask("Binary/scan")).status_code == 404
    assert await ask.ids("Organization") == ["house"]
    assert await ask.ids("Patient?_has:Observation:subject:_id=theirs") == []
    assert await ask.ids("Observation?subject.family=theirs") == []
    assert (await ask("Patient?_summary=count")).json()["total"] == 1


async def test_an_erasure_by_whom_it_is_not_for_reaches_nothing_beside_the_store_either(hospital: Fhir) -> None:
    asked: list[Any] = []

    async def erase(erased: Any) -> dict[str, int]:
        asked.append(erased.reference)
        return {}

    hospital.server.environment.erasures.append(erase)
    for scope in ("user/Patient.cruds", "user/*.rs", "patient/*.cruds"):
        answer = await Asking(hospital, scope, patient="me")("Patient/me/$purge", "POST")
        assert answer.status_code == 403, scope
    assert asked == [] and (await Asking(hospital, "user/*.cruds")("Patient/me")).status_code == 200
    administrator = User(id="u", name="admin", password="", roles=("administrator",))
    caller = await hospital.server.environment.callers.of_user(administrator)
    request = Request("POST", ("Patient", "me", "$purge"), caller=caller, base=BASE)
    assert (await hospital.server.perform(request)).status == 200
    assert asked == ["Patient/me"]


async def test_type_and_interaction_are_held_to(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/Observation.s user/Patient.r")
    assert len(await ask.ids("Observation")) == 3
    assert (await ask("Observation/mine")).status_code == 403
    assert (await ask("Patient/me")).status_code == 200
    refused = await ask("Patient")
    assert refused.status_code == 403 and "insufficient_scope" in refused.headers["www-authenticate"]
    assert (await ask("Encounter")).status_code == 403
    assert (await ask("Observation", "POST", observation("x", "me"))).status_code == 403
    assert await ask.ids("Observation?_include=Observation:subject") == ["lab", "mine", "theirs"]


async def test_criteria_of_a_scope_are_held_to(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/Observation.rs?category=laboratory", patient="me")
    assert await ask.ids("Observation") == ["lab"]
    assert (await ask("Observation/mine")).status_code == 404
    assert (await ask("Observation/lab")).status_code == 200


async def test_scopes_add_up(hospital: Fhir) -> None:
    ask = Asking(
        hospital, "patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs", patient="me"
    )
    assert await ask.ids("Observation") == ["lab", "mine"]


async def test_writes_are_held_to_what_is_granted(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/Observation.cud", patient="me")
    assert (await ask("Observation/new", "PUT", observation("new", "me"))).status_code == 201
    assert (await ask("Observation/bad", "PUT", observation("bad", "other"))).status_code == 403
    assert (await ask("Observation/mine", "PUT", observation("mine", "other"))).status_code == 403
    assert (await ask("Observation/theirs", "PUT", observation("theirs", "me"))).status_code == 403
    await ask("Observation/theirs", "DELETE")  # as for any id that is not there
    assert (await Asking(hospital, "user/*.rs")("Observation/theirs")).status_code == 200
    assert (await ask("Observation/lab", "DELETE")).status_code in (200, 204)
    create_only = Asking(hospital, "patient/Observation.c", patient="me")
    body = {"resourceType": "Observation", "status": "final", "code": CODE, "subject": {"reference": "Patient/me"}}
    assert (await create_only("Observation", "POST", body)).status_code == 201
    assert (await create_only("Observation/mine", "PUT", observation("mine", "me"))).status_code == 403


async def test_an_update_scope_creates_by_an_update_alone(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/Observation.u", patient="me")
    assert (await ask("Observation/new", "PUT", observation("new", "me"))).status_code == 201
    assert (await ask("Observation/bad", "PUT", observation("bad", "other"))).status_code == 403
    assert (await ask("Observation", "POST", observation("new", "me"))).status_code == 403


async def test_the_history_of_an_instance_is_read_and_that_of_a_type_searched(hospital: Fhir) -> None:
    reading, searching = Asking(hospital, "user/Patient.r"), Asking(hospital, "user/Patient.s user/Observation.r")
    assert (await reading("Patient/me/_history")).status_code == 200
    assert (await reading("Patient/_history")).status_code == 403
    assert "entry" not in (await reading("_history")).json()
    assert (await searching("Patient/me/_history")).status_code == 403
    for path in ("Patient/_history", "_history"):
        shown = (await searching(path)).json()["entry"]
        assert {entry["fullUrl"].rpartition("/fhir/")[2] for entry in shown} == {"Patient/me", "Patient/other"}


async def test_conditional_interactions_take_the_scope_to_search(hospital: Fhir) -> None:
    body = {"resourceType": "Observation", "status": "final", "code": CODE, "subject": {"reference": "Patient/me"}}
    writing = Asking(hospital, "user/Observation.cud")
    entry = {"resource": body, "request": {"method": "POST", "url": "Observation", "ifNoneExist": "_id=mine"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    referring = {**body, "subject": {"reference": "Patient?_id=me"}}
    named = {**bundle, "entry": [{"resource": referring, "request": {"method": "POST", "url": "Observation"}}]}
    for answer in (
        await writing("Observation?_id=mine", "POST", body),
        await writing("Observation?_id=mine", "PUT", body),
        await writing("Observation?_id=mine", "DELETE"),
        await writing("", "POST", bundle),
        await writing("", "POST", named),
    ):
        assert (answer.status_code, ".s" in answer.text) == (403, True), answer.text
    assert await Asking(hospital, "user/*.rs").ids("Observation") == ["lab", "mine", "theirs"]
    both = Asking(hospital, "user/Observation.cuds")
    assert (await both("Observation?_id=mine", "POST", body)).status_code == 200


async def test_a_transaction_is_held_to_it_as_well(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/Observation.cu", patient="me")

    def bundle(resource: dict, method: str, url: str) -> dict:
        entry = {"resource": resource, "request": {"method": method, "url": url}}
        return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

    assert (await ask("", "POST", bundle(observation("n", "me"), "PUT", "Observation/n"))).status_code == 200
    assert (await ask("", "POST", bundle(observation("n", "other"), "PUT", "Observation/n"))).status_code == 403
    patient = {"resourceType": "Patient", "id": "evil"}
    assert (await ask("", "POST", bundle(patient, "PUT", "Patient/evil"))).status_code == 403
    read = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": "Patient/other"}}],
    }
    answer = (await ask("", "POST", read)).json()
    assert answer["entry"][0]["response"]["status"].startswith(("403", "404"))


SHARED = [
    {"resourceType": "Organization", "id": "house", "name": "Mine now"}, {"resourceType": "Practitioner", "id": "doc"},
    {"resourceType": "ValueSet", "id": "new", "status": "active"},
    {"resourceType": "SearchParameter", "id": "new", "url": "http://x.test/sp", "name": "N", "status": "active",
     "description": "x", "code": "new", "base": ["Patient"], "type": "string", "expression": "Patient.name.family"},
]  # fmt: skip


@pytest.mark.parametrize("who", [{"patient": "me"}, {"fhir_user": "Patient/me"}], ids=["patient scopes", "a patient"])
async def test_what_is_nobodys_is_read_with_a_patients_records_and_not_changed(hospital: Fhir, who: Any) -> None:
    ask = Asking(hospital, "patient/*.cruds user/*.rs" if "patient" in who else "user/*.cruds", **who)
    assert (await ask("Organization/house")).status_code == 200
    for resource in SHARED:
        path = f"{resource['resourceType']}/{resource['id']}"
        assert (await ask(path, "PUT", resource)).status_code == 403, path
        assert (await ask(resource["resourceType"], "POST", resource)).status_code == 403, path
        entry = {"resource": resource, "request": {"method": "PUT", "url": path}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert (await ask("", "POST", bundle)).status_code == 403, path
    for path in ("Organization/house", "Practitioner/doc"):
        await ask(path, "DELETE")
        assert (await ask(path)).json()["meta"]["versionId"] == "1"
    closure = {"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "theirs"}]}
    assert (await ask("$closure", "POST", closure)).status_code == 403
    assert (await Asking(hospital, "user/*.cruds")("$closure", "POST", closure)).status_code == 200


async def test_everything_and_history_obey(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/Observation.rs patient/Patient.rs", patient="me")
    assert await ask.ids("Patient/me/$everything") == ["lab", "me", "mine"]
    assert (await ask("Patient/other/$everything")).status_code in (403, 404)
    history = (await ask("_history")).json()
    assert {entry["resource"]["id"] for entry in history["entry"]} == {"me", "mine", "lab"}


async def test_a_user_who_is_a_patient_stays_within_it(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds", fhir_user="Patient/me")
    assert await ask.ids("Patient") == ["me"]
    assert (await ask("Patient/other")).status_code == 404


async def test_patient_scopes_without_a_patient_are_worth_nothing(hospital: Fhir) -> None:
    assert (await Asking(hospital, "patient/*.cruds")("Patient")).status_code == 403


@pytest.mark.parametrize("criteria", ["_elements=id", "_count=1&_sort=code", "_summary=count", "_total=none"])
async def test_a_scope_whose_criteria_say_how_to_answer_gives_nothing(hospital: Fhir, criteria: str) -> None:
    """Whoever agreed to it read some criteria, and not that everything is given."""
    for type in ("Observation", "*"):
        answer = await Asking(hospital, f"user/{type}.rs?{criteria}")("Observation")
        assert answer.status_code == 403 and "can't be understood" in answer.text, answer.text


async def test_a_scope_whose_criteria_are_not_understood_gives_nothing(hospital: Fhir) -> None:
    answer = await Asking(hospital, "user/Observation.rs?nonsense=1")("Observation")
    assert answer.status_code == 403 and "nonsense" in answer.text


async def test_a_provenance_header_needs_a_scope_for_provenance(hospital: Fhir) -> None:
    given = '{"resourceType":"Provenance","recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}'
    for scope, status in (("user/Patient.cruds", 403), ("patient/Patient.cruds user/Provenance.c", 200)):
        headers = {**await token(hospital, scope, patient="me"), "x-provenance": given}
        patient = {"resourceType": "Patient", "id": "me", "gender": "other"}
        answer = await hospital.http.put(f"{BASE}/Patient/me", json=patient, headers=headers)
        assert answer.status_code == status, answer.text


async def test_a_binary_is_whose_its_security_context_is(hospital: Fhir) -> None:
    author = Asking(hospital, "user/*.cruds")

    def binary(id: str, context: str) -> dict[str, Any]:
        about = {"reference": context}
        return {
            "resourceType": "Binary",
            "id": id,
            "contentType": "text/plain",
            "data": "eA==",
            "securityContext": about,
        }

    for id, context in (("own", "Observation/mine"), ("theirs", f"{BASE}/Observation/theirs")):
        assert (await author(f"Binary/{id}", "PUT", binary(id, context))).status_code == 201
    narrow = Asking(hospital, "user/Binary.cruds user/Observation.rs?patient=Patient/me")
    assert (await narrow("Binary/own")).status_code == 200
    for path in ("Binary/theirs", "Binary/theirs/_history/1", "Binary/theirs/_history"):
        assert (await narrow(path)).status_code == 404, path
    for path in ("Binary", "Binary/_history", "?_type=Binary"):
        assert await narrow.ids(path) == ["own", "scan"], path
    assert (await narrow("Binary/theirs", "PUT", binary("theirs", "Observation/mine"))).status_code == 403
    assert (await narrow("Binary/own", "PUT", binary("own", "Observation/theirs"))).status_code == 403
    await narrow("Binary/theirs", "DELETE")
    assert (await author("Binary/theirs")).status_code == 200
    assert await Asking(hospital, "user/Binary.rs").ids("Binary") == ["scan"]
    for search, total in (("", 2), ("_id=theirs&", 0), ("_id=own&", 1)):
        assert (await narrow(f"Binary?{search}_summary=count")).json()["total"] == total
        assert (await narrow(f"Binary?{search}_total=accurate&_count=1")).json()["total"] == total


async def test_a_patients_app_has_the_binaries_that_belong_to_the_patients_records(hospital: Fhir) -> None:
    def binary(id: str, context: str = "") -> dict[str, Any]:
        about = {"securityContext": {"reference": context}} if context else {}
        return {"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==", **about}

    author = Asking(hospital, "user/*.cruds")
    for id, context in (("own", "Observation/mine"), ("theirs", "Observation/theirs"), ("house", "Organization/house")):
        assert (await author(f"Binary/{id}", "PUT", binary(id, context))).status_code == 201
    for ask in (
        Asking(hospital, "patient/*.cruds", patient="me"),
        Asking(hospital, "user/*.cruds", fhir_user="Patient/me"),
    ):
        assert (await ask("Binary/own")).status_code == 200
        assert (await ask("Binary/own/_history/1")).status_code == 200
        for path in ("theirs", "scan", "house", "theirs/_history", "theirs/_history/1"):
            assert (await ask(f"Binary/{path}")).status_code == 404, path
        for path in ("Binary", "Binary/_history"):
            assert await ask.ids(path) == ["own"], path
        assert (await ask("Binary?_summary=count")).json()["total"] == 1
        assert (await ask("Binary/theirs", "PUT", binary("theirs", "Observation/mine"))).status_code == 403
        assert (await ask("Binary/own", "PUT", binary("own"))).status_code == 403
        for context, status in (("Observation/mine", 201), ("Observation/theirs", 403), ("", 403)):
            answer = await ask("Binary", "POST", binary("new", context))
            assert answer.status_code == status, context
            if status == 201:
                assert (await ask(f"Binary/{answer.json()['id']}", "DELETE")).status_code == 204
    assert (await Asking(hospital, "patient/Binary.rs", patient="me")("Binary/own")).status_code == 404


async def test_a_related_person_stays_within_the_patient_as_long_as_the_relation_lasts(hospital: Fhir) -> None:
    async def relation(patient: str, **more: Any) -> None:
        person = {"resourceType": "RelatedPerson", "id": "aunt", "patient": {"reference": f"Patient/{patient}"}, **more}
        await hospital.server.perform(Request("PUT", ("RelatedPerson", "aunt"), resource=person, base=BASE))

    await relation("me")
    ask = Asking(hospital, "user/*.rs", fhir_user="RelatedPerson/aunt")
    app = Asking(hospital, "patient/*.rs", fhir_user="RelatedPerson/aunt", patient="me")

    async def seen() -> tuple[list[str], list[str]]:
        return await ask.ids("Patient"), await app.ids("Patient")

    assert await seen() == (["me"], ["me"])
    await relation("other")
    assert await seen() == (["other"], [])
    for ended in ({"active": False}, {"period": {"end": "2001-01-01"}}, {"period": {"start": "2901-01-01"}}):
        await relation("me", **ended)
        assert await seen() == ([], []), ended
    await relation("me", active=True, period={"start": "2001-01-01"})
    assert await seen() == (["me"], ["me"])
    await hospital.server.perform(Request("DELETE", ("RelatedPerson", "aunt")))
    assert await seen() == ([], [])


MINE, THEIRS = {"target": {"reference": "Patient/me"}}, {"target": {"reference": "Patient/other"}}
DOCTOR, AUNT = {"target": {"reference": "Practitioner/doc"}}, {"target": {"reference": "RelatedPerson/aunt"}}


@pytest.mark.parametrize(("links", "seen"), [
    ([MINE], ["me"]), ([AUNT], ["other"]), ([], []), ([MINE, THEIRS], ["me", "other"]),
    ([MINE, AUNT], ["me", "other"]), ([DOCTOR, MINE], ["me", "other"]),
])  # fmt: skip
async def test_a_person_stays_within_the_records_that_it_is_linked_to(
    hospital: Fhir, links: list[dict], seen: list[str]
) -> None:
    aunt = {"resourceType": "RelatedPerson", "id": "aunt", "patient": {"reference": "Patient/other"}}
    await hospital.server.perform(Request("PUT", ("RelatedPerson", "aunt"), resource=aunt, base=BASE))
    ask = Asking(hospital, "user/*.cruds", fhir_user="Person/7")
    assert await ask.ids("Patient") == []
    person = {"resourceType": "Person", "id": "7", **({"link": links} if links else {})}
    await hospital.server.perform(Request("PUT", ("Person", "7"), resource=person, base=BASE))
    assert await ask.ids("Patient") == seen
    app = Asking(hospital, "patient/*.rs", fhir_user="Person/7", patient="me")
    assert await app.ids("Patient") == [id for id in seen if id == "me"]
    if links and DOCTOR not in links:
        assert await ask.ids("Observation") == [each for each in ("lab", "mine", "theirs") if
                                                ("other" if each == "theirs" else "me") in seen]  # fmt: skip
        assert (await ask("Observation/s", "PUT", observation("s", "stranger"))).status_code == 403
        as_doctor = {**person, "link": [*links, DOCTOR]}
        assert (await ask("Person/7", "PUT", as_doctor)).status_code in (403, 404)
        assert await ask.ids("Patient") == seen


@pytest.mark.parametrize("scope", ["user/*.cruds", "patient/*.cruds"])
async def test_a_related_person_does_not_say_how_long_the_relation_lasts(hospital: Fhir, scope: str) -> None:
    person = {"resourceType": "RelatedPerson", "id": "aunt", "patient": {"reference": "Patient/me"},
              "period": {"end": "2901-01-01"}}  # fmt: skip
    await hospital.server.perform(Request("PUT", ("RelatedPerson", "aunt"), resource=person, base=BASE))
    ask = Asking(hospital, scope, fhir_user="RelatedPerson/aunt", patient="me")
    assert (await ask("RelatedPerson/aunt")).status_code == 200
    longer = {name: value for name, value in person.items() if name != "period"}
    assert (await ask("RelatedPerson/aunt", "PUT", longer)).status_code == 403
    assert (await ask("RelatedPerson/aunt", "DELETE")).status_code in (204, 403, 404)
    assert (await ask("RelatedPerson/aunt")).json()["period"] == person["period"]
    assert (await ask("Observation/mine", "PUT", observation("mine", "me"))).status_code == 200


async def test_head_tells_what_get_tells(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/*.rs", patient="me")
    for path, status in (("Patient/me", 200), ("Patient/other", 404), ("Observation/theirs/_history/1", 404)):
        answer = await ask(path, "HEAD")
        assert (answer.status_code, answer.content) == (status, b""), path
    etag = {"if-none-match": 'W/"1"', **ask.headers}
    for id, status in (("me", 304), ("other", 404), ("nobody", 404)):
        assert (await hospital.http.get(f"{BASE}/Patient/{id}", headers=etag)).status_code == status
