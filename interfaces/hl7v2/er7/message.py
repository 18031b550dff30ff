"""A message: its bytes, its segments, and how an edited or a new one becomes bytes again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.core.errors import error
from interfaces.hl7v2.er7.charsets import LOSSLESS, codec_of, decode_stated
from interfaces.hl7v2.er7.delimiters import Delimiters, read_delimiters
from interfaces.hl7v2.er7.escapes import escape
from interfaces.hl7v2.er7.groups import Group, structure_for
from interfaces.hl7v2.er7.place import read_place
from interfaces.hl7v2.er7.segment import NULL, Encoding, Segment

_BEFORE = re.compile(rb"(?:\xef\xbb\xbf|[\s\x0b])+")
_LINE = re.compile(rb"[^\r\n]*")
_WIDE = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# A carriage return ends a segment. A line feed does where a segment, or nothing, follows; else it is text.
_END = re.compile(r"\r[\r\n]*|\n+(?=[A-Z][A-Z0-9]{2}(?:[^A-Za-z0-9\r\n]|[\r\n]|\Z)|\Z)")

_PADDING = " \t\0\x0b\x1a\x1c"  # what some senders put on a line of its own, behind all segments mostly

Value = str | Sequence["Value"]


class Message:
    """Segments in order, with the delimiters and the character set of their MSH.

    problems: what could be read only by a guess, in sentences; a translation refuses a message that has some.
    """

    def __init__(
        self,
        segments: list[Segment],
        encoding: Encoding,
        raw: bytes = b"",
        prefix: bytes = b"",
        problems: Iterable[str] = (),
    ) -> None:
        self.segments = segments
        self.encoding = encoding
        self.problems = list(problems)
        self._raw = raw
        self._prefix = prefix
        self._count = len(segments)

    @classmethod
    def new(cls, delimiters: Delimiters | None = None, codec: str = "utf-8") -> Message:
        """A message without segments, to which `add` writes; codec: Python's name of its character set."""
        return cls([], Encoding(delimiters or Delimiters(), codec))

    @property
    def delimiters(self) -> Delimiters:
        """The separators that it states."""
        return self.encoding.delimiters

    @property
    def header(self) -> Segment:
        """Its MSH."""
        return self.segments[0]

    @property
    def type(self) -> str:
        """MSH-9.1, such as ADT."""
        return self.header.value(9).upper()

    @property
    def event(self) -> str:
        """MSH-9.2, such as A01; "" where none is stated."""
        return self.header.value(9, 1, 2).upper()

    @property
    def structure(self) -> str:
        """MSH-9.3 as stated, such as ADT_A01; "" where none is."""
        return self.header.value(9, 1, 3).upper()

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.value(10)

    @property
    def version(self) -> str:
        """MSH-12.1, such as 2.5.1; "" where none is stated."""
        return self.header.value(12)

    @property
    def edited(self) -> bool:
        """Whether it differs from the bytes that it was read from."""
        return not self._raw or self._count != len(self.segments) or any(segment.edited for segment in self.segments)

    def all(self, name: str) -> list[Segment]:
        """The segments of this name, in order."""
        return [segment for segment in self.segments if segment.name == name]

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def grouped(self, name: str, children: Sequence[Any]) -> Group:
        """The segments in the groups of a structure, as groups.py describes one; name tells structures apart."""
        return structure_for(name, children).group(self.segments)

    def get(self, place: str) -> str:
        """The value at a place such as "PID-3[2].4.1", unescaped; "" where there is none."""
        at = read_place(place)
        found = self.all(at.segment)[at.occurrence - 1 : at.occurrence]
        return found[0].value(at.field, at.repetition, at.component or 1, at.subcomponent or 1) if found else ""

    def set(self, place: str, text: str) -> None:
        """Writes a text, escaped, at a place; FhirError "value" where the segment is not there."""
        at = read_place(place)
        found = self.all(at.segment)[at.occurrence - 1 : at.occurrence]
        if not found:
            raise error("value", f"{place}: the message has no such segment; add it first.")
        found[0].set(at.field, text, repetition=at.repetition, component=at.component, subcomponent=at.subcomponent)

    def add(self, name: str, *fields: Value) -> Segment:
        """Appends a segment. A field is a text, or components (themselves texts or sub-components); escaped here.

        A list is components or sub-components; a tuple is repetitions: ("1", ["2", "", "", ["A", "1.2", "ISO"]]).
        MSH, BHS and FHS get their separators by themselves: their first field here is the third.
        """
        delimiters = self.delimiters
        written = [self._write(field) for field in fields]
        first = [name, delimiters.encoding_characters] if name in ("MSH", "BHS", "FHS") else [name]
        while written and not written[-1]:
            written.pop()
        segment = Segment(delimiters.field.join([*first, *written]), self.encoding)
        self.segments.append(segment)
        return segment

    def encode(self, *, replace: bool = False) -> bytes:
        """The bytes; those that were read where nothing was edited.

        FhirError "value" where a letter is not in the character set; with replace it becomes a question mark.
        """
        if not self.edited:
            return self._raw
        text = "".join(segment.text + segment.end for segment in self.segments)
        try:
            return self._prefix + text.encode(self.encoding.codec, LOSSLESS)
        except UnicodeEncodeError as problem:
            if replace:
                return self._prefix + text.encode(self.encoding.codec, "replace")
            letter = text[problem.start : problem.start + 1]
            raise error(
                "value",
                f"{letter!r} is not in the character set of the message; state another in MSH-18.",
                location="MSH-18",
            ) from problem

    def _write(self, value: Value, level: int = 0) -> str:
        delimiters = self.delimiters
        if isinstance(value, str):
            return value if value == NULL else escape(value, delimiters)
        if isinstance(value, tuple) and level == 0:
            return delimiters.repetition.join(self._write(one) for one in value)
        separator = delimiters.component if level == 0 else delimiters.subcomponent
        parts = [self._write(one, level + 1) for one in value]
        while parts and not parts[-1]:
            parts.pop()
        return separator.join(parts)


