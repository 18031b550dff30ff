"""read, vread, create, update, delete and their headers, over HTTP."""

import pytest

from tests.conftest import BASE, Fhir, issue_of

pytestmark = pytest.mark.anyio

PATIENT = {"resourceType": "Patient", "birthDate": "1970-01-01"}


async def test_create_answers_with_location_etag_and_the_stored_resource(fhir: Fhir) -> None:
    answer = await fhir.post("Patient", PATIENT)
    stored = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{BASE}/Patient/{stored['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"].endswith("GMT")
    assert stored["meta"]["versionId"] == "1"


async def test_create_ignores_the_id_that_the_client_gives(fhir: Fhir) -> None:
    answer = await fhir.post("Patient", {**PATIENT, "id": "mine"})
    assert answer.json()["id"] != "mine"


async def test_read_gives_the_stored_bytes_with_every_digit(fhir: Fhir) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}'
    where = (await fhir.post("Observation", body)).headers["location"].removeprefix(f"{BASE}/").partition("/_")[0]
    assert b'"value":1.00' in (await fhir.get(where)).content


async def test_read_of_what_never_was_is_404(fhir: Fhir) -> None:
    answer = await fhir.get("Patient/none")
    assert (answer.status_code, issue_of(answer)["code"]) == (404, "not-found")


async def test_read_of_what_is_deleted_is_410(fhir: Fhir) -> None:
    where = await fhir.create(PATIENT)
    assert (await fhir("DELETE", where)).status_code == 204
    answer = await fhir.get(where)
    assert (answer.status_code, issue_of(answer)["code"]) == (410, "deleted")
    assert answer.headers["etag"] == 'W/"2"'


async def test_conditional_read_answers_304_without_body(fhir: Fhir) -> None:
    where = await fhir.create(PATIENT)
    first = await fhir.get(where)
    for headers in ({"if_none_match": 'W/"1"'}, {"if_modified_since": first.headers["last-modified"]}):
        answer = await fhir.get(where, **headers)
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await fhir.get(where, if_none_match='W/"7"')).status_code == 200


LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"
OBSOLETE = ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994")  # forms, which are read all the same
NO_DATES = ("yesterday", "2999-01-01T00:00:00Z", "Fri, 32 Jan 2100 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 +0100")


@pytest.mark.parametrize("date", NO_DATES)
async def test_what_is_no_http_date_is_no_condition(fhir: Fhir, date: str) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    assert (await fhir.get(where, if_modified_since=date)).status_code == 200
    assert (await fhir.put(where, {**PATIENT, "id": "a"}, if_unmodified_since=date)).status_code == 200


@pytest.mark.parametrize("date", [LONG_AGO, *OBSOLETE])
async def test_nothing_is_changed_that_was_changed_since(fhir: Fhir, date: str) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    patch = {"resourceType": "Parameters"}
    for method, path, body in (
        ("GET", where, None),
        ("PUT", where, {**PATIENT, "id": "a"}),
        ("PUT", "Patient?_id=a", PATIENT),
        ("PATCH", where, patch),
        ("DELETE", where, None),
        ("DELETE", "Patient?_id=a", None),
    ):
        answer = await fhir(method, path, body, if_unmodified_since=date)
        assert (answer.status_code, issue_of(answer)["location"]) == (412, ["http.If-Unmodified-Since"]), method
    assert (await fhir.get(where)).headers["etag"] == 'W/"1"'


async def test_what_was_not_changed_since_is_changed(fhir: Fhir) -> None:
    assert (await fhir.put("Patient/a", {**PATIENT, "id": "a"}, if_unmodified_since=LONG_AGO)).status_code == 201
    seen = (await fhir.get("Patient/a")).headers["last-modified"]
    assert (await fhir.put("Patient/a", {**PATIENT, "id": "a"}, if_unmodified_since=seen)).status_code == 200
    matched = {"if_match": 'W/"2"', "if_unmodified_since": LONG_AGO}  # If-Match is the one that counts
    assert (await fhir.put("Patient/a", {**PATIENT, "id": "a"}, **matched)).status_code == 200
    assert (await fhir.get("Patient/a", if_match='W/"2"')).status_code == 412
    assert (await fhir.get("Patient/a", if_match='W/"3"')).status_code == 200


