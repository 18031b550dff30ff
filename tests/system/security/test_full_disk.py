"""A secured server on a full disk: what can't be kept is refused and says why, and all goes on once there is room."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from fhir_server.bootstrap import opened_security
from fhir_server.core.settings import Settings
from fhir_server.security.model import Client
from tests.system.process import Server, hms, serving
from tests.system.test_faults import Disk
from tests.system.test_faults import disk as disk  # a fixture

FORM = {"grant_type": "client_credentials", "scope": "system/*.cruds"}


def client_of(data: Path) -> tuple[str, str]:
    """Makes a client; its id and secret."""

    async def work() -> str:
        async with opened_security(Settings(data=data)) as security:
            client = Client(id="conf", name="C", scopes="system/*.cruds", grants=("client_credentials",))
            return (await security.add_client(client, confidential=True))[1]

    return "conf", asyncio.run(work())


def call(server: Server, token: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"content-type": "application/fhir+json", **({"authorization": f"Bearer {token}"} if token else {})}
    content = None if body is None else json.dumps(body)
    return httpx.request("GET" if body is None else "PUT", f"{server.base}/{path}", headers=headers, content=content)


def test_tokens_are_refused_for_a_while_and_no_event_of_what_was_answered_is_missing(disk: Disk) -> None:
    data = disk.path / "data"
    auth = client_of(data)
    with serving(data, "--security", "smart", "--workers", 1) as server:
        url = f"{server.origin}/auth/token"
        token = httpx.post(url, data=FORM, auth=auth).json()["access_token"]
        assert call(server, token, "Patient/p", {"resourceType": "Patient", "id": "p"}).status_code == 201
        answered = [call(server, token, "Patient/p").status_code]
        disk.fill_whole()
        refused = httpx.post(url, data=FORM, auth=auth)
        assert (refused.status_code, refused.json()["error"]) == (507, "temporarily_unavailable"), server.said()[-1500:]
        assert "disk is full" in refused.json()["error_description"]
        answered += [call(server, token, "Patient/p").status_code for _ in range(3)]
        assert answered == [200] * 4  # there is room in the journal that this process has begun
        log = call(server, token, "AuditEvent")
        assert (log.status_code, "disk is full" in log.text) == (503, True), log.text
        assert "disk is full" in hms("audit", "verify", "--data", data, code=1)
        assert "disk is full" in hms("audit", "prune", "--days", 30, "--data", data, code=1)
        disk.free()
        assert httpx.post(url, data=FORM, auth=auth).status_code == 200
        found = call(server, token, "AuditEvent?subtype=read&_count=200").json()["entry"]
        paths = [each["resource"]["entity"][0]["what"].get("reference") for each in found]
        assert paths.count("Patient/p") >= len(answered)
        assert call(server, token, "$verify-audit").json()["parameter"][0]["valueBoolean"] is True
    assert "as it was written" in hms("audit", "verify", "--data", data)
