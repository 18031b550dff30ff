"""What goes out by other ways than a plain read obeys as well, and the audit log says whose it was."""

import asyncio
from typing import Any

import pytest

from fhir_server.api import Request
from fhir_server.core.errors import FhirError
from tests.conftest import Fhir
from tests.system.security.conftest import observation
from tests.system.security.test_audit import events, said
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

VIEW = {"resourceType": "ViewDefinition", "status": "active", "resource": "Observation",
        "select": [{"column": [{"name": "id", "path": "id"}]}]}  # fmt: skip
SOON = 20.0  # seconds


def patients(event: dict[str, Any]) -> list[str]:
    named = [each.get("what", {}).get("reference", "") for each in event.get("entity", ())]
    return sorted(each for each in named if each.startswith("Patient/"))


def bundle(type: str, *urls: str) -> dict[str, Any]:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": type, "entry": entries}


async def test_what_a_batch_reads_and_what_it_is_refused_is_kept_entry_by_entry(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/*.rs", patient="me")
    await ask("", "POST", bundle("batch", "Observation/mine", "Patient/other", "Observation?code=8867-4"))
    await ask("", "POST", bundle("transaction", "Observation/lab"))
    kept = (await events(hospital))[::-1]
    assert [said(each) for each in kept] == [
        ("transaction", "E", "0"), ("read", "R", "0"), ("read", "R", "4"), ("search-type", "E", "0"),
        ("transaction", "E", "0"), ("read", "R", "0"),
    ]  # fmt: skip
    assert [patients(each) for each in kept[1:4]] == [["Patient/me"], ["Patient/other"], ["Patient/me"]]


async def test_a_read_that_names_more_patients_than_an_event_has_is_kept_as_several(hospital: Fhir) -> None:
    named = [f"Patient/p{number:04}" for number in range(1100)]
    members = [{"entity": {"reference": each}} for each in named]
    group = {"resourceType": "Group", "id": "many", "type": "person", "actual": True, "member": members}
    await hospital.server.perform(Request("PUT", ("Group", "many"), resource=group, base="http://x"))
    assert (await Asking(hospital, "user/*.rs")("Group/many")).status_code == 200
    kept = [each for each in await events(hospital) if said(each) == ("read", "R", "0")]
    assert len(kept) == 2
    assert sorted(each for event in kept for each in patients(event)) == named


async def test_the_rows_of_a_view_name_the_patients_that_they_are_about(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/Observation.rs")
    body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": VIEW}]}
    answer = await ask("$viewdefinition-run?_format=csv", "POST", body)
    assert answer.status_code == 200 and "theirs" in answer.text
    assert patients((await events(hospital))[0]) == ["Patient/me", "Patient/other"]


async def test_an_operation_on_a_record_names_whose_it_is_and_what_it_looked_at(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    assert "final" in (await ask("Observation/theirs/$fhirpath?expression=status")).text
    assert patients((await events(hospital))[0]) == ["Patient/other"]
    binary = {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "securityContext": {"reference": "Observation/mine"},
    }
    await hospital.server.perform(
        Request("PUT", ("Binary", "scan"), resource={**binary, "id": "scan"}, base="http://x")
    )
    assert (await ask("Binary/scan")).status_code == 200
    assert patients((await events(hospital))[0]) == ["Patient/me"]
    assert (await ask("Device/pump/$meta")).status_code == 200
    assert patients((await events(hospital))[0]) == ["Patient/other"]
    given = {"resourceType": "Basic", "code": {}, "subject": {"reference": "Observation/theirs"}}
    asked = [{"name": "expression", "valueString": "subject.resolve().status"}, {"name": "resource", "resource": given}]
    body = {"resourceType": "Parameters", "parameter": asked}
    assert "final" in (await ask("$fhirpath", "POST", body)).text
    assert patients((await events(hospital))[0]) == ["Patient/other"]


async def test_changes_of_what_a_patients_app_may_not_see_are_not_told(hospital: Fhir) -> None:
    await hospital.server.perform(Request("DELETE", ("Binary", "scan")))
    ask = Asking(hospital, "patient/*.rs", patient="me")
    told = (await ask("$changes")).json()["changes"]
    assert sorted(each["id"] for each in told) == ["doc", "house", "lab", "me", "mine"]
    assert patients((await events(hospital))[0]) == ["Patient/me"]


async def test_a_stream_of_changes_is_kept_as_it_goes_on_and_ends_with_its_token(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    await ask("Patient/me")
    server, base = hospital.server, "http://fhir.test/fhir"
    caller = await server.caller_of("GET", {"authorization": ask.headers["authorization"]}, base)
    head = await server.environment.feed.head()
    query = [("after", str(head)), ("resources", "true")]
    request = Request("GET", ("$changes",), query, accept="text/event-stream", base=base, caller=caller)
    stream = (await server.perform(request)).stream
    assert stream is not None
    await server.perform(Request("PUT", ("Observation", "new"), resource=observation("new", "other"), base=base))
    assert b'"id":"new"' in await asyncio.wait_for(anext(stream), SOON)
    await server.security.store.revoke_family("family")
    await server.perform(Request("PUT", ("Observation", "newer"), resource=observation("newer", "me"), base=base))
    assert await asyncio.wait_for(anext(stream, None), SOON) is None
    waiting = Request("GET", ("$changes",), [("after", "999999"), ("wait", "30")], base=base, caller=caller)
    with pytest.raises(FhirError, match="does not count any more"):
        await asyncio.wait_for(server.perform(waiting), SOON)


async def test_what_a_stream_tells_is_in_the_log_before_it_goes_out(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    await ask("Patient/me")
    sent: list[bytes] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if b"theirs" in sent[-1]:
            kept = await events(hospital)
            assert patients(kept[0]) == ["Patient/me", "Patient/other"]
            gone.set()

    headers = {"authorization": ask.headers["authorization"], "accept": "text/event-stream", "host": "fhir.test"}
    scope = {
        "type": "http", "method": "GET", "path": "/fhir/$changes", "raw_path": b"/fhir/$changes", "scheme": "http",
        "query_string": b"resources=true&_type=Observation", "http_version": "1.1", "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    application: Any = hospital.http._transport
    await asyncio.wait_for(application.app(scope, receive, send), SOON)
    assert any(b"theirs" in each for each in sent)
