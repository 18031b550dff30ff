"""Messages made up by the standard's own tables: every event, every version, fields that are right, odd or missing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from interfaces.hl7v2.er7.structures import VERSIONS, find_structure, nearest_version, tables

EVENTS: dict[str, tuple[str, ...]] = {
    "ADT": (*(f"A{number:02}" for number in range(1, 18)), "A21", "A22", "A23", "A25", "A26", "A27", "A28", "A29",
            "A31", "A34", "A38", "A40", "A44", "A45", "A47", "A60"),
    "ORM": ("O01",), "OML": ("O21", "O33", "O35"), "OMG": ("O19",), "OMI": ("O23",),
    "ORU": ("R01", "R30", "R40"), "OUL": ("R21", "R22", "R23", "R24"), "OMP": ("O09",), "RDE": ("O11", "O25"),
    "RDS": ("O13",), "RAS": ("O17",), "MDM": tuple(f"T{number:02}" for number in range(1, 12)),
    "SIU": (*(f"S{number}" for number in range(12, 25)), "S26"), "VXU": ("V04",), "DFT": ("P03", "P11"),
    "BAR": ("P01", "P02", "P12"), "PPR": ("PC1", "PC2", "PC3"), "REF": ("I12", "I13", "I14"), "ORL": ("O22",),
    "ORR": ("O02",), "ACK": ("A01",),
}  # fmt: skip
WORDS = (
    "Smith", "A", "F", "M", "I", "O", "NM", "ST", "CWE", "ED", "MR", "LN", "HL70001", "P", "NW", "CA", "ISO", "1",
    "1.2.840.113", "Internet", "x@y.org", "C", "D", "Y", "N", "U", "SEL", "PH",
    "Ward 3", "ä€漢", "\\T\\", "a\\.br\\b",
)  # fmt: skip
ODD = (
    '""', "", "\\", "\\X\\", "^^^^", "&&&", "~~", " ", "0", "-1", "99999999999999999999", "20241350", "2024-13-45T99",
    "<b>", "%", "NaN", "1e999", "=cmd", "'", "a" * 300,
)  # fmt: skip
DATES = (
    "20240102",
    "2024",
    "202401",
    "20240102103000",
    "20240102103000.123+0200",
    "20240102103000-0500",
    "197001011200",
)


def events() -> Iterator[tuple[str, str]]:
    """Every message that is mapped."""
    for kind, codes in EVENTS.items():
        for code in codes:
            yield kind, code


def make(kind: str, event: str, version: str, seed: int, odd: float = 0.1) -> bytes:
    """A message; odd: the share of values that no sender should send."""
    chance = random.Random(f"{kind}{event}{version}{seed}")
    found = find_structure(kind, event, "", version)
    known = tables(nearest_version(version))
    segments = [_header(kind, event, version, seed)]
    for name in _segments(found[1] if found else [["PID", 1, 1]], chance):
        if name != "MSH":
            segments.append(_segment(name, known, chance, odd))
    return "\r".join([*segments, ""]).encode()


def _header(kind: str, event: str, version: str, seed: int) -> str:
    fields = ["MSH", "^~\\&", "APP", "FAC", "HMS", "HOSP", f"2024010210{seed % 60:02}00+0000", "", f"{kind}^{event}",
              f"M{seed}", "P", version, "", "", "", "", "", "UNICODE UTF-8"]  # fmt: skip
    return "|".join(fields)


def _segments(children: list[Any], chance: random.Random) -> Iterator[str]:
    for child in children:
        least, most = child[1], child[2]
        count = least if chance.random() < 0.4 else max(least, 1)
        if most != 1 and chance.random() < 0.3:
            count += 1
        for _ in range(count):
            if len(child) > 3:
                yield from _segments(child[3], chance)
            elif child[0] != "ANYHL7SEGMENT":
                yield child[0]


def _segment(name: str, known: dict[str, Any], chance: random.Random, odd: float) -> str:
    fields = known["segments"].get(name) or [["", "ST", 0, 1, ""]] * 5
    written = []
    for number, (_, kind, least, most, _) in enumerate(fields, 1):
        if chance.random() < (0.35 if not least else 0.05):
            written.append("")
            continue
        count = 2 if most != 1 and chance.random() < 0.2 else 1
        written.append("~".join(_value(kind, known, chance, odd, name, number) for _ in range(count)))
    return "|".join([name, *written])


def _value(kind: str, known: dict[str, Any], chance: random.Random, odd: float, name: str, number: int) -> str:
    if chance.random() < odd:
        return chance.choice(ODD)
    components = known["types"].get(kind)
    if components and kind not in ("TS", "DTM", "DT", "varies"):
        parts = []
        for _, inner, _ in components[:10]:
            parts.append("" if chance.random() < 0.4 else _simple(inner, chance, odd))
        return "^".join(parts)
    return _simple(kind, chance, odd)


def _simple(kind: str, chance: random.Random, odd: float) -> str:
    if chance.random() < odd:
        return chance.choice(ODD)
    if kind in ("TS", "DTM", "DT", "TM"):
        return chance.choice(DATES)
    if kind in ("NM", "SI"):
        return str(chance.choice((1, 2, 3.5, 120, 0)))
    if kind in ("HD", "EI") and chance.random() < 0.5:
        return "A&1.2.3&ISO"
    return chance.choice(WORDS)


__all__ = ["EVENTS", "VERSIONS", "events", "make"]
