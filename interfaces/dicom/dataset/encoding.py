"""A model as an encoded data set (PS3.5 section 7): pydicom's objects would cost an answer most of its time."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Callable
from typing import Any

from interfaces.dicom.dataset.charsets import writer
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, Syntax, syntax
from interfaces.dicom.dataset.vrs import BULK, LONG, NUMBERS, SINGLE, TEXT

CHARACTER_SET = "00080005"
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
LONGEST_SHORT = 0xFFFE  # bytes of a value whose length has two bytes
Write = Callable[[str, str], bytes]  # VR and text to bytes
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def encode(model: Model, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The data set; a value that its VR can't hold is left empty.

    Texts that are not ASCII are in the character set that the model names, where that has all signs, else in UTF-8.
    """
    how = syntax(transfer_syntax)
    named = model.get(CHARACTER_SET, {}).get("Value")
    body = {tag: element for tag, element in model.items() if tag != CHARACTER_SET} if named else model
    encoded = _data_set(body, how)
    if not encoded.isascii() and not _ascii(body):
        encoded = _in_characters(body, how, named or [])
    if not how.deflated:
        return encoded
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(encoded) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def _in_characters(model: Model, how: Syntax, named: list[Any]) -> bytes:
    write = writer(named)
    if write is not None:
        try:
            return _data_set({**model, CHARACTER_SET: {"vr": "CS", "Value": named}}, how, write)
        except UnicodeEncodeError:
            pass
    return _data_set({**model, CHARACTER_SET: UTF_8}, how)


def _utf_8(vr: str, text: str) -> bytes:
    return text.encode()


def _data_set(model: Model, how: Syntax, write: Write = _utf_8) -> bytes:
    order = ">" if how.big else "<"
    return b"".join(_element(tag, model[tag], how, order, write) for tag in sorted(model))


def _element(tag: str, element: dict[str, Any], how: Syntax, order: str, write: Write) -> bytes:
    vr = element["vr"]
    try:
        value = _value(vr, element, how, order, write)
    except UnicodeEncodeError:
        raise
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


def _value(vr: str, element: dict[str, Any], how: Syntax, order: str, write: Write) -> bytes:
    values = element.get("Value", ())
    if vr == "SQ":
        return b"".join(_item(item or {}, how, order, write) for item in values)
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    if vr in BULK or not values:
        return b""
    if vr in NUMBERS:
        return struct.pack(f"{order}{len(values)}{NUMBERS[vr]}", *values)
    if vr == "AT":
        return b"".join(struct.pack(f"{order}HH", int(tag[:4], 16), int(tag[4:], 16)) for tag in values)
    if vr == "PN":
        return write(vr, "\\".join(_name(value) for value in values))
    if vr in SINGLE:
        return write(vr, str(values[0]))
    return write(vr, "\\".join("" if value is None else _text(vr, value) for value in values))


def _item(item: Model, how: Syntax, order: str, write: Write) -> bytes:
    encoded = _data_set(item, how, write)
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
