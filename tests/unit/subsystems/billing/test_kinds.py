"""Stays in hospital, medication, charges of other systems, aging, and billing on a server behind HTTP."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhir_server.client import HttpClient
from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.endpoints import journal, journal_csv
from fhir_server.subsystems.billing.fees import definitions
from fhir_server.subsystems.billing.models import CPT, MODIFIER
from fhir_server.subsystems.endpoint import Call
from fhir_server.subsystems.subsystem import settle
from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.translating import translate
from tests.conftest import BASE
from tests.unit.subsystems.billing.story import NOW, Story, coded, coverage, encounter, hospital, payer, procedure

pytestmark = pytest.mark.anyio

STAY = {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}}
DRUGS = "http://hl7.org/fhir/sid/ndc"


async def test_a_stay_becomes_an_institutional_claim(story: Story):
    fees = "code,price,from,revenue\n99213,125.50,2026-01-01,0450\n80053,49.99,2026-01-01,0301\n"
    await story.store(*definitions(fees), encounter(**STAY))
    await story.claim()
    [sent] = await story.send()
    assert sent["kind"] == "837I" and "SV2*0301*HC:80053*49.99*UN*1" in sent["text"]
    assert "DTP*435*DT*202611020900" in sent["text"]


async def test_days_are_those_of_the_hospital(story: Story):
    story.billing.zone = ZoneInfo("America/New_York")
    at = "2026-11-03T02:30:00Z"  # the evening of the 2nd
    fees = "code,price,from,revenue\n99213,125.50,2026-01-01,0450\n80053,49.99,2026-01-01,0301\n"
    await story.store(
        *definitions(fees),
        encounter(**STAY, period={"start": at, "end": "2026-11-04T03:00:00Z"}),
        procedure(performedDateTime=at),
    )
    assert story.rows("SELECT DISTINCT date FROM charge") == [("2026-11-02",)]
    id = await story.claim()
    claim = (await story.fhir.get(f"Claim/{id}")).json()
    assert claim["billablePeriod"] == {"start": "2026-11-02", "end": "2026-11-03"}
    [sent] = await story.send()
    assert "DTP*435*DT*202611022130" in sent["text"]
    call = Call(story.fhir.server, NOW, "Berta", {}, {}, {})
    [entry] = (await journal(story.billing, call)).content["entries"]
    assert entry["date"] == "2026-11-27T04:00:00.000-05:00"
    assert b",2026-11-27T04:00:00.000-05:00," in (await journal_csv(story.billing, call)).content


async def test_medication_and_charges_of_other_systems_are_charged(story: Story):
    drug = coded(DRUGS, "0002-1433")
    await story.store(*definitions(f"system,code,price,hcpcs\n{DRUGS},0002-1433,10.25,J1815\n"))
    await story.store(
        {"resourceType": "MedicationAdministration", "id": "given", "status": "completed",
         "medicationCodeableConcept": drug, "subject": {"reference": "Patient/anna"},
         "context": {"reference": "Encounter/visit"},
         "effectiveDateTime": "2026-11-02T10:00:00Z", "dosage": {"dose": {"value": 3}}},
        {"resourceType": "MedicationDispense", "id": "handed", "status": "completed",
         "medicationCodeableConcept": drug, "subject": {"reference": "Patient/anna"},
         "whenHandedOver": "2026-11-02T11:00:00Z", "quantity": {"value": 2}},
        {"resourceType": "ChargeItem", "id": "elsewhere", "status": "billable", "code": coded(CPT, "36415"),
         "subject": {"reference": "Patient/anna"}, "occurrenceDateTime": "2026-11-02",
         "priceOverride": {"value": 9, "currency": "USD"}},
        {"resourceType": "ServiceRequest", "id": "order", "status": "completed", "intent": "order",
         "code": coded(CPT, "36415"), "subject": {"reference": "Patient/anna"}, "authoredOn": "2026-11-02"},
    )  # fmt: skip
    wanted = "rule NOT IN ('encounter', 'procedure') ORDER BY rule"
    found = story.rows(f"SELECT rule, hcpcs, units, cents FROM charge WHERE {wanted}")
    assert found == [
        ("administration", "J1815", "3", 3075),
        ("charge", "36415", "1", 900),
        ("dispense", "J1815", "2", 2050),
        ("order", "36415", "1", 800),
    ]


@pytest.mark.parametrize(
    ("changes", "cents"),
    [
        ({"factorOverride": Decimal("0.8")}, 640),
        ({"factorOverride": Decimal("1.255"), "quantity": {"value": 3}}, 3012),
        ({"factorOverride": 0}, 0),
        ({"factorOverride": 2, "priceOverride": {"value": 9, "currency": "USD"}}, 900),
    ],
)
async def test_a_factor_that_a_charge_states_multiplies_its_price(story: Story, changes: dict, cents: int):
    charge = {"resourceType": "ChargeItem", "id": "factor", "status": "billable", "code": coded(CPT, "36415"),
              "subject": {"reference": "Patient/anna"}, "occurrenceDateTime": "2026-11-02",
              "context": {"reference": "Encounter/visit"}}  # fmt: skip
    await story.store(charge | changes)
    found = story.rows("SELECT cents, problem FROM charge WHERE source = 'ChargeItem/factor'")
    assert found == [(cents, "")]


async def test_what_a_dft_and_a_bar_tell_of_is_charged(story: Story):
    visit = "PV1|1|O|WARD" + "|" * 16 + "V1"
    for event, line in (
        ("DFT^P03", "FT1|1|||20261102|20261102|CG|36415^Draw^C4|||2"),
        ("BAR^P01", "PR1|1||80053^Panel^C4||20261102"),
    ):
        head = f"MSH|^~\\&|LAB|HOSPITAL|HMS|HOSPITAL|20261102||{event}|{event[:3]}1|P|2.5.1"
        message = "\r".join((head, "PID|1||P1^^^HOSPITAL^MR||Story^Stella", visit, line, ""))
        await story.fhir("POST", "", serialize((await translate(parse(message.encode()))).bundle))
    await story.settle()
    of_others = "FROM charge WHERE patient <> 'Patient/anna'"
    found = story.rows(f"SELECT rule, hcpcs, units, cents, date {of_others} ORDER BY rule")
    assert found == [("charge", "36415", "2", 1600, "2026-11-02"), ("procedure", "80053", "1", 4999, "2026-11-02")]
    assert len(story.rows(f"SELECT DISTINCT encounter {of_others}")) == 1


@pytest.mark.parametrize(
    ("code", "beside", "cents", "written"),
    [
        ("80053", "", 4999, "HC:80053*"),
        ("80053-90", "", 4999, "HC:80053:90*"),
        ("80053:90", "", 4999, "HC:80053:90*"),
        ("80053", "26", 2000, "HC:80053:26*"),
        ("80053-26", "59", 2000, "HC:80053:26:59*"),
        ("80053", "59 26", 2000, "HC:80053:59:26*"),
    ],
)
async def test_modifiers_are_priced_and_written(story: Story, code: str, beside: str, cents: int, written: str):
    extensions = [{"url": MODIFIER, "valueCodeableConcept": coded(CPT, each)} for each in beside.split()]
    await story.store(procedure(code=code, extension=extensions) if extensions else procedure(code=code))
    await story.store(*definitions("code,price\n80053-26,20.00\n"))
    assert story.rows("SELECT cents FROM charge WHERE source = 'Procedure/lab'") == [(cents,)]
    await story.claim()
    [sent] = await story.send()
    assert written in sent["text"]


async def test_who_bills_is_known_by_the_name_that_messages_have_for_it(story: Story):
    named = {"type": "Organization", "identifier": {"system": "urn:x-hl7v2:facility", "value": "GEN"}}
    await story.store(encounter(serviceProvider=named))
    with pytest.raises(FhirError, match="GEN of urn:x-hl7v2:facility, which no Organization has"):
        await story.claim()
    general = next(each for each in hospital() if each["id"] == "hospital")
    await story.store(general | {"identifier": [*general["identifier"], named["identifier"]]})
    claim = (await story.fhir.get(f"Claim/{await story.claim()}")).json()
    assert claim["provider"]["reference"] == "Organization/hospital"


async def test_what_is_owed_ages(story: Story):
    await story.claim()
    ages = [ledger.aging(story.billing.store, "payer", day)[0] for day in ("2026-12-01", "2027-01-10", "2028-01-01")]
    assert [tuple(each[age] for age in ("to30", "to60", "over120")) for each in ages] == [
        (17549, 0, 0),
        (0, 17549, 0),
        (0, 0, 17549),
    ]
    assert ages[0]["payer"] == "Organization/blue" and ledger.aging(story.billing.store, "patient", "2026-12-01") == []


async def test_it_runs_against_a_server_over_http_only(story: Story):
    before = story.state()
    client = HttpClient(BASE, transport=story.fhir.http._transport)
    story.billing.drop()
    await story.fhir.create(procedure("draw", "36415"))
    await settle(client, story.billing, NOW)
    assert len(story.state()["charge"]) == len(before["charge"]) + 1
    assert len(await story.fhir.ids("ChargeItem?code=36415")) == 1
    await client.close()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"priceOverride": {"value": 9, "currency": "EUR"}}, "its price is in EUR"),
        ({"quantity": {"value": 0}}, "its quantity is 0"),
        ({"quantity": {"value": -2}}, "its quantity is -2"),
        ({"quantity": {"value": 2000000}}, "its quantity is 2000000"),
        ({"factorOverride": -1}, "its factor is -1"),
        ({"factorOverride": 10**30}, "its factor is 1000000000000000000"),
        ({"code": coded(CPT, "77777")}, "there is no price for 77777 in USD"),
    ],
)
async def test_what_has_no_amount_in_dollars_is_not_charged(story: Story, changes: dict, problem: str):
    component = {"type": "base", "amount": {"value": 70, "currency": "EUR"}}
    await story.store(
        {"resourceType": "ChargeItemDefinition", "id": "euros", "url": "urn:euros", "status": "active",
         "code": coded(CPT, "77777"), "propertyGroup": [{"priceComponent": [component]}]},
        {"resourceType": "ChargeItem", "id": "odd", "status": "billable", "code": coded(CPT, "36415"),
         "subject": {"reference": "Patient/anna"}, "occurrenceDateTime": "2026-11-02", **changes},
    )  # fmt: skip
    [(cents, why)] = story.rows("SELECT cents, problem FROM charge WHERE source = 'ChargeItem/odd'")
    assert cents is None and problem in why
    assert story.work() == ["charge"]


async def test_prices_hold_for_the_whole_of_a_month_and_are_those_of_the_payer_of_that_day(story: Story):
    period = {"start": "2026-11", "end": "2026-11"}
    old = {**coverage("old", "red", 2), "period": {"end": "2026-10"}, "order": 1}
    now = {**coverage(), "period": {"start": "2026-11"}, "order": 1}
    prices = [*definitions("code,price,payer\n77777,50.00,Organization/red\n77777,60.00,Organization/blue\n")]
    await story.store(payer("red", "70001"), old, now, *({**each, "effectivePeriod": period} for each in prices))
    await story.store(procedure("late", "77777", performedDateTime="2026-11-30T10:00:00Z"))
    assert story.rows("SELECT cents FROM charge WHERE source = 'Procedure/late'") == [(6000,)]
