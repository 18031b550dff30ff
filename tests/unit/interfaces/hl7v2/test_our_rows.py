"""What HL7's tables have no rows for: guarantors, prior results, pathways, consents, documents that follow others."""

from __future__ import annotations

from decimal import Decimal

import pytest

from interfaces.hl7v2.configuration import Sender
from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.translating import translate
from tests.unit.interfaces.hl7v2.test_translation import Hospital, hospital, pid

pytestmark = pytest.mark.anyio
__all__ = ["hospital"]

ACCOUNT = pid(rest="|DOE^JANE||19700101|F||||||||||A77^^^HOSP")


def gt1(number: str, name: str, relationship: str, organization: str = "") -> str:
    return (
        f"GT1|{number}|G{number}^^^HOSP|{name}||1 Main^^Town|555-1||19600102|M||{relationship}"
        + "|" * 10
        + organization
    )


async def test_guarantors_are_the_accounts(hospital: Hospital):
    await hospital.send("BAR^P01^BAR_P01", ACCOUNT, gt1("1", "DOE^JOHN", "SPO"), gt1("2", "DOE^ANN", "PAR"))
    account = await hospital.one("Account")
    people = {one["name"][0]["given"][0]: one for one in await hospital.all("RelatedPerson")}
    parties = [one["party"]["reference"] for one in account["guarantor"]]
    assert parties == [f"RelatedPerson/{people[name]['id']}" for name in ("JOHN", "ANN")]
    assert people["JOHN"]["birthDate"] == "1960-01-02"
    assert people["JOHN"]["relationship"][0]["coding"][0]["code"] == "GUAR"
    assert people["JOHN"]["patient"] == account["subject"][0]


async def test_a_guarantor_of_an_admission(hospital: Hospital):
    await hospital.send("ADT^A01^ADT_A01", ACCOUNT, "PV1|1|I|W^1^1", gt1("1", "DOE^JOHN", "SPO"))
    assert len((await hospital.one("Account"))["guarantor"]) == 1


async def test_a_guarantor_of_an_order(hospital: Hospital):
    order = ("ORC|NW|P1^HIS", "OBR|1|P1^HIS||24317-0^Hemogram^LN")
    await hospital.send("OML^O21^OML_O21", ACCOUNT, "PV1|1|O", gt1("1", "DOE^JOHN", "SPO"), *order)
    assert len((await hospital.one("Account"))["guarantor"]) == 1


async def test_a_patient_answers_for_herself(hospital: Hospital):
    await hospital.send("BAR^P01^BAR_P01", ACCOUNT, gt1("1", "DOE^JANE", "SEL"))
    patient = await hospital.one("Patient")
    assert (await hospital.one("Account"))["guarantor"] == [{"party": {"reference": f"Patient/{patient['id']}"}}]
    assert not await hospital.all("RelatedPerson")


async def test_an_organization_answers(hospital: Hospital):
    await hospital.send("BAR^P01^BAR_P01", ACCOUNT, gt1("1", "", "EMR", "Acme^L^77^^^HOSP"))
    party = (await hospital.one("Account"))["guarantor"][0]["party"]["reference"]
    assert party.startswith(("#", "Organization/"))


async def test_prior_results_support_the_order(hospital: Hospital):
    await hospital.send(
        "OML^O21^OML_O21", pid(), "ORC|NW|P9^HIS", "OBR|1|P9^HIS||24317-0^Hemogram^LN",
        pid(), "ORC|RE|P1^HIS|F1^LAB", "OBR|1|P1^HIS|F1^LAB|24317-0^Hemogram^LN|||20230102" + "|" * 18 + "F",
        "OBX|1|NM|718-7^Hgb^LN||11.5|g/dL|||||F",
    )  # fmt: skip
    order, report = await hospital.one("ServiceRequest"), await hospital.one("DiagnosticReport")
    found = await hospital.one("Observation")
    assert order["supportingInfo"] == [{"reference": f"DiagnosticReport/{report['id']}"}]
    assert report["result"] == [{"reference": f"Observation/{found['id']}"}]
    assert order["subject"] == report["subject"] == found["subject"]


