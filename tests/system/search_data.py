"""A small hospital in which each feature of R4's search page finds something and passes over something."""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
MRN = "http://hospital.test/mrn"
DIET = "http://hospital.test/diet"


def coded(*codes: str, system: str = LOINC, text: str = "") -> dict[str, Any]:
    concept: dict[str, Any] = {"coding": [{"system": system, "code": code} for code in codes]}
    return {**concept, "text": text} if text else concept


def quantity(value: float, code: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": UCUM, "code": code, **more}


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def observation(id: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id, "status": "final", "code": coded("x"), **elements}


def division(text: str) -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "top", "name": "Top Trust"},
    {"resourceType": "Organization", "id": "acme", "name": "Acme Hospital", "partOf": to("Organization/top")},
    {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Doktor", "given": ["Grete"]}]},
    {
        "resourceType": "Patient",
        "id": "ann",
        "meta": {
            "tag": [{"system": "http://hospital.test/tags", "code": "vip"}],
            "profile": ["http://hospital.test/StructureDefinition/patient"],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
            "source": "http://hospital.test/source/adt",
        },
        "text": division("Ann likes <b>sailing</b> the sea"),
        "active": True,
        "identifier": [
            {
                "system": MRN,
                "value": "001",
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}],
                    "text": "Record number",
                },
            },
            {"value": "no-system"},
        ],
        "name": [{"use": "official", "family": "O'Neil-Chalmers", "given": ["Ann", "Sophie"]}],
        "telecom": [{"system": "phone", "value": "555-1234"}, {"system": "email", "value": "ann@hospital.test"}],
        "gender": "female",
        "birthDate": "1970-03-01",
        "address": [{"city": "Köln", "line": ["Am Ring 7"], "country": "DE", "use": "home"}],
        "managingOrganization": to("Organization/acme"),
        "generalPractitioner": [to("Practitioner/doc")],
        "communication": [{"language": coded("de", system="urn:ietf:bcp:47")}],
    },
    {
        "resourceType": "Patient",
        "id": "bob",
        "active": False,
        "identifier": [{"system": MRN, "value": "002"}],
        "name": [{"family": "Van Der Berg", "given": ["Bób"]}, {"family": "Smith, Jr", "use": "nickname"}],
        "gender": "male",
        "birthDate": "1980",
        "deceasedDateTime": "2021-05-05T23:30:00-02:00",
        "managingOrganization": to("Organization/top"),
        "link": [{"other": to("Patient/ann"), "type": "seealso"}],
    },
    {"resourceType": "Patient", "id": "cyd", "birthDate": "1980-06"},
    {
        "resourceType": "Group",
        "id": "friends",
        "type": "person",
        "actual": True,
        "member": [{"entity": to("Patient/ann")}, {"entity": to("Patient/bob")}],
    },
    # quantities, values of other kinds, times of every kind
    observation(
        "dose",
        code=coded("dose", text="Daily dose of iron"),
        subject=to("Patient/ann"),
        performer=[to("Practitioner/doc")],
        effectiveDateTime="2020-06-15T10:30:00+02:00",
        valueQuantity=quantity(5.4, "mg"),
    ),
    observation(
        "dose-in-g",
        code=coded("dose"),
        subject=to("Patient/bob"),
        effectiveDateTime="2020-06",
        valueQuantity=quantity(0.0054, "g"),
    ),
    observation(
        "below",
        code=coded("dose"),
        subject=to("Patient/bob"),
        effectivePeriod={"start": "2020-06-01", "end": "2020-06-30"},
        valueQuantity=quantity(5, "mg", comparator="<"),
    ),
    observation("tablets", valueQuantity={"value": 2, "unit": "tablets"}, effectivePeriod={"start": "2021-01-01"}),
    observation(
        "pressure",
        code=coded("85354-9"),
        subject=to("Patient/ann"),
        encounter=to("Encounter/visit"),
        effectiveInstant="2020-12-31T23:59:59.500Z",
        component=[
            {"code": coded("8480-6"), "valueQuantity": quantity(120, "mm[Hg]")},
            {"code": coded("8462-4"), "valueQuantity": quantity(80, "mm[Hg]")},
        ],
    ),
    observation(
        "smoker",
        status="amended",
        code=coded("72166-2"),
        subject=to("Patient/ann/_history/1"),
        valueCodeableConcept=coded("never", system="http://hospital.test/smoking", text="Never smoked"),
    ),
    observation("word", valueString="Äpfel und Birnen", subject={"identifier": {"system": MRN, "value": "001"}}),
    observation(
        "timed",
        effectiveTiming={"event": ["2019-01-01", "2019-03-01T12:00:00Z"]},
        subject=to("http://elsewhere.test/fhir/Patient/ann"),
    ),
    {
        "resourceType": "RiskAssessment",
        "id": "likely",
        "status": "final",
        "subject": to("Patient/ann"),
        "prediction": [{"probabilityDecimal": 0.80}],
    },
    {
        "resourceType": "RiskAssessment",
        "id": "unlikely",
        "status": "final",
        "subject": to("Group/friends"),
        "prediction": [{"probabilityDecimal": 0.125}],
    },
    # encounters, places and conditions
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": to("Patient/ann"),
        "serviceProvider": to("Organization/acme"),
        "location": [{"location": to("Location/bed")}],
        "period": {"start": "2020-12-31T20:00:00Z", "end": "2021-01-01T02:00:00Z"},
        "length": quantity(360, "min"),
    },
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": to("Patient/bob"),
        "partOf": to("Encounter/visit"),
        "location": [{"location": to("Location/house")}],
        "period": {"start": "2021-01-01"},
        "length": quantity(2, "d"),
    },
    {
        "resourceType": "Location",
        "id": "house",
        "name": "House",
        "position": {"latitude": 52.5200, "longitude": 13.4050},
    },
    {
        "resourceType": "Location",
        "id": "ward",
        "name": "Ward",
        "partOf": to("Location/house"),
        "position": {"latitude": 52.5300, "longitude": 13.4050},
    },
    {"resourceType": "Location", "id": "bed", "name": "Bed", "partOf": to("Location/ward")},
    {
        "resourceType": "Location",
        "id": "island",
        "name": "Fiji",
        "position": {"latitude": -17.0, "longitude": 179.99},
    },
    {
        "resourceType": "Condition",
        "id": "cold",
        "text": division("A common cold"),
        "code": coded("cold", text="Common cold"),
        "subject": to("Patient/ann"),
        "onsetPeriod": {"start": "2020-02", "end": "2020-03"},
        "encounter": to("Encounter/visit"),
    },
    {
        "resourceType": "Condition",
        "id": "flu",
        "code": coded("flu", text="Influenza; not a cold"),
        "subject": to("Patient/bob"),
        "onsetAge": quantity(40, "a"),
    },
    {
        "resourceType": "List",
        "id": "round",
        "status": "current",
        "mode": "working",
        "entry": [{"item": to("Patient/bob")}, {"item": to("Condition/cold")}, {"item": to("Patient/gone")}],
    },
    # canonical resources, terminology
    {
        "resourceType": "CodeSystem",
        "id": "diet",
        "url": DIET,
        "version": "1",
        "status": "active",
        "content": "complete",
        "hierarchyMeaning": "is-a",
        "concept": [{"code": "fruit", "concept": [{"code": "apple"}, {"code": "pear"}]}, {"code": "bread"}],
    },
    {
        "resourceType": "ValueSet",
        "id": "sweet",
        "url": "http://hospital.test/ValueSet/sweet",
        "version": "2.0",
        "status": "active",
        "compose": {"include": [{"system": DIET, "filter": [{"property": "concept", "op": "is-a", "value": "fruit"}]}]},
    },
    {"resourceType": "ValueSet", "id": "other", "url": "http://hospital.test/ValueSet/sweet/other", "status": "draft"},
    {
        "resourceType": "NutritionOrder",
        "id": "apples",
        "status": "active",
        "intent": "order",
        "patient": to("Patient/ann"),
        "dateTime": "2020",
        "oralDiet": {"type": [coded("apple", system=DIET)]},
    },
    {
        "resourceType": "NutritionOrder",
        "id": "bread",
        "status": "active",
        "intent": "order",
        "patient": to("Patient/ann"),
        "dateTime": "2020-01-01",
        "oralDiet": {"type": [coded("bread", system=DIET)]},
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "answered-1",
        "status": "completed",
        "questionnaire": "http://hospital.test/Questionnaire/q|1.0",
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "answered-2",
        "status": "completed",
        "questionnaire": "http://hospital.test/Questionnaire/q|2.0",
    },
    # contained resources
    {
        "resourceType": "MedicationRequest",
        "id": "contains",
        "status": "active",
        "intent": "order",
        "contained": [{"resourceType": "Medication", "id": "m", "code": coded("iron")}],
        "medicationReference": to("#m"),
        "subject": to("Patient/ann"),
    },
    {"resourceType": "Medication", "id": "alone", "code": coded("iron")},
    {
        "resourceType": "MedicationRequest",
        "id": "refers",
        "status": "active",
        "intent": "plan",
        "medicationReference": to("Medication/alone"),
        "subject": to("Patient/bob"),
    },
]
