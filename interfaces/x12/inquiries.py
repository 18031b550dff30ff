"""Questions to payers and their answers: eligibility (270, 271) and the status of claims (276, 277)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from interfaces.x12.segments import Segment, segment
from interfaces.x12.shapes import Envelope, Party
from interfaces.x12.tree import Transaction
from interfaces.x12.values import amount, text
from interfaces.x12.writer import interchange

ACTIVE, INACTIVE = frozenset("12345"), frozenset("678")  # EB01


class Inquiry(NamedTuple):
    """One question. trace: comes back with the answer; day: CCYYMMDD; cents: of the claim that a 276 asks about."""

    trace: str
    payer: Party
    provider: Party
    subscriber: Party
    day: str
    cents: int = 0


class Eligibility(NamedTuple):
    """An answer of a 271. active: None where it says neither; benefits: (EB01, EB03, text); refusals: AAA03."""

    trace: str
    active: bool | None
    benefits: list[tuple[str, str, str]]
    refusals: list[str]


class ClaimStatus(NamedTuple):
    """An answer of a 277: category and status codes such as F1:65, and the payer's own number of the claim."""

    trace: str
    statuses: list[str]
    payer_control: str


def write_eligibility(inquiry: Inquiry, envelope: Envelope) -> str:
    """A 270 on whether a subscriber is covered on a day (service type 30, the plan as a whole)."""
    levels = [("20", "", _name("PR", inquiry.payer, "PI")), ("21", "1", _name("1P", inquiry.provider, "XX"))]
    body = [segment("BHT", "0022", "13", str(envelope.control), envelope.date, envelope.time), *_levels(levels)]
    body += [
        segment("HL", "3", "2", "22", "0"),
        segment("TRN", "1", text(inquiry.trace, 50), _company(inquiry.provider)),
        _name("IL", inquiry.subscriber, "MI"),
        *_born(inquiry.subscriber),
        segment("DTP", "291", "D8", inquiry.day),
        segment("EQ", "30"),
    ]
    return interchange("270", [body], envelope)


def write_status(inquiry: Inquiry, envelope: Envelope) -> str:
    """A 276 on where a claim is."""
    levels = [
        ("20", "", _name("PR", inquiry.payer, "PI")),
        ("21", "1", segment("NM1", "41", "2", text(inquiry.provider.name, 60), *("",) * 4, "46", envelope.sender)),
        ("19", "2", _name("1P", inquiry.provider, "XX")),
    ]
    body = [segment("BHT", "0010", "13", str(envelope.control), envelope.date, envelope.time), *_levels(levels)]
    body += [
        segment("HL", "4", "3", "22", "0"),
        *_born(inquiry.subscriber),
        _name("IL", inquiry.subscriber, "MI"),
        segment("TRN", "1", text(inquiry.trace, 50)),
        segment("AMT", "T3", amount(inquiry.cents)),
        segment("DTP", "472", "RD8", f"{inquiry.day}-{inquiry.day}"),
    ]
    return interchange("276", [body], envelope)


def eligibilities(transaction: Transaction) -> Iterator[Eligibility]:
    """The answers of a 271, one for each subscriber and dependent that has a trace number; one without a trace where
    the payer refused to answer at all."""
    traced = False
    for level in transaction.root.all("2000C", "2000D"):
        traces = [each[2] for each in level.segments("TRN")]
        benefits: list[tuple[str, str, str]] = []
        refusals = [each[3] for each in level.segments("AAA")]
        for name in level.loops("2100C", "2100D"):
            refusals += [each[3] for each in name.segments("AAA")]
            for benefit in name.loops("2110C", "2110D"):
                eb = benefit.segment("EB")
                benefits.append((eb[1], eb[3], eb[5]))
                refusals += [each[3] for each in benefit.segments("AAA")]
        codes = {each[0] for each in benefits}
        active = True if codes & ACTIVE else False if codes & INACTIVE or refusals else None
        for trace in traces[:1]:
            traced = True
            yield Eligibility(trace, active, benefits, refusals)
    refused = [each[3] for each in transaction.root.walk() if each.id == "AAA"]
    if refused and not traced:
        yield Eligibility("", None, [], refused)


def statuses(transaction: Transaction) -> Iterator[ClaimStatus]:
    """The answers of a 277 (005010X212), one for each claim; one without a trace where it tells of no claim."""
    component = transaction.delimiters.component
    claims = list(transaction.root.all("2200D", "2200E"))
    if not claims:
        said = [each[1].replace(component, ":") for each in transaction.root.walk() if each.id == "STC"]
        yield ClaimStatus("", said, "")
    for loop in claims:
        found = [each[1].replace(component, ":") for each in loop.segments("STC")]
        yield ClaimStatus(loop.segment("TRN")[2], found, loop.segment("REF", "1K")[2])


def _levels(levels: Sequence[tuple[str, str, Segment]]) -> Iterator[Segment]:
    for number, (code, above, name) in enumerate(levels, 1):
        yield segment("HL", str(number), above, code, "1")
        yield name


def _name(entity: str, party: Party, qualifier: str) -> Segment:
    person = bool(party.first) or entity == "IL"
    return segment("NM1", entity, "1" if person else "2", text(party.name, 60), text(party.first, 35), "", "", "",
                   qualifier, text(party.id, 80))  # fmt: skip


def _born(party: Party) -> Iterator[Segment]:
    if party.born:
        yield segment("DMG", "D8", party.born, party.gender if party.gender in "MF" else "")


def _company(party: Party) -> str:
    digits = "".join(each for each in party.tax + party.id if each.isdigit())
    return f"1{digits[:9].zfill(9)}"
