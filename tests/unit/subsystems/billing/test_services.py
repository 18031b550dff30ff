"""A service that several resources tell of is charged once; one that was done twice is charged twice."""

from typing import Any

import pytest

from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import actions
from fhir_server.subsystems.billing.endpoints import encounter as encounter_of
from fhir_server.subsystems.billing.models import CPT, MODIFIER
from fhir_server.subsystems.endpoint import Call
from fhir_server.subsystems.tracing import trace
from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.translating import translate
from tests.unit.subsystems.billing.story import NOW, Story, coded, encounter, procedure

pytestmark = pytest.mark.anyio


def item(id: str = "told", code: str = "80053", units: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "ChargeItem", "id": id, "status": "billable", "code": coded(CPT, code),
        "subject": {"reference": "Patient/anna"}, "context": {"reference": "Encounter/visit"},
        "occurrenceDateTime": "2026-11-02T10:00:00Z", "quantity": {"value": units},
    } | changes  # fmt: skip


def order(id: str = "order", code: str = "80053") -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest", "id": id, "status": "completed", "intent": "order", "code": coded(CPT, code),
        "subject": {"reference": "Patient/anna"}, "encounter": {"reference": "Encounter/visit"},
        "authoredOn": "2026-11-01",
    }  # fmt: skip


def by(name: str) -> dict[str, Any]:
    return {"performer": [{"actor": {"reference": f"Practitioner/{name}"}}]}


def beside(code: str) -> list[dict[str, Any]]:
    return [{"url": MODIFIER, "valueCodeableConcept": {"coding": [{"code": code}]}}]


def numbered() -> dict[str, Any]:
    return order() | {"identifier": [{"system": "urn:lab", "value": "F77"}]}


def by_number(value: str) -> list[dict[str, Any]]:
    return [{"type": "ServiceRequest", "identifier": {"value": value}}]


def charged(story: Story) -> list[str]:
    wanted = "SELECT source FROM charge WHERE same = '' AND source <> 'Encounter/visit' ORDER BY source"
    return [row[0].replace("/", " ") for row in story.rows(wanted)]


async def test_a_message_that_tells_of_a_service_as_ft1_and_as_pr1_charges_it_once(story: Story):
    lines = ("FT1|1|||20261102|20261102|CG|36415^Draw^C4|||1", "PR1|1||36415^Draw^C4||20261102")
    head = "MSH|^~\\&|LAB|HOSPITAL|HMS|HOSPITAL|20261102||DFT^P03|D1|P|2.5.1"
    visit = "PV1|1|O|WARD" + "|" * 16 + "V1"
    message = "\r".join((head, "PID|1||P1^^^HOSPITAL^MR||Story^Stella", visit, *lines, ""))
    await story.fhir("POST", "", serialize((await translate(parse(message.encode()))).bundle))
    await story.settle()
    found = story.rows("SELECT rule, same <> '' FROM charge WHERE patient <> 'Patient/anna' ORDER BY rule")
    assert found == [("charge", 0), ("procedure", 1)]


