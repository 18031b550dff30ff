"""Data sets that are laid out as one that came lately: of a series, instance after instance differs in few values.

A layout says which bytes ahead of the pixel data may be other ones: the values at the top that belong to no patient,
study or series. All others, such as tags, VRs, lengths, sequences without a length, the character set and whatever
names the patient, study and series, must be the same, byte for byte. Then the walk goes the same way to the same
end, the models of patient, study and series are the same, and only the values of the instance are read. What differs
in any other byte is walked.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from interfaces.dicom.archive.levels import IMAGE, KEPT, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.record import Description, can_name
from interfaces.dicom.dataset.model import LONGEST_SHARED, codecs_of, name_of, shared_attribute, text
from interfaces.dicom.dataset.walk import PIXEL_DATA, DataSet

FIXED = KEPT[PATIENT] | KEPT[STUDY] | KEPT[SERIES] | {PIXEL_DATA}  # SpecificCharacterSet among them
MOST_ALIKE = 32  # layouts of one syntax and size: of several series, and of values that are longer or shorter
MOST_HELD = 4 * 2**20  # bytes, about; then all are forgotten
SEEN = 512  # bytes, about, that the size of a series takes
LAYOUT = 4096  # and a layout, beside three for each of its own bytes

Sized = tuple[str, int]  # transfer syntax and bytes of the data set


class Layout(NamedTuple):
    """The bytes up to the pixel data: as a number, whose bits in mask are those of fixed; where the instance's values
    are, and of which attributes."""

    end: int
    mask: int
    fixed: int
    names: list[str]
    vrs: list[str]
    values: list[slice]
    read: Callable[[str, bytes], dict[str, Any]]
    said: Description

    def described(self, beginning: bytes) -> Description | None:
        """What a data set of the layout says; None where its UIDs are none."""
        said = self.said
        values = map(self.read, self.vrs, map(beginning.__getitem__, self.values))
        instance = said.instance | dict(zip(self.names, values, strict=True))
        sop_class, uid = text(instance, "00080016"), text(instance, "00080018")
        if not (can_name(sop_class) and can_name(uid)):
            return None
        return Description(
            said.patient, said.study, said.series, instance, sop_class, uid, said.study_uid, said.series_uid
        )


class Layouts:
    """The layouts that came lately, of any sender."""

    def __init__(self) -> None:
        self._alike: dict[Sized, tuple[Layout, ...]] = {}  # those that were met last first
        self._seen: set[tuple[Sized, str]] = set()  # with the UID of the series
        self._held = 0
        self._remembering = threading.Lock()

    def described(self, sized: Sized, beginning: bytes | bytearray) -> Description | None:
        """What a data set with this beginning says, where its layout is known; None where it has to be walked."""
        alike = self._alike.get(sized, ())
        head, number = b"", 0
        for layout in alike:
            if layout.end != len(head):
                head = bytes(beginning[: layout.end])
                number = int.from_bytes(head, "little")
            if number & layout.mask == layout.fixed:
                if layout is not alike[0]:
                    self._alike[sized] = (layout, *(each for each in alike if each is not layout))
                return layout.described(head)
        return None

    def remember(self, sized: Sized, data_set: DataSet, said: Description) -> None:
        """Keeps the layout of a data set whose native pixel data is its end, if its series had that size before."""
        with self._remembering:
            if self._held > MOST_HELD:
                self._alike, self._seen, self._held = {}, set(), 0
            if (sized, said.series_uid) not in self._seen:
                self._seen.add((sized, said.series_uid))
                self._held += SEEN
            else:
                made = _layout(data_set, said)
                self._alike[sized] = (made, *self._alike.get(sized, ())[: MOST_ALIKE - 1])
                self._held += LAYOUT + made.end * 3


def _layout(data_set: DataSet, said: Description) -> Layout:
    end = data_set.elements[PIXEL_DATA].start
    mask = bytearray(b"\xff") * end
    read: list[tuple[int, str, slice]] = []
    for tag in data_set.elements.keys() - FIXED:
        vr, start, length, items, *_ = data_set.elements[tag]
        if items is not None or not length:
            continue
        where = slice(start, start + length)
        if tag in KEPT[IMAGE]:
            if vr == "SQ" or length > LONGEST_SHARED:
                continue
            read.append((tag, vr, where))
        mask[where] = bytes(length)
    fixed = int.from_bytes(mask, "little")
    return Layout(
        end,
        fixed,
        fixed & int.from_bytes(data_set.data[:end], "little"),
        [name_of(tag) for tag, _, _ in read],
        [vr for _, vr, _ in read],
        [where for _, _, where in read],
        functools.partial(shared_attribute, data_set.order, codecs_of(data_set, data_set.elements)),
        said,
    )
