"""Data sets in the DICOM JSON Model (PS3.18 annex F): {"00100020": {"vr": "LO", "Value": ["17"]}}."""

from __future__ import annotations

import base64
import functools
import re
import struct
from collections.abc import Callable, Collection
from typing import Any

from interfaces.dicom.dataset.turning import turned
from interfaces.dicom.dataset.vrs import BULK, NUMBERS, SINGLE, TEXT
from interfaces.dicom.dataset.walk import DataSet, Element, Elements, Malformed

Model = dict[str, dict[str, Any]]
BulkUri = Callable[[str], str]  # path of tags and items, such as 7FE00010, to the URI of its bytes

CHARACTER_SET = 0x00080005
INLINE_MOST = 1024  # bytes of a binary value that stand in the model itself
UNNAMED = "iso8859"  # the codec of texts whose character set is not named, or not known
LONGEST_SHARED = 256  # bytes of a value that is kept for who has the same


def to_model(
    data_set: DataSet,
    elements: Elements | None = None,
    *,
    only: Collection[int] | None = None,
    bulk: BulkUri | None = None,
    shared: bool = False,
) -> Model:
    """The elements as a model; only: the tags wanted; bulk: where the large values are, None leaves them out.

    shared: values that came lately are the same objects, so nobody may change the model.
    """
    elements = data_set.elements if elements is None else elements
    return _Modelling(data_set, bulk, shared).model(elements, codecs_of(data_set, data_set.elements), "", only)


class _Modelling:
    def __init__(self, data_set: DataSet, bulk: BulkUri | None, shared: bool) -> None:
        self._set = data_set
        self._bulk = bulk
        self._shared = shared

    def model(self, elements: Elements, codecs: tuple[str, ...], path: str, only: Collection[int] | None) -> Model:
        if CHARACTER_SET in elements:
            codecs = codecs_of(self._set, elements)
        tags = sorted(elements if only is None else elements.keys() & only)
        made: Model = {}
        for tag in tags:
            if tag & 0xFFFF == 0:
                continue  # group lengths are retired
            element = elements[tag]
            name = name_of(tag)
            value = self._value(name, element, codecs, path)
            if value is not None:
                made[name] = value
        return made

    def _value(self, name: str, element: Element, codecs: tuple[str, ...], path: str) -> dict[str, Any] | None:
        vr = element.vr
        if vr == "SQ" and (read := self._items(element)) is not None:
            items = [self.model(item, codecs, f"{path}{name}/{number}/", None) for number, item in enumerate(read, 1)]
            return {"vr": vr, "Value": items} if items else {"vr": vr}
        vr = "UN" if vr == "SQ" else vr
        if element.fragments is not None or (element.length > INLINE_MOST and vr in BULK):
            return {"vr": vr, "BulkDataURI": self._bulk(path + name)} if self._bulk else None
        make = shared_attribute if self._shared and element.length <= LONGEST_SHARED else attribute
        return make(self._set.order, codecs, vr, self._set.bytes(element))

    def _items(self, element: Element) -> list[Elements] | None:
        """The items of a sequence; None where it has other bytes in it, as private ones may, and all is to be given."""
        try:
            return self._set.items(element)
        except Malformed:
            if self._bulk is None:
                raise
            return None


@functools.lru_cache(maxsize=8192)
def name_of(tag: int) -> str:
    """A tag as the model names it, in eight hexadecimal digits."""
    return f"{tag:08X}"


def little_endian(data_set: DataSet, element: Element) -> bytes:
    """The value as PS3.18 gives binary values: its words with the least significant byte first."""
    raw = data_set.bytes(element)
    return turned(raw, element.vr) if data_set.how.big else raw


def attribute(order: str, codecs: tuple[str, ...], vr: str, raw: bytes) -> dict[str, Any]:
    """The attribute of a value as it is encoded that is no sequence: order as struct writes it, codecs of its texts."""
    if not raw:
        return {"vr": vr}
    if vr in BULK:
        return {"vr": vr, "InlineBinary": base64.b64encode(turned(raw, vr) if order == ">" else raw).decode()}
    values = _values(order, codecs, vr, raw)
    return {"vr": vr, "Value": values} if values else {"vr": vr}


shared_attribute = functools.lru_cache(maxsize=1024)(attribute)  # not to be changed