async def test_the_charge_names_both_and_the_trace_leads_to_both(story: Story):
    await story.store(item())
    assert charged(story) == ["ChargeItem told"]
    [(id,)] = story.rows("SELECT id FROM charge WHERE source = 'ChargeItem/told'")
    [(other,)] = story.rows("SELECT id FROM charge WHERE source = 'Procedure/lab'")
    made, twice = [(await story.fhir.get(f"ChargeItem/{each}")).json() for each in (id, other)]
    assert made["note"][1]["text"] == "Told of by Procedure/lab too: charged once"
    assert (twice["status"], twice["partOf"][0]["reference"]) == ("not-billable", f"ChargeItem/{id}")
    back = (await trace(story.fhir.server, f"ChargeItem/{id}", story.billing.links)).back
    assert {"ChargeItem/told", "Procedure/lab"} <= {step.reference for step in back}
    claim = (await story.fhir.get(f"Claim/{await story.claim()}")).json()
    assert claim["total"]["value"] == 175.49 and len(claim["item"]) == 2


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ([procedure("again")], ["Procedure again", "Procedure lab"]),
        ([item(units=2), procedure("again")], ["ChargeItem told"]),
        ([item(), procedure("again")], ["ChargeItem told", "Procedure lab"]),
        ([item(code="80053-76")], ["ChargeItem told", "Procedure lab"]),
        ([item(code="80053-76"), procedure(code="80053-76")], ["ChargeItem told"]),
        ([item(code="80053-LT"), procedure(code="80053-RT")], ["ChargeItem told", "Procedure lab"]),
        ([item(code="80053-LT")], ["ChargeItem told"]),
        ([item(**by("jane")), procedure(**by("joe"))], ["ChargeItem told", "Procedure lab"]),
        ([item(**by("jane")), procedure(**by("jane"))], ["ChargeItem told"]),
        ([item(occurrenceDateTime="2026-11-03")], ["ChargeItem told", "Procedure lab"]),
        ([item(context={"reference": "Encounter/other"})], ["ChargeItem told", "Procedure lab"]),
        ([order()], ["Procedure lab", "ServiceRequest order"]),
        ([order(), procedure(basedOn=[{"reference": "ServiceRequest/order"}])], ["Procedure lab"]),
        ([item(service=[{"reference": "Procedure/lab"}], occurrenceDateTime="2026-11-04")], ["ChargeItem told"]),
        ([item(service=[{"reference": "Procedure/lab"}]),
          item(service=[{"reference": "Procedure/lab"}], status="not-billable")], []),
        ([item(service=[{"reference": "Procedure/lab"}], status="not-billable"), item("anew")], ["ChargeItem anew"]),
        (
            [item(supportingInformation=[{"reference": "ServiceRequest/a"}]),
             procedure(basedOn=[{"reference": "ServiceRequest/b"}])],
            ["ChargeItem told", "Procedure lab"],
        ),
        ([item(extension=beside("76"))], ["ChargeItem told", "Procedure lab"]),
        ([item(extension=beside("LT"))], ["ChargeItem told"]),
        ([numbered(), item(occurrenceDateTime="2026-11-04", supportingInformation=by_number("F77"))],
         ["ChargeItem told", "Procedure lab"]),
        ([numbered(), item(occurrenceDateTime="2026-11-04", supportingInformation=by_number("F78"))],
         ["ChargeItem told", "Procedure lab", "ServiceRequest order"]),
    ],
    ids=[
        "one kind twice", "units of both", "one of two", "done again", "the same done again", "left and right",
        "one names the side", "two performers", "one performer", "another day", "another visit", "an order alone",
        "an order that was done", "named", "credited", "credited and charged anew", "two orders",
        "done again, told beside the code", "one names the side beside the code", "the order of a number",
        "another number",
    ],
)  # fmt: skip
async def test_what_is_one_service_and_what_is_not(story: Story, stored: list, wanted: list[str]):
    await story.store(*stored)
    assert charged(story) == wanted


async def test_what_is_claimed_stays_what_is_charged(story: Story):
    await story.claim()
    await story.store(item())
    assert charged(story) == ["Procedure lab"] and story.work() == []
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before


async def test_what_is_told_once_again_is_charged_by_the_other(story: Story):
    await story.store(item())
    await story.store(item(status="entered-in-error"))
    assert charged(story) == ["Procedure lab"]


async def test_a_visit_that_can_not_be_billed_yet_says_why(story: Story):
    async def shown(id: str) -> dict[str, Any]:
        return (await encounter_of(story.billing, Call(story.fhir.server, NOW, "Berta", {"id": id}, {}, {}))).content

    unpriced = encounter(id="odd", type=[coded(CPT, "99999")])
    await story.store(unpriced, encounter(id="free", type=[{"text": "talk"}]))
    seen = await shown("odd")
    assert "load a fee schedule" in seen["charges"][0]["problem"] and "each charge says" in str(seen["findings"])
    assert "hms billing fees" in str((await shown("free"))["findings"])
    with pytest.raises(FhirError, match="no price for 99999"):
        await actions.claim_encounter(story.billing, story.fhir.server, "Encounter/odd", NOW, "Berta")
    with pytest.raises(FhirError, match="There is no Encounter/none"):
        await shown("none")
