import pytest

from fhir_server.codec.references import (
    LocalReference,
    parse_reference,
    references,
    rewrite,
    rewrite_plain,
)

MAPPING = {
    "urn:uuid:11111111-1111-4111-8111-111111111111": "Patient/1",
    "urn:oid:1.2.3": "Binary/7",
    "http://other.org/fhir/Practitioner/9": "Practitioner/2",
    "Patient?identifier=a|b&active=true": "Patient/3",
}
PATIENT, OID, PRACTITIONER, CRITERIA = MAPPING


def rewritten(resource: dict) -> dict:
    rewrite(resource, MAPPING)
    return resource


def test_references_and_uris_are_rewritten_wherever_they_are():
    resource = rewritten(
        {
            "resourceType": "DocumentReference",
            "subject": {
                "reference": PATIENT,
                "extension": [{"url": "http://x", "valueReference": {"reference": PATIENT}}],
            },
            "author": [{"reference": PRACTITIONER}, {"reference": "Practitioner/4"}],
            "context": {"related": [{"reference": CRITERIA}]},
            "content": [{"attachment": {"url": OID}}],
        }
    )
    assert [text for _, text in references(resource)] == [
        "Patient/1", "Patient/1", "Practitioner/2", "Practitioner/4", "Patient/3",
    ]  # fmt: skip
    assert resource["content"][0]["attachment"]["url"] == "Binary/7"


def test_text_that_looks_like_a_link_stays():
    resource = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": PATIENT}],
        "name": [{"text": PATIENT}],
    }
    assert rewritten(dict(resource)) == resource


def test_canonicals_stay_as_r4_says():
    resource = rewritten({"resourceType": "Questionnaire", "derivedFrom": [OID], "url": OID})
    assert resource == {"resourceType": "Questionnaire", "derivedFrom": [OID], "url": "Binary/7"}


def test_an_element_that_can_hold_a_uuid_or_an_oid_alone_stays():
    values = [{"url": "http://a.test", "valueUuid": PATIENT}, {"url": "http://a.test", "valueOid": OID}]
    assert rewritten({"resourceType": "Patient", "extension": [dict(value) for value in values]})["extension"] == values


def test_repeated_uris_are_rewritten_one_by_one():
    resource = rewritten({"resourceType": "Task", "instantiatesUri": OID})
    assert resource["instantiatesUri"] == "Binary/7"
    resource = rewritten({"resourceType": "CarePlan", "instantiatesUri": [OID, None, "urn:oid:9"]})
    assert resource["instantiatesUri"] == ["Binary/7", None, "urn:oid:9"]


def test_a_fragment_after_the_link_stays():
    assert rewritten({"resourceType": "Account", "owner": {"reference": OID + "#part"}})["owner"] == {
        "reference": "Binary/7#part"
    }


def test_links_of_a_narrative_are_rewritten_and_its_text_is_not():
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{PATIENT}">{PATIENT}</a>'
        f"<img alt='x' src = '{OID}#a'/><a href=\"Patient?identifier=a|b&amp;active=true\"/><a href='urn:oid:9'/></div>"
    )
    assert rewritten({"resourceType": "Patient", "text": {"div": div}})["text"]["div"] == (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="Patient/1">{PATIENT}</a>'
        "<img alt='x' src = \"Binary/7#a\"/><a href=\"Patient/3\"/><a href='urn:oid:9'/></div>"
    )


def test_contained_resources_entries_and_primitive_extensions_are_walked():
    resource = rewritten(
        {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Encounter",
                        "contained": [{"resourceType": "Condition", "subject": {"reference": PATIENT}}],
                        "_status": {"extension": [{"url": "http://x", "valueUri": OID}]},
                    }
                }
            ],
        }
    )
    encounter = resource["entry"][0]["resource"]
    assert encounter["contained"][0]["subject"]["reference"] == "Patient/1"
    assert encounter["_status"]["extension"][0]["valueUri"] == "Binary/7"
    assert references(resource) == [("Bundle.entry[0].resource.contained[0].subject", "Patient/1")]


def test_a_choice_is_named_by_its_element_in_a_path():
    resource = {"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/1"}}
    assert references(resource) == [("MedicationRequest.medication", "Medication/1")]


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": "Nonsense", "subject": {"reference": PATIENT}},
        {"resourceType": ["Patient"]},
        {
            "resourceType": "Observation",
            "subject": PATIENT,
            "performer": {"reference": 4},
            "hasMember": [[1], None, "x"],
        },
        {"resourceType": "Patient", "contained": ["x", {"a": 1}], "text": {"div": None}},
    ],
)
def test_what_is_malformed_is_left_to_validation(resource):
    rewrite(resource, MAPPING)
    assert PATIENT not in [text for _, text in references(resource)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", LocalReference("Patient", "1")),
        ("Patient/a-b.C/_history/3", LocalReference("Patient", "a-b.C", "3")),
        ("http://here/fhir/Patient/1/_history/2", LocalReference("Patient", "1", "2")),
        ("Patient/1#part", LocalReference("Patient", "1")),
        ("http://elsewhere/fhir/Patient/1", None),
        ("http://here/fhirPatient/1", None),
        ("#contained", None),
        ("urn:uuid:1", None),
        ("Patient", None),
        ("Patient/", None),
        ("Patient/1/extra", None),
        ("Patient/1 ", None),
        ("patient/1", None),
        ("Patient?name=x", None),
    ],
)
def test_a_literal_reference_is_taken_apart(text, expected):
    assert parse_reference(text, "http://here/fhir") == expected


def test_plain_places_are_rewritten_alike():
    def resource() -> dict:
        return {
            "resourceType": "Encounter",
            "subject": {"reference": PATIENT},
            "basedOn": [{"reference": PATIENT}, {"reference": "Patient/9"}],
            "participant": [{"individual": {"reference": PATIENT}}, "no element"],
            "identifier": [{"value": PATIENT}],
        }

    plain, whole = resource(), resource()
    rewrite_plain(plain, MAPPING)
    rewrite(whole, MAPPING)
    assert plain == whole != resource()


def test_entries_of_a_bundle_refer_to_one_another_by_their_own_names():
    def seen(subject: str) -> dict:
        return {"resourceType": "Observation", "subject": {"reference": subject}}

    own = {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}}
    bundle = {
        "resourceType": "Bundle",
        "entry": [own, {"resource": seen("urn:uuid:1")}, {"resource": seen("urn:uuid:2")}],
    }
    assert references(bundle) == [("Bundle.entry[2].resource.subject", "urn:uuid:2")]
    rewrite(bundle, {"urn:uuid:1": "Patient/1", "urn:uuid:2": "Patient/2"})
    assert bundle["entry"] == [own, {"resource": seen("urn:uuid:1")}, {"resource": seen("Patient/2")}]
