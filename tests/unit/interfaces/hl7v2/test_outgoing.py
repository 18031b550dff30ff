"""FHIR to v2 and back: what is sent means the same when another system reads it."""

from __future__ import annotations

import pytest

from fhir_server.core.errors import FhirError
from interfaces.hl7v2.configuration import Destination, Interfaces
from interfaces.hl7v2.engine import Engine
from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.er7.strict import strict_problems
from mappings.hl7v2.translating import translate

pytestmark = pytest.mark.anyio

SCT = "http://snomed.info/sct"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
V3 = f"{TERMINOLOGY}v3"
VERIFIED = f"{TERMINOLOGY}condition-ver-status"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [
        {"system": "urn:oid:1.2.3", "value": "100", "type": {"coding": [{"code": "MR"}]}},
        {"system": "urn:x-hl7v2:authority:HOSP", "value": "7"},
    ],
    "name": [{"family": "Müller|Lüdenscheidt", "given": ["Jane", "M"], "prefix": ["Dr"], "use": "official"}],
    "gender": "female",
    "birthDate": "1970-01-31",
    "address": [{"line": ["1 Main"], "city": "Town", "postalCode": "123", "country": "DE", "use": "home"}],
    "telecom": [{"system": "phone", "value": "555-1", "use": "home"},
                {"system": "email", "value": "a@b.org", "use": "work"}],
    "maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]},
    "deceasedBoolean": False,
}  # fmt: skip
REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
DOCTOR = {
    "resourceType": "Practitioner", "id": "d1", "identifier": [{"system": "urn:x-hl7v2:authority:A", "value": "7"}],
    "name": [{"family": "Doc", "given": ["Dan"]}],
}  # fmt: skip


@pytest.fixture
async def engine(fhir):
    for resource in (PATIENT, DOCTOR):
        assert (await fhir.put(f"{resource['resourceType']}/{resource['id']}", resource)).status_code == 201
    return Engine(Interfaces(application="HMS", facility="HOSP"), fhir.server, lambda: 1_790_000_000_000_000)


async def sent(engine, fhir, resource, **destination):
    """The message that a stored resource becomes."""
    answer = await fhir.put(f"{resource['resourceType']}/{resource['id']}", resource)
    assert answer.status_code in (200, 201), answer.text
    return parse(await engine.to_message(answer.json(), Destination(host="h", port=1, **destination), "C1"))