async def test_prior_results_have_their_own_visit_and_allergies(hospital: Hospital):
    await hospital.send(
        "OML^O21^OML_O21", pid(), "PV1|1|I|W||||||||||||||||NOW^^^HOSP", "ORC|NW|P9^HIS",
        "OBR|1|P9^HIS||24317-0^Hemogram^LN", pid(), "PV1|1|O|W||||||||||||||||THEN^^^HOSP",
        "AL1|1|DA|PEN^Penicillin^99A|SV|Rash", "ORC|RE|P1^HIS|F1^LAB",
        "OBR|1|P1^HIS|F1^LAB|24317-0^Hemogram^LN|||20230102" + "|" * 18 + "F",
        "OBX|1|NM|718-7^Hgb^LN||11.5|g/dL|||||F",
    )  # fmt: skip
    visits = {one["identifier"][0]["value"]: f"Encounter/{one['id']}" for one in await hospital.all("Encounter")}
    order, report = await hospital.one("ServiceRequest"), await hospital.one("DiagnosticReport")
    assert order["encounter"]["reference"] == visits["NOW"]
    assert report["encounter"]["reference"] == visits["THEN"]
    assert (await hospital.one("Observation"))["encounter"]["reference"] == visits["THEN"]
    assert (await hospital.one("AllergyIntolerance"))["patient"] == order["subject"]


async def test_variances_are_notes_of_what_they_differ_from(hospital: Hospital):
    variance = "VAR|V{0}^HIS|20240102|20240103|7^Welby^Marcus|L^Late^99V|Seen {0} days late"
    problem = "PRB|AD|20240101|M16.1^Coxarthrosis^I10|PR1^HIS"
    pathway = "PTH|AD|HIP^Hip replacement^99P|PW1^HIS|20240101|active"
    goal = "GOL|AD|20240101|WALK^Walks^99G|G1^HIS"
    await hospital.send("PPR^PC1^PPR_PC1", pid(), problem, variance.format(1), variance.format(2), pathway,
                        variance.format(3), goal, variance.format(4))  # fmt: skip
    told = {type: [one["text"] for one in (await hospital.one(type))["note"]]
            for type in ("Condition", "CarePlan", "Goal")}  # fmt: skip
    assert told == {"Condition": ["Seen 1 days late", "Seen 2 days late"], "CarePlan": ["Seen 3 days late"],
                    "Goal": ["Seen 4 days late"]}  # fmt: skip
    note = (await hospital.one("CarePlan"))["note"][0]
    assert (note["time"], note["authorString"]) == ("2024-01-03", "Marcus Welby")
    assert [one["url"] for one in note["extension"]] == ["urn:x-hl7v2:variance", "urn:x-hl7v2:variance-class"]
    assert note["extension"][0]["valueIdentifier"]["value"] == "V3"
    assert note["extension"][1]["valueCodeableConcept"]["coding"][0]["code"] == "L"


async def test_a_pathway_addresses_its_problem(hospital: Hospital):
    pathway = "PTH|{}|HIP^Hip replacement^99P|PW1^HIS|20240101|active"
    problem = "PRB|AD|20240101|M16.1^Coxarthrosis^I10|PR1^HIS"
    await hospital.send("PPR^PC1^PPR_PC1", pid(), problem, pathway.format("AD"))
    plan, condition = await hospital.one("CarePlan"), await hospital.one("Condition")
    assert plan["addresses"] == [{"reference": f"Condition/{condition['id']}"}]
    assert (plan["status"], plan["intent"], plan["title"]) == ("active", "plan", "Hip replacement")
    await hospital.send("PPR^PC1^PPR_PC1", pid(), problem, pathway.format("DE"), sent="20240103", control="2")
    assert (await hospital.one("CarePlan"))["status"] == "entered-in-error"


@pytest.mark.parametrize(("code", "status", "kind"), [("A", "active", "permit"), ("R", "rejected", "deny")])
async def test_a_consent(hospital: Hospital, code: str, status: str, kind: str):
    consent = f"CON|1|031^Surgical procedure^HL70496||C1^HIS|||||||{code}||20240101|20240101|20250101"
    txa = "TXA|1|OP^Operation note^99D|TX|20240102|||||||||D1^HIS"
    await hospital.send("MDM^T02^MDM_T02", pid(), "PV1|1|I", txa, consent, "OBX|1|TX|1^Text||Said|||||||F")
    found = await hospital.one("Consent")
    assert (found["status"], found["provision"]["type"]) == (status, kind)
    assert found["provision"]["period"] == {"start": "2024-01-01", "end": "2025-01-01"}


