"""Identifiers: an issuer of DICOM as a system of FHIR, and back."""

from __future__ import annotations

import re
from typing import Any

MRN = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
ACSN = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
LOCAL = "urn:dicom:issuer:"


def system_of(issuer: str) -> str:
    """The system of an issuer: a URI as it is, an OID as urn:oid, another text as urn:dicom:issuer:…; "" for none."""
    if not issuer:
        return ""
    if re.match(r"(https?://|urn:)", issuer):
        return issuer
    if re.fullmatch(r"[0-2](\.(0|[1-9]\d*)){3,}", issuer):
        return f"urn:oid:{issuer}"
    return LOCAL + re.sub(r"[^A-Za-z0-9._~-]", lambda found: f"%{ord(found[0]):02X}", issuer)


def issuer_of(system: str) -> str:
    """The issuer of a system: what system_of is made of."""
    from urllib.parse import unquote

    if system.startswith(LOCAL):
        return unquote(system.removeprefix(LOCAL))
    return system.removeprefix("urn:oid:")


def patient_identifier(patient_id: str, issuer: str) -> dict[str, Any]:
    """A Patient ID as an Identifier."""
    made: dict[str, Any] = {"type": {"coding": [MRN]}, "value": patient_id}
    system = system_of(issuer)
    return {**made, "system": system} if system else made


def accession_identifier(number: str, issuer: str) -> dict[str, Any]:
    """An Accession Number as an Identifier."""
    made: dict[str, Any] = {"type": {"coding": [ACSN]}, "value": number}
    system = system_of(issuer)
    return {**made, "system": system} if system else made


def token(value: str, issuer: str) -> str:
    """An identifier as the value of a search: system|value, or value alone where no issuer is known."""
    escaped = re.sub(r"([\\,$|])", r"\\\1", value)
    system = system_of(issuer)
    return f"{system}|{escaped}" if system else escaped