async def read_again(message):
    """The resources by type that the message becomes elsewhere."""
    made = await translate(message)
    assert made.errors == [] and made.bundle is not None
    found: dict[str, list] = {}
    for entry in made.bundle["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


async def test_a_patient_comes_back_as_it_was(engine, fhir):
    message = await sent(engine, fhir, PATIENT)
    assert (message.type, message.get("MSH-10"), message.get("MSH-18")) == ("ADT", "C1", "UNICODE UTF-8")
    patient = (await read_again(message))["Patient"][0]
    for name in ("gender", "birthDate", "deceasedBoolean"):
        assert patient[name] == PATIENT[name]
    assert patient["name"][0]["family"] == "Müller|Lüdenscheidt"
    assert patient["name"][0]["given"] == ["Jane", "M"]
    assert [(one["system"], one["value"]) for one in patient["identifier"]] == [
        (one["system"], one["value"]) for one in PATIENT["identifier"]
    ]
    assert patient["telecom"] == PATIENT["telecom"]
    assert patient["maritalStatus"]["coding"][0]["code"] == "M"
    assert {name: patient["address"][0][name] for name in PATIENT["address"][0]} == PATIENT["address"][0]


@pytest.mark.parametrize(
    ("status", "event"), [("in-progress", "A01"), ("finished", "A03"), ("cancelled", "A11"), ("planned", "A05")]
)
async def test_a_visit_comes_back_as_it_was(engine, fhir, status, event):
    visit = {
        "resourceType": "Encounter", "id": "e1", "status": status,
        "identifier": [{"system": "urn:x-hl7v2:authority:HOSP", "value": "V1", "type": {"coding": [{"code": "VN"}]}}],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"}, "period": {"start": "2024-01-02T10:00:00+02:00"},
        "participant": [{"type": [{"coding": [{"code": "ATND"}]}], "individual": {"reference": "Practitioner/d1"}}],
    }  # fmt: skip
    message = await sent(engine, fhir, visit)
    assert message.event == event
    found = await read_again(message)
    back = found["Encounter"][0]
    assert (back["status"], back["class"]["code"], back["period"]["start"]) == (
        status,
        "IMP",
        "2024-01-02T10:00:00+02:00",
    )
    assert found["Practitioner"][0]["name"] == DOCTOR["name"]


async def test_results_come_back_as_they_were(engine, fhir):
    observations = [
        {"valueQuantity": {"value": 13.50, "unit": "g/dL", "code": "g/dL", "system": "http://unitsofmeasure.org"}},
        {"valueString": "a|b^c\nnew line"},
        {"valueCodeableConcept": {"coding": [{"system": SCT, "code": "260385009", "display": "Negative"}]}},
        {"valueDateTime": "2024-01-02"},
    ]  # fmt: skip
    for number, value in enumerate(observations):
        body = {
            "resourceType": "Observation", "id": f"o{number}", "status": "final", **value,
            "subject": {"reference": "Patient/p1"},
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{number}-1", "display": f"Test {number}"}]},
        }  # fmt: skip
        assert (await fhir.put(f"Observation/o{number}", body)).status_code == 201
    report = {
        "resourceType": "DiagnosticReport", "id": "r1", "status": "final", "subject": {"reference": "Patient/p1"},
        "identifier": [{"system": "urn:x-hl7v2:authority:LAB", "value": "F1", "type": {"coding": [{"code": "FILL"}]}}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24317-0", "display": "Hemogram"}]},
        "issued": "2024-01-02T12:00:00.000+00:00", "result": [{"reference": f"Observation/o{n}"} for n in range(4)],
        "resultsInterpreter": [{"reference": "Practitioner/d1"}],
    }  # fmt: skip
    message = await sent(engine, fhir, report)
    assert "|7&Doc&Dan&&&&&&A" in message.encode().decode()
    found = await read_again(message)
    assert found["Practitioner"][0]["name"] == DOCTOR["name"]
    assert found["DiagnosticReport"][0]["status"] == "final"
    assert found["DiagnosticReport"][0]["issued"].startswith("2024-01-02T12:00:00")
    for sent_value, back in zip(observations, found["Observation"], strict=True):
        for name, value in sent_value.items():
            assert back[name] == value


@pytest.mark.parametrize(("status", "control"), [("active", "NW"), ("revoked", "CA"), ("on-hold", "HD")])
@pytest.mark.parametrize("asked", ["", "ORM^O01"])
async def test_orders_come_back_as_they_were(engine, fhir, status, control, asked):
    order = {
        "resourceType": "ServiceRequest", "id": "s1", "status": status, "intent": "order", "priority": "stat",
        "identifier": [{"system": "urn:x-hl7v2:authority:HIS", "value": "P1", "type": {"coding": [{"code": "PLAC"}]}}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24317-0"}]}, "subject": {"reference": "Patient/p1"},
        "requester": {"reference": "Practitioner/d1"},
        "extension": [{"url": REASON, "valueCodeableConcept": {"text": "twice"}}] if status == "revoked" else [],
    }  # fmt: skip
    if not order["extension"]:
        del order["extension"]
    message = await sent(engine, fhir, order, message=asked)
    assert message.get("ORC-16.9") == ("twice" if status == "revoked" else "")
    assert (message.type, message.get("ORC-1")) == (asked[:3] or "OML", control)
    back = (await read_again(message))["ServiceRequest"][0]
    assert (back["status"], back["priority"], back["code"]["coding"][0]["code"]) == (status, "stat", "24317-0")
    assert back["identifier"][0]["value"] == "P1"


async def test_prescriptions_come_back_as_they_were(engine, fhir):
    medication = {
        "resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order",
        "identifier": [{"system": "urn:x-hl7v2:authority:HIS", "value": "P9", "type": {"coding": [{"code": "PLAC"}]}}],
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1049630", "display": "D"}]
        },
        "subject": {"reference": "Patient/p1"},
        "dispenseRequest": {"numberOfRepeatsAllowed": 2, "quantity": {"value": 20}},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg"}}]}],
    }  # fmt: skip
    back = (await read_again(await sent(engine, fhir, medication)))["MedicationRequest"][0]
    assert back["medicationCodeableConcept"] == medication["medicationCodeableConcept"]
    assert back["dispenseRequest"]["numberOfRepeatsAllowed"] == 2
    assert back["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {"value": 25, "unit": "mg"}


async def test_appointments_come_back_as_they_were(engine, fhir):
    appointment = {
        "resourceType": "Appointment", "id": "a1", "status": "booked", "start": "2024-03-01T10:00:00+00:00",
        "end": "2024-03-01T10:30:00+00:00", "identifier": [{"system": "urn:x-hl7v2:authority:SCH", "value": "A1"}],
        "participant": [
            {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/d1"}, "status": "accepted"},
        ],
    }  # fmt: skip
    back = (await read_again(await sent(engine, fhir, appointment)))["Appointment"][0]
    assert (back["status"], back["start"], back["end"]) == ("booked", appointment["start"], appointment["end"])
    assert len(back["participant"]) == 2


async def test_vaccinations_come_back_as_they_were(engine, fhir):
    vaccination = {
        "resourceType": "Immunization", "id": "i1", "status": "completed", "patient": {"reference": "Patient/p1"},
        "identifier": [{"system": "urn:x-hl7v2:authority:A", "value": "I1", "type": {"coding": [{"code": "FILL"}]}}],
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "115", "display": "Tdap"}]},
        "occurrenceDateTime": "2024-01-02", "lotNumber": "L7", "doseQuantity": {"value": 0.5, "unit": "mL"},
    }  # fmt: skip
    back = (await read_again(await sent(engine, fhir, vaccination)))["Immunization"][0]
    for name in ("status", "occurrenceDateTime", "lotNumber", "vaccineCode", "doseQuantity"):
        assert back[name] == vaccination[name]


async def test_a_merged_patient_is_told_as_a_merge(engine, fhir):
    loser = {
        "resourceType": "Patient", "id": "p2", "active": False,
        "identifier": [{"system": "urn:oid:1.2.3", "value": "200"}],
        "link": [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}],
    }  # fmt: skip
    message = await sent(engine, fhir, loser)
    assert (message.event, message.get("PID-3"), message.get("MRG-1")) == ("A40", "100", "200")


