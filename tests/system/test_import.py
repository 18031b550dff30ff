"""$import by the asynchronous pattern."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import BASE, Fhir, issue_of, running

pytestmark = pytest.mark.anyio


def ndjson(*resources: Any) -> bytes:
    return b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in resources)


async def begun(fhir: Fhir, body: bytes) -> str:
    answer = await fhir.post("$import", body, content_type="application/fhir+ndjson")
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"].removeprefix(f"{BASE}/")


async def done(fhir: Fhir, status: str) -> dict[str, Any]:
    while (answer := await fhir.get(status)).status_code == 202:
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lines_are_stored_and_what_is_wrong_is_told_by_its_line(fhir: Fhir):
    found = [{"resourceType": "Patient", "id": f"p{n}"} for n in range(450)]
    wrong = [
        b"{",
        {"resourceType": "Patient", "id": "x", "colour": "red"},
        {"resourceType": "Patient", "id": "a b"},
        [],
    ]
    manifest = await done(fhir, await begun(fhir, ndjson(*found[:300], *wrong, *found[300:])))
    assert manifest["output"] == [{"count": 450}]
    assert (await fhir.get("Patient?_summary=count")).json()["total"] == 450
    [errors] = manifest["error"]
    lines = (await fhir.http.get(errors["url"])).text.splitlines()
    assert errors["count"] == len(lines) == 4
    told = [json.loads(line)["issue"][0]["diagnostics"] for line in lines]
    assert [text.partition(":")[0] for text in told] == ["Line 301", "Line 302", "Line 303", "Line 304"]


async def test_what_an_erased_patient_was_imported_from_is_gone(fhir: Fhir):
    gone = await begun(fhir, ndjson(b"[]", {"resourceType": "Patient", "gender": "female"}))
    kept = await begun(fhir, ndjson({"resourceType": "Patient", "id": "other"}))
    for status in (gone, kept):
        await done(fhir, status)
    [erased] = [each for each in await fhir.ids("Patient") if each != "other"]
    receipt = (await fhir.post(f"Patient/{erased}/$purge", {"resourceType": "Parameters"})).json()
    assert {"name": "imports", "valueInteger": 1} in receipt["parameter"]
    assert [(await fhir.get(status)).status_code for status in (gone, kept)] == [404, 200]


async def test_the_same_again_under_no_id_makes_nothing_new(fhir: Fhir):
    for _ in range(2):
        await done(fhir, await begun(fhir, ndjson({"resourceType": "Patient", "gender": "female"})))
    assert (await fhir.get("Patient?_summary=count")).json()["total"] == 1


async def test_a_worker_that_ended_is_followed_by_another(settings: Settings):
    async with running(settings) as fhir:
        status = await begun(fhir, ndjson(*({"resourceType": "Patient", "id": f"p{n}"} for n in range(2000))))
        while " 0 resources" in (await fhir.get(status)).headers["x-progress"]:
            await asyncio.sleep(0)
    async with running(settings) as again:
        assert (await done(again, status))["output"] == [{"count": 2000}]
        assert (await again.get("Patient?_summary=count")).json()["total"] == 2000


@contextmanager
def files() -> Iterator[tuple[str, list[str]]]:
    """A site with a file that sends whoever asks for /bulk/moved elsewhere; the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = ndjson(*({"resourceType": "Patient", "id": f"p{n}"} for n in range(3)))
            self.send_response(302 if self.path == "/bulk/moved" else 200)
            self.send_header("location", "/secret")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def fetching(fhir: Fhir, url: str) -> Any:
    part = [{"name": "url", "valueUrl": url}, {"name": "type", "valueCode": "Patient"}]
    return await fhir.post("$import", {"resourceType": "Parameters", "parameter": [{"name": "input", "part": part}]})


async def test_what_the_setting_allows_is_fetched_and_redirects_are_not_followed(settings: Settings):
    with files() as (site, asked):
        async with running(msgspec.structs.replace(settings, import_from=(f"{site}/bulk/",))) as fhir:
            begun = await fetching(fhir, f"{site}/bulk/patients?part=1")
            assert begun.status_code == 202, begun.text
            manifest = await done(fhir, begun.headers["content-location"].removeprefix(f"{BASE}/"))
            assert manifest["output"] == [{"type": "Patient", "inputUrl": f"{site}/bulk/patients?part=1", "count": 3}]
            begun = await fetching(fhir, f"{site}/bulk/moved")
            status = begun.headers["content-location"].removeprefix(f"{BASE}/")
            while (answer := await fhir.get(status)).status_code == 202:
                await asyncio.sleep(0.01)
            assert "status 302" in issue_of(answer)["diagnostics"]
            for elsewhere in ("/secret", "/bulk/../secret", "/bulk/%2e%2e/secret"):
                assert (await fetching(fhir, site + elsewhere)).status_code == 403
    assert asked == ["/bulk/patients?part=1", "/bulk/moved"]


async def test_only_what_the_setting_allows_is_fetched(fhir: Fhir):
    part = [{"name": "url", "valueUrl": "http://169.254.169.254/latest"}]
    answer = await fhir.post("$import", {"resourceType": "Parameters", "parameter": [{"name": "input", "part": part}]})
    assert answer.status_code == 403
    assert "import_from" in issue_of(answer)["diagnostics"]


@pytest.mark.parametrize("body", [None, {"resourceType": "Parameters"}, {"resourceType": "Patient"}])
async def test_an_import_of_nothing_is_refused(fhir: Fhir, body: Any):
    assert (await fhir.post("$import", body)).status_code == 400


async def test_an_import_that_is_deleted_is_gone(fhir: Fhir):
    status = await begun(fhir, ndjson({"resourceType": "Patient"}))
    assert (await fhir("DELETE", status)).status_code == 202
    assert (await fhir.get(status)).status_code == 404
