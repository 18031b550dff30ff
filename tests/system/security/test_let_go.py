"""What a worker knew by search parameters that are in force no more is let go, by all that is kept of requests."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from tests.conftest import Fhir
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

ASKED = (
    "metadata", "Patient?_elements=name", "Patient?_summary=true", "Patient/me/$everything", "Patient/me?_format=xml",
    "Patient/me/$graphql?query={name{family}}", "Observation?_include=*&_revinclude=*",
)  # fmt: skip


def parameter(number: int) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter", "id": "changing", "url": "urn:test:changing", "name": "Changing",
        "code": f"changing-{number}", "status": "active", "description": "Changes", "base": ["Patient"],
        "type": "string", "expression": "Patient.name.family",
    }  # fmt: skip


async def test_what_was_known_by_parameters_of_before_is_let_go(hospital: Fhir) -> None:
    environment = hospital.server.environment
    ask, app = Asking(hospital, "system/*.cruds"), Asking(hospital, "patient/*.rs", patient="me")
    kept: dict[int, weakref.ref[Any]] = {}
    for number in range(5):
        assert (await ask("SearchParameter/changing", "PUT", parameter(number))).status_code in (200, 201)
        for path in ASKED:
            assert (await ask(path)).status_code == 200, path
        assert (await app("Patient/me")).status_code == 200
        for each in (environment.searching, environment.searching.definitions):
            kept[id(each)] = weakref.ref(each)
    gc.collect()
    alive = [each for known in kept.values() if (each := known()) is not None]
    official = environment.definitions
    assert {each.position for each in alive if hasattr(each, "position")} == {environment.searching.position}
    assert len([each for each in alive if not hasattr(each, "position") and each is not official]) <= 2
