"""A model as an encoded data set (PS3.5 section 7): pydicom's objects would cost an answer most of its time."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Any

from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, Syntax, syntax
from interfaces.dicom.dataset.vrs import BULK, LONG, NUMBERS, SINGLE, TEXT

CHARACTER_SET = "00080005"
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
LONGEST_SHORT = 0xFFFE  # bytes of a value whose length has two bytes
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def encode(model: Model, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The data set, its texts in UTF-8 where they are not ASCII; a value that its VR can't hold is left empty."""
    how = syntax(transfer_syntax)
    encoded = _data_set(model, how)
    if not encoded.isascii() and not _ascii(model):
        encoded = _data_set({**model, CHARACTER_SET: UTF_8}, how)
    if not how.deflated:
        return encoded
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(encoded) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def _data_set(model: Model, how: Syntax) -> bytes:
    order = ">" if how.big else "<"
    return b"".join(_element(tag, model[tag], how, order) for tag in sorted(model))


def _element(tag: str, element: dict[str, Any], how: Syntax, order: str) -> bytes:
    vr = element["vr"]
    try:
        value = _value(vr, element, how, order)
    except (ValueError, TypeError, struct.error, binascii.Error):
        value = b""
    if len(value) % 2:
        value += b"\0" if vr == "UI" or vr in BULK else b" "
    group, number = int(tag[:4], 16), int(tag[4:], 16)
    if how.implicit:
        return struct.pack(f"{order}HHI", group, number, len(value)) + value
    if vr not in LONG and len(value) > LONGEST_SHORT:
        vr = "UN"  # section 6.2.2, note 3
    if vr in LONG:
        return struct.pack(f"{order}HH2sHI", group, number, vr.encode(), 0, len(value)) + value
    return struct.pack(f"{order}HH2sH", group, number, vr.encode(), len(value)) + value


def _value(vr: str, element: dict[str, Any], how: Syntax, order: str) -> bytes:
    values = element.get("Value", ())
    if vr == "SQ":
        return b"".join(_item(item or {}, how, order) for item in values)
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    if vr in BULK or not values:
        return b""
    if vr in NUMBERS:
        return struct.pack(f"{order}{len(values)}{NUMBERS[vr]}", *values)
    if vr == "AT":
        return b"".join(struct.pack(f"{order}HH", int(tag[:4], 16), int(tag[4:], 16)) for tag in values)
    if vr == "PN":
        return "\\".join(_name(value) for value in values).encode()
    if vr in SINGLE:
        return str(values[0]).encode()
    return "\\".join("" if value is None else _text(vr, value) for value in values).encode()


def _item(item: Model, how: Syntax, order: str) -> bytes:
    encoded = _data_set(item, how)
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(encoded)) + encoded


def _name(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return "" if value is None else str(value)


def _text(vr: str, value: Any) -> str:
    """A value as characters; a decimal string has sixteen at most (PS3.5 table 6.2-1)."""
    text = str(value)
    return f"{value:.10g}" if vr == "DS" and isinstance(value, float) and len(text) > 16 else text


def _ascii(model: Model) -> bool:
    """Whether all texts are ASCII; other bytes that are not may be lengths and numbers."""
    for element in model.values():
        vr, values = element["vr"], element.get("Value", ())
        if vr == "SQ":
            if not all(_ascii(item) for item in values if item):
                return False
        elif vr in TEXT and not all(_name(value).isascii() for value in values):
            return False
    return True
