"""An include that names an old version shows no more of it than a read of that version (vread) does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.api import FhirServer, Request
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Caller
from fhir_server.core.settings import Settings
from fhir_server.interactions.access.callers import Callers
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.model import Access
from fhir_server.security.policies import Policies, Rule
from tests.conftest import BASE, Fhir
from tests.system.security.conftest import observation

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["open", "sealed"])
def settings(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Also on a store whose bodies are encrypted, which the embedded one may be."""
    if request.param == "open":
        return settings
    if settings.mongodb_url:
        pytest.skip("MongoDB keeps documents that it can read")
    add_key(tmp_path / "master.json")
    return msgspec.structs.replace(settings, encryption_keys=str(tmp_path / "master.json"))


SEARCH = [("_include", "List:item")]


async def put(fhir: Fhir, resource: dict[str, Any]) -> None:
    path = (resource["resourceType"], resource["id"])
    await fhir.server.perform(Request("PUT", path, resource=resource, base=BASE))


@pytest.fixture
async def listed(fhir: Fhir) -> Fhir:
    """A result that was filed with the wrong patient at first, and was of value 1; then a List names both versions."""
    for id in ("me", "other"):
        await put(fhir, {"resourceType": "Patient", "id": id})
    await put(fhir, {**observation("result", "other"), "valueInteger": 1})
    await put(fhir, {**observation("result", "me"), "valueInteger": 2})
    await put(fhir, {**observation("result", "me"), "valueInteger": 3, "status": "amended"})
    names = [f"Observation/result/_history/{number}" for number in (1, 2)]
    await put(fhir, {
        "resourceType": "List", "id": "names", "status": "current", "mode": "working",
        "subject": {"reference": "Patient/me"}, "entry": [{"item": {"reference": name}} for name in names],
    })  # fmt: skip
    return fhir


async def included(server: FhirServer, caller: Caller) -> dict[str, dict[str, Any]]:
    """What a search for the Lists includes, by version."""
    from fhir_server.codec.json import decode

    answer = await server.perform(Request("GET", ("List",), SEARCH, base=BASE, caller=caller))
    found = [entry["resource"] for entry in decode(answer.body)["entry"] if entry["search"]["mode"] == "include"]
    return {each["meta"]["versionId"]: each for each in found}


async def read(server: FhirServer, caller: Caller, version: str) -> dict[str, Any] | None:
    from fhir_server.codec.json import decode

    path = ("Observation", "result", "_history", version)
    try:
        return decode((await server.perform(Request("GET", path, base=BASE, caller=caller))).body)
    except FhirError as problem:
        assert problem.category == "not-found"
        return None


@pytest.mark.parametrize(
    ("scope", "versions"),
    [
        ("user/*.rs", {"1", "2"}),
        ("patient/*.rs", {"2", "3"}),
        ("user/List.rs user/Observation.rs?status=amended", {"3"}),
        ("user/List.rs user/Observation.rs?patient=Patient/me&status=final,amended", {"2", "3"}),
        ("user/List.rs user/Observation.rs?status:not=amended", set()),
        ("user/List.rs", set()),
    ],
)
async def test_an_old_version_is_included_where_it_could_be_read(listed: Fhir, scope: str, versions: set[str]) -> None:
    server = listed.server
    caller = await Callers(server.environment).of_access(Access(client="app", scope=scope, patient="me"))
    found = await included(server, caller)
    assert found.keys() == versions  # the newest stands in for one that may not be seen
    for version, shown in found.items():
        assert await read(server, caller, version) == shown


async def test_what_rules_hide_of_old_versions_is_hidden_in_included_ones(listed: Fhir) -> None:
    server = listed.server
    rule = Rule(effect="mask", resources=("Observation?status=entered-in-error",), fields=("value",))
    callers = Callers(server.environment, Policies((rule,)))
    caller = await callers.of_access(Access(client="app", scope="user/*.rs", user="u"))
    found = await included(server, caller)
    assert found.keys() == {"1", "2"}
    for version, shown in found.items():
        assert "valueInteger" not in shown and await read(server, caller, version) == shown
    assert (await read(server, caller, "3") or {})["valueInteger"] == 3