def parse(raw: bytes, *, default_codec: str = "iso8859-1") -> Message:
    """The message that bytes are; FhirError "malformed" where its MSH can't be read.

    default_codec: read with it where MSH-18 states no character set and the bytes are no UTF-8.
    """
    found = _BEFORE.match(raw)
    prefix = found[0] if found else b""
    body = raw[len(prefix) :]
    problems: list[str] = []
    if raw[:2] in _WIDE or raw[:4:2] == b"\0\0" or raw[1:4:2] == b"\0\0":
        codec, text, prefix = _decode_wide(raw)
    else:
        header = _LINE.match(body, 0, 4000)[0].decode("ascii", LOSSLESS)  # type: ignore[index]  matches all
        delimiters = read_delimiters(header)
        stated = header.split(delimiters.field)[17:18]
        names = stated[0].split(delimiters.repetition or "~") if stated and stated[0] else []
        codec = codec_of(names)
        if codec is None:
            problems.append(f"MSH-18 names the character set {names[0]!r}, which is not in table 0211.")
            codec = ""
        elif codec in ("utf-16", "utf-32"):  # stated, but the bytes that state it are single ones
            problems.append(f"MSH-18 states {names[0]!r}, but the message is in single bytes.")
            codec = ""
        try:
            text, codec = decode_stated(body, codec, default_codec)
        except UnicodeDecodeError:
            problems.append(f"The message is not in the character set of MSH-18, {names[0]!r}.")
            text, codec = body.decode("ascii", LOSSLESS), "ascii"
    encoding = Encoding(read_delimiters(text), codec)
    segments = _segments(text, encoding)
    problems += _strays(segments, encoding.delimiters.field)
    return Message(segments, encoding, raw, prefix, problems)


def _strays(segments: list[Segment], field: str) -> list[str]:
    """A sentence about the first line that is no segment, whose text nobody would read; [] where each is one."""
    ends = (field, "")
    for number, segment in enumerate(segments, 1):
        name = segment.name
        if segment.text[3:4] in ends and name.isupper() and name.isalnum():
            continue
        if segment.text.strip(_PADDING):
            return [
                f"Line {number}, which begins with {segment.text[:20]!r}, is no segment: one begins with its name "
                f"and {field}, and a line break within a field is written as an escape."
            ]
    return []


def _decode_wide(raw: bytes) -> tuple[str, str, bytes]:
    try:
        if raw[:2] in _WIDE:
            return "utf-16-le" if raw[:2] == b"\xff\xfe" else "utf-16-be", raw.decode("utf-16"), raw[:2]
        codec = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le"
        return codec, raw.decode(codec), b""
    except UnicodeDecodeError as problem:
        raise error("malformed", "The bytes look like UTF-16 but are not.", location="MSH-18") from problem


def _segments(text: str, encoding: Encoding) -> list[Segment]:
    if "\n" not in text and "\r\r" not in text:
        parts = text.split("\r")
        last = parts.pop()
        segments = [Segment(part, encoding) for part in parts]
        if last:
            segments.append(Segment(last, encoding, ""))
        return segments
    segments = []
    position = 0
    for found in _END.finditer(text):
        if found.end() == position:
            continue
        segments.append(Segment(text[position : found.start()], encoding, found[0]))
        position = found.end()
    if position < len(text):
        segments.append(Segment(text[position:], encoding, ""))
    return segments
