"""Codings: names of code systems as URIs, and codes of v2's tables as R4's.

A name without a URI in systems.csv is kept in a URI of ours, so that codes of two systems are never taken for one.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from mappings.hl7v2.elements import Element
from mappings.hl7v2.tables import Tables

V2_TABLE = re.compile(r"(?:HL7|HL)?(\d{4})", re.IGNORECASE)
LOCAL = "urn:x-hl7v2:code-system:"
_OID = re.compile(r"[012](\.(0|[1-9]\d*))+")


def system_uri(tables: Tables, name: str) -> str:
    """The URI of a coding system that CWE.3 or its like names."""
    name = name.strip()
    found = tables.systems.get(name.upper())
    if found:
        return found
    if table := V2_TABLE.fullmatch(name):
        return f"http://terminology.hl7.org/CodeSystem/v2-{table[1]}"
    if name.startswith(("http://", "https://", "urn:")) and " " not in name:
        return name
    if _OID.fullmatch(name) and "." in name:
        return f"urn:oid:{name}"
    return LOCAL + quote(name, safe="")


def translate_concept(tables: Tables, vocabulary: str, element: Element) -> None:
    """Puts R4's coding for a v2 code first; the v2 coding stays where it states another system."""
    if element.type == "Coding":
        found = tables.code(vocabulary, str(element.get("code") or ""))
        if found:
            element.items = {"system": found[2], "code": found[0], **({"display": found[1]} if found[1] else {})}
        return
    codings = element.items.get("coding")
    if not isinstance(codings, dict):
        return
    for key, coding in list(codings.items()):
        found = tables.code(vocabulary, str(coding.get("code") or ""))
        if not found:
            continue
        code, display, system = found
        translated = Element("Coding")
        translated.items = {
            name: value for name, value in (("system", system), ("code", code), ("display", display)) if value
        }
        kept = dict(codings)
        if coding.get("system") in (None, system):
            del kept[key]
        element.items["coding"] = {("translated", key): translated, **kept}
        return
