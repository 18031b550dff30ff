"""Problems of a message as ERR segments tell them (HL7 v2.9 chapter 2.14.5, tables 0357 and 0516)."""

from __future__ import annotations

from typing import NamedTuple

CODES = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "104": "Value too long",
    "198": "Non-Conformant Cardinality",
    "199": "Other HL7 Error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
REJECTING = frozenset({"200", "201", "202", "203"})  # answered AR or CR, not AE or CE (2.9.2.2)


class Problem(NamedTuple):
    """What is wrong: a code of table 0357, a text for people, and where.

    place: segment, its number among those of its name, field, repetition, component, sub-component, as far as known.
    severity: E, W or I (table 0516).
    """

    code: str
    text: str
    place: tuple[str | int, ...] = ()
    severity: str = "E"

    def __str__(self) -> str:
        if not self.place:
            return self.text
        segment, *numbers = map(str, self.place)
        first = f"{segment}[{numbers[0]}]" if numbers[:1] not in ([], ["1"]) else segment
        where = "-".join([first, ".".join(numbers[1:2] + numbers[3:])]) if len(numbers) > 1 else first
        return f"{where}: {self.text}"


def reason_of(problems: tuple[Problem, ...]) -> str:
    """Problems as one line."""
    return " ".join("; ".join(map(str, problems)).split())[:2000]