@pytest.mark.parametrize(("event", "code", "left"), [
    ("T05", "appends", "current"), ("T06", "appends", "current"),
    ("T09", "replaces", "superseded"), ("T10", "replaces", "superseded"),
])  # fmt: skip
async def test_a_document_that_follows_another(hospital: Hospital, event: str, code: str, left: str):
    text = "OBX|1|TX|1^Text||Said|||||||F"
    first = "TXA|1|OP^Operation note^99D|TX|20240102||||||||D1^HIS"
    await hospital.send("MDM^T02^MDM_T02", pid(), "PV1|1|I", first, text)
    later = "TXA|1|OP^Operation note^99D|TX|20240103||||||||D2^HIS|D1^HIS"
    segments = (text,) if event in ("T06", "T10") else ()
    await hospital.send(f"MDM^{event}", pid(), "PV1|1|I", later, *segments, sent="20240103", control="2")
    documents = {one["masterIdentifier"]["value"]: one for one in await hospital.all("DocumentReference")}
    target = {"reference": f"DocumentReference/{documents['D1']['id']}"}
    assert documents["D2"]["relatesTo"] == [{"code": code, "target": target}]
    assert documents["D1"]["status"] == left


async def test_a_document_that_follows_an_unknown_one(hospital: Hospital):
    later = "TXA|1|OP^Operation note^99D|TX|20240103||||||||D2^HIS|D1^HIS"
    await hospital.send("MDM^T09^MDM_T01", pid(), "PV1|1|I", later)
    target = (await hospital.one("DocumentReference"))["relatesTo"][0]["target"]
    assert target["identifier"]["value"] == "D1"


async def test_who_entered_and_verified_an_order(hospital: Hospital):
    order = "ORC|NW|P1^HIS||||||||E1^Enterer^Eve^^^^^^HOSP|V1^Verifier^Vic^^^^^^HOSP|O1^Orderer^Olga^^^^^^HOSP"
    await hospital.send("OML^O21^OML_O21", pid(), order, "OBR|1|P1^HIS||24317-0^Hemogram^LN")
    agents = (await hospital.one("Provenance"))["agent"]
    who = {agent["type"]["coding"][0]["code"]: agent["who"] for agent in agents}
    people = {one["identifier"][0]["value"]: f"Practitioner/{one['id']}" for one in await hospital.all("Practitioner")}
    assert who["enterer"] == {"reference": people["E1"]}
    assert who["verifier"] == {"reference": people["V1"]}


@pytest.mark.parametrize(("zone", "summer", "winter"), [
    ("Europe/Berlin", "+02:00", "+01:00"), ("-05:00", "-05:00", "-05:00"), ("Z", "Z", "Z"),
])  # fmt: skip
async def test_times_without_a_zone_are_in_the_senders(zone: str, summer: str, winter: str):
    head = "MSH|^~\\&|A|H|B|H|20240701120000||ADT^A01^ADT_A01|1|P|2.5.1\r"
    visit = "PV1|1|I" + "|" * 42 + "20240101080000|20240701080000\r"
    made = await translate(parse((head + pid() + "\r" + visit).encode()), zone=Sender(zone=zone).zone)
    assert made.bundle
    visits = [one["resource"] for one in made.bundle["entry"] if one["resource"]["resourceType"] == "Encounter"]
    assert visits[0]["period"] == {"start": f"2024-01-01T08:00:00{winter}", "end": f"2024-07-01T08:00:00{summer}"}


def test_a_zone_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no zone"):
        Sender(zone="Berlin")


PATIENT_AND_VISIT = (ACCOUNT, "PV1|1|O|W^1^2^HOSP" + "|" * 16 + "V1^^^A")


