"""batch and transaction over HTTP."""

import asyncio
import base64
import json

import pytest

from tests.conftest import BASE, Fhir, issue_of

pytestmark = pytest.mark.anyio

MRN = "http://hospital.test/mrn"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'


def bundle(*entries: dict, type: str = "transaction") -> dict:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def entry(method: str, url: str, resource: dict | None = None, full_url: str = "", **request: str) -> dict:
    made: dict = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def observation(subject: str) -> dict:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{subject}">p</a></div>',
        },
    }


def patient(value: str, **more: object) -> dict:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}], **more}


async def stored(fhir: Fhir, response: dict) -> dict:
    return (await fhir.get(response["response"]["location"].partition("/_history")[0])).json()


async def test_a_full_url_that_is_the_canonical_url_stays_but_in_references(fhir: Fhir) -> None:
    url, system = "http://guide.test/fhir/ValueSet/fruit", "http://guide.test/fhir/CodeSystem/fruit"
    codes = {"resourceType": "CodeSystem", "url": system, "status": "active", "content": "not-present"}
    include = {"system": system, "filter": [{"property": "concept", "op": "is-a", "value": "apple"}]}
    values = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
    pointing = {
        "resourceType": "Basic",
        "code": {"coding": [{"system": system, "code": "apple"}]},
        "extension": [{"url": url, "valueUri": url}, {"url": system, "valueReference": {"reference": url}}],
    }
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "ValueSet", values, url),
            entry("PUT", "CodeSystem/fruit", {**codes, "id": "fruit"}, system),
            entry("POST", "Basic", pointing),
        ),
    )
    assert answer.status_code == 200, answer.text
    made, system_made, basic = [await stored(fhir, each) for each in answer.json()["entry"]]
    assert made["url"] == url and made["compose"] == {"include": [include]} and system_made["url"] == system
    assert basic["code"] == pointing["code"]
    reference = {"reference": f"ValueSet/{made['id']}"}
    assert basic["extension"] == [{"url": url, "valueUri": url}, {"url": system, "valueReference": reference}]


async def test_urn_references_become_references_to_what_was_made(fhir: Fhir) -> None:
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Observation", observation("urn:uuid:1"), "urn:uuid:2"),
            entry("POST", "Patient", patient("1"), "urn:uuid:1"),
        ),
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["type"] == "transaction-response"
    assert [e["response"]["status"] for e in made["entry"]] == ["201 Created", "201 Created"]
    who = made["entry"][1]["response"]["location"].partition("/_")[0]
    found = await stored(fhir, made["entry"][0])
    assert found["subject"]["reference"] == who
    assert f'href="{who}"' in found["text"]["div"]


async def test_one_bad_entry_keeps_nothing_and_is_named(fhir: Fhir) -> None:
    answer = await fhir.post(
        "", bundle(entry("POST", "Patient", patient("1")), entry("POST", "Patient", patient("2", birthDate="soon")))
    )
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource.birthDate"]
    assert await fhir.ids("Patient") == []


async def test_a_conflict_inside_undoes_everything(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a"})
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Patient", patient("1")),
            entry("PUT", "Patient/a", {"resourceType": "Patient", "id": "a", "active": True}, ifMatch='W/"9"'),
        ),
    )
    assert answer.status_code == 412
    assert await fhir.ids("Patient") == ["a"]
    assert "active" not in (await fhir.get("Patient/a")).json()


async def test_deletes_come_first_and_reads_last(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="old"))
    answer = await fhir.post(
        "",
        bundle(
            entry("GET", f"Patient?identifier={MRN}|1"),
            entry("POST", "Patient", patient("1"), ifNoneExist=f"identifier={MRN}|2"),
            entry("DELETE", "Patient/old"),
        ),
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()["entry"]
    assert found[0]["resource"]["total"] == 1
    assert found[2]["response"]["status"].startswith("204")
    assert "old" not in await fhir.ids("Patient")


async def test_conditional_create_and_reference_find_what_is_there(fhir: Fhir) -> None:
    await fhir.create(patient("7", id="seven"))
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Patient", patient("7"), "urn:uuid:p", ifNoneExist=f"identifier={MRN}|7"),
            entry("POST", "Observation", observation("urn:uuid:p")),
            entry("POST", "Observation", observation(f"Patient?identifier={MRN}|7")),
        ),
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()["entry"]
    assert made[0]["response"]["status"] == "200 OK"
    for number in (1, 2):
        assert (await stored(fhir, made[number]))["subject"]["reference"] == "Patient/seven"


