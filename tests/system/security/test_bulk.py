"""Imports of a secured server: nothing is fetched for whoever could not store it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import Fhir
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

SITE = "http://127.0.0.1:9/bulk/"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, import_from=(SITE,))


def fetching(type: str = "") -> dict[str, Any]:
    part = [{"name": "url", "valueUrl": f"{SITE}patients"}]
    part += [{"name": "type", "valueCode": type}] if type else []
    return {"resourceType": "Parameters", "parameter": [{"name": "input", "part": part}]}


@pytest.mark.parametrize(
    ("scope", "patient", "type", "status"),
    [
        ("openid fhirUser", "", "", 403),
        ("user/*.rs", "", "", 403),
        ("user/*.rs", "", "Patient", 403),
        ("user/Patient.u", "", "", 403),
        ("user/Patient.u", "", "Patient", 202),
        ("user/*.cruds", "", "", 202),
        ("patient/*.cruds", "me", "Patient", 403),
        ("patient/*.cruds", "me", "", 403),
    ],
)
async def test_a_fetch_takes_scopes_that_store_what_it_may_hold(
    hospital: Fhir, scope: str, patient: str, type: str, status: int
) -> None:
    asking = Asking(hospital, scope, patient=patient) if patient else Asking(hospital, scope)
    answer = await asking("$import", "POST", fetching(type))
    assert answer.status_code == status, answer.text
