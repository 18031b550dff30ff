"""What was answered stays, through kill -9 and stops, with one worker and with several."""

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.system.load import CONNECTIONS, ENTRIES, SYSTEM, Ledger, transaction, write
from tests.system.process import Server, hms, serving
from tests.system.test_custom_parameters import EYES


def assert_kept(base: str, ledger: Ledger) -> None:
    """Every version that was answered is there as it was sent, and every transaction whole or absent."""
    with httpx.Client(timeout=60) as http:
        ledger.assert_versions_kept(http, base)
        for mark in ledger.asked:
            count = total(http, f"{base}/Observation?identifier={SYSTEM}|{mark}")
            assert count in ((ENTRIES,) if mark in ledger.answered else (0, ENTRIES)), f"{mark} is half-done"
        for value in ledger.created:
            assert total(http, f"{base}/Patient?identifier={SYSTEM}|{value}") == 1


def total(http: httpx.Client, search: str) -> int:
    answer = http.get(f"{search}&_summary=count")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


@pytest.mark.parametrize(("workers", "kills"), [(1, 4), (2, 2)])
def test_killed_under_load_again_and_again_it_loses_nothing_that_was_answered(
    tmp_path: Path, workers: int, kills: int
) -> None:
    ledger = Ledger()
    for number in range(kills):
        with serving(tmp_path, "--workers", workers) as server:
            asyncio.run(write(server.base, ledger, f"k{number}", 200 + 97 * number, server.kill))
    assert not ledger.failures
    assert len(ledger.answered) > kills and len(ledger.created) > kills
    with serving(tmp_path) as server:
        assert_kept(server.base, ledger)
    assert "whole" in hms("check", "--data", tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_answers_what_it_has_begun_and_begins_nothing_else(tmp_path: Path, workers: int) -> None:
    ledger = Ledger()
    with serving(tmp_path, "--workers", workers) as server:
        asyncio.run(write(server.base, ledger, "s", 300, server.stop, [transaction]))
        assert server.process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in server.said()
    assert not ledger.failures
    unanswered = ledger.asked - ledger.answered
    with serving(tmp_path) as server, httpx.Client() as http:
        assert_kept(server.base, ledger)
        for mark in unanswered:
            assert total(http, f"{server.base}/Observation?identifier={SYSTEM}|{mark}") == 0, "done but not answered"
    assert "whole" in hms("check", "--data", tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "terminal closed"])
def test_a_request_under_way_is_answered_before_the_stop(tmp_path: Path, asked: signal.Signals, workers: int) -> None:
    body = json.dumps({"resourceType": "Patient", "id": "late"}).encode()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's, which the server would heed
    with serving(tmp_path, "--workers", workers) as server:
        signal.signal(signal.SIGHUP, before)
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                b"PUT /fhir/Patient/late HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                b"Content-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 100"), "the server waits for the body"
            server.process.send_signal(asked)
            with pytest.raises(httpx.TransportError):  # refused, or reset where it came between accept and close
                while httpx.get(f"{server.origin}/health/live").status_code == 200:
                    pass
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 201")
        assert server.process.wait(30) == 0
    with serving(tmp_path) as server:
        assert httpx.get(f"{server.base}/Patient/late").status_code == 200


def test_a_closed_terminal_leaves_a_server_behind_nohup_alone(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serving(tmp_path, "--workers", 2) as server:
            os.killpg(server.process.pid, signal.SIGHUP)
            server.process.send_signal(signal.SIGHUP)
            assert all(httpx.get(f"{server.origin}/health/live").status_code == 200 for _ in range(20))
            assert server.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_that_dies_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    ledger = Ledger()
    with serving(tmp_path, "--workers", 2) as server:
        first = server.workers()
        asyncio.run(write(server.base, ledger, "w", 200, lambda: os.kill(first[0], signal.SIGKILL)))
        replaced = wait_for_workers(server, 2, first[0])
        assert first[1] in replaced
        asyncio.run(write(server.base, ledger, "x", 200, lambda: None))
        assert not ledger.failures
        assert_kept(server.base, ledger)
    assert "whole" in hms("check", "--data", tmp_path)


def wait_for_workers(server: Server, count: int, gone: int) -> list[int]:
    for _ in range(300):
        found = server.workers()
        if len(found) == count and gone not in found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"No worker came for {gone}: {server.workers()}\n{server.said()}")