def ft1(
    number: str, transaction: str = "", code: str = "99213", quantity: str = "2", kind: str = "CG", price: str = ""
):
    price = price or "100.50&USD|50.25&USD"
    people = "7^DOC^DAN^^^^^^A|8^ORD^OLA^^^^^^A"
    concept = f"{code}^Service^CPT"
    return f"FT1|{number}|{transaction}||20240102|20240103|{kind}|{concept}|||{quantity}|{price}|" + "|" * 7 + people


@pytest.mark.parametrize("kind", ["DFT^P03^DFT_P03", "DFT^P03", "DFT^P11^DFT_P11", "DFT^P11"])
async def test_a_transaction_is_a_charge(hospital: Hospital, kind: str):
    await hospital.send(kind, *PATIENT_AND_VISIT, ft1("1", "T9"))
    charge = await hospital.one("ChargeItem", identifier="T9")
    account, visit = await hospital.one("Account"), await hospital.one("Encounter")
    assert charge["code"]["coding"][0] == {
        "system": "http://www.ama-assn.org/go/cpt", "code": "99213", "display": "Service",
    }  # fmt: skip
    assert (charge["status"], charge["quantity"]["value"]) == ("billable", 2)
    assert charge["priceOverride"] == {"value": Decimal("100.50"), "currency": "USD"}
    assert (charge["occurrenceDateTime"], charge["enteredDate"][:10]) == ("2024-01-02", "2024-01-03")
    assert charge["account"] == [{"reference": f"Account/{account['id']}"}]
    assert charge["context"] == {"reference": f"Encounter/{visit['id']}"}
    people = {f"Practitioner/{one['id']}": one["identifier"][0]["value"] for one in await hospital.all("Practitioner")}
    assert [people[one["actor"]["reference"]] for one in charge["performer"]] == ["7", "8"]


@pytest.mark.parametrize("transaction", ["T9", ""])
async def test_a_transaction_sent_again_is_the_same_charge(hospital: Hospital, transaction: str):
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1", transaction), ft1("2", code="85025"))
    await hospital.send(
        "DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1", transaction, quantity="3"), sent="20240103", control="2"
    )
    charges = {one["code"]["coding"][0]["code"]: one["quantity"]["value"] for one in await hospital.all("ChargeItem")}
    assert charges == {"99213": 3, "85025": 2} and len(await hospital.all("ChargeItem")) == 2


async def test_the_same_service_of_another_visit_is_another_charge(hospital: Hospital):
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1"))
    visit = PATIENT_AND_VISIT[1].replace("V1^", "V2^")
    await hospital.send("DFT^P03^DFT_P03", ACCOUNT, visit, ft1("1"), sent="20240103", control="2")
    assert len(await hospital.all("ChargeItem")) == 2


async def test_each_transaction_of_a_p11_has_its_diagnosis_and_guarantor_behind_it(hospital: Hospital):
    behind = ("DG1|1||J20^Bronchitis^I10|||F", gt1("1", "DOE^JOHN", "SPO"))
    await hospital.send("DFT^P11^DFT_P11", *PATIENT_AND_VISIT, ft1("1", "T1"), *behind, ft1("2", "T2", "85025"))
    charges = {one["code"]["coding"][0]["code"]: one["code"] for one in await hospital.all("ChargeItem")}
    assert sorted(charges) == ["85025", "99213"]
    assert all(len(code["coding"]) == 1 for code in charges.values())
    assert (await hospital.one("Condition"))["code"]["coding"][0]["code"] == "J20"
    assert len((await hospital.one("Account"))["guarantor"]) == 1


@pytest.mark.parametrize("kind", ["CD", "PY", "AJ", "CO"])
async def test_what_is_no_charge_is_not_billed(hospital: Hospital, kind: str):
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1", "T9", kind=kind))
    assert (await hospital.one("ChargeItem"))["status"] == "not-billable"


async def status_of(hospital: Hospital) -> dict[str, str]:
    """By their FT1-2."""
    return {one["identifier"][0]["value"]: one["status"] for one in await hospital.all("ChargeItem")}


