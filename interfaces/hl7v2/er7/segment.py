"""A segment: its text as it came, and its fields, split and unescaped when they are looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fhir_server.core.errors import error
from interfaces.hl7v2.er7.delimiters import HEADERS, Delimiters
from interfaces.hl7v2.er7.escapes import escape, unescape

NULL = '""'  # a value that says "remove what you have" (HL7 v2.9, 2.5.3)

# Repetitions of components of sub-components, unescaped: PID-3 of "1^^^A&1.2&ISO~2" is
# [[["1"], [""], [""], ["A", "1.2", "ISO"]], [["2"]]]
Field = list[list[list[str]]]
_NO_FIELD: Field = []
_TOO_MANY: list[Field] = []
MANY = 500  # fields of a segment that are split one by one
MOST_READ = 5000  # different fields that are kept as read
LONGEST_READ = 100  # characters of a field that is kept as read


class Encoding:
    """What the segments of one message share: its delimiters, Python's name of its character set, and fields read.

    Messages of the same delimiters and character set share the fields read: codes, units and names come again.
    """

    __slots__ = ("codec", "delimiters", "read")

    def __init__(self, delimiters: Delimiters, codec: str) -> None:
        self.delimiters = delimiters
        self.codec = codec
        self.read = _reading(delimiters, codec)


class _Read(dict[str, Field]):
    """Fields as written -> what they are: much of messages is said again and again, and is split once."""

    __slots__ = ("_codec", "_component", "_delimiters", "_special")

    def __init__(self, delimiters: Delimiters, codec: str) -> None:
        super().__init__()
        self[""] = _NO_FIELD
        self._delimiters = delimiters
        self._codec = codec
        self._component = delimiters.component
        marks = delimiters.escape + delimiters.repetition + delimiters.subcomponent
        self._special = re.compile(f"[{re.escape(marks)}]" if marks else "(?!)").search

    def __missing__(self, raw: str) -> Field:
        if raw.isalnum():  # no delimiter is a letter or a digit
            found = [[[raw]]]
        elif self._special(raw):
            found = self.split(raw)
        elif self._component in raw:
            found = [[[part] for part in raw.split(self._component)]]
        else:
            found = [[[raw]]]
        if len(raw) <= LONGEST_READ:
            if len(self) >= MOST_READ:
                self.clear()
                self[""] = _NO_FIELD
            self[raw] = found
        return found

    def split(self, raw: str) -> Field:
        """Repetitions of components of sub-components, unescaped."""
        delimiters, codec = self._delimiters, self._codec
        escaped = bool(delimiters.escape) and delimiters.escape in raw
        repetitions = []
        for repetition in _parts(raw, delimiters.repetition):
            components = repetition.split(delimiters.component)
            if delimiters.subcomponent and delimiters.subcomponent in repetition:
                found = [component.split(delimiters.subcomponent) for component in components]
            else:
                found = [[component] for component in components]
            if escaped and delimiters.escape in repetition:
                found = [[unescape(value, delimiters, codec) for value in component] for component in found]
            repetitions.append(found)
        return repetitions


_reading = lru_cache(16)(_Read)


class Segment:
    """One segment. Fields count from 1, as the standard does; of MSH, BHS and FHS the first is the separator itself.

    end: the characters that ended it in the message ("\\r" by the standard); edited: whether it was changed since.
    """

    __slots__ = ("_encoding", "_fields", "_parsed", "_text", "edited", "end", "name")

    def __init__(self, text: str, encoding: Encoding, end: str = "\r") -> None:
        self._text = text
        self._encoding = encoding
        self._fields: list[str] | None = None
        self._parsed: list[Field] | None = None
        self.end = end
        self.edited = False
        self.name = text[:3]

    def __repr__(self) -> str:
        return f"Segment({self.text!r})"

    @property
    def text(self) -> str:
        """The segment as written, without its end."""
        if self.edited and self._fields is not None:
            separator = self._encoding.delimiters.field
            first, *others = self._fields
            if first in HEADERS:
                return first + separator + separator.join(others[1:])
            return separator.join(self._fields)
        return self._text

    @property
    def fields(self) -> list[str]:
        """The fields as written; the first is the name."""
        fields = self._fields
        if fields is None:
            separator = self._encoding.delimiters.field
            text = self._text
            fields = self._fields = text.split(separator)
            if self.name in HEADERS:
                fields.insert(1, separator)
        return fields

    def raw(self, field: int) -> str:
        """A field as written, "" where there is none."""
        fields = self.fields
        return fields[field] if field < len(fields) else ""

    def values(self) -> Sequence[Field]:
        """All fields as `repetitions` gives each, the name first; not to be changed."""
        parsed = self._parsed
        if parsed is None:
            parsed = self._parsed = self._parse()
        return [self._one(field) for field in range(len(self.fields))] if parsed is _TOO_MANY else parsed

    def repetitions(self, field: int) -> Field:
        """A field's repetitions of components of sub-components, unescaped; [] for an empty or absent field."""
        parsed = self._parsed
        if parsed is None:
            parsed = self._parsed = self._parse()
        if field < len(parsed):
            return parsed[field]
        return self._one(field) if parsed is _TOO_MANY else _NO_FIELD

    def take_as_text(self, field: int, lines: bool = False) -> None:
        """Reads a field of a type without components (ST, TX, FT) as what it is: separators in it that no escape stands
        for are its characters. lines: its repetitions are the lines of one text (2.9, 2.A.79)."""
        raw, delimiters = self.raw(field), self._encoding.delimiters
        marks = (delimiters.component, delimiters.subcomponent, delimiters.repetition if lines else "")
        if not any(mark and mark in raw for mark in marks):
            return
        texts = []
        for repetition in self.repetitions(field):
            components = [delimiters.subcomponent.join(one).rstrip(delimiters.subcomponent) for one in repetition]
            texts.append(delimiters.component.join(components).rstrip(delimiters.component))
        parsed = self._parsed
        if parsed is not None and field < len(parsed):
            parsed[field] = [[["\n".join(texts)]]] if lines else [[[text]] for text in texts]

    def _parse(self) -> list[Field]:
        """All fields at once, as most are read if one is; not so where there are very many."""
        fields = self._fields if self._fields is not None else self.fields
        if len(fields) > MANY:
            return _TOO_MANY
        found = list(map(self._encoding.read.__getitem__, fields))
        if self.name in HEADERS:  # the separators themselves
            found[1:3] = [[[[raw]]] for raw in fields[1:3]]
        return found

    def _one(self, field: int) -> Field:
        raw = self.raw(field)
        if field <= 2 and self.name in HEADERS:
            return [[[raw]]]
        return self._encoding.read.split(raw) if raw else _NO_FIELD

    def value(self, field: int, repetition: int = 1, component: int = 1, subcomponent: int = 1) -> str:
        """One value, unescaped; "" where there is none, NULL where it says that the value is to be removed."""
        try:
            return self.repetitions(field)[repetition - 1][component - 1][subcomponent - 1]
        except IndexError:
            return ""

    def set(
        self,
        field: int,
        text: str,
        *,
        repetition: int = 1,
        component: int | None = None,
        subcomponent: int | None = None,
    ) -> None:
        """Writes a text, escaped, at a place; without component the whole repetition becomes this text."""
        delimiters = self._encoding.delimiters
        written = text if text == NULL else escape(text, delimiters)
        repetitions = _parts(self.raw(field), delimiters.repetition)
        _extend(repetitions, repetition)
        if component is not None:
            components = repetitions[repetition - 1].split(delimiters.component)
            _extend(components, component)
            if subcomponent is not None:
                subcomponents = _parts(components[component - 1], delimiters.subcomponent)
                _extend(subcomponents, subcomponent)
                subcomponents[subcomponent - 1] = written
                written = _join(subcomponents, delimiters.subcomponent)
            components[component - 1] = written
            written = delimiters.component.join(components)
        repetitions[repetition - 1] = written
        self.set_raw(field, _join(repetitions, delimiters.repetition))

    def set_raw(self, field: int, written: str) -> None:
        """Writes a field as it is, escapes and separators included."""
        fields = self.fields
        _extend(fields, field + 1)
        fields[field] = written
        self._parsed = None
        self.edited = True


def _parts(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else [text]


def _join(parts: list[str], separator: str) -> str:
    if len(parts) > 1 and not separator:
        raise error("value", "MSH-2 states no separator for this; the message can't hold it.", location="MSH-2")
    return separator.join(parts)


def _extend(values: list[str], length: int) -> None:
    values.extend([""] * (length - len(values)))
