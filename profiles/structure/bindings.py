"""Required bindings whose codes the definitions can list (https://hl7.org/fhir/R4/terminologies.html#required)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from profiles.structure.primitives import explain
from profiles.structure.problems import Problems, listed, nearest, problem, shown

MIME_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"  # a grammar, which no list of codes can hold
_MIME = re.compile(r"[A-Za-z0-9][\w.+-]*/(?:\*|[A-Za-z0-9][\w.+-]*)(?:\s*;.*)?", re.ASCII).fullmatch
FORMATS = frozenset({"xml", "json", "ttl"})  # R4's short names of its own formats (CapabilityStatement.format)

Codes = dict[str, frozenset[str]]  # system -> codes


def is_mime(value: str) -> bool:
    """Whether this is a MIME type (BCP 13), or the short name of one of FHIR's formats."""
    return value in FORMATS or _MIME(value) is not None


def wrong_mime(value: Any) -> Problems:
    """The problem of a code that is no MIME type."""
    if type(value) is not str or not value:
        return explain("code", value)
    text = f"{shown(value)} is no MIME type: write type/subtype, such as application/pdf"
    return problem("binding-required", "code-invalid", text)


def wrong_code(value: Any, codes: Iterable[str], value_set: str) -> Problems:
    """The problem of a code outside of its value set."""
    if type(value) is not str or not value:
        return explain("code", value)
    known = list(codes)
    hint = nearest(value, known)
    choice = f": one of {listed(known)}" if len(known) <= 12 else ""
    return problem("binding-required", "code-invalid", f"{shown(value)} is not a code of {value_set}{choice}{hint}")


def check_coded(value: dict[str, Any], codes: Codes, value_set: str) -> Problems | None:
    """The problem of a CodeableConcept or Coding of which no coding is in the value set."""
    codings = value.get("coding", ()) if "system" not in value and "code" not in value else (value,)
    for coding in codings:
        if coding.get("code") in codes.get(coding.get("system", ""), ()):
            return None
    found = ", ".join(f"{c.get('system', '(no system)')}|{c.get('code', '(no code)')}" for c in codings[:3])
    systems = "; ".join(f"{system}|{listed(found_codes, 8)}" for system, found_codes in list(codes.items())[:3])
    was = f"has {found}" if found else "has no coding"
    return problem("binding-required", "code-invalid", f"{was}, but needs a coding of {value_set}: {systems}")
