"""What R4 says in words of values of its data types, wherever they stand (https://hl7.org/fhir/R4/datatypes.html)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from fhir_server.core.uris import FORMS, OID, is_absolute
from fhir_server.definitions import Element, ucum
from profiles.conformance.context import Context
from profiles.conformance.walking import ValueCheck
from profiles.structure.problems import Problem, Problems, listed, shown, under
from profiles.structure.references import reference_type

Json = dict[str, Any]

_SAMPLE = re.compile(r"[EUL]|[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
URIS = "urn:ietf:rfc:3986"  # the system of an identifier that is a URI itself


def _uri(value: Any, context: Context) -> Problems | None:
    if not isinstance(value, str) or not value.startswith("urn:"):
        return None
    for start, form in FORMS.items():
        if value.startswith(start) and not form(_without_version(value)):
            example = "urn:oid:1.2.3" if start == OID else "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
            return [Problem("uri", "value", f"{shown(value)} is no {start[4:-1].upper()} as a URI, such as {example}")]
    return None


def _canonical(targets: tuple[str, ...]) -> ValueCheck:
    """The check of a canonical that names a resource of one of these types.

    https://hl7.org/fhir/R4/references.html#canonical
    """

    def check(value: Any, context: Context) -> Problems | None:
        if not isinstance(value, str):
            return None
        url, _, fragment = value.partition("#")
        found = _uri(value, context)
        if found is not None:
            return found
        if not url:
            target = context.resolve("#" + fragment)
            named = {str(target.get("resourceType"))} if target is not None else set()
        elif is_absolute(url):
            named = context.shared.kinds(url.partition("|")[0])
        else:
            named = {reference_type(url)[0]} - {""}
        if named and not named.intersection(targets):
            text = f"{shown(value)} is the URL of a {listed(named)}; here it must be that of a {listed(targets)}"
            return [Problem("canonical-target", "value", text)]
        if url and not is_absolute(url):
            text = (
                f"a canonical is the absolute URL of a {listed(targets)}, or #id of a contained one, not {shown(value)}"
            )
            return [Problem("canonical", "value", text, severity="warning")]
        return None

    return check


def _without_version(uri: str) -> str:
    """A canonical without its version and fragment, another URI as it is."""
    return uri.partition("#")[0].partition("|")[0]


def _reference(value: Any, context: Context) -> Problems | None:
    found = _uri(value.get("reference"), context) if isinstance(value, dict) else None
    return None if found is None else under(None, ".reference", found)


def _system(value: Json, context: Context | None = None) -> Problems | None:
    """The problem of a system that is none; context: where it must be a code system."""
    system = value.get("system")
    if not isinstance(system, str):
        return None
    if is_absolute(system):
        text = context.shared.no_code_system(system) if context is not None else ""
        return [Problem("system", "value", text, ".system")] if text else None
    text = f"a system must be an absolute URI, such as http://hospital.example/codes, not {shown(system)}"
    return [Problem("system", "value", text, ".system")]


def _quantity(value: Any, context: Context) -> Problems | None:
    return _system(value, context) if isinstance(value, dict) else None


def _measured(dimension: str, word: str, rule: str) -> ValueCheck:
    """The check of a Quantity whose unit must be of one dimension, that of this canonical unit of UCUM."""

    def check(value: Any, context: Context) -> Problems | None:
        code = value.get("code") if isinstance(value, dict) and value.get("system") == ucum.SYSTEM else None
        canonical = ucum.canonical(code) if isinstance(code, str) else None
        if canonical is None or canonical[1] == dimension:
            return _quantity(value, context)
        return [Problem(rule, "invariant", f"the unit must be one of {word}, which {shown(code)} is not", ".code")]

    return check


def _coding(value: Any, context: Context) -> Problems | None:
    if not isinstance(value, dict):
        return None
    system, code, given = (value.get(name) for name in ("system", "code", "display"))
    if isinstance(system, str) and isinstance(code, str) and isinstance(given, str):
        right = context.shared.wrong_display(system, code, given)
        if right:
            text = f"{shown(given)} is no display of {system}|{code}; that is {shown(right)}"
            return [Problem("display", "invalid", text, ".display", "warning")]
    return _system(value, context)


def _identifier(value: Any, context: Context) -> Problems | None:
    if not isinstance(value, dict):
        return None
    number = value.get("value")
    if value.get("system") == URIS and isinstance(number, str) and not is_absolute(number):
        text = f"the system {URIS} says that the value is an absolute URI, which {shown(number)} is not"
        return [Problem("identifier-uri", "value", text, ".value", "warning")]
    return _system(value)


def _sampled_data(value: Any, context: Context) -> Problems | None:
    data, dimensions = (value.get(name) for name in ("data", "dimensions")) if isinstance(value, dict) else (None, None)
    if not isinstance(data, str):
        return None
    points = data.split(" ")
    wrong = next((point for point in points if not _SAMPLE(point)), None)
    if wrong is not None:
        text = f"{shown(wrong)} is none of the data: decimals, E, U or L, each after a single space"
        return [Problem("sampled-data", "value", text, ".data")]
    if isinstance(dimensions, int) and dimensions > 0 and len(points) % dimensions:
        text = f"{len(points)} sample points are no multiple of the {dimensions} that each point in time has"
        return [Problem("sampled-data", "value", text, ".data")]
    return None


def _attachment(value: Any, context: Context) -> Problems | None:
    if not isinstance(value, dict) or not isinstance(value.get("data"), str) or not isinstance(value.get("size"), int):
        return None
    try:
        size = len(base64.b64decode(value["data"]))
    except binascii.Error:
        return None  # which the structure tells
    if size == value["size"]:
        return None
    text = f"the data has {size} bytes: write that, or leave the size out"
    return [Problem("attachment-size", "value", text, ".size")]


CHECKS: dict[str, ValueCheck] = {
    "uri": _uri,
    "url": _uri,
    "Reference": _reference,
    "SampledData": _sampled_data,
    "Coding": _coding,
    "Quantity": _quantity,
    "Identifier": _identifier,
    "Attachment": _attachment,
    # what their invariants say in words, and not in FHIRPath
    "Age": _measured("s", "time", "age-1"),
    "Duration": _measured("s", "time", "drt-1"),
    "Distance": _measured("m", "length", "dis-1"),
}


def data_types(element: Element, code: str) -> ValueCheck | None:
    """The check of an element's values of a type."""
    if code == "canonical":
        targets = next((each.targets for each in element.types if each.code == code), ())
        return _canonical(targets) if targets else _uri
    return CHECKS.get(code)