async def test_vread_gives_the_old_version(fhir: Fhir) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    await fhir.put(where, {**PATIENT, "id": "a", "active": True})
    assert "active" not in (await fhir.get(f"{where}/_history/1")).json()
    assert (await fhir.get(f"{where}/_history/2")).json()["active"] is True
    assert (await fhir.get(f"{where}/_history/3")).status_code == 404
    assert (await fhir.get(f"{where}/_history/x")).status_code == 404


async def test_head_gives_the_headers_of_a_read_alone(fhir: Fhir) -> None:
    where = await fhir.create(PATIENT)
    answer = await fhir("HEAD", where)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", 'W/"1"')


async def test_update_as_create_then_update(fhir: Fhir) -> None:
    assert (await fhir.put("Patient/mine", {**PATIENT, "id": "mine"})).status_code == 201
    answer = await fhir.put("Patient/mine", {**PATIENT, "id": "mine", "active": False})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')


@pytest.mark.parametrize("body", [PATIENT, {**PATIENT, "id": "other"}])
async def test_update_needs_the_id_of_the_url(fhir: Fhir, body: dict) -> None:
    answer = await fhir.put("Patient/mine", body)
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == ["Patient.id"]


async def test_update_with_an_old_etag_is_412_and_changes_nothing(fhir: Fhir) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    assert (await fhir.put(where, {**PATIENT, "id": "a"}, if_match='W/"1"')).status_code == 200
    answer = await fhir.put(where, {**PATIENT, "id": "a", "active": True}, if_match='W/"1"')
    assert answer.status_code == 412
    assert (await fhir.get(where)).json()["meta"]["versionId"] == "2"


async def test_update_with_if_none_match_star_only_creates(fhir: Fhir) -> None:
    assert (await fhir.put("Patient/n", {**PATIENT, "id": "n"}, if_none_match="*")).status_code == 201
    assert (await fhir.put("Patient/n", {**PATIENT, "id": "n"}, if_none_match="*")).status_code == 412


async def test_update_brings_a_deleted_resource_back(fhir: Fhir) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    await fhir("DELETE", where)
    answer = await fhir.put(where, {**PATIENT, "id": "a"})
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"3"')
    assert (await fhir.get(where)).status_code == 200


async def test_delete_is_idempotent(fhir: Fhir) -> None:
    where = await fhir.create(PATIENT)
    assert [(await fhir("DELETE", where)).status_code for _ in range(2)] == [204, 204]
    assert (await fhir("DELETE", "Patient/never")).status_code == 204


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", "GET, HEAD, POST, OPTIONS"),
        ("metadata", "GET, HEAD, OPTIONS"),
        ("Patient", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("Patient/a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("Patient/a/_history", "GET, HEAD, OPTIONS"),
        ("Patient/a/_history/1", "GET, HEAD, OPTIONS"),
        ("Patient/a/Observation", "GET, HEAD, OPTIONS"),
        ("Patient/_search", "POST, OPTIONS"),
        ("Patient/$validate", "GET, HEAD, POST, OPTIONS"),
    ],
)
async def test_options_tells_what_is_possible_at_a_url(fhir: Fhir, path: str, allowed: str) -> None:
    answer = await fhir("OPTIONS", path)
    assert (answer.status_code, answer.headers["allow"]) == (204, allowed)


async def test_what_is_not_possible_tells_the_same_as_options(fhir: Fhir) -> None:
    for method, path in (("POST", "Patient/a"), ("DELETE", "Patient/a/_history"), ("PUT", "Patient/$validate")):
        answer = await fhir(method, path, {"resourceType": "Patient"} if method != "DELETE" else None)
        possible = (await fhir("OPTIONS", path)).headers["allow"]
        assert (answer.status_code, answer.headers["allow"]) == (405, possible)


