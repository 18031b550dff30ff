"""Bad input gets its R4 status and an OperationOutcome that says what to change; never a 500, nothing half-done."""

import gzip
import os
from collections.abc import AsyncIterator, Callable

import httpx
import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import BASE, Fhir, issue_of, running
from tests.engines import settings_on

pytestmark = pytest.mark.anyio

JSON = "application/fhir+json"
XML = "application/fhir+xml"
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>"""
DIV = '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a</div></text>'
WIDE = f'<Patient xmlns="http://hl7.org/fhir">{DIV}</Patient>'


# Where a number may stand, for one that is too large for any store.
NUMBERED = (
    "Patient/_history?_cursor=",
    "Patient/$everything?_count=",
    "Observation/$lastn?patient=a&max=",
    "$changes?_count=",
    "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&count=",
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, max_body_bytes=2**20)


@pytest.fixture(scope="module")
async def refusing(engine: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fhir]:
    """One server for all that is refused, as that leaves nothing behind."""
    with settings_on(engine, tmp_path_factory.mktemp("refusing")) as settings:
        async with running(msgspec.structs.replace(settings, max_body_bytes=2**20)) as fhir:
            yield fhir


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"no json", JSON, 400),
        (b'{"resourceType":"Patient"', JSON, 400),
        (b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}', JSON, 400),
        (b"[]", JSON, 400),
        (b"7", JSON, 400),
        (b"null", JSON, 400),
        (b"", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"resourceType":"Observation"}', JSON, 400),
        (b'{"resourceType":"Patiant"}', JSON, 400),
        (b'{"resourceType":["Patient"]}', JSON, 400),
        (b'{"resourceType":"Patient","active":"yes"}', JSON, 422),
        (b'{"resourceType":"Patient","name":{}}', JSON, 422),
        (b'{"resourceType":"Patient","name":[]}', JSON, 422),
        (b'{"resourceType":"Patient","gender":"m"}', JSON, 422),
        (b'{"resourceType":"Patient","birthDate":"2021-02-30"}', JSON, 422),
        (b'{"resourceType":"Patient","active":true,"active":false}', JSON, 400),
        (b'{"resourceType":"Patient","contact":' + b"[" * 10_000 + b"]" * 10_000 + b"}", JSON, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, 400),
        (b'{"resourceType":"Patient","multipleBirthInteger":1e400}', JSON, 422),
        (b'{"resourceType":"Patient","id":"\\ud800"}', JSON, 400),
        (b'{"resourceType":"Patient","id":"\\ud83d\\ude00\\ude00"}', JSON, 400),
        (BOMB, XML, 400),
        (OUTSIDE, XML, 400),
        (b"<Patient>", XML, 400),
        (b'<Patient xmlns="http://hl7.org/fhir"><name/></Patient>', XML, 400),
        (b"<a/>", XML, 400),
        *((WIDE.encode(encoding), XML, 400) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        (b"{}", "text/plain", 415),
        (b"{}", "application/fhir+json; fhirVersion=5.0", 415),
        (b"{}", "application/fhir+json; charset=utf-16", 415),
        (b'{"resourceType":"Patient","x":"' + b"x" * 2**20 + b'"}', JSON, 413),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_bodies(refusing: Fhir, body: bytes, content_type: str, status: int) -> None:
    answer = await refusing("POST", "Patient", body, content_type=content_type)
    assert answer.status_code == status, answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["diagnostics"] for issue in outcome["issue"])
    assert await refusing.ids("Patient") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Patient/a_b", 400),
        ("GET", "Patient/" + "a" * 65, 400),
        ("GET", "Patient/%00", 400),
        ("GET", "Patient/..%2f..%2fetc", 400),
        ("GET", "patient/1", 404),
        ("GET", "Nothing", 404),
        ("GET", "Patient/1/2/3/4", 404),
        ("GET", "$nothing", 404),
        ("GET", "Patient?nonsense=1", 400),
        ("GET", "Patient?birthdate=soon", 400),
        ("GET", "Patient?birthdate:exact=2000", 400),
        ("GET", "Patient?name:what=x", 400),
        ("GET", "Patient?_sort=nonsense", 400),
        ("GET", "Patient?_count=many", 400),
        ("GET", "Patient?_count=-1", 400),
        ("GET", "Patient?_include=Patient:nonsense", 400),
        ("GET", "Patient?organization.nonsense=1", 400),
        ("GET", "Patient?_has:Observation:nonsense:code=1", 400),
        ("GET", "Patient?_filter=name eq", 400),
        ("GET", "Patient?_cursor=forged", 400),
        ("GET", "Patient?name=%ff", 400),
        ("GET", "ValueSet?url:above=http:/" + "/x" * 200, 400),
        ("GET", "Organization/a/Patient", 404),
        *((("GET", path + "9" * digits, 400)) for path in NUMBERED for digits in (30, 5000)),
        ("GET", "Patient/_history?_since=never", 400),
        ("GET", "Patient/_history?_count=x", 400),
        ("GET", "Patient/_history?_cursor=x", 400),
        ("GET", "Patient/_history?nonsense=1", 400),
        ("GET", "Patient/_history?_since=2020&_since=2021", 400),
        ("GET", "Patient/_history?_summary=count", 403),
        ("GET", "Patient/_history?_elements=nonsense", 400),
        ("GET", "Patient/_history?_elements=", 400),
        ("GET", "metadata?_elements=nonsense", 400),
        ("GET", "Nonsense/a?_elements=nonsense", 404),
        ("GET", "Patient/$meta?nonsense=1", 400),
        ("GET", "ValueSet/$batch-validate-code?nonsense=1", 400),
        ("POST", "Patient/a/$purge?nonsense=1", 400),
        ("DELETE", "$closure", 405),
        ("PUT", "Patient/_search", 405),
        ("GET", "Patient?_format=yaml", 406),
        ("GET", "metadata?mode=nonsense", 400),
        ("GET", "metadata?nonsense=1", 400),
        ("GET", "Patient/a?nonsense=1", 400),
        ("PUT", "Patient/a?nonsense=1", 400),
        ("POST", "Patient?nonsense=1", 400),
        ("POST", "?nonsense=1", 400),
        ("PUT", "Patient", 400),
        ("PUT", "metadata", 405),
        ("DELETE", "Patient", 400),
        ("DELETE", "", 405),
        ("POST", "Patient/a", 405),
        ("TRACE", "Patient", 405),
        ("POST", "Patient/a/$meta-nonsense", 404),
        ("GET", "Patient/a/$meta-add", 405),
    ],
)
async def test_urls(refusing: Fhir, method: str, path: str, status: int) -> None:
    body = {"resourceType": "Patient"} if method in ("PUT", "POST") else None
    answer = await refusing(method, path, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "image/png"}, 406),
        ({"accept": "application/fhir+json; fhirVersion=3.0"}, 406),
        ({"if_none_match": "not an etag!"}, 400),
    ],
)
async def test_headers(fhir: Fhir, headers: dict, status: int) -> None:
    where = await fhir.create({"resourceType": "Patient"})
    assert (await fhir.get(where, **headers)).status_code == status


async def test_a_packed_body_may_not_grow_past_the_limit(fhir: Fhir) -> None:
    packed = gzip.compress(b" " * 2**22)
    answer = await fhir("POST", "Patient", packed, content_type=JSON, content_encoding="gzip")
    assert answer.status_code == 413
    broken = await fhir("POST", "Patient", b"nothing packed", content_type=JSON, content_encoding="gzip")
    assert broken.status_code == 400


@pytest.mark.parametrize("sent", [lambda packed: packed[:300], lambda packed: packed[:-4], lambda packed: packed * 2])
async def test_of_a_packed_body_all_is_taken_or_nothing(fhir: Fhir, sent: Callable[[bytes], bytes]) -> None:
    packed = gzip.compress(bytes(range(256)) * 4 + os.urandom(300))
    answer = await fhir("PUT", "Binary/a", sent(packed), content_type="image/png", content_encoding="gzip")
    assert answer.status_code == 400
    assert (await fhir.get("Binary/a")).status_code == 404


async def test_a_content_coding_may_be_in_capital_letters(fhir: Fhir) -> None:
    packed = gzip.compress(b'{"resourceType": "Patient"}')
    assert (await fhir("POST", "Patient", packed, content_type=JSON, content_encoding="GZIP")).status_code == 201
    assert (await fhir("POST", "Patient/$validate", b"", content_encoding="gzip")).status_code == 400


async def test_circular_references_are_followed_once(fhir: Fhir) -> None:
    for id, other in (("a", "b"), ("b", "a")):
        link = [{"other": {"reference": f"Patient/{other}"}, "type": "seealso"}]
        await fhir.create({"resourceType": "Patient", "id": id, "link": link})
    found = (await fhir.get("Patient?_id=a&_include:iterate=Patient:link&_revinclude:iterate=Patient:link")).json()
    assert [(e["resource"]["id"], e["search"]["mode"]) for e in found["entry"]] == [("a", "match"), ("b", "include")]


@pytest.mark.parametrize("parts", ["text", {"name": "a"}, [7], [{}], [{"name": ["a"]}]])
async def test_parts_of_parameters_are_objects_with_names(refusing: Fhir, parts: object) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "mode", "part": parts}]}
    answer = await refusing.post("Patient/$validate", body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["issue"][0]["expression"] == ["Parameters.parameter[0].part"]


async def test_half_of_a_surrogate_pair_is_named(fhir: Fhir) -> None:
    answer = await fhir("POST", "Patient", b'{"resourceType":"Patient","id":"\\ud800"}')
    assert "surrogate" in answer.json()["issue"][0]["diagnostics"]


async def lines(fhir: Fhir, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> httpx.Response:
    """A request whose headers may be repeated."""
    return await fhir.http.request(method, f"{BASE}/{path}", content=body, headers=list(headers))


async def test_lists_may_come_on_several_lines(fhir: Fhir) -> None:
    patient, typed = b'{"resourceType": "Patient", "id": "a"}', ("content-type", JSON)
    made = await lines(
        fhir, "PUT", "Patient/a", typed, ("prefer", "return=minimal"), ("prefer", "handling=lenient"), body=patient
    )
    assert (made.status_code, made.content) == (201, b"")
    known = await lines(fhir, "GET", "Patient/a", ("if-none-match", 'W/"1"'), ("if-none-match", 'W/"9"'))
    assert known.status_code == 304
    matched = await lines(fhir, "PUT", "Patient/a", typed, ("if-match", '"1"'), ("if-match", '"9"'), body=patient)
    assert matched.status_code == 200
    xml = await lines(fhir, "GET", "Patient/a", ("accept", "application/fhir+xml"), ("accept", "text/csv"))
    assert xml.headers["content-type"].startswith("application/fhir+xml")


async def test_two_dates_are_no_condition(fhir: Fhir) -> None:
    made = await fhir.put("Patient/a", {"resourceType": "Patient", "id": "a"})
    dates = [("if-modified-since", made.headers["last-modified"])] * 2
    assert (await lines(fhir, "GET", "Patient/a", dates[0])).status_code == 304
    assert (await lines(fhir, "GET", "Patient/a", *dates)).status_code == 200


async def test_of_a_preference_that_is_stated_twice_the_first_counts(fhir: Fhir) -> None:
    answer = await fhir.post("Patient", {"resourceType": "Patient"}, prefer="return=minimal, return=representation")
    assert (answer.status_code, answer.content) == (201, b"")


@pytest.mark.parametrize("name", ["if-none-exist", "content-type", "content-encoding"])
async def test_what_says_one_thing_is_sent_once(fhir: Fhir, name: str) -> None:
    values = {"if-none-exist": ("_id=a", "_id=b"), "content-type": (JSON, JSON), "content-encoding": ("identity", "")}
    headers = [("content-type", JSON)] if name != "content-type" else []
    headers += [(name, value) for value in values[name]]
    answer = await lines(fhir, "POST", "Patient", *headers, body=b'{"resourceType": "Patient"}')
    assert (answer.status_code, issue_of(answer)["location"]) == (400, [f"http.{name}"])
    assert await fhir.ids("Patient") == []


async def test_a_form_may_have_its_letters_as_they_are(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a", "name": [{"family": "Müller"}]})
    form = "application/x-www-form-urlencoded"
    found = await fhir("POST", "Patient/_search", "name:exact=Müller".encode(), content_type=form)
    assert found.json()["total"] == 1
    assert (await fhir("POST", "Patient/_search", b"name=M\xfcller", content_type=form)).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"accept": "application/xhtml+xml"}])
async def test_stored_and_sent_markup_is_none_in_html(fhir: Fhir, headers: dict[str, str]) -> None:
    markup = "<script>alert(1)</script>"
    await fhir.create({"resourceType": "Patient", "id": "a", "name": [{"family": markup}]})
    asked = "" if headers else "_format=html"
    for path, name in (("Patient/a?", markup), ("Patient?", markup), (f"Patient?x{markup}=1&", markup)):
        answer = await fhir.get(path + asked, **headers)
        if answer.status_code == 303:  # to the page
            continue
        assert "html" in answer.headers["content-type"]
        assert name not in answer.text and "&lt;script&gt;" in answer.text


async def test_a_json_patch_with_the_type_of_a_resource_is_told_its_own(fhir: Fhir) -> None:
    refused = await fhir("PATCH", "Patient/a", b'[{"op":"remove","path":"/active"}]', content_type=JSON)
    assert refused.status_code == 415 and "application/json-patch+json" in refused.text