async def test_what_refers_to_a_conditional_entry_that_matches_refers_to_what_is_there(fhir: Fhir) -> None:
    await fhir.create(patient("7", id="seven"))
    result = observation("urn:uuid:p") | {"meta": {"source": "urn:uuid:p"}}
    for entries in (
        entry("PUT", f"Patient?identifier={MRN}|7", patient("7", active=True), "urn:uuid:p"),
        entry("POST", "Patient", {"resourceType": "Patient", "gender": "?"}, "urn:uuid:p", ifNoneExist="_id=seven"),
    ):
        answer = await fhir.post("", bundle(entry("POST", "Observation", result), entries))
        assert answer.status_code == 200, answer.text
        found = await stored(fhir, answer.json()["entry"][0])
        assert (found["subject"]["reference"], found["meta"]["source"]) == ("Patient/seven", "Patient/seven")
        assert 'href="Patient/seven"' in found["text"]["div"]


async def test_a_bad_entry_beside_criteria_is_named(fhir: Fhir) -> None:
    bad = patient("8", gender="?")
    answer = await fhir.post("", bundle(entry("PUT", f"Patient?identifier={MRN}|8", bad)))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.gender"]


@pytest.mark.parametrize("reference", ["urn:uuid:nobody", f"Patient?identifier={MRN}|none"])
async def test_a_reference_to_nothing_refuses_the_transaction(fhir: Fhir, reference: str) -> None:
    answer = await fhir.post("", bundle(entry("POST", "Observation", observation(reference))))
    assert answer.status_code in (412, 422)
    assert await fhir.ids("Observation") == []


async def test_two_entries_about_one_resource_are_refused(fhir: Fhir) -> None:
    twice = {"resourceType": "Patient", "id": "a"}
    answer = await fhir.post("", bundle(entry("PUT", "Patient/a", twice), entry("PUT", "Patient/a", twice)))
    assert answer.status_code == 400


async def test_patch_and_conditional_update_inside_a_transaction(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "Patient"},
                    {"name": "name", "valueString": "active"},
                    {"name": "value", "valueBoolean": True},
                ],
            }
        ],
    }
    answer = await fhir.post(
        "",
        bundle(
            entry("PATCH", "Patient/a", parameters),
            entry("PUT", f"Patient?identifier={MRN}|2", patient("2")),
        ),
    )
    assert answer.status_code == 200, answer.text
    assert (await fhir.get("Patient/a")).json()["active"] is True
    assert len(await fhir.ids("Patient")) == 2


async def test_thousands_of_entries_are_one_transaction(fhir: Fhir) -> None:
    entries = [entry("POST", "Patient", patient(str(n)), f"urn:uuid:{n}") for n in range(1000)]
    entries += [entry("POST", "Observation", observation(f"urn:uuid:{n}")) for n in range(1000)]
    answer = await fhir.post("", bundle(*entries))
    assert answer.status_code == 200
    assert len(answer.json()["entry"]) == 2000
    assert (await fhir.get("Observation?_summary=count")).json()["total"] == 1000