async def test_a_parameter_or_header_that_is_wrong_is_named_as_r4_has_it(fhir: Fhir) -> None:
    for path, headers, named in (
        ("Patient/_history?_since=yesterday", {}, "http._since"),
        ("Patient?_count=many", {}, "http._count"),
        ("Patient/a", {"accept": "text/turtle"}, "http.Accept"),
        ("Patient/a?_format=turtle", {}, "http._format"),
    ):
        assert issue_of(await fhir.get(path, **headers))["location"] == [named]


async def test_prefer_chooses_what_comes_back(fhir: Fhir) -> None:
    assert (await fhir.post("Patient", PATIENT, prefer="return=minimal")).content == b""
    outcome = (await fhir.post("Patient", PATIENT, prefer="return=OperationOutcome")).json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert (await fhir.post("Patient", PATIENT, prefer="return=representation")).json()["resourceType"] == "Patient"
    assert (await fhir.post("Patient", PATIENT, prefer='Return = "Minimal"; wait=1')).content == b""


@pytest.mark.parametrize("header", ["if_match", "if_none_match", "if_none_exist"])
async def test_an_empty_condition_is_not_taken_for_none(fhir: Fhir, header: str) -> None:
    answer = await fhir.put("Patient/n", {**PATIENT, "id": "n"}, **{header: ""})
    assert (answer.status_code, issue_of(answer)["code"]) == (400, "value")
    assert (await fhir.get("Patient/n")).status_code == 404


async def test_a_conditional_update_may_bring_back_the_id_that_it_names(fhir: Fhir) -> None:
    where = await fhir.create({**PATIENT, "id": "a"})
    await fhir("DELETE", where)
    answer = await fhir.put("Patient?identifier=http://nowhere.test|1", {**PATIENT, "id": "a"})
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"3"')


async def test_a_restart_keeps_everything(fhir: Fhir) -> None:
    from fhir_server import bootstrap

    where = await fhir.create(PATIENT)
    other = await bootstrap.start(fhir.server.settings)
    version = await other.read(*where.split("/"))
    assert version.body == (await fhir.get(where)).content
    await other.close()


async def test_options_tells_the_methods(fhir: Fhir) -> None:
    answer = await fhir("OPTIONS", "Patient")
    assert answer.status_code == 204
    assert "POST" in answer.headers["allow"]


async def test_a_browser_of_another_origin_may_call(fhir: Fhir) -> None:
    asked = await fhir("OPTIONS", "Patient", origin="https://app.test", access_control_request_method="POST")
    assert asked.headers["access-control-allow-origin"] == "*"
    answer = await fhir.get("metadata", origin="https://app.test")
    assert "ETag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "path", ["Patient/p", "Patient?_id=p", "Patient/p/_history", "metadata", "Patient/nobody", "Nil/1"]
)
async def test_a_cache_between_is_told_which_headers_an_answer_depends_on(fhir: Fhir, path: str) -> None:
    await fhir.create({**PATIENT, "id": "p"})
    for headers in ({}, {"accept": "application/fhir+xml"}, {"origin": "https://app.test"}, {"if_none_match": 'W/"1"'}):
        answer = await fhir.get(path, **headers)
        assert answer.headers["vary"] == "accept, accept-encoding, origin, prefer"


async def test_binary_travels_as_it_is(fhir: Fhir) -> None:
    made = await fhir("POST", "Binary", b"%PDF-1.7 \x00\xff", content_type="application/pdf")
    where = made.headers["location"].removeprefix(f"{BASE}/").partition("/_")[0]
    raw = await fhir.get(where, accept="application/pdf")
    assert (raw.content, raw.headers["content-type"]) == (b"%PDF-1.7 \x00\xff", "application/pdf")
    assert (await fhir.get(where, accept="application/fhir+json")).json()["contentType"] == "application/pdf"