async def test_a_resource_without_a_message_says_so(engine, fhir):
    with pytest.raises(FhirError, match="No outgoing table"):
        await engine.to_message({"resourceType": "Basic"}, Destination(host="h", port=1), "1")
    with pytest.raises(FhirError, match="no patient"):
        await engine.to_message(
            {"resourceType": "ServiceRequest", "id": "x", "subject": {"reference": "Patient/none"}},
            Destination(host="h", port=1), "1",
        )  # fmt: skip


async def test_a_bound_a_ratio_components_and_the_conclusion_go_out(engine, fhir):
    code, subject = {"text": "Test"}, {"reference": "Patient/p1"}
    values = (
        {"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg"}},
        {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
        {"component": [{"code": {"text": name}, "valueInteger": value} for name, value in (("sys", 120), ("dia", 80))]},
    )
    for number, value in enumerate(values):
        body = {"resourceType": "Observation", "id": f"b{number}", "status": "final", "code": code, "subject": subject}
        assert (await fhir.put(f"Observation/b{number}", {**body, **value})).status_code == 201
    message = await sent(
        engine,
        fhir,
        {
            "resourceType": "DiagnosticReport", "id": "bounds", "status": "final", "code": code, "subject": subject,
            "result": [{"reference": f"Observation/b{number}"} for number in range(3)], "conclusion": "all | well",
        },
    )  # fmt: skip
    told = [(one.value(2), one.raw(5), one.value(3, 1, 9)) for one in message.all("OBX")]
    assert told == [("SN", "<^5", "Test"), ("SN", "^1^:^128", "Test"), ("NM", "120", "sys"), ("NM", "80", "dia")]
    assert (message.get("OBR-3"), message.get("NTE-3")) == ("bounds", "all | well")
    (back, *_) = (await read_again(message))["Observation"]
    assert (back["valueQuantity"]["comparator"], back["valueQuantity"]["value"]) == ("<", 5)


async def test_documents_of_a_report_go_out_whole(engine, fhir):
    binary = {"resourceType": "Binary", "id": "form", "contentType": "application/pdf", "data": "JVBERi0="}
    assert (await fhir.put("Binary/form", binary)).status_code == 201
    forms = [{"contentType": "application/pdf", "url": "Binary/form"}, {"contentType": "text/plain", "data": "aGk="}]
    message = await sent(
        engine,
        fhir,
        {
            "resourceType": "DiagnosticReport", "id": "forms", "status": "final", "code": {"text": "Report"},
            "subject": {"reference": "Patient/p1"},
            "presentedForm": [*forms, {"contentType": "text/plain", "url": "http://h.test/elsewhere"}],
        },
    )  # fmt: skip
    told = [(one.value(2), one.raw(5), one.value(11)) for one in message.all("OBX")]
    assert told == [("ED", "^application^pdf^Base64^JVBERi0=", "F"), ("ED", "^text^plain^Base64^aGk=", "F")]
    found = await read_again(message)
    assert sorted(one["data"] for one in found["Binary"]) == ["JVBERi0=", "aGk="]