@pytest.mark.parametrize("credit", [{"kind": "CD"}, {"kind": "CR"}, {"quantity": "-2"}])
async def test_what_is_credited_is_not_billed_however_often_it_is_sent(hospital: Hospital, credit: dict[str, str]):
    charge, other = ft1("1", "T1"), ft1("2", "T2", "85025")
    await hospital.send("DFT^P03", *PATIENT_AND_VISIT, charge, other)
    made = await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T3", **credit), sent="20240103")
    expected = {"T1": "not-billable", "T2": "billable", "T3": "not-billable"}
    assert await status_of(hospital) == expected and not made.issues
    made = await hospital.send("DFT^P03", *PATIENT_AND_VISIT, charge, other, sent="20240104")
    assert await status_of(hospital) == expected and "credited before" in made.issues[0]


async def test_a_charge_is_credited_and_charged_anew_in_one_message(hospital: Hospital):
    anew = (ft1("1", "T3", kind="CR"), ft1("2", "T4", quantity="1"))
    for control in ("1", "2"):
        await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T1"), *anew, control=control, sent="20240103")
        assert await status_of(hospital) == {"T1": "not-billable", "T3": "not-billable", "T4": "billable"}


@pytest.mark.parametrize(("first", "last", "status"), [("CG", "CR", "not-billable"), ("CR", "CG", "billable")])
async def test_a_transaction_is_what_is_said_of_it_last(hospital: Hospital, first: str, last: str, status: str):
    await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T1", kind=first), ft1("2", "T1", kind=last))
    assert await status_of(hospital) == {"T1": status}


async def test_of_charges_that_are_alike_a_credit_ends_one(hospital: Hospital):
    await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T1"), ft1("2", "T2"))
    await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T3", kind="CR"), sent="20240103")
    assert sorted((await status_of(hospital)).values()) == ["billable", "not-billable", "not-billable"]


async def test_a_credit_without_its_charge_is_told_and_one_of_a_part_refused(hospital: Hospital):
    made = await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T1", kind="CR"))
    assert "no charge 99213 is known" in made.issues[0] and not made.errors
    await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T2"), sent="20240103")
    made = await hospital.send("DFT^P03", *PATIENT_AND_VISIT, ft1("1", "T3", kind="CR", quantity="1"), sent="20240104")
    assert made.errors[0].startswith("FT1-6: which charge 99213")


@pytest.mark.parametrize(("quantity", "price"), [("", "33.33"), ("1", "33.33"), ("3", "99.99"), ("0.5", "16.665")])
async def test_the_price_of_one_is_multiplied_by_how_many_there_are(hospital: Hospital, quantity: str, price: str):
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1", "T9", quantity=quantity, price="|33.33&USD"))
    assert (await hospital.one("ChargeItem"))["priceOverride"] == {"value": Decimal(price), "currency": "USD"}


async def test_a_price_that_is_no_number_is_none(hospital: Hospital):
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, ft1("1", "T9", quantity="x", price="|50&USD"))
    assert "value" not in (await hospital.one("ChargeItem")).get("priceOverride", {})


async def test_modifiers_of_a_procedure_stand_beside_its_code_and_tell_the_sides_apart(hospital: Hospital):
    left = "PR1|1||36415^Draw^C4||20240102" + "|" * 11 + "59^Distinct^C4~LT"
    await hospital.send("BAR^P01^BAR_P01", *PATIENT_AND_VISIT, left, left.replace("~LT", "~RT"))
    made = [modifiers(each) for each in await hospital.all("Procedure")]
    assert sorted(made) == [["59", "LT"], ["59", "RT"]]


async def test_a_transaction_has_modifiers_and_names_its_order(hospital: Hospital):
    line = "FT1|1|T9||20240102||CG|36415^Draw^C4|||1" + "|" * 13 + "F77^LAB|||59^Distinct^C4~LT"
    await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, line)
    charge = await hospital.one("ChargeItem")
    assert modifiers(charge) == ["59", "LT"] and charge["code"]["coding"][0]["code"] == "36415"
    [order] = charge["supportingInformation"]
    assert (order["type"], order["identifier"]["value"]) == ("ServiceRequest", "F77")


def modifiers(resource: dict) -> list[str]:
    wanted = "urn:x-hl7v2:procedure-code-modifier"
    found = [each for each in resource["extension"] if each["url"] == wanted]
    return [each["valueCodeableConcept"]["coding"][0]["code"] for each in found]


