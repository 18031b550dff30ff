"""$changes: what it tells of, and to whom."""

import asyncio
from types import SimpleNamespace

import pytest

from fhir_server.api import Request
from fhir_server.codec.json import decode
from fhir_server.core.ports import Caller
from fhir_server.core.query import NOTHING, IdIn
from fhir_server.operations import changes
from fhir_server.operations.changes import QUIET_SECONDS
from tests.conftest import Fhir, issue_of

pytestmark = pytest.mark.anyio


async def observed(fhir: Fhir, id: str, code: str) -> None:
    await fhir.create({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": id},
                       "category": [{"coding": [{"code": code}]}]})  # fmt: skip


async def ids(fhir: Fhir, query: str) -> list[str]:
    return [change["id"] for change in (await fhir.get(f"$changes?{query}")).json()["changes"]]


async def test_a_filter_leaves_what_matches_now(fhir: Fhir):
    await observed(fhir, "lab", "laboratory")
    await observed(fhir, "vital", "vital-signs")
    await fhir.create({"resourceType": "Patient", "id": "p"})
    lab = "_typeFilter=Observation%3Fcategory%3Dlaboratory"
    assert await ids(fhir, lab) == ["lab", "p"]
    assert await ids(fhir, f"_type=Observation&{lab}") == ["lab"]
    assert await ids(fhir, f"{lab}&_typeFilter=Observation%3Fcategory%3Dvital-signs") == ["lab", "vital", "p"]
    await observed(fhir, "vital", "laboratory")
    assert await ids(fhir, f"_type=Observation&{lab}") == ["lab", "vital", "vital"]


async def test_deletions_are_told_whatever_the_filter(fhir: Fhir):
    await observed(fhir, "vital", "vital-signs")
    await fhir("DELETE", "Observation/vital")
    assert await ids(fhir, "_typeFilter=Observation%3Fcategory%3Dlaboratory") == ["vital"]


async def test_the_position_goes_on_past_what_is_not_told(fhir: Fhir):
    await observed(fhir, "vital", "vital-signs")
    answer = (await fhir.get("$changes?_type=Patient")).json()
    assert (answer["changes"], answer["position"]) == ([], answer["head"])


async def test_who_waits_gets_on_where_only_others_types_change(fhir: Fhir):
    before = (await fhir.get("$changes")).json()["position"]
    waiting = asyncio.ensure_future(fhir.get(f"$changes?_type=Patient&after={before}&wait=60"))
    await asyncio.sleep(0)
    await observed(fhir, "vital", "vital-signs")
    answer = (await asyncio.wait_for(waiting, 30)).json()
    assert (answer["changes"], answer["position"]) == ([], before + 1)


async def test_a_stream_says_in_time_that_it_is_there_where_only_others_types_change(fhir: Fhir, monkeypatch):
    seconds = [0.0]

    class Watch:
        async def past(self, position: int, wait: float) -> bool:
            seconds[0] += min(wait, QUIET_SECONDS - 1)
            return True

    monkeypatch.setattr(changes, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    fhir.server.environment.watch = Watch()  # type: ignore[assignment]
    asked = Request("GET", ("$changes",), [("_type", "Patient")], accept="text/event-stream")
    stream = (await fhir.server.perform(asked)).stream
    assert stream is not None
    assert (await anext(stream)).startswith(b": nothing new")
    assert seconds == [QUIET_SECONDS]


@pytest.mark.parametrize("query", ["_typeFilter=Observation", "_typeFilter=Observation%3Fcolour%3Dred",
                                   "_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "after=-1"])  # fmt: skip
async def test_a_mistake_is_named(fhir: Fhir, query: str):
    answer = await fhir.get(f"$changes?{query}")
    assert answer.status_code == 400
    assert issue_of(answer)["diagnostics"]


async def test_a_restricted_caller_gets_what_the_caller_may_see(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "own"})
    await fhir.create({"resourceType": "Patient", "id": "other"})
    await fhir.create({"resourceType": "Organization", "id": "o", "name": "O"})
    await fhir.create({"resourceType": "Group", "id": "g", "type": "person", "actual": True})
    for reference in ("Organization/o", "Group/g"):
        await fhir("DELETE", reference)
    limits = {"Patient": IdIn(("own",)), "Organization": None}
    caller = Caller("nurse", restriction=lambda type: limits.get(type, NOTHING))
    answer = await fhir.server.perform(Request("GET", ("$changes",), [("resources", "true")], caller=caller))
    found = [(change["id"], change["method"], "resource" in change) for change in decode(answer.body)["changes"]]
    assert found == [("own", "PUT", True), ("o", "PUT", False), ("o", "DELETE", False)]
