"""What workforce blocks is refused by the policy of docs/how-to/workforce.md: no order after a licence ended."""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.api import Request
from fhir_server.core.settings import Settings
from fhir_server.subsystems.subsystem import settle
from fhir_server.subsystems.workforce.models import DAY
from fhir_server.subsystems.workforce.service import Workforce
from tests.conftest import Fhir
from tests.system.security.conftest import BASE
from tests.system.security.test_policies import As
from tests.unit.subsystems.workforce.ward import NOW, practitioner

pytestmark = pytest.mark.anyio
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "workforce.md"
PERMIT = '[[rule]]\neffect = "permit"\nresources = ["*"]\n\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    rule = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)[0]
    file = tmp_path / "policies.toml"
    file.write_text(PERMIT + rule)
    return Settings(data=tmp_path / "data", synchronous="OFF", security="smart", policies=str(file))


async def put(fhir: Fhir, resource: dict[str, Any]) -> None:
    await fhir.server.perform(Request("PUT", (resource["resourceType"], resource["id"]), resource=resource, base=BASE))


def order(type: str, by: str) -> dict[str, Any]:
    made = {"resourceType": type, "status": "active", "intent": "order", "subject": {"reference": "Patient/me"},
            "requester": {"reference": f"Practitioner/{by}"}}  # fmt: skip
    if type == "MedicationRequest":
        made["medicationCodeableConcept"] = {"text": "aspirin"}
    return made


async def test_orders_are_refused_after_the_licence_ended_until_it_is_renewed(fhir: Fhir, tmp_path: Path) -> None:
    workforce: Any = Workforce(tmp_path / "workforce.sqlite", ZoneInfo("UTC"))
    today = NOW
    await put(fhir, {"resourceType": "Patient", "id": "me"})
    await put(fhir, practitioner("anna", ends="2026-10-31"))
    await put(fhir, practitioner("ben"))
    await settle(fhir.server, workforce, today)
    clerk = As(fhir, "clerk")
    assert (await clerk("ServiceRequest", "POST", order("ServiceRequest", "anna"))).status_code == 201
    first = (await clerk("ServiceRequest?requester=Practitioner/anna")).json()["entry"][0]["resource"]

    today += 70 * DAY
    await settle(fhir.server, workforce, today)
    for type in ("ServiceRequest", "MedicationRequest"):
        refused = await clerk(type, "POST", order(type, "anna"))
        assert refused.status_code == 403 and refused.json()["resourceType"] == "OperationOutcome", refused.text
        assert (await clerk(type, "POST", order(type, "ben"))).status_code == 201
    changed = await clerk(f"ServiceRequest/{first['id']}", "PUT", {**first, "status": "completed"})
    assert changed.status_code == 403
    entry = {"resource": order("ServiceRequest", "anna"), "request": {"method": "POST", "url": "ServiceRequest"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert (await clerk("", "POST", bundle)).status_code == 403
    assert await clerk.ids("ServiceRequest?requester=Practitioner/anna") == [first["id"]]

    await put(fhir, practitioner("anna", ends="2030-12-31"))
    await settle(fhir.server, workforce, today)
    assert (await clerk("ServiceRequest", "POST", order("ServiceRequest", "anna"))).status_code == 201
