"""Subsystems beside a server that really runs, and alone against one, by HTTP only."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.process import Server, hms, serving

HTTP = httpx.Client(timeout=60)
STAY = {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "IMP"},
        "subject": {"reference": "Patient/p"}, "period": {"start": "2026-03-01", "end": "2026-03-04"}}  # fmt: skip
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served"), "--subsystems", "analytics,workforce") as server:
        for resource in (PATIENT, STAY):
            put(server, resource)
        yield server


def put(server: Server, resource: dict) -> None:
    answer = HTTP.put(f"{server.base}/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


def eventually(look: Callable[[], object], seconds: float = 30) -> object:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def test_what_is_mounted_follows_the_feed_and_answers(server: Server):
    def stay() -> object:
        found = HTTP.get(f"{server.origin}/analytics/indicators/length_of_stay").json()
        return found.get("months")

    assert eventually(stay) == [{"month": "2026-03", "value": 3.0, "rows": 1, "met": True}]
    rows = HTTP.get(f"{server.origin}/analytics/indicators/length_of_stay/2026-03").json()
    assert rows["rows"] == [["Encounter/e", "Patient/p", 3.0]]
    asked = HTTP.post(f"{server.origin}/analytics/sql", json={"query": "SELECT count(*) AS n FROM patients"})
    assert asked.json() == {"columns": ["n"], "rows": [[1]], "more": False}
    state = HTTP.get(f"{server.origin}/analytics/state").json()
    assert (state["position"], state["problem"]) == (state["head"], "")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "indicators/length_of_sta", None, 404),
        ("GET", "indicators?months=-1", None, 400),
        ("GET", "nothing", None, 404),
        ("DELETE", "indicators", None, 405),
        ("POST", "sql", b"{", 400),
        ("POST", "sql", b"{}", 400),
        ("POST", "sql", b'{"query": "DROP TABLE patients"}', 400),
        ("GET", "indicators/%C3%BC%20%22", None, 404),
    ],
)
def test_a_mistake_is_told_as_an_outcome(server: Server, method: str, path: str, body: bytes | None, status: int):
    answer = HTTP.request(method, f"{server.origin}/analytics/{path}", content=body)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["diagnostics"]


def test_its_page_and_its_endpoints_are_found(server: Server):
    assert {"path": "analytics/", "title": "Analytics"} in HTTP.get(f"{server.origin}/pages.json").json()
    page = HTTP.get(f"{server.origin}/analytics", follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assert HTTP.get(f"{server.origin}/analytics/page/main.js").status_code == 200
    paths = HTTP.get(f"{server.origin}/openapi.json").json()["paths"]
    assert paths["/analytics/indicators/{name}"]["get"]["parameters"][0] == {
        "name": "name", "in": "path", "required": True, "schema": {"type": "string"}
    }  # fmt: skip


def test_a_rota_by_http_from_a_wish_to_shifts(server: Server):
    put(server, {"resourceType": "Location", "id": "w", "name": "Ward"})
    for id in ("n1", "n2", "n3"):
        put(server, {"resourceType": "Practitioner", "id": id, "name": [{"family": id}]})
        put(server, {"resourceType": "PractitionerRole", "id": id, "practitioner": {"reference": f"Practitioner/{id}"},
                     "location": [{"reference": "Location/w"}]})  # fmt: skip
    at = f"{server.origin}/workforce"
    eventually(lambda: len(HTTP.get(f"{at}/people").json().get("people", ())) == 3)
    shifts = [{"kind": "D", "at": "07:00", "hours": 12, "needed": 1}]
    wish = {"ward": "Location/w", "start": "2026-10-05", "days": 7, "shifts": shifts}
    id = HTTP.post(f"{at}/rotas", json=wish).json()["id"]
    eventually(lambda: HTTP.get(f"{at}/rotas/{id}").json().get("state") == "proposed")
    assert HTTP.post(f"{at}/rotas/{id}/publish").json() == {"assigned": 7}
    covered = f"{server.base}/Slot?schedule=Schedule/{id}&status=busy&_summary=count"
    eventually(lambda: HTTP.get(covered).json()["total"] == 7)


def test_a_process_of_subsystems_that_ends_is_started_again(server: Server):
    def nicer() -> list[int]:
        """What leaves the processor to the server: the subsystems alone."""
        listed = [entry.read_text() for entry in Path(f"/proc/{server.process.pid}/task").glob("*/children")]
        own = os.getpriority(os.PRIO_PROCESS, server.process.pid)
        return [pid for pid in map(int, " ".join(listed).split()) if os.getpriority(os.PRIO_PROCESS, pid) > own]

    first = eventually(nicer)
    assert isinstance(first, list) and len(first) == 1
    os.kill(first[0], 9)
    eventually(lambda: set(nicer()) - set(first))
    eventually(lambda: HTTP.get(f"{server.origin}/analytics/state").status_code == 200)


def test_alone_it_runs_by_http_only(server: Server, tmp_path: Path):
    said = hms("subsystem", "run", "analytics", "--once", "--server", server.base, "--data", tmp_path)
    assert "analytics is at position" in said
    assert hms("sql", "SELECT gender FROM patients", "--data", tmp_path) == "gender\nfemale\n"


def test_the_feed_as_events_goes_on_where_it_ended(server: Server):
    def events(stream: httpx.Response, number: int) -> list[tuple[int, dict]]:
        found, position = [], 0
        for line in stream.iter_lines():
            if line.startswith("id: "):
                position = int(line[4:])
            elif line.startswith("data: "):
                found.append((position, json.loads(line[6:])))
                if len(found) == number:
                    break
        return found

    address, accept = f"{server.base}/$changes?resources=true&_type=Group", {"accept": "text/event-stream"}
    put(server, {"resourceType": "Group", "id": "a", "type": "person", "actual": True})
    with HTTP.stream("GET", address, headers=accept) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        [(first, change)] = events(stream, 1)
    assert (change["method"], change["resource"]["id"]) == ("PUT", "a")
    with HTTP.stream("GET", address, headers={**accept, "last-event-id": str(first)}) as stream:
        put(server, {"resourceType": "Group", "id": "b", "type": "person", "actual": True})
        assert [change["id"] for _, change in events(stream, 1)] == ["b"]


def test_a_stream_does_not_keep_a_server_from_stopping(tmp_path: Path):
    with (
        serving(tmp_path) as server,
        HTTP.stream("GET", f"{server.base}/$changes", headers={"accept": "text/event-stream"}) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        assert server.stop() == 0
        assert list(lines) == [""]


def test_a_subsystem_that_there_is_not_is_refused(tmp_path: Path):
    assert "Did you mean analytics?" in hms(
        "serve", "--port", 0, "--data", tmp_path, "--subsystems", "analytic", code=1
    )
