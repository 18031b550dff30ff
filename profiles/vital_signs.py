"""The observations that R4 wants in its vital signs profiles, whether they say so or not.

"If implementations use this Resource when expressing the profile-specific concepts as structured data, they SHALL
conform": https://hl7.org/fhir/R4/observation.html and https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
BASE = "http://hl7.org/fhir/StructureDefinition/"
VITAL_SIGNS = BASE + "vitalsigns"  # what all of them build on
PROFILES = {  # "magic value" of LOINC -> profile
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}


def vital_signs(resource: dict[str, Any]) -> list[str]:
    """The URLs of the profiles that an Observation's codes stand for; [] for other resources."""
    code = resource.get("code") if resource.get("resourceType") == "Observation" else None
    codings = code.get("coding") if isinstance(code, dict) else None
    if not isinstance(codings, list):
        return []
    codes = [coding.get("code") for coding in codings if isinstance(coding, dict) and coding.get("system") == LOINC]
    return [BASE + PROFILES[code] for code in codes if isinstance(code, str) and code in PROFILES]
