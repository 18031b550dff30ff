"""Several machines on one database: servers that share nothing else."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fhir_server.security.encryption.master_keys import add_key
from tests.engines import DISTRIBUTED, named, settings_on
from tests.system.process import Server, hms, serving

PATIENTS = 1000
HOST = "fhir.test"  # by which both are reached, as behind a balancer
PASSWORD = "correct horse battery"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    with settings_on(DISTRIBUTED, tmp_path / "unused") as settings:
        options = named(settings, tmp_path)
        with serving(tmp_path / "one", *options) as one, serving(tmp_path / "other", *options) as other:
            yield one, other


def test_jobs_go_on_at_another_machine_where_theirs_was_killed(machines: tuple[Server, Server]) -> None:
    one, other = machines
    sent = b"\n".join(json.dumps({"resourceType": "Patient", "id": f"p{n}"}).encode() for n in range(PATIENTS))
    with httpx.Client(timeout=60) as http:
        begun = http.post(f"{one.base}/$import", content=sent, headers={"content-type": "application/fhir+ndjson"})
        status = begun.headers["content-location"].rpartition("/")[2]
        while " 0 resources" in http.get(f"{other.base}/{status}").headers["x-progress"]:
            time.sleep(0.05)
        one.kill()
        assert ended(http, f"{other.base}/{status}")["output"] == [{"count": PATIENTS}]
        assert http.get(f"{other.base}/Patient?_summary=count").json()["total"] == PATIENTS
        begun = http.get(f"{other.base}/$export?_type=Patient", headers={"prefer": "respond-async"})
        manifest = ended(http, begun.headers["content-location"])
        assert [each["count"] for each in manifest["output"]] == [PATIENTS]


def ended(http: httpx.Client, url: str) -> dict:
    while (answer := http.get(url)).status_code == 202:
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_login_holds_on_every_machine_and_so_does_its_end(tmp_path: Path) -> None:
    add_key(tmp_path / "keys.json")
    with settings_on(DISTRIBUTED, tmp_path / "unused") as settings:
        options = named(settings, tmp_path)
        with Path(options[1]).open("a") as file:
            file.write(f'security = "smart"\naccount_keys = "{tmp_path}/keys.json"\n')
        tools = [*options, "--data", tmp_path / "tools"]
        hms("user", "add", "doc", "--password", PASSWORD, *tools)
        token = hms(
            "token", "--scope", "user/*.rs", "--user", "doc", "--base-url", f"http://{HOST}/fhir", *tools
        ).strip()
        with (
            serving(tmp_path / "one", *options) as one,
            serving(tmp_path / "other", *options) as other,
            httpx.Client(timeout=60, headers={"authorization": f"Bearer {token}", "host": HOST}) as http,
        ):

            def statuses() -> list[int]:
                return [http.get(f"{each.base}/Patient").status_code for each in (one, other)]

            assert statuses() == [200, 200]
            hms("user", "remove", "doc", *tools)
            until = time.monotonic() + 30
            while statuses() != [401, 401]:
                assert time.monotonic() < until, "the token is still good"
