"""Identifiers: as v2 writes them, as FHIR does, and those that are made of what surrounds a thing."""

from __future__ import annotations

import functools
import hashlib
import re
import uuid
from urllib.parse import quote

from fhir_server.core.uris import FORMS
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.primitives import AUTHORITY
from mappings.hl7v2.source import Value, part
from mappings.hl7v2.tables import Tables

KEY = "urn:x-hl7v2:key:"  # systems of identifiers that are made of what surrounds a thing
NAMESPACE = uuid.UUID("6f1d5a52-7f0e-5e7c-9a51-0c6a6f9a4b11")
_SHA1 = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
# Without an identifier of their own these are part of the resource that refers to them.
DEPENDENT = ("Practitioner", "PractitionerRole", "Organization", "Device", "Location", "RelatedPerson", "Specimen",
             "MedicationRequest", "Medication", "Condition")  # fmt: skip
# Types without identifiers in R4; they are written under an id that is made of their identity.
BY_ID = ("Provenance", "Binary")
# Texts in which nothing, or nothing but #, is to be quoted.
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_.~:/#-]*").fullmatch
_PLAIN_PART = re.compile(r"[A-Za-z0-9_.~:# -]*").fullmatch
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+").fullmatch
Identity = tuple[str, str]


def url_of(node: Node) -> str:
    """The URL by which others of the transaction refer to it: the same for the same identity."""
    system, value = node.criteria[0]
    digest = _SHA1.copy()
    digest.update(f"{node.type}|{system}|{value}".encode())
    found = bytearray(digest.digest()[:16])
    found[6] = found[6] & 0x0F | 0x50  # version 5 (RFC 4122, 4.3), made here as uuid5 takes three times as long
    found[8] = found[8] & 0x3F | 0x80
    text = found.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uri(system: str) -> bool:
    """Whether it can be a system: an absolute URI, and an OID or a UUID where it says so."""
    form = next((form for start, form in FORMS.items() if system.startswith(start)), _URI)
    return form(system) is not None


def authority_uri(tables: Tables, name: str) -> str:
    """The system of an authority known by its name only."""
    return tables.systems.get(name.upper()) or AUTHORITY + quote(name, safe="")


def fallback_system(tables: Tables, facility: str) -> str:
    """The system of numbers that state no authority: the site's, else the sender's facility."""
    return tables.systems.get("*") or authority_uri(tables, facility or "unknown")


def identity_of(value: Value, tables: Tables, fallback: str, at: int = 4) -> Identity | None:
    """(system, value) of a CX (authority in component 4) or, with at=2, of an EI; None where there is no number."""
    number = part(value)
    if not number:
        return None
    if at == 2:
        name, universal, kind = part(value, 2), part(value, 3), part(value, 4)
    else:
        name, universal, kind = part(value, at), part(value, at, 2), part(value, at, 3)
    system = fallback
    if universal and kind.upper() == "ISO" and is_uri(f"urn:oid:{universal}"):
        system = tables.systems.get(universal) or f"urn:oid:{universal}"
    elif universal and kind.upper() in ("UUID", "GUID") and is_uri(f"urn:uuid:{universal}"):
        system = f"urn:uuid:{universal}"
    elif universal and kind.upper() in ("URI", "URL") and is_uri(universal):
        system = universal
    elif universal and kind.upper() == "DNS":
        system = f"urn:x-hl7v2:dns:{quote(universal, safe='.')}"
    elif name or universal:
        return authority_uri(tables, name or universal), number
    return tables.systems.get(name.upper(), system) if name else system, number


def token(text: str) -> str:
    """A part of a token in a search URL: FHIR's escapes, then the URL's."""
    if _PLAIN_TOKEN(text):
        return text.replace("#", "%23")
    return quote(re.sub(r"([\\,|$])", r"\\\1", text), safe=":/.-_")


def key(type_name: str, *parts: str) -> Identity:
    """An identity made of parts."""
    return KEY + type_name.lower(), "/".join([one if _PLAIN_PART(one) else _quoted(one) for one in parts])


@functools.lru_cache(1000)
def _quoted(part: str) -> str:
    """A part of a key; that of an order comes again with each of its results."""
    return quote(part, safe=":.-_~# ")


def own_identities(node: Node) -> list[Identity]:
    """The identifiers that it states, those of social insurance and the like last."""
    found = []
    for one in node.values("masterIdentifier") + node.values("identifier"):
        if isinstance(one, Element) and one.get("value") and one.get("system"):
            found.append((one.get("system"), one.get("value")))
    return found