async def test_a_batch_does_what_it_can(fhir: Fhir) -> None:
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Patient", patient("1")),
            entry("GET", "Patient/none"),
            entry("POST", "Patient", {"resourceType": "Patient", "birthdate": "2000"}),
            type="batch",
        ),
    )
    statuses = [e["response"]["status"][:3] for e in answer.json()["entry"]]
    assert statuses == ["201", "404", "422"]
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["code"] == "not-found"


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": {"resourceType": "Patient"}}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [7]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry("MOVE", "Patient")]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry("POST", "Patiant", {"resourceType": "Patiant"})],
        },
    ],
)
async def test_what_is_no_batch_is_refused(fhir: Fhir, body: dict) -> None:
    answer = await fhir.post("", body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_if_none_match_holds_within_a_transaction(fhir: Fhir) -> None:
    asked = {"method": "PUT", "url": "Patient/once", "ifNoneMatch": "*"}
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "once"}, "request": asked},
            {
                "resource": {"resourceType": "Basic", "code": {"text": "x"}},
                "request": {"method": "POST", "url": "Basic"},
            },
        ],
    }
    assert (await fhir("POST", "", body)).status_code == 200
    assert (await fhir("POST", "", body)).status_code == 412
    assert len(await fhir.ids("Basic")) == 1


async def test_a_reference_to_a_conditional_update_that_creates_is_to_what_was_created(fhir):
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    url = "urn:uuid:6cf39d1e-8d2c-4a6e-9f0b-2a4e6d6b2c11"
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": url},
    }
    entries = [
        {"fullUrl": url, "resource": patient, "request": {"method": "PUT", "url": "Patient?identifier=urn:x|1"}},
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]
    for _ in range(2):
        answer = await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        created, referring = (entry["response"]["location"] for entry in answer.json()["entry"])
        stored = (await fhir.get(referring.split("/_history")[0])).json()
        assert stored["subject"]["reference"] == created.split("/_history")[0]


async def test_conditional_references_see_what_the_transaction_writes(fhir: Fhir) -> None:
    await fhir.create(patient("old", id="old"))
    await fhir.create(patient("gone", id="gone"))
    criteria = f"Patient?identifier={MRN}|"
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Observation", observation(f"{criteria}new")),
            entry("POST", "Observation", observation(f"{criteria}renamed")),
            entry("POST", "Patient", patient("new")),
            entry("PUT", "Patient/old", patient("renamed", id="old")),
        ),
    )
    assert answer.status_code == 200, answer.text
    answers = answer.json()["entry"]
    made = answers[2]["response"]["location"].partition("/_")[0]
    assert (await stored(fhir, answers[0]))["subject"]["reference"] == made
    assert (await stored(fhir, answers[1]))["subject"]["reference"] == "Patient/old"
    for url, value in (("Patient", "renamed"), ("Patient/gone", "gone")):
        writing = entry("POST", url, patient("renamed")) if url == "Patient" else entry("DELETE", url)
        refused = await fhir.post("", bundle(entry("POST", "Observation", observation(f"{criteria}{value}")), writing))
        issue = issue_of(refused)
        assert (refused.status_code, issue["expression"]) == (412, ["Bundle.entry[0].resource.subject"])


@pytest.mark.parametrize("type", ["transaction", "batch"])
async def test_a_conditional_reference_may_be_absolute(fhir: Fhir, type: str) -> None:
    who = await fhir.create(patient("1"))
    here, elsewhere = (f"{base}/Patient?identifier={MRN}|1" for base in (BASE, "http://elsewhere.test/fhir"))
    entries = [entry("POST", "Observation", observation(subject)) for subject in (here, elsewhere)]
    body = json.dumps(bundle(*entries, type=type))
    for sent in (body, body.replace("/", "\\/")):
        answer = await fhir.post("", sent.encode())
        written = [await stored(fhir, each) for each in answer.json()["entry"]]
        assert [each["subject"]["reference"] for each in written] == [who, elsewhere]


async def test_a_conditional_reference_says_something(fhir: Fhir) -> None:
    await fhir.create(patient("1"))
    refused = await fhir.post("", bundle(entry("POST", "Observation", observation("Patient?"))))
    assert (refused.status_code, issue_of(refused)["expression"]) == (400, ["Bundle.entry[0].resource.subject"])


async def test_a_batch_resolves_conditional_references_to_what_is_stored(fhir: Fhir) -> None:
    who = await fhir.create(patient("1"))
    known, unknown = (observation(f"Patient?identifier={MRN}|{value}") for value in "12")
    answer = await fhir.post(
        "", bundle(entry("POST", "Observation", known), entry("POST", "Observation", unknown), type="batch")
    )
    first, second = answer.json()["entry"]
    assert (await stored(fhir, first))["subject"]["reference"] == who
    assert second["response"]["status"].startswith("412")


