"""The Native DICOM Model: attributes as XML (PS3.19 annex A.1)."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.vrs import keyword_of

_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def native(model: Model) -> bytes:
    """A model as a NativeDicomModel document."""
    body = "".join(_attribute(tag, model[tag]) for tag in sorted(model))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">{body}</NativeDicomModel>'
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
