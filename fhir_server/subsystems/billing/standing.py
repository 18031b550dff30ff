"""Which of a payer's answers to a claim stand: in the order of their days, less what was taken back (CLP02 22).

Files come in any order, so the day of the payment (BPR16) counts, and of one day what came last. A reversal takes back
the oldest answer of the amounts that it names, else the newest of those that are not after it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from fhir_server.subsystems.billing.facts import Connection, rows
from interfaces.x12.shapes import ClaimAnswer

REVERSED = "22"


class Answered(NamedTuple):
    """An answer with its place, an 835's id and its number in it, and its day as CCYYMMDD."""

    file: str
    number: int
    date: str
    answer: ClaimAnswer


def standing(store: Connection, claim: str, payer: str) -> list[Answered] | None:
    """The answers that stand, the newest first; None where there never was one."""
    sql = (
        "SELECT a.file, a.number, a.date, a.body FROM answer a JOIN file f ON f.id = a.file "
        "WHERE a.claim = ? AND a.payer = ? ORDER BY a.date, f.loaded, f.id, a.number"
    )
    found = [
        Answered(row["file"], row["number"], row["date"], msgspec.json.decode(bytes(row["body"]), type=ClaimAnswer))
        for row in rows(store, sql, (claim, payer))
    ]
    left = [each for each in found if each.answer.status != REVERSED]
    for back in (each for each in found if each.answer.status == REVERSED):
        named = (-back.answer.charged, -back.answer.paid)
        same = [each for each in left if (each.answer.charged, each.answer.paid) == named]
        before = [each for each in left if each.date <= back.date]
        if same or before:
            left.remove(same[0] if same else before[-1])
    return left[::-1] if found else None