async def test_conditional_creates_of_one_transaction_with_one_criterion_make_one_resource(fhir: Fhir) -> None:
    asked = {"ifNoneExist": f"identifier={MRN}|1"}
    answer = await fhir.post(
        "",
        bundle(
            entry("POST", "Patient", patient("1"), "urn:uuid:1", **asked),
            entry("POST", "Patient", patient("1"), "urn:uuid:2", **asked),
            entry("POST", "Observation", observation("urn:uuid:2")),
        ),
    )
    first, second, third = answer.json()["entry"]
    assert [e["response"]["status"][:3] for e in (first, second, third)] == ["201", "200", "201"]
    assert first["response"]["location"] == second["response"]["location"]
    assert (await stored(fhir, third))["subject"]["reference"] == first["response"]["location"].partition("/_")[0]
    twice = [entry("PUT", f"Patient?identifier={MRN}|2", patient("2"))] * 2
    assert (await fhir.post("", bundle(*twice))).status_code == 400


async def test_conditional_creates_of_what_is_there_may_be_several(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    asked = {"ifNoneExist": f"identifier={MRN}|1"}
    creates = [entry("POST", "Patient", patient("1"), f"urn:uuid:{n}", **asked) for n in (1, 2)]
    answer = await fhir.post("", bundle(*creates, entry("POST", "Observation", observation("urn:uuid:2"))))
    assert answer.status_code == 200, answer.text
    assert [e["response"]["status"][:3] for e in answer.json()["entry"]] == ["200", "200", "201"]
    assert (await stored(fhir, answer.json()["entry"][2]))["subject"] == {"reference": "Patient/a"}
    assert (await fhir.post("", bundle(*creates, entry("DELETE", "Patient/a")))).status_code == 400


async def test_a_full_url_stands_for_one_entry(fhir: Fhir) -> None:
    where = "http://elsewhere.test/fhir/Patient/1"
    made = [entry("POST", "Patient", patient(value), where) for value in ("1", "2")]
    answer = await fhir.post("", bundle(*made, entry("POST", "Observation", observation("Patient/1"))))
    assert (answer.status_code, where in issue_of(answer)["diagnostics"]) == (400, True)
    assert await fhir.ids("Patient") == []


async def test_the_type_of_a_patch_may_have_parameters(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    change = base64.b64encode(b'[{"op": "add", "path": "/active", "value": true}]').decode()
    binary = {"resourceType": "Binary", "contentType": "Application/JSON-Patch+json; charset=utf-8", "data": change}
    for type in ("batch", "transaction"):
        (answer,) = (await fhir.post("", bundle(entry("PATCH", "Patient/a", binary), type=type))).json()["entry"]
        assert answer["response"]["status"] == "200 OK", answer


async def test_conditional_reads_and_head_in_a_batch(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a"})
    answer = await fhir.post(
        "",
        bundle(
            entry("GET", "Patient/a", ifModifiedSince="2099-01-01T00:00:00Z"),
            entry("GET", "Patient/a", ifModifiedSince="2001-01-01T00:00:00+02:00"),
            entry("GET", "Patient/a", ifModifiedSince="yesterday"),
            entry("HEAD", "Patient/a"),
            type="batch",
        ),
    )
    found = [(e["response"]["status"][:3], "resource" in e) for e in answer.json()["entry"]]
    assert found == [("304", False), ("200", True), ("400", False), ("200", False)]


@pytest.mark.parametrize("name", ["ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"])
async def test_conditions_that_are_no_text_are_refused(fhir: Fhir, name: str) -> None:
    creating = {"request": {"method": "POST", "url": "Patient", name: 5}, "resource": patient("1")}
    refused = await fhir.post("", bundle(creating))
    assert (refused.status_code, issue_of(refused)["expression"]) == (400, [f"Bundle.entry[0].request.{name}"])


async def test_an_entry_of_a_batch_that_refers_to_another_is_refused(fhir: Fhir) -> None:
    first, second = "urn:uuid:8b1d7f4e-0e54-4a8f-9c2b-0f6c2f6d2b01", "urn:uuid:8b1d7f4e-0e54-4a8f-9c2b-0f6c2f6d2b02"
    entries = entry("POST", "Patient", patient("b"), first), entry("POST", "Observation", observation(first), second)
    answer = (await fhir.post("", bundle(*entries, type="batch"))).json()
    assert [each["response"]["status"] for each in answer["entry"]] == ["201 Created", "400 Bad Request"]
    (issue,) = answer["entry"][1]["response"]["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.subject"]
    assert "transaction" in issue["diagnostics"]


async def test_a_bundle_has_no_elements_but_r4s(fhir: Fhir) -> None:
    answer = await fhir.post("", {**bundle(entry("POST", "Patient", patient("1"))), "entries": []})
    assert answer.status_code == 400
    assert "Bundle has no element 'entries'. Did you mean 'entry'?" in issue_of(answer)["diagnostics"]
    assert await fhir.ids("Patient") == []


async def test_a_bundle_that_is_stored_keeps_its_own_names(fhir: Fhir) -> None:
    own = "urn:uuid:aaaaaaaa-0000-4000-8000-00000000000b"
    seen = {**observation(own), "text": {"status": "empty", "div": DIV}}
    entries = [{"fullUrl": own, "resource": patient("2")}, {"fullUrl": own[:-1] + "c", "resource": seen}]
    kept = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    answer = await fhir.post("", bundle(entry("POST", "Bundle", kept), entry("POST", "Patient", patient("1"), own)))
    assert answer.status_code == 200, answer.text
    stored = (await fhir.get(answer.json()["entry"][0]["response"]["location"])).json()
    assert stored["entry"] == kept["entry"]


async def test_changes_in_a_transaction_are_told_once_it_is_durable_and_keep_no_writer_waiting(fhir: Fhir) -> None:
    position = (await fhir.get("$changes")).json()["head"]
    asked = [entry("GET", f"$changes?after={position}&_type={type}&wait=30") for type in ("Patient", "Device")]
    sent = asyncio.ensure_future(fhir.post("", bundle(entry("POST", "Patient", patient("1")), *asked)))
    while not await fhir.ids("Patient"):
        await asyncio.sleep(0)
    assert (await fhir.post("Device", {"resourceType": "Device"})).status_code == 201
    answer = (await sent).json()
    told = [json.loads(base64.b64decode(each["resource"]["data"])) for each in answer["entry"][1:]]
    assert [[change["type"] for change in each["changes"]] for each in told] == [["Patient"], ["Device"]]


@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_a_create_whose_criteria_are_in_its_url_is_conditional(fhir: Fhir, type: str) -> None:
    await fhir.create(patient("1", id="a"))
    answer = await fhir.post("", bundle(entry("POST", f"Patient?identifier={MRN}|1", patient("1")), type=type))
    assert answer.json()["entry"][0]["response"]["status"] == "200 OK"
    assert await fhir.ids("Patient") == ["a"]


@pytest.mark.parametrize("url", ["Patient/a", f"Patient?identifier={MRN}|1"])
@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_an_entry_that_writes_says_how_it_is_answered(fhir: Fhir, type: str, url: str) -> None:
    await fhir.create(patient("1", id="a"))
    sign = "&" if "?" in url else "?"
    sent = patient("1", id="a", active=True)
    answer = await fhir.post(
        "", bundle(entry("PUT", f"{url}{sign}_elements=active", sent), type=type), prefer="return=representation"
    )
    assert answer.json()["entry"][0]["resource"].keys() == {"resourceType", "id", "meta", "active"}
    for parameter in ("_elements=nonsense", "nonsense=1"):
        refused = await fhir.post("", bundle(entry("PUT", f"{url}{sign}{parameter}", sent), type=type))
        assert '"error"' in refused.text, parameter
    assert (await fhir.get("Patient/a")).json()["meta"]["versionId"] == "2"
