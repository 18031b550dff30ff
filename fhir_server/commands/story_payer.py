"""The payer of the story: it acknowledges an 837 that it is sent, and answers a claim of it by an 835."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from fhir_server.core.errors import error
from interfaces.x12.acknowledgements import functional
from interfaces.x12.reader import read
from interfaces.x12.remittances import write_remittance
from interfaces.x12.shapes import Adjustment, ClaimAnswer, Envelope, LineAnswer, Party, Remittance
from interfaces.x12.tree import Loop
from interfaces.x12.values import cents

PAYER = Party("Payer of the story", id="60054", qualifier="PI")
SHARE = 10  # a tenth of each line is the patient's, a tenth is written off


def acknowledgement(sent: str, control: int, today: datetime.date) -> str:
    """A 999 for a file with claims, which says what is wrong in it where something is."""
    return functional(read(sent).interchanges[0], _envelope(control, today))


def remittance(sent: str, claim: str, control: int, today: datetime.date) -> str:
    """An 835 that pays a claim of a file, less what is written off and what the patient owes."""
    loops = [loop for each in read(sent).transactions() for loop in each.root.all("2300")]
    found = next((loop for loop in loops if loop.segment("CLM")[1] == claim), None)
    if found is None:
        raise error("conflict", f"The file that was sent has no claim {claim}.")
    lines = tuple(_answered(loop) for loop in found.loops("2400"))
    paid, owed = sum(each.paid for each in lines), sum(_of(each.adjustments, "PR") for each in lines)
    answer = ClaimAnswer(claim, "1", cents(found.segment("CLM")[2]), paid, owed, f"ICN{control}", (), lines,
                         Party("Story", "Stella"))  # fmt: skip
    payee = Party("Hospital of the story", id="1234567893")
    made = Remittance(PAYER, payee, paid, f"EFT{control}", f"{today:%Y%m%d}", (answer,))
    return write_remittance(made, _envelope(control, today))


def _answered(loop: Loop) -> LineAnswer:
    line = loop.segment("SV2")
    charged = cents(line[3])
    part = charged // SHARE
    adjustments = (Adjustment("CO", "45", part), Adjustment("PR", "2", part))
    code = line[2].split(":")[1]
    return LineAnswer(code, charged, charged - 2 * part, adjustments, loop.segment("REF", "6R")[2], (), line[5])


def _of(adjustments: Sequence[Adjustment], group: str) -> int:
    return sum(each.cents for each in adjustments if each.group == group)


def _envelope(control: int, today: datetime.date) -> Envelope:
    return Envelope("PAYER", "HOSPITAL", control, f"{today:%Y%m%d}", "1200")
