"""The Native DICOM Model: attributes as XML (PS3.19 annex A.1)."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from fhir_server.core.errors import error
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.vrs import keyword_of

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def native(model: Model) -> bytes:
    """A model as a NativeDicomModel document."""
    body = "".join(_attribute(tag, model[tag]) for tag in sorted(model))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="{NAMESPACE}">{body}</NativeDicomModel>'
    ).encode()


def _attribute(tag: str, value: dict[str, Any]) -> str:
    keyword = keyword_of(int(tag, 16))
    named = f" keyword={quoteattr(keyword)}" if keyword else ""
    return f'<DicomAttribute tag="{tag}" vr="{value["vr"]}"{named}>{_content(value)}</DicomAttribute>'


def _content(value: dict[str, Any]) -> str:
    if "BulkDataURI" in value:
        return f"<BulkData uri={quoteattr(value['BulkDataURI'])}/>"
    if "InlineBinary" in value:
        return f"<InlineBinary>{value['InlineBinary']}</InlineBinary>"
    parts = []
    for number, each in enumerate(value.get("Value", ()), 1):
        if value["vr"] == "SQ":
            inner = "".join(_attribute(tag, each[tag]) for tag in sorted(each or {}))
            parts.append(f'<Item number="{number}">{inner}</Item>')
        elif value["vr"] == "PN" and isinstance(each, dict):
            parts.append(f'<PersonName number="{number}">{_name(each)}</PersonName>')
        elif each is not None:
            parts.append(f'<Value number="{number}">{_text(str(each))}</Value>')
    return "".join(parts)


def _name(groups: dict[str, str]) -> str:
    made = []
    for group, text in groups.items():
        components = zip(_COMPONENTS, text.split("^"), strict=False)
        inner = "".join(f"<{name}>{_text(part)}</{name}>" for name, part in components if part)
        made.append(f"<{group}>{inner}</{group}>")
    return "".join(made)


def _text(text: str) -> str:
    return escape("".join(sign for sign in text if sign >= " " or sign in "\t\n\r"))


def read_native(document: bytes) -> Model:
    """The model of a NativeDicomModel document; FhirError "malformed" where it is none."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    try:
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
        if root.tag != f"{{{NAMESPACE}}}NativeDicomModel":
            raise ValueError(f"its root is {root.tag[:100]}, not NativeDicomModel of {NAMESPACE}")
        return _read_attributes(root)
    except (etree.XMLSyntaxError, ValueError, KeyError) as problem:
        raise error("malformed", f"The metadata is no Native DICOM Model: {problem}.") from problem


def _read_attributes(parent: Any) -> Model:
    made: Model = {}
    for element in parent.iterchildren(f"{{{NAMESPACE}}}DicomAttribute"):
        tag, vr = element.attrib["tag"].upper(), element.attrib["vr"]
        if len(tag) != 8:
            raise ValueError(f"the tag {tag[:20]} has not eight digits")
        made[f"{int(tag, 16):08X}"] = _read_value(element, vr)
    return made


def _read_value(element: Any, vr: str) -> dict[str, Any]:
    value: dict[str, Any] = {"vr": vr}
    numbered: list[tuple[int, Any]] = []
    for child in element.iterchildren(f"{{{NAMESPACE}}}*"):
        kind = child.tag.rpartition("}")[2]
        if kind == "BulkData":
            value["BulkDataURI"] = child.attrib.get("uri") or child.attrib["uuid"]
        elif kind == "InlineBinary":
            value["InlineBinary"] = "".join((child.text or "").split())
        else:
            number = int(child.attrib.get("number", len(numbered) + 1))
            numbered.append((number, _READERS[kind](child, vr)))
    if numbered:
        value["Value"] = [each for _, each in sorted(numbered, key=lambda pair: pair[0])]
    return value


def _read_name(element: Any, _: str) -> dict[str, str]:
    groups = {}
    for group in element.iterchildren(f"{{{NAMESPACE}}}*"):
        parts = [group.findtext(f"{{{NAMESPACE}}}{name}") or "" for name in _COMPONENTS]
        groups[group.tag.rpartition("}")[2]] = "^".join(parts).rstrip("^")
    return groups


def _read_single(element: Any, vr: str) -> Any:
    text = element.text or ""
    if vr in _WHOLE:
        return int(text)
    return float(text) if vr in _BROKEN else text


_WHOLE, _BROKEN = frozenset(["US", "UL", "SS", "SL", "UV", "SV", "IS"]), frozenset(["FL", "FD", "DS"])
_READERS = {"Value": _read_single, "PersonName": _read_name, "Item": lambda element, _: _read_attributes(element)}