def test_of_updates_through_all_workers_with_one_etag_exactly_one_wins(tmp_path: Path) -> None:
    async def race(base: str, number: int) -> list[int]:
        async def put(http: httpx.AsyncClient, name: str) -> int:
            sent = {"resourceType": "Patient", "id": "a", "name": [{"family": name}]}
            answer = await http.put(f"{base}/Patient/a", json=sent, headers={"If-Match": f'W/"{number}"'})
            return answer.status_code

        clients = [httpx.AsyncClient(timeout=60) for _ in range(CONNECTIONS)]
        statuses = await asyncio.gather(*(put(http, f"{number}-{n}") for n, http in enumerate(clients)))
        await asyncio.gather(*(http.aclose() for http in clients))
        return sorted(statuses)

    with serving(tmp_path, "--workers", 2) as server:
        httpx.put(f"{server.base}/Patient/a", json={"resourceType": "Patient", "id": "a"})
        for number in range(1, 11):
            assert asyncio.run(race(server.base, number)) == [200] + [412] * (CONNECTIONS - 1)
        history = httpx.get(f"{server.base}/Patient/a/_history").json()
        assert history["total"] == 11


def test_two_servers_on_one_store_see_at_once_what_the_other_wrote(tmp_path: Path) -> None:
    with serving(tmp_path) as one, serving(tmp_path) as other, httpx.Client() as http:
        for number in range(40):
            writer, reader = (one, other) if number % 2 else (other, one)
            sent = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"Family{number}"}]}
            assert http.put(f"{writer.base}/Patient/p{number}", json=sent).status_code == 201
            assert http.get(f"{reader.base}/Patient/p{number}").status_code == 200
            assert total(http, f"{reader.base}/Patient?family=family{number}") == 1
            newest = http.get(f"{reader.base}/_history?_count=1").json()["entry"][0]
            assert newest["fullUrl"] == f"{reader.base}/Patient/p{number}"
            assert http.delete(f"{reader.base}/Patient/p{number}").status_code == 204
            assert http.get(f"{writer.base}/Patient/p{number}").status_code == 410
            assert http.put(f"{reader.base}/Patient/p{number}", json=sent).json()["meta"]["versionId"] == "3"
    assert "whole" in hms("check", "--data", tmp_path)


def test_conditional_creates_through_two_servers_make_one_resource(tmp_path: Path) -> None:
    async def race(bases: list[str], value: str) -> list[int]:
        sent = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}]}
        condition = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
        async with httpx.AsyncClient(timeout=60) as http:
            asked = [http.post(f"{base}/Patient", json=sent, headers=condition) for base in bases * 6]
            return sorted(answer.status_code for answer in await asyncio.gather(*asked))

    with serving(tmp_path) as one, serving(tmp_path) as other:
        for number in range(10):
            assert asyncio.run(race([one.base, other.base], str(number))) == [200] * 11 + [201]


def test_a_custom_search_parameter_takes_effect_in_every_server(tmp_path: Path) -> None:
    def green(id: str) -> dict:
        extension = [{"url": "http://hospital.test/eyes", "valueString": "green"}]
        return {"resourceType": "Patient", "id": id, "extension": extension}

    with serving(tmp_path) as one, serving(tmp_path) as other, httpx.Client() as http:
        http.put(f"{one.base}/Patient/before", json=green("before"))
        assert http.put(f"{one.base}/SearchParameter/eye-colour", json=EYES).status_code == 201
        for server in (one, other):
            wait_until_indexed(http, server)
        for server in (one, other):
            id = f"after-{server.process.pid}"
            assert http.put(f"{server.base}/Patient/{id}", json=green(id)).status_code == 201
        for server in (one, other):
            assert total(http, f"{server.base}/Patient?eye-colour=green") == 3
    assert "whole" in hms("check", "--data", tmp_path)


def wait_until_indexed(http: httpx.Client, server: Server) -> None:
    for _ in range(300):
        answer = http.get(f"{server.base}/Patient?eye-colour=green")
        if answer.status_code == 200:
            return
        assert answer.status_code in (400, 503), answer.text
        time.sleep(0.1)
    raise AssertionError(f"The parameter was never indexed: {answer.text}")
