"""Acknowledgements: TA1 and 999 made for what we read, and TA1, 999 and 277CA read for what we sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from interfaces.x12.problem import CONTENT, ENVELOPE, STRUCTURE, Problem
from interfaces.x12.segments import Segment, segment
from interfaces.x12.shapes import Envelope
from interfaces.x12.tree import Document, Interchange, Transaction
from interfaces.x12.writer import enclosed, interchange

ACCEPTED = ("A0", "A1", "A2", "A5")  # STC01-1 of a 277CA
SYNTAX = {"1", "2", "3", "4", "5", "6", "7", "8", "I4", "I6", "I7", "I8", "I9"}


class Acknowledged(NamedTuple):
    """What was said of something that we sent.

    kind: TA1, 999 or 277CA; accepted: whether it goes on; control: ISA13 of a TA1, GS06 of a 999 as it came, CLM01 of
    a 277CA; reasons: codes and words, with segment and loop where a 999 says them; payer_control: of a 277CA; batch:
    whether a 277CA is about all claims of a file, control is its BHT03 then; provider: the number of the one who bills,
    where it is about that one's only.
    """

    kind: str
    accepted: bool
    control: str
    reasons: list[str]
    payer_control: str = ""
    batch: bool = False
    provider: str = ""


def acknowledgements(document: Document) -> Iterator[Acknowledged]:
    """All that a file acknowledges; nothing for a file of another kind."""
    for each in document.interchanges:
        for ta1 in each.ta1:
            yield Acknowledged(
                "TA1", ta1[4] in ("A", "E"), ta1[1].lstrip("0"), [f"TA105 {ta1[5]}"] if ta1[4] != "A" else []
            )
        for transaction in each.transactions():
            if transaction.name == "999":
                yield _of_999(transaction)
            elif transaction.name == "277CA":
                yield from _of_277ca(transaction)


def ta1(found: Interchange, envelope: Envelope) -> str:
    """A file with the TA1 for an interchange."""
    problem = next((each for each in found.problems if each.kind == ENVELOPE), None)
    isa = found.isa
    answer = segment("TA1", isa[13], isa[9], isa[10], "R" if problem else "A", problem.code if problem else "000")
    return enclosed([answer], 0, "", "", envelope)


def functional(found: Interchange, envelope: Envelope) -> str:
    """A file with a 999 for each group of an interchange."""
    bodies = []
    for group in found.groups:
        body = [segment("AK1", group.gs[1], group.gs[6], group.gs[8])]
        refused = 0
        for transaction in group.transactions:
            wrong = [each for each in transaction.problems if each.kind in (STRUCTURE, CONTENT)]
            ended = [each for each in transaction.problems if each.kind == ENVELOPE]
            refused += bool(wrong or ended)
            body.append(segment("AK2", transaction.st[1], transaction.st[2], transaction.st[3]))
            for problem in wrong:
                body += _noted(problem)
            codes = [each.code for each in ended][:4] + (["5"] if wrong else [])
            body.append(segment("IK5", "R" if wrong or ended else "A", *codes))
        count = len(group.transactions)
        said = "A" if not refused and not group.problems else "R" if refused == count or group.problems else "P"
        received = str(count)
        counted = group.ge[1] if group.ge and group.ge[1].isdigit() else received
        codes = [each.code for each in group.problems if each.code in ("3", "4", "5", "6")][:5]
        body.append(segment("AK9", said, counted, received, "0" if said == "R" else str(count - refused), *codes))
        bodies.append(body)
    return interchange("999", bodies, envelope)


def _noted(problem: Problem) -> Iterator[Segment]:
    loop = "" if problem.loop.endswith("_LOOP") else problem.loop[:4]  # as long as element 447 may be
    id = problem.segment if problem.segment.isalnum() and len(problem.segment) in (2, 3) else "ZZZ"
    if problem.kind == STRUCTURE:
        yield segment("IK3", id, str(problem.place), loop, problem.code if problem.code in SYNTAX else "2")
        return
    yield segment("IK3", id, str(problem.place), loop, "8")
    place, _, part = problem.element.removeprefix(problem.segment).partition("-")
    yield segment("IK4", f"{int(place)}:{part}" if part else str(int(place)), "", problem.code)


def _of_999(transaction: Transaction) -> Acknowledged:
    root = transaction.root
    reasons = []
    for of_set in root.loops("2000"):
        for loop in of_set.loops("2100"):
            ik3 = loop.segment("IK3")
            where = f"segment {ik3[1]}" + (f" in loop {ik3[3]}" if ik3[3] else "") + f", number {ik3[2]}"
            elements = [
                f"element {ik4[1].replace(transaction.delimiters.component, '-')} error {ik4[3]}"
                for inner in loop.loops("2110")
                for ik4 in inner.segments("IK4")
            ]
            reasons.append(f"{where}: " + (", ".join(elements) or f"error {ik3[4]}"))
        ik5 = of_set.segment("IK5")
        if ik5[1] not in ("A", "E", ""):
            reasons.append(f"transaction set {of_set.segment('AK2')[2]} refused ({' '.join(ik5.values[1:])})")
    ak9 = root.segment("AK9")
    return Acknowledged("999", ak9[1] in ("A", "E"), root.segment("AK1")[2].lstrip("0"), reasons)


def _of_277ca(transaction: Transaction) -> Iterator[Acknowledged]:
    component = transaction.delimiters.component
    claims = list(transaction.root.all("2200D"))
    for loop in claims:
        lines = [each for inner in loop.loops("2220D") for each in inner.segments("STC")]
        accepted, reasons = _statuses([*loop.segments("STC"), *lines], component)
        yield Acknowledged("277CA", accepted, loop.segment("TRN", "2")[2], reasons, loop.segment("REF", "1K")[2])
    batch = next(transaction.root.all("2200B"), None)
    if batch is None:
        return
    control = batch.segment("TRN", "2")[2].lstrip("0")
    accepted, reasons = _statuses(list(batch.segments("STC")), component)
    if not claims:
        yield Acknowledged("277CA", accepted, control, reasons, batch=True)
    providers = list(transaction.root.all("2000C")) if accepted else []
    for provider in providers:
        if any(provider.all("2200D")):
            continue
        said = [each for loop in provider.loops("2200C") for each in loop.segments("STC")]
        accepted, reasons = _statuses(said, component)
        number = provider.loop("2100C").segment("NM1")[9]
        if said and not accepted and (number or len(providers) == 1):
            yield Acknowledged("277CA", False, control, reasons, batch=True, provider=number)


def _statuses(found: list[Segment], component: str) -> tuple[bool, list[str]]:
    """Whether all of STC01 accept, and those that do not, such as A7:562:85."""
    statuses = [each[1].split(component) for each in found]
    refused = [":".join(each) for each in statuses if each[0] not in ACCEPTED]
    return bool(statuses) and not refused, refused
