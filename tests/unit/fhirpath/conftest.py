from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions import Definitions, load

PATIENT = """
{"resourceType": "Patient", "id": "1", "active": true, "birthDate": "1974-12-25",
 "_birthDate": {"extension": [{"url": "http://example.org/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
 "deceasedBoolean": false,
 "identifier": [{"system": "urn:x", "value": "12345", "period": {"start": "2001-05-06"}}],
 "name": [
   {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
   {"use": "usual", "given": ["Jim", null], "_given": [null, {"extension": [{"url": "urn:e", "valueBoolean": true}]}]}],
 "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}, {"system": "phone", "value": "2"}],
 "contact": [{"name": {"family": "du Marché"}, "telecom": [{"system": "phone", "value": "3"}]}],
 "contained": [{"resourceType": "Organization", "id": "o1", "name": "ACME"}],
 "generalPractitioner": [{"reference": "Practitioner/7"}, {"reference": "#o1"}, {"display": "nobody"}],
 "managingOrganization": {"reference": "http://other.org/fhir/Organization/9/_history/2"}}
"""

OBSERVATION = """
{"resourceType": "Observation", "id": "w", "status": "final", "code": {"coding": [{"system": "s", "code": "c"}]},
 "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2016-03-28",
 "valueQuantity": {"value": 185.0, "unit": "lbs", "system": "http://unitsofmeasure.org", "code": "[lb_av]"},
 "component": [
   {"code": {"text": "a"}, "valueQuantity": {"value": 1, "code": "m", "system": "http://unitsofmeasure.org"}},
   {"code": {"text": "b"}, "valueString": "high"}]}
"""


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    return load()


@pytest.fixture
def patient() -> dict[str, Any]:
    return json.loads(PATIENT, parse_float=Decimal)


@pytest.fixture
def observation() -> dict[str, Any]:
    return json.loads(OBSERVATION, parse_float=Decimal)
