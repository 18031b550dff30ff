"""The payer of the story: it acknowledges an 837 that it is sent, and answers a claim of it by an 835.

It wants more than the principal diagnosis: without another one it denies a claim as one that lacks information.
"""

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
    """An 835 that answers a claim of a file: it denies it, or pays it less what is written off and the patient's."""
    loops = [loop for each in read(sent).transactions() for loop in each.root.all("2300")]
    found = next((loop for loop in loops if loop.segment("CLM")[1] == claim), None)
    if found is None:
        raise error("conflict", f"The file that was sent has no claim {claim}.")
    answered = _paid if len(list(found.segments("HI"))) > 1 else _denied
    lines = tuple(answered(loop) for loop in found.loops("2400"))
    paid, owed = sum(each.paid for each in lines), sum(_of(each.adjustments, "PR") for each in lines)
    status = "1" if paid else "4"
    answer = ClaimAnswer(claim, status, cents(found.segment("CLM")[2]), paid, owed, f"ICN{control}", (), lines,
                         Party("Story", "Stella"))  # fmt: skip
    payee = Party("Hospital of the story", id="1234567893")
    made = Remittance(PAYER, payee, paid, f"EFT{control}", f"{today:%Y%m%d}", (answer,))
    return write_remittance(made, _envelope(control, today))


def _paid(loop: Loop) -> LineAnswer:
    part = cents(loop.segment("SV2")[3]) // SHARE
    return _line(loop, (Adjustment("CO", "45", part), Adjustment("PR", "2", part)))


def _denied(loop: Loop) -> LineAnswer:
    """Lacks information (CARC 16): the other diagnosis (RARC M64)."""
    return _line(loop, (Adjustment("CO", "16", cents(loop.segment("SV2")[3])),), ("M64",))


def _line(loop: Loop, adjustments: tuple[Adjustment, ...], remarks: tuple[str, ...] = ()) -> LineAnswer:
    line = loop.segment("SV2")
    charged = cents(line[3])
    paid = charged - sum(each.cents for each in adjustments)
    control = loop.segment("REF", "6R")[2]
    return LineAnswer(line[2].split(":")[1], charged, paid, adjustments, control, remarks, line[5])


def _of(adjustments: Sequence[Adjustment], group: str) -> int:
    return sum(each.cents for each in adjustments if each.group == group)


def _envelope(control: int, today: datetime.date) -> Envelope:
    return Envelope("PAYER", "HOSPITAL", control, f"{today:%Y%m%d}", "1200")