async def test_a_request_without_a_host_is_answered_with_the_address_that_it_came_to(fhir: Fhir) -> None:
    created = await fhir.post("Patient", {"resourceType": "Patient"}, host="")
    assert created.headers["location"].startswith(f"{BASE}/Patient/")
    assert (await fhir.get("Patient", host="")).json()["link"][0]["url"] == f"{BASE}/Patient"


async def test_any_part_of_a_path_may_be_percent_encoded(fhir: Fhir) -> None:
    await fhir.put("Patient/a-1", {"resourceType": "Patient", "id": "a-1"})
    for path in ("fhir/%50atient/a%2D1", "%66hir/Patient/a-1", "%66%68%69%72/Patient/a-1"):
        assert (await fhir.http.get(f"http://fhir.test/{path}")).json().get("id") == "a-1", path
    assert (await fhir.http.get("http://fhir.test/fhir%2FPatient/a-1")).status_code == 404


async def test_a_reference_by_this_servers_own_url_is_one_to_what_is_stored_here(fhir: Fhir) -> None:
    patient = await fhir.create(PATIENT)
    seen = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {}, "focus": [{}]}
    seen["subject"]["reference"] = f"{BASE}/{patient}"
    seen["focus"][0]["reference"] = "http://elsewhere.test/fhir/Patient/1"
    where = await fhir.create(seen)
    stored = (await fhir.get(where)).json()
    assert (stored["subject"]["reference"], stored["focus"]) == (patient, seen["focus"])
    for asked in (patient, f"{BASE}/{patient}"):
        assert await fhir.ids(f"Observation?subject={asked}") == [where.partition("/")[2]]
    kept = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": f"{BASE}/x", "resource": seen}]}
    assert (await fhir.post("Bundle", kept)).json()["entry"][0]["resource"]["subject"] == seen["subject"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b'{"a": 1}', "application/json"), (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "application/xml")],
)
async def test_json_and_xml_that_are_not_fhirs_are_content_of_a_binary(fhir: Fhir, body: bytes, content_type: str):
    made = await fhir("POST", "Binary", body, content_type=content_type)
    assert made.status_code == 201, made.text
    raw = await fhir.get(f"Binary/{made.json()['id']}", accept="*/*")
    assert (raw.content, raw.headers["content-type"]) == (body, content_type)
    wrong = await fhir("POST", "Binary", b'{"resourceType":"Patient"}', content_type="application/json")
    assert wrong.status_code == 400


async def test_elements_of_a_read_are_those_of_its_type(fhir: Fhir) -> None:
    patient = await fhir.create(PATIENT)
    assert "birthDate" in (await fhir.get(f"{patient}?_elements=resourceType,birthDate")).json()
    assert "birthDate" in (await fhir.get(f"{patient}?_elements=birthDate&_elements=gender")).json()
    answer = await fhir.get(f"{patient}?_elements=birthdate")
    assert answer.status_code == 400
    assert "Did you mean birthDate?" in issue_of(answer)["diagnostics"]


async def test_any_answer_of_one_resource_is_shaped(fhir: Fhir) -> None:
    named = {
        **PATIENT,
        "id": "a",
        "text": {"status": "empty", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>"},
    }
    assert "text" not in (await fhir.put("Patient/a?_summary=data", named)).json()
    assert (await fhir.put("Patient/a?_elements=nonsense", named)).status_code == 400
    assert (await fhir.get("Patient/a")).json()["meta"]["versionId"] == "1"
    entries = [{"request": {"method": "GET", "url": f"Patient/a?_elements={name}"}} for name in ("active", "nonsense")]
    answer = (await fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})).json()
    assert "birthDate" not in answer["entry"][0]["resource"]
    assert answer["entry"][1]["response"]["status"] == "400 Bad Request"
    converted = (await fhir.post("$convert?_elements=birthDate", named)).json()
    assert converted.keys() == {"resourceType", "id", "meta", "birthDate"}
