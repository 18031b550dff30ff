"""A stored Bundle tells a caller nothing of what is in it and kept from the caller."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.api import Request
from fhir_server.core.settings import Settings
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, RESOURCES, observation
from tests.system.security.test_policies import As, actor, consent

pytestmark = pytest.mark.anyio

RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
POLICIES = f"""
[[rule]]
effect = "deny"
resources = ["Observation?_security={RESTRICTED["system"]}|R"]
unless_role = ["psychiatrist"]

[[rule]]
effect = "mask"
resources = ["Patient"]
fields = ["birthDate"]
role = ["billing"]
"""

LETTER = {
    "resourceType": "Composition", "id": "letter", "status": "final", "type": {"text": "letter"}, "date": "2020-01-01",
    "author": [{"reference": "Practitioner/doc"}], "title": "Letter",
}  # fmt: skip


def bundle(id: str, *resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"fullUrl": f"{BASE}/{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
    return {"resourceType": "Bundle", "id": id, "type": "collection", "entry": entries}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "policies.toml").write_text(POLICIES)
    return msgspec.structs.replace(settings, policies=str(tmp_path / "policies.toml"))


@pytest.fixture
async def library(fhir: Fhir) -> AsyncIterator[Fhir]:
    named = {each["id"]: each for each in RESOURCES}
    hush = {**observation("hush", "me"), "meta": {"security": [RESTRICTED]}}
    for resource in (
        *RESOURCES,
        bundle("plain", named["me"], named["mine"]),
        bundle("about", named["mine"], named["theirs"]),
        bundle("person", named["other"]),
        bundle("inner", bundle("deep", named["theirs"])),
        bundle("labelled", hush),
        bundle("house", named["house"]),
        LETTER,
        {
            **bundle("letter", LETTER, named["doc"], named["theirs"], named["other"]),
            "type": "document",
            "timestamp": "2026-01-01T00:00:00Z",
            "identifier": {"system": "urn:letters", "value": "7"},
        },
    ):
        key = (resource["resourceType"], resource["id"])
        await fhir.server.perform(Request("PUT", key, resource=json.loads(json.dumps(resource)), base=BASE))
    yield fhir


async def seen(ask: As) -> list[str]:
    """The Bundles that a search finds, once every other way has been found to agree."""
    found = await ask.ids("Bundle")
    assert found == await ask.ids("Bundle/_history")
    for id in ("plain", "about", "person", "inner", "labelled", "house", "letter"):
        for path in (f"Bundle/{id}", f"Bundle/{id}/_history/1", f"Bundle/{id}/_history"):
            assert (await ask(path)).status_code == (200 if id in found else 404), path
        assert (await ask(f"Bundle?_id={id}&_summary=count")).json()["total"] == (id in found)
    assert (await ask("Bundle?_summary=count")).json()["total"] == len(found)
    return found


async def test_labels_and_consents_reach_what_is_in_stored_bundles(library: Fhir) -> None:
    doctor, colleague = As(library, user="Practitioner/doc"), As(library, "psychiatrist", user="Practitioner/two")
    assert await seen(doctor) == ["about", "house", "inner", "letter", "person", "plain"]
    assert await seen(colleague) == ["about", "house", "inner", "labelled", "letter", "person", "plain"]
    denial = consent({"type": "deny", "actor": [actor("Practitioner/doc")]})
    assert (await colleague("Consent/c", "PUT", denial)).status_code == 201
    assert await seen(doctor) == ["house", "plain"]
    assert await doctor.ids("Composition?_has:Bundle:composition:_id=letter") == []
    changed = bundle("new", LETTER) | {"identifier": {"system": "urn:letters", "value": "7"}}
    assert (await doctor("Bundle?identifier=urn:letters|7", "PUT", changed)).status_code in (201, 403)
    assert (await doctor("Bundle/person", "DELETE")).status_code in (204, 403)
    assert "person" in await seen(colleague)


async def test_stored_parameters_tell_nothing_of_what_is_hidden_in_them(library: Fhir) -> None:
    hush = {**observation("hush", "me"), "meta": {"security": [RESTRICTED]}}
    stored: dict[str, list[dict[str, Any]]] = {
        "plain": [{"name": "a", "resource": observation("mine", "me")}, {"name": "b", "valueString": "x"}],
        "first": [{"name": "a", "resource": hush}],
        "part": [{"name": "a", "part": [{"name": "b", "part": [{"name": "c", "resource": hush}]}]}],
        "bundle": [{"name": "a", "resource": bundle("inner", hush)}],
    }
    for id, parameter in stored.items():
        resource = {"resourceType": "Parameters", "id": id, "parameter": json.loads(json.dumps(parameter))}
        await library.server.perform(Request("PUT", ("Parameters", id), resource=resource, base=BASE))
        inside = bundle(f"holds-{id}", resource)
        await library.server.perform(Request("PUT", ("Bundle", f"holds-{id}"), resource=inside, base=BASE))
    for ask, found in ((As(library), ["plain"]), (As(library, "psychiatrist"), sorted(stored))):
        assert await ask.ids("Parameters") == await ask.ids("Parameters/_history") == found
        assert (await ask("Parameters?_summary=count")).json()["total"] == len(found)
        assert [id for id in await ask.ids("Bundle") if id.startswith("holds")] == [f"holds-{id}" for id in found]
        for id in stored:
            for path in (f"Parameters/{id}", f"Parameters/{id}/_history/1", f"Bundle/holds-{id}"):
                assert (await ask(path)).status_code == (200 if id in found else 404), path


async def test_a_binary_in_a_bundle_belongs_to_what_its_context_names(library: Fhir) -> None:
    doctor, colleague = As(library, user="Practitioner/doc"), As(library, "psychiatrist", user="Practitioner/two")
    contexts = {
        "none": None, "open": {"reference": "Observation/mine"}, "patient": {"reference": "Patient/other"},
        "label": {"reference": "Observation/hush"}, "elsewhere": {"reference": "https://other.test/Observation/mine"},
    }  # fmt: skip
    hush = {**observation("hush", "me"), "meta": {"security": [RESTRICTED]}}
    assert (await colleague("Observation/hush", "PUT", hush)).status_code == 201
    for id, context in contexts.items():
        about = {} if context is None else {"securityContext": context}
        scan = {"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==", **about}
        for resource in (scan, bundle(f"scan-{id}", scan), bundle(f"deep-{id}", bundle("deep", scan))):
            key = (resource["resourceType"], resource["id"])
            await library.server.perform(Request("PUT", key, resource=json.loads(json.dumps(resource)), base=BASE))

    async def shown(ask: As) -> list[str]:
        """The contexts of the Binaries that may be read, which are those of the Bundles that hold them."""
        found = [id for id in contexts if (await ask(f"Binary/{id}")).status_code == 200]
        for prefix in ("scan", "deep"):
            bundles = [id for id in contexts if (await ask(f"Bundle/{prefix}-{id}")).status_code == 200]
            assert bundles == found, prefix
            listed = set(await ask.ids("Bundle")) & {f"{prefix}-{id}" for id in contexts}
            assert listed == {f"{prefix}-{id}" for id in found}
        return found

    assert await shown(doctor) == ["none", "open", "patient"]
    assert await shown(colleague) == [*contexts]  # from whom nothing is kept
    denial = consent({"type": "deny", "actor": [actor("Practitioner/doc")]})
    assert (await colleague("Consent/c", "PUT", denial)).status_code == 201
    assert await shown(doctor) == ["none", "open"]


async def test_hidden_fields_are_hidden_in_stored_bundles(library: Fhir) -> None:
    billing, doctor = As(library, "billing"), As(library)
    assert "plain" in await seen(billing)
    assert "birthDate" in (await doctor("Bundle/plain")).text
    for path in ("Bundle/plain", "Bundle", "Bundle/plain/_history/1"):
        assert "birthDate" not in (await billing(path)).text, path
