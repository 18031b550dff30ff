"""Cursors: the positions of pages as opaque text.

A cursor is base64 of JSON: how the page lies to the position, an integer that
parts matches with equal keys, and the value of each sort key there. Numbers
are written as text, as JSON has no infinity.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import FhirError, error

AFTER, BEFORE, FIRST, LAST = "a", "b", "f", "l"
INTEGERS = range(-(2**63), 2**63)
LONGEST = 20_000  # characters


class Position(NamedTuple):
    """Where a match stands: the value of each sort key, None where it has none, and an integer that never changes."""

    keys: tuple[Any, ...]
    rid: int


class Cursor(NamedTuple):
    """Where a page lies: AFTER or BEFORE a position, FIRST or LAST of all."""

    place: str
    position: Position | None = None

    @property
    def backward(self) -> bool:
        """Whether the page is found from its end."""
        return self.place in (BEFORE, LAST)


def write(place: str, position: Position | None = None) -> str:
    """The text of a cursor."""
    parts: list[Any] = [place]
    if position is not None:
        parts.append(position.rid)
        parts += [repr(key) if isinstance(key, float) else key for key in position.keys]
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


FIRST_PAGE, LAST_PAGE = write(FIRST), write(LAST)


def neighbours(cursor: Cursor, more: bool, ends: Sequence[Position]) -> tuple[str, str, str]:
    """The cursors of the next, the previous and the first page, "" where there is none.

    more: there are matches past these, in the direction of the cursor; ends: where the first and the last match of
    the page stand, () for an empty page.
    """
    if not ends:
        # what was here has gone: back to the nearest end
        if cursor.place == AFTER:
            return "", LAST_PAGE, FIRST_PAGE
        return (FIRST_PAGE, "", FIRST_PAGE) if cursor.place == BEFORE else ("", "", "")
    back = more if cursor.backward else cursor.place == AFTER
    on = cursor.place == BEFORE if cursor.backward else more
    return (
        write(AFTER, ends[-1]) if on else "",
        write(BEFORE, ends[0]) if back else "",
        FIRST_PAGE if back or on else "",
    )


def read(text: str, kinds: Sequence[type]) -> Cursor:
    """The cursor, for sort keys of these kinds (int, float or str). FhirError "value" where it isn't one."""
    if not text:
        return Cursor(FIRST)
    try:
        if len(text) > LONGEST:
            raise _refused()
        parts = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        raise _refused() from None
    if not isinstance(parts, list) or not parts:
        raise _refused()
    place, *rest = parts
    if place in (FIRST, LAST) and not rest:
        return Cursor(place)
    if place not in (AFTER, BEFORE) or len(rest) != 1 + len(kinds) or not _is_integer(rest[0]):
        raise _refused()
    return Cursor(place, Position(tuple(_key(key, kind) for key, kind in zip(rest[1:], kinds, strict=True)), rest[0]))


def _key(value: Any, kind: type) -> Any:
    if value is None:
        return None
    if kind is int and _is_integer(value):
        return value
    if isinstance(value, str):
        if kind is str:
            return value
        try:
            number = float(value)
        except ValueError:
            raise _refused() from None
        if kind is float and not math.isnan(number):
            return number
    raise _refused()


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in INTEGERS


def _refused() -> FhirError:
    return error("value", "This cursor is not one that this server gave for this search; start from the first page.")
