"""Identifiers: an issuer of DICOM as a system of FHIR, and back."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

MRN = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
ACSN = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
AUTHORITY = "urn:x-hl7v2:authority:"  # of names: Issuer of Patient ID and HL7 v2's CX-4.1 name one thing
BEFORE = "urn:dicom:issuer:"  # what names were given, and still are in what is stored


def system_of(issuer: str) -> str:
    """The system of an issuer: a URI as it is, an OID as urn:oid, a name as HL7 v2 messages have it; "" for none."""
    if not issuer:
        return ""
    if re.match(r"(https?://|urn:)", issuer):
        return issuer
    if re.fullmatch(r"[0-2](\.(0|[1-9]\d*)){3,}", issuer):
        return f"urn:oid:{issuer}"
    return AUTHORITY + quote(issuer, safe="")


def systems_of(issuer: str) -> tuple[str, ...]:
    """Every system that an identifier of an issuer may have, the present one first."""
    system = system_of(issuer)
    if not system.startswith(AUTHORITY):
        return (system,)
    return system, BEFORE + system.removeprefix(AUTHORITY)


def issuer_of(system: str) -> str:
    """The issuer of a system: what systems_of is made of."""
    for prefix in (AUTHORITY, BEFORE):
        if system.startswith(prefix):
            return unquote(system.removeprefix(prefix))
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
    """An identifier as the one value of a search: system|value, or value alone where no issuer is known."""
    return token_in(value, system_of(issuer))


def tokens(value: str, issuer: str) -> str:
    """The same with every system of the issuer, for one of which the search is."""
    return ",".join(token_in(value, system) for system in systems_of(issuer))


def token_in(value: str, system: str) -> str:
    """The same in a system, "" for none."""
    value, system = (re.sub(r"([\\,$|])", r"\\\1", part) for part in (value, system))
    return f"{system}|{value}" if system else value