async def test_a_transaction_without_a_code_is_told(hospital: Hospital):
    made = await hospital.send("DFT^P03^DFT_P03", *PATIENT_AND_VISIT, "FT1|1|T9||20240102||CG")
    assert any("FT1-7" in one for one in (*made.issues, *made.errors))


async def test_what_is_told_of_a_vaccination_is_part_of_it(hospital: Hospital):
    def given(day: str, source: str, eligibility: str) -> tuple[str, ...]:
        result = f"OBX|1|CE|64994-7^Eligibility^LN|1|{eligibility}^^HL70064||||||F"
        return "ORC|RE||9999^IIS", f"RXA|0|1|{day}||03^MMR^CVX|999|||{source}", result

    for number in ("100^^^A", "200^^^A"):
        both = (*given("2024", "00^New^NIP001~^calm", "V02"), *given("2023", "01^Old^NIP001", "V01"))
        await hospital.send("VXU^V04^VXU_V04", pid(number), *both)
    vaccinations = {f"Immunization/{one['id']}": one for one in await hospital.all("Immunization")}
    told = [
        (one["valueCodeableConcept"]["coding"][0]["code"], vaccinations[one["partOf"][0]["reference"]])
        for one in await hospital.all("Observation", code="http://loinc.org|64994-7")
    ]
    assert sorted((code, one["occurrenceDateTime"], one["primarySource"]) for code, one in told) == [
        *2 * [("V01", "2023", False)], *2 * [("V02", "2024", True)],
    ]  # fmt: skip
    assert {("reportOrigin" in one, "note" in one) for code, one in told} == {(True, False), (False, True)}


CULTURE = (
    "ORC|RE|PM1^HIS|FM1^LAB", "OBR|1|PM1^HIS|FM1^LAB|600-7^Culture^LN|||20240102",
    "OBX|1|CE|600-7^Org^LN|1|112283007^E. coli^SCT||||||F", "OBX|2|CE|600-7^Org^LN|2|3092008^S. aureus^SCT||||||F",
)  # fmt: skip


def susceptibility(number: str, parent: str, order: str) -> tuple[str, ...]:
    return (
        f"ORC|RE|P{number}^HIS|{number}^LAB",
        f"OBR|2|P{number}^HIS|{number}^LAB|18769-0^Suscept^LN|||20240102" + "|" * 19 + f"{parent}|||{order}",
        "OBX|1|SN|28-1^Ampicillin^LN|1|<=^2|ug/mL||S|||F",
    )


@pytest.mark.parametrize(
    ("order", "together"),
    [
        ("PM1&HIS^FM1&LAB", True), ("^FM1&LAB", True), ("PM1&HIS", True),
        ("PM1&HIS^FM1&LAB", False), ("^FM1&LAB", False),
    ],
)  # fmt: skip
async def test_a_susceptibility_is_derived_from_its_organism(hospital: Hospital, order: str, together: bool):
    of = [susceptibility(f"S{at}", f"600-7&Org&LN^{at}", order) for at in "12"]
    first = [*CULTURE, *of[0], *of[1]] if together else CULTURE
    await hospital.send("ORU^R01^ORU_R01", pid(), *first)
    for segments in () if together else of:
        await hospital.send("ORU^R01^ORU_R01", pid(), *segments, sent="20240103")
    organisms = {
        f"Observation/{one['id']}": one["valueCodeableConcept"]["coding"][0]["display"]
        for one in await hospital.all("Observation", code="http://loinc.org|600-7")
    }
    found = await hospital.all("Observation", code="http://loinc.org|28-1")
    assert sorted(organisms[one["derivedFrom"][0]["reference"]] for one in found) == ["E. coli", "S. aureus"]


async def test_a_susceptibility_of_an_organism_that_is_not_known_names_it(hospital: Hospital):
    await hospital.send("ORU^R01^ORU_R01", pid(), *susceptibility("S1", "600-7&Org&LN^1", "^FM1&LAB"))
    (parent,) = (await hospital.one("Observation"))["derivedFrom"]
    assert parent["identifier"]["value"].endswith("LAB#FM1/LN#600-7/1")
