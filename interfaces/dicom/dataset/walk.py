"""Walks an encoded data set from its first to its last byte (PS3.5 section 7): what has no sound end is no data set.

Values are not copied: an Element says where its value lies. Sequences are entered where their length is undefined,
and otherwise once somebody asks for their items. What old devices do wrong, and what still has one meaning alone, is
read on: VRs that don't exist, zeros behind the last element, file meta information before the first one, delimiters
where a length has said the end already.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from interfaces.dicom.dataset.syntaxes import Syntax, syntax
from interfaces.dicom.dataset.vrs import LONG, VRS, vr_of

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
SHORT = {code: vr for code, vr in VRS.items() if vr not in LONG}  # those whose length has two bytes
NONE: dict[bytes, str] = {}  # an implicit data set names no VR
DEEPEST = 32  # nested sequences; real ones have a handful
LARGEST_INFLATED = 2**31
MOST_PADDING = 64 * 1024  # zeros behind the last element


class Malformed(Exception):
    """The bytes are no data set of that transfer syntax; the text says where and why."""


class Element(NamedTuple):
    """One element: its VR, where its value starts, how many bytes it has; fragments of encapsulated pixel data."""

    vr: str
    start: int
    length: int
    items: list[Elements] | None = None
    fragments: list[tuple[int, int]] | None = None
    implicit: bool = False  # a sequence of this coding, whatever is around it (UN of undefined length)


Elements = dict[int, Element]


class DataSet:
    """A walked data set: its bytes (inflated where they came deflated) and its elements by tag."""

    def __init__(self, data: bytes | memoryview, transfer_syntax: str, *, to_pixels: bool = False) -> None:
        """to_pixels: the bytes may end anywhere behind the header of the pixel data, where the walk stops."""
        how = syntax(transfer_syntax)
        self.data = memoryview(inflate(data)) if how.deflated else memoryview(data)
        self.how = how
        self._order = ">" if how.big else "<"
        self._to_pixels = to_pixels
        self._tag = struct.Struct(self._order + "HH")
        self._head = struct.Struct(self._order + "HH2sH")  # tag, VR and a short length
        self._long = struct.Struct(self._order + "I")
        self._renamed: list[tuple[int, str]] = []  # where elements stand whose VR does not exist, and one that fits
        self._begin = self._behind_meta()
        self.elements, self._end = self._walk(self._begin, len(self.data), how.implicit, False, 0)

    @property
    def order(self) -> str:
        """The byte order as struct writes it."""
        return self._order

    def mended(self) -> bytes | None:
        """The data set as others read it too, without what stands before and behind it and with VRs that exist; None
        where it is so."""
        if not (self._renamed or self._begin or self._end < len(self.data)):
            return None
        made = bytearray(self.data[: self._end])
        for at, vr in self._renamed:
            made[at + 4 : at + 6] = vr.encode()
        return bytes(memoryview(made)[self._begin :])

    def items(self, element: Element) -> list[Elements]:
        """The items of a sequence."""
        if element.items is not None:
            return element.items
        found, _ = self._sequence(
            element.start, element.start + element.length, element.implicit or self.how.implicit, 1
        )
        return found

    def bytes(self, element: Element) -> bytes:
        """The value as it is encoded."""
        return bytes(self.data[element.start : element.start + element.length])

    def _walk(self, at: int, end: int, implicit: bool, delimited: bool, depth: int) -> tuple[Elements, int]:
        """Elements from at; to end, or with delimited to the item's delimiter. Gives them and where they end."""
        data, heads, longs, new = self.data, self._head.unpack_from, self._long.unpack_from, tuple.__new__
        short = NONE.get if implicit else SHORT.get
        found: Elements = {}
        if depth > DEEPEST:
            raise Malformed("sequences are nested too deep")
        while at < end:
            if end - at < 8:
                if depth == 0 and self._is_padding(at):
                    return found, at
                raise Malformed(f"{end - at} bytes are left at byte {at}, too few for an element")
            group, number, name, length = heads(data, at)
            tag = group << 16 | number
            vr = short(name)
            if vr is not None and 2 < group < 0xFFFE:  # nearly every element
                start = at + 8
                at = start + length
                if at > end:
                    raise _too_long(tag, length, end - start)
                found[tag] = new(Element, (vr, start, length, None, None, False))
                continue
            if tag == ITEM_END and (delimited or at + 8 == end):
                return found, at + 8
            if group <= 2 or group == 0xFFFE:
                if depth == 0 and self._is_padding(at):
                    return found, at
                raise Malformed(f"the tag {tag:08X} at byte {at} can't stand in a data set")
            if implicit:
                vr = vr_of(tag)
                (length,) = longs(data, at + 4)
                start = at + 8
            else:
                vr = VRS.get(name) or self._renaming(tag, name, at)
                if vr in LONG:
                    if end - at < 12:
                        raise Malformed(f"the element {tag:08X} at byte {at} is cut short")
                    (length,) = longs(data, at + 8)
                    start = at + 12
                else:
                    start = at + 8
            if tag == PIXEL_DATA and vr == "UN":
                vr = "OB"
            if tag == PIXEL_DATA and self._to_pixels and depth == 0:
                found[tag] = Element(vr, start, length, fragments=[] if length == UNDEFINED else None)
                return found, end
            if length == UNDEFINED:
                element, at = self._undefined(tag, vr, start, end, implicit, depth)
            elif length > end - start:
                raise _too_long(tag, length, end - start)
            elif vr == "UN" and not implicit and not self.how.big:
                element, at = self._known(tag, start, length, depth), start + length
            else:
                element, at = Element(vr, start, length, implicit=implicit), start + length
            found[tag] = element
        if delimited:
            raise Malformed("an item has no end")
        return found, at

    def _behind_meta(self) -> int:
        """Where file meta information ends that some senders leave before a data set; 0 where there is none."""
        at, data = 0, self.data
        while data[at : at + 2] == b"\2\0" and len(data) - at >= 12:
            name, length, long = struct.unpack_from("<2sHI", data, at + 4)
            if name not in VRS:
                (length,), start = struct.unpack_from("<I", data, at + 4), at + 8
            else:
                length, start = (length, at + 8) if name in SHORT else (long, at + 12)
            at = start + length
        return min(at, len(data))

    def _renaming(self, tag: int, name: bytes, at: int) -> str:
        """A VR for one that does not exist: letters are one of later editions, whose length is long; that of anything
        else is short (as dcmtk reads both)."""
        vr = "UN"
        if not (name.isalpha() and name.isupper()):
            vr = vr_of(tag) if vr_of(tag) not in LONG else "LO"
        self._renamed.append((at, vr))
        return vr

    def _is_padding(self, at: int) -> bool:
        """Whether zeros alone follow, which are no cut element: a tag has other bytes."""
        return len(self.data) - at <= MOST_PADDING and not any(self.data[at:])

    def _known(self, tag: int, start: int, length: int, depth: int) -> Element:
        """An element whose VR is unknown, as the dictionary has it (PS3.5 section 6.2.2)."""
        vr, items = vr_of(tag), None
        if vr == "SQ":
            try:
                items, _ = self._unknown_items(start, start + length, False, depth + 1)
            except Malformed:
                vr = "UN"
        return Element(vr, start, length, items)

    def _unknown_items(
        self, at: int, end: int, implicit: bool, depth: int, delimited: bool = False
    ) -> tuple[list[Elements], int]:
        """Items within a value of VR UN: implicit, or as some devices have them, coded as what is around them."""
        try:
            return self._sequence(at, end, True, depth, delimited)
        except Malformed:
            if implicit:
                raise
            renamed = len(self._renamed)
            try:
                return self._sequence(at, end, False, depth, delimited)
            except Malformed:
                del self._renamed[renamed:]
                raise

    def _undefined(self, tag: int, vr: str, start: int, end: int, implicit: bool, depth: int) -> tuple[Element, int]:
        if vr in ("OB", "OW") and tag == PIXEL_DATA and not implicit:
            fragments, at = self._fragments(start, end)
            return Element(vr, start, at - start, fragments=fragments), at
        if vr == "SQ":
            items, at = self._sequence(start, end, implicit, depth + 1, delimited=True)
        elif vr == "UN":
            items, at = self._unknown_items(start, end, implicit, depth + 1, delimited=True)
        else:
            raise Malformed(f"the element {tag:08X} of VR {vr} has no length")
        return Element("SQ", start, at - start, items), at

    def _sequence(
        self, at: int, end: int, implicit: bool, depth: int, delimited: bool = False
    ) -> tuple[list[Elements], int]:
        items: list[Elements] = []
        while at < end:
            tag, length = self._item(at, end)
            at += 8
            if tag == SEQUENCE_END and (delimited or at == end):
                return items, at
            if tag != ITEM:
                raise Malformed(f"the tag {tag:08X} stands where an item must be, at byte {at - 8}")
            if length == UNDEFINED:
                item, at = self._walk(at, end, implicit, True, depth)
            elif length > end - at:
                raise Malformed("an item is cut short")
            else:
                item, at = self._walk(at, at + length, implicit, False, depth)
            items.append(item)
        if delimited:
            raise Malformed("a sequence has no end")
        return items, at

    def _fragments(self, at: int, end: int) -> tuple[list[tuple[int, int]], int]:
        fragments: list[tuple[int, int]] = []
        while at < end:
            tag, length = self._item(at, end)
            at += 8
            if tag == SEQUENCE_END:
                return fragments, at
            if tag != ITEM or length > end - at:
                raise Malformed("the pixel data is cut short")
            fragments.append((at, length))
            at += length
        raise Malformed("the pixel data has no end")

    def _item(self, at: int, end: int) -> tuple[int, int]:
        if end - at < 8:
            raise Malformed("a sequence is cut short")
        group, number = self._tag.unpack_from(self.data, at)
        return group << 16 | number, self._long.unpack_from(self.data, at + 4)[0]


def _too_long(tag: int, length: int, left: int) -> Malformed:
    return Malformed(f"the element {tag:08X} says {length} bytes, and {left} are left")


def inflate(data: bytes | memoryview) -> bytes:
    """A deflated data set unpacked (PS3.5 section A.5); Malformed where it is none."""
    try:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacked = unpacker.decompress(data, LARGEST_INFLATED)
    except zlib.error as problem:
        raise Malformed(f"the deflated data set can't be unpacked: {problem}") from problem
    if not unpacker.eof:
        raise Malformed("the deflated data set is cut short or too large")
    return unpacked


__all__ = ["DataSet", "Element", "Elements", "Malformed", "Syntax"]
