"""Safe Harbor by rules: nothing that identifies is left, and what belongs together still does."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server import definitions
from fhir_server.core.errors import FhirError
from fhir_server.security.deidentification import Deidentifier, anonymity, key_of, load

R4 = definitions.load()
TODAY = datetime.date(2026, 9, 1)
PATIENT = {
    "resourceType": "Patient", "id": "p", "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"},
    "text": {"status": "generated", "div": "<div>MARK</div>"}, "active": True, "gender": "female",
    "identifier": [{"system": "urn:mrn", "value": "MARK1", "period": {"start": "2001-01-01"}}],
    "name": [{"family": "MARK", "given": ["MARK"]}], "telecom": [{"system": "phone", "value": "MARK"}],
    "birthDate": "1980-03-01", "_birthDate": {"extension": [{"url": "u", "valueDateTime": "1980-03-01T01:02:03Z"}]},
    "address": [{"line": ["MARK"], "city": "MARK", "state": "CA", "postalCode": "90210"}],
    "photo": [{"contentType": "image/png", "data": "TUFSSw=="}], "contact": [{"name": {"family": "MARK"}}],
    "extension": [{"url": "urn:x", "valueString": "MARK"}], "managingOrganization": {"reference": "Organization/MARK"},
}  # fmt: skip
OBSERVATION = {
    "resourceType": "Observation", "id": "o", "status": "final", "effectiveDateTime": "2020-01-31T10:00:00Z",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}], "text": "MARK"},
    "subject": {"reference": "Patient/p", "display": "MARK"}, "issued": "2020-02-02T00:00:00Z",
    "valueQuantity": {"value": 80, "unit": "/min"}, "note": [{"text": "MARK", "time": "2020-01-01"}],
    "component": [{"code": {"text": "MARK"}, "valueString": "MARK"}],
    "contained": [{"resourceType": "Patient", "id": "c", "name": [{"text": "MARK"}], "birthDate": "1901-01-01"}],
}  # fmt: skip


def cleaned(resource: dict[str, Any], dates: str = "shift", key: bytes = b"k" * 32) -> dict[str, Any]:
    return Deidentifier(R4, load(), key, TODAY, dates)(resource)


def test_nothing_that_identifies_is_left() -> None:
    for resource in (PATIENT, OBSERVATION):
        before = json.dumps(resource)
        made = cleaned(resource)
        text = json.dumps(made)
        for mark in ("MARK", "TUFSSw", "1980-03", "2001-01", "versionId", "urn:x", '"p"', "Patient/p", "2020-01-31"):
            assert mark not in text, (mark, text)
        assert json.dumps(resource) == before
        assert made["meta"]["security"][0]["code"] == "PSEUDED"
    assert made["contained"][0]["birthDate"] == "1936"


def test_what_is_no_identifier_stays() -> None:
    patient, observation = cleaned(PATIENT), cleaned(OBSERVATION)
    assert patient["gender"] == "female" and patient["active"] is True
    assert patient["address"] == [{"state": "CA", "postalCode": "902"}]
    assert patient["identifier"][0]["system"] == "urn:mrn"
    assert observation["code"]["coding"] == OBSERVATION["code"]["coding"]
    assert observation["valueQuantity"] == OBSERVATION["valueQuantity"]


def test_references_still_lead_to_their_resources_and_intervals_stay() -> None:
    patient, observation = cleaned(PATIENT), cleaned(OBSERVATION)
    assert observation["subject"] == {"reference": f"Patient/{patient['id']}"}
    moment = datetime.datetime.fromisoformat
    assert moment(observation["issued"]) - moment(observation["effectiveDateTime"]) == datetime.timedelta(1, 14 * 3600)
    shifted = datetime.date(2020, 1, 31) - datetime.date.fromisoformat(observation["effectiveDateTime"][:10])
    assert 1 <= shifted.days <= 365
    born = datetime.date(1980, 3, 1) - datetime.date.fromisoformat(patient["birthDate"])
    assert born == shifted  # the patient's own days
    assert cleaned(OBSERVATION, key=b"x" * 32)["id"] != observation["id"]


def test_of_dates_the_year_only() -> None:
    assert cleaned(PATIENT, "year")["birthDate"] == "1980"
    assert cleaned(OBSERVATION, "year")["effectiveDateTime"] == "2020"
    with pytest.raises(FhirError, match="shift or year"):
        cleaned(PATIENT, "month")


@pytest.mark.parametrize(
    ("zip", "left"), [("90210-1234", "902"), ("03601", "000"), ("2021", "202"), ("SW1A 1AA", "000"), ("1", "000")]
)
def test_zip_codes_keep_three_digits_where_many_people_live(zip: str, left: str) -> None:
    assert cleaned({"resourceType": "Patient", "address": [{"postalCode": zip}]})["address"][0]["postalCode"] == left


def test_ages_over_89_are_90() -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "onsetAge": {"value": 97},
    }
    assert cleaned(condition)["onsetAge"]["value"] == 90
    assert cleaned({"resourceType": "Patient", "birthDate": "1935-12-31"})["birthDate"] == "1936"


def test_a_bundle_is_cleaned_entry_by_entry() -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "http://MARK/Patient/p", "resource": PATIENT}, {"resource": OBSERVATION}]}  # fmt: skip
    made = cleaned(bundle)
    assert "MARK" not in json.dumps(made) and len(made["entry"]) == 2


def test_resources_of_a_bundle_go_on_referring_to_one_another() -> None:
    url, at = "urn:uuid:5d3f6a0e-7c0e-4a51-9f0b-0a4a4e1a2b3c", "http://MARK/fhir/Encounter/e"
    patient = {"resourceType": "Patient", "gender": "female", "birthDate": "1980-03-01"}
    encounter = {"resourceType": "Encounter", "id": "e", "status": "finished", "subject": {"reference": url}}
    observation = {**OBSERVATION, "subject": {"reference": url}, "encounter": {"reference": at}}
    entries = [{"fullUrl": url, "resource": patient}, {"fullUrl": at, "resource": encounter}, {"resource": observation}]
    made = cleaned({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    who, stay, measured = (entry["resource"] for entry in made["entry"])
    assert stay["subject"] == measured["subject"] == {"reference": f"Patient/{who['id']}"}
    assert measured["encounter"] == {"reference": f"Encounter/{stay['id']}"}
    born, seen = (datetime.date.fromisoformat(text[:10]) for text in (who["birthDate"], measured["issued"]))
    assert seen - born == datetime.date(2020, 2, 2) - datetime.date(1980, 3, 1)
    assert "MARK" not in json.dumps(made) and url[9:] not in json.dumps(made)


def test_extensions_beside_values_that_stay_go_too_and_values_keep_theirs() -> None:
    mark = {"extension": [{"url": "urn:x", "valueString": "MARK"}]}
    absent = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                             "valueCode": "masked"}]}  # fmt: skip
    patient = {"resourceType": "Patient", "active": True, "_active": mark, "_gender": {**absent, "id": "MARK"},
               "address": [{"state": "CA", "_state": mark}]}  # fmt: skip
    made = cleaned(patient)
    assert "MARK" not in json.dumps(made)
    assert made["active"] is True and made["_gender"] == absent and made["address"] == [{"state": "CA"}]
    device = {"resourceType": "PractitionerRole", "availableTime": [
        {"daysOfWeek": ["mon", None, "tue"], "_daysOfWeek": [mark, absent, None]}]}  # fmt: skip
    (time,) = cleaned(device)["availableTime"]
    assert time == {"daysOfWeek": ["mon", None, "tue"], "_daysOfWeek": [None, absent, None]}


def test_the_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    assert len(key) == 32 and key_of(tmp_path) == key
    assert (tmp_path / "deidentify.key").stat().st_mode & 0o077 == 0


def test_rules_that_can_not_be_understood_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    for text in ('[[rule]]\nfhirpath = "a("\naction = "remove"', '[[rule]]\nfhirpath = "a"\naction = "burn"'):
        file.write_text(text)
        with pytest.raises(FhirError, match="can't be used"):
            load(str(file))


def test_k_anonymity_is_the_size_of_the_smallest_class() -> None:
    people = [{"resourceType": "Patient", "gender": g, "birthDate": b} for g, b in
              [("male", "1980-01-01")] * 3 + [("male", "1980-05-01")] + [("female", "1990-01-01")]]  # fmt: skip
    assert anonymity(people, R4, "Patient", threshold=2) == (1, 5, 2, 1, 1)
    assert anonymity(people[:4], R4, "Patient") == (4, 4, 1, 0, 4)
    assert anonymity([], R4, "Patient").k == 0
    with pytest.raises(FhirError, match="quasi"):
        anonymity(people, R4, "Patient", ["gender("])