SUBJECT = {"reference": "Patient/p1"}
NOTED = {
    "resourceType": "Observation", "id": "noted", "status": "unknown", "code": {"text": "Test"}, "subject": SUBJECT,
    "valueInteger": 5, "referenceRange": [{"low": {"value": 1.0}, "high": {"value": 9}}],
    "note": [{"text": "haemolysed"}], "basedOn": [{"reference": "ServiceRequest/asked"}],
}  # fmt: skip
ASKED = {
    "resourceType": "ServiceRequest", "id": "asked", "status": "active", "intent": "order", "priority": "urgent",
    "identifier": [{"system": "urn:x-hl7v2:authority:HIS", "value": "P1", "type": {"coding": [{"code": "PLAC"}]}}],
    "code": {"text": "Test"}, "subject": SUBJECT, "note": [{"text": "call me"}],
}  # fmt: skip


async def test_notes_ranges_and_the_order_of_a_result_go_out(engine, fhir):
    order = await sent(engine, fhir, ASKED)
    assert (order.get("NTE-3"), order.get("OBR-5")) == ("call me", "A")
    alone = await sent(engine, fhir, NOTED)
    report = {
        "resourceType": "DiagnosticReport", "id": "noting", "status": "final", "code": {"text": "Test"},
        "subject": SUBJECT, "basedOn": NOTED["basedOn"], "result": [{"reference": "Observation/noted"}] * 2,
        "conclusion": "well", "presentedForm": [{"contentType": "text/plain", "data": "aGk="}],
    }  # fmt: skip
    whole = await sent(engine, fhir, report)
    for message in (alone, whole):
        assert (message.get("OBR-2"), message.get("OBR-2.2")) == ("P1", "HIS")
        assert (message.get("OBX-7"), message.get("OBX-11")) == ("1.0-9", "")
    assert [one.name for one in alone.segments[2:]] == ["OBR", "OBX", "NTE"]
    assert [(one.name, one.value(3)) for one in whole.segments[4:]] == [
        ("NTE", "well"), ("OBX", ""), ("NTE", "haemolysed"), ("OBX", ""), ("NTE", "haemolysed"), ("OBX", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "written"), [("amended", "C"), ("appended", "C"), ("entered-in-error", "X"), ("partial", "A")]
)
async def test_the_status_of_a_report_is_of_table_0123(engine, fhir, status: str, written: str):
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": status, "code": {"text": "T"}}
    assert (await sent(engine, fhir, {**report, "subject": SUBJECT})).get("OBR-25") == written