def _values(order: str, codecs: tuple[str, ...], vr: str, raw: bytes) -> list[Any]:
    """The values of an element that is neither a sequence nor binary, None for an empty one among several."""
    if vr in NUMBERS:
        one = _number(order, vr)
        if len(raw) == one.size:
            return list(one.unpack(raw))
        return [value for (value,) in one.iter_unpack(raw[: len(raw) // one.size * one.size])]
    if vr == "AT":
        pairs = struct.unpack(f"{order}{len(raw) // 4 * 2}H", raw[: len(raw) // 4 * 4])
        return [f"{pairs[i]:04X}{pairs[i + 1]:04X}" for i in range(0, len(pairs), 2)]
    text = _text(raw, codecs) if vr in TEXT else raw.decode("latin-1")
    if not text.isprintable():
        text = _readable(text, vr)
    if vr in SINGLE:
        text = text.rstrip(" \0")
        return [text] if text else []
    convert = _CONVERSIONS.get(vr)
    if "\\" not in text:
        text = text.strip(" \0")
        if not text:
            return []
        if convert is None:
            return [text]
        value = convert(text)
        return [] if value == {} else [value]  # a name without letters is none
    parts: list[Any] = [part.strip(" \0") for part in text.split("\\")]
    values = [None if part == "" else convert(part) if convert else part for part in parts]
    return [None if value == {} else value for value in values]


_BEHIND_ZERO = re.compile(r"\0[^\\]*")
_ESCAPES = re.compile(r"\x1b[ -/]+[0-~]")  # of character sets that were not named
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def _readable(text: str, vr: str) -> str:
    """A text without what no value may have (PS3.5 section 6.1.3); a zero ends it, as where senders have such texts."""
    text = text.partition("\0")[0] if vr in SINGLE else _BEHIND_ZERO.sub("", text)
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).replace("\f", "\n")


@functools.cache
def _number(order: str, vr: str) -> struct.Struct:
    return struct.Struct(order + NUMBERS[vr])


def name_groups(text: str) -> dict[str, str]:
    """A PN as its groups, those that are empty left out."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("=")[:3], strict=False)
    return {group: part.rstrip("^ ") for group, part in groups if part.strip("^ ")}


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _decimal(text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number != number or number in (float("inf"), float("-inf")) else number


_CONVERSIONS: dict[str, Callable[[str], Any]] = {"PN": name_groups, "IS": _integer, "DS": _decimal}


def codecs_of(data_set: DataSet, elements: Elements) -> tuple[str, ...]:
    """Python's codecs for the texts of elements by their Specific Character Set."""
    element = elements.get(CHARACTER_SET)
    if element is None or element.length == 0:
        return (UNNAMED,)
    return codecs_named(data_set.bytes(element).decode("latin-1"))


@functools.lru_cache(maxsize=64)
def codecs_named(names: str) -> tuple[str, ...]:
    """Python's codecs for a Specific Character Set, ISO 8859-1 for one that is not known."""
    import warnings

    from pydicom.charset import convert_encodings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings([name.strip(" \0") for name in names.split("\\")]))
        except (LookupError, ValueError):
            return (UNNAMED,)


def _decoded(raw: bytes, codec: str) -> str:
    """A text of one character set; where none is named, or UTF-8 wrongly, whichever of that and ISO 8859-1 it is."""
    if codec in (UNNAMED, "UTF8"):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            codec = UNNAMED
    return raw.decode(codec, "replace")


def _text(raw: bytes, codecs: tuple[str, ...]) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if len(codecs) == 1 and b"\x1b" not in raw:
        return _decoded(raw, codecs[0])
    import warnings

    from pydicom.charset import decode_bytes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_bytes(raw, list(codecs), set(b"\\^="))


def in_order(model: Model) -> Model:
    """A model with its attributes by ascending tags, at any depth, as JSON must have them (PS3.18 section F.2.2)."""
    return {tag: _in_order(model[tag]) for tag in sorted(model)}


def _in_order(value: dict[str, Any]) -> dict[str, Any]:
    if value["vr"] != "SQ" or "Value" not in value:
        return value
    return {**value, "Value": [in_order(item) if item else item for item in value["Value"]]}


def first(model: Model, tag: str, default: Any = None) -> Any:
    """The first value of an attribute, the default where it has none."""
    values = model.get(tag, {}).get("Value")
    return default if not values or values[0] is None else values[0]


def text(model: Model, tag: str) -> str:
    """The first value as text, a name by its first group; "" where there is none."""
    value = first(model, tag, "")
    if isinstance(value, dict):
        return value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or ""
    return str(value)


def items(model: Model, tag: str) -> list[Model]:
    """The items of a sequence."""
    return [item for item in model.get(tag, {}).get("Value", ()) if item and isinstance(item, dict)]