@pytest.mark.parametrize(
    ("timing", "written"),
    [
        ({"code": {"text": "BID"}}, "BID"),
        ({"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}, "3ID"),
        ({"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}, "Q8H"),
        ({"repeat": {"period": 2, "periodUnit": "wk"}}, "Q2W"),
    ],
)
async def test_what_how_and_how_often_is_prescribed_goes_out(engine, fhir, timing: dict, written: str):
    medication = {
        "resourceType": "MedicationRequest", "id": "m2", "status": "active", "intent": "order", "subject": SUBJECT,
        "contained": [{"resourceType": "Medication", "id": "drug", "code": {"text": "Aspirin"}}],
        "medicationReference": {"reference": "#drug"}, "priority": "urgent", "note": [{"text": "thin"}],
        "dosageInstruction": [{"text": "with food", "timing": timing}],
    }  # fmt: skip
    message = await sent(engine, fhir, medication)
    told = ("RXE-2.9", "RXE-7.9", "TQ1-3", "TQ1-9", "NTE-3")
    assert [message.get(place) for place in told] == ["Aspirin", "with food", written, "A", "thin"]


async def test_next_of_kin_go_out_once(engine, fhir):
    name = {"family": "Kin", "given": ["Kay"]}
    mother = {"resourceType": "RelatedPerson", "id": "k1", "patient": {"reference": "Patient/p1"}, "name": [name],
              "relationship": [{"coding": [{"system": f"{V3}-RoleCode", "code": "MTH"}]}]}  # fmt: skip
    for person in (
        mother,
        {**mother, "id": "k2", "active": False, "name": [{"family": "Gone"}]},
        {**mother, "id": "k3", "name": [{"family": "Payer"}],
         "relationship": [{"coding": [{"system": f"{V3}-RoleClass", "code": "GUAR"}]}]},
    ):  # fmt: skip
        assert (await fhir.put(f"RelatedPerson/{person['id']}", person)).status_code == 201
    contacts = [{"name": name}, {"name": {"family": "Friend"}, "telecom": [{"system": "phone", "value": "555-9"}]}]
    message = await sent(engine, fhir, {**PATIENT, "contact": contacts})
    assert [(one.value(2), one.value(3), one.value(5)) for one in message.all("NK1")] == [
        ("Kin", "MTH", ""),
        ("Friend", "", "555-9"),
    ]
    assert (message.get("EVN-1"), message.get("PV1-2")) == ("A31", "N")
    assert strict_problems(message) == []
    assert "Encounter" not in await read_again(message)


async def test_who_has_no_number_goes_out_under_the_id(engine, fhir):
    nobody = {name: value for name, value in PATIENT.items() if name != "identifier"}
    message = await sent(engine, fhir, {**nobody, "id": "p9"})
    assert message.get("PID-3") == "p9" and strict_problems(message) == []


@pytest.mark.parametrize("status", ["in-progress", "finished", "cancelled", "onleave", "planned"])
async def test_a_visit_goes_out_with_its_diagnoses_as_the_standard_has_it(engine, fhir, status):
    for id, verified in (("c1", "confirmed"), ("c2", "entered-in-error")):
        condition = {"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
                     "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": id}]},
                     "verificationStatus": {"coding": [{"code": verified, "system": VERIFIED}]}}  # fmt: skip
        assert (await fhir.put(f"Condition/{id}", condition)).status_code == 201
    message = await sent(
        engine,
        fhir,
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": status,
            "class": {"system": f"{TERMINOLOGY}v3-ActCode", "code": "IMP"},
            "subject": {"reference": "Patient/p1"},
            "diagnosis": [
                {"condition": {"reference": f"Condition/{id}"}, "use": {"coding": [{"code": "AD"}]}}
                for id in ("c1", "c2")
            ],
        },
    )
    assert strict_problems(message) == []
    told = [(one.value(3), one.value(6)) for one in message.all("DG1")]
    assert told == ([] if status in ("cancelled", "onleave") else [("c1", "A")])


@pytest.mark.parametrize(
    ("version", "time", "coded"), [("2.4", "TS", "CE"), ("2.5.1", "TS", "CWE"), ("2.6", "DTM", "CWE")]
)
async def test_a_result_of_its_own_names_its_type_as_its_version_does(engine, fhir, version, time, coded):
    result = {"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p1"},
              "identifier": [{"system": "urn:x-hl7v2:key:observation", "value": "1/2/3"}],
              "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}}  # fmt: skip
    message = await sent(engine, fhir, {**result, "valueDateTime": "2024-01-01T10:00:00Z"}, version=version)
    assert (message.get("OBX-2"), message.get("OBR-3")) == (time, "o1")
    message = await sent(engine, fhir, {**result, "valueCodeableConcept": {"text": "red"}}, version=version)
    assert message.get("OBX-2") == coded


async def test_an_appointment_says_when_and_why_as_receivers_look_for_it(engine, fhir):
    message = await sent(
        engine,
        fhir,
        {
            "resourceType": "Appointment",
            "id": "a9",
            "status": "cancelled",
            "cancelationReason": {
                "coding": [{"system": f"{TERMINOLOGY}appointment-cancellation-reason", "code": "pat"}]
            },
            "appointmentType": {"coding": [{"code": "CHECKUP"}]},
            "start": "2024-02-01T10:00:00Z",
            "end": "2024-02-01T10:30:00Z",
            "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
        },
    )
    assert (message.get("SCH-11.4"), message.get("SCH-11.5")) == ("20240201100000+0000", "20240201103000+0000")
    assert (message.get("SCH-6"), message.get("AIS-3")) == ("pat", "CHECKUP")
    again = (await read_again(message))["Appointment"][0]
    assert (again["status"], again["cancelationReason"]["coding"][0]["code"]) == ("cancelled", "pat")
