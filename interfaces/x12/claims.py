"""Claims as 837P and 837I files (005010X222A1, 005010X223A2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from fhir_server.core.errors import error
from interfaces.x12.segments import Segment, segment
from interfaces.x12.shapes import Adjustment, ClaimData, Envelope, Line, OtherPayer, Party
from interfaces.x12.values import amount, text
from interfaces.x12.writer import interchange

DIAGNOSES = {"P": 12, "I": 25}  # that a claim of a kind has room for


def write_claims(claims: Sequence[ClaimData], envelope: Envelope, submitter: Party, receiver: Party) -> str:
    """One file of claims of one kind; FhirError "value" where something can't be said in X12."""
    kinds = {claim.kind for claim in claims}
    if len(kinds) != 1:
        raise error("value", "A file has claims of one kind: professional or institutional, and at least one.")
    kind = kinds.pop()
    body = [
        segment("BHT", "0019", "00", str(envelope.control), envelope.date, envelope.time, "CH"),
        _name("41", submitter, "46"),
        segment("PER", "IC", text(submitter.name, 60), "TE", _digits(submitter.phone) or "0000000000"),
        _name("40", receiver, "46"),
    ]
    numbers = itertools.count(1)
    for billing, group in itertools.groupby(sorted(claims, key=_billing_order), key=lambda claim: claim.billing):
        level = str(next(numbers))
        body.append(segment("HL", level, "", "20", "1"))
        body += _billing(billing)
        for claim in group:
            body += _subscriber(claim, level, numbers)
            body += _claim(claim)
    return interchange(f"837{kind}", [body], envelope)


def _billing_order(claim: ClaimData) -> tuple[str, ...]:
    return claim.billing.id, claim.billing.name, claim.billing.tax, repr(claim.billing.place)


def _billing(billing: Party) -> Iterator[Segment]:
    yield _name("85", billing, "XX")
    yield from _place(billing)
    yield segment("REF", "EI", _digits(billing.tax))


def _subscriber(claim: ClaimData, above: str, numbers: Iterator[int]) -> Iterator[Segment]:
    level = str(next(numbers))
    other = claim.patient is not None and claim.relationship != "18"
    yield segment("HL", level, above, "22", "1" if other else "0")
    yield segment("SBR", claim.responsibility, "" if other else "18", text(claim.group, 50), "", "", "", "", "",
                  claim.filing)  # fmt: skip
    yield _name("IL", claim.subscriber, "MI")
    if claim.subscriber.place.line and not other:
        yield from _place(claim.subscriber)
    if claim.subscriber.born and not other:
        yield segment("DMG", "D8", claim.subscriber.born, claim.subscriber.gender)
    yield _name("PR", claim.payer, "PI")
    if other and claim.patient is not None:
        yield segment("HL", str(next(numbers)), level, "23", "0")
        yield segment("PAT", claim.relationship)
        yield _name("QC", claim.patient, "")
        yield from _place(claim.patient)
        yield segment("DMG", "D8", claim.patient.born, claim.patient.gender)


def _claim(claim: ClaimData) -> Iterator[Segment]:
    professional = claim.kind == "P"
    facility = f"{claim.facility}:{'B' if professional else 'A'}:{claim.frequency}"
    yield segment("CLM", text(claim.control, 38), amount(claim.cents), "", "", facility, "Y" if professional else "",
                  "A", "Y", "Y")  # fmt: skip
    if not professional:
        start = claim.start or min(line.date for line in claim.lines)
        end = claim.end or max(line.until or line.date for line in claim.lines)
        yield segment("DTP", "434", "RD8", f"{start}-{end}")
        if claim.admitted:
            yield segment("DTP", "435", "DT", claim.admitted)
        yield segment("CL1", claim.admission_type, claim.admission_source, claim.patient_status)
    if claim.payer_control:
        yield segment("REF", "F8", text(claim.payer_control, 50))
    codes = claim.diagnoses
    if professional:
        yield segment(
            "HI", *(f"{'ABF' if place else 'ABK'}:{code}" for place, code in enumerate(codes[: DIAGNOSES["P"]]))
        )
    else:
        yield segment("HI", f"ABK:{codes[0]}" if codes else "")
        for start in (1, 13):
            if codes[start:]:
                yield segment("HI", *(f"ABF:{code}" for code in codes[start : start + 12]))
    if claim.rendering:
        yield _name("82" if professional else "71", claim.rendering, "XX")
        if claim.taxonomy and professional:
            yield segment("PRV", "PE", "PXC", claim.taxonomy)
    for other in claim.others:
        yield from _other(other, professional)
    for number, line in enumerate(claim.lines, 1):
        yield from _line(number, line, claim, professional)


def _line(number: int, line: Line, claim: ClaimData, professional: bool) -> Iterator[Segment]:
    yield segment("LX", str(number))
    code = ":".join(("HC", line.code, *line.modifiers[:4])) if line.code else ""
    if professional:
        pointers = ":".join(str(each) for each in line.pointers[:4])
        yield segment("SV1", code, amount(line.cents), "UN", line.units, "", "", pointers)
    else:
        yield segment("SV2", line.revenue, code, amount(line.cents), "UN", line.units)
    if professional and line.until and line.until != line.date:
        yield segment("DTP", "472", "RD8", f"{line.date}-{line.until}")
    else:
        yield segment("DTP", "472", "D8", line.date)
    if line.control:
        yield segment("REF", "6R", text(line.control, 50))
    for other, answer in zip(claim.others, line.answers, strict=False):
        if answer is None:
            continue
        yield segment("SVD", other.payer.id, amount(answer.paid), code,
                      line.revenue if not professional else "", line.units)  # fmt: skip
        yield from adjustments(answer.adjustments)
        yield segment("DTP", "573", "D8", other.date)


def _other(other: OtherPayer, professional: bool) -> Iterator[Segment]:
    yield segment("SBR", other.responsibility, other.relationship, "", "", "", "", "", "", other.filing)
    yield from adjustments(other.adjustments)
    yield segment("AMT", "D", amount(other.paid))
    yield segment("OI", "", "", "Y", "P" if professional else "", "", "Y")
    yield _name("IL", other.subscriber, "MI")
    yield _name("PR", other.payer, "PI")


def adjustments(found: Sequence[Adjustment]) -> Iterator[Segment]:
    """CAS segments, up to six triples of a group in each."""
    for group, of_group in itertools.groupby(sorted(found, key=lambda each: each.group), key=lambda each: each.group):
        triples = list(of_group)
        for start in range(0, len(triples), 6):
            values: list[str] = []
            for each in triples[start : start + 6]:
                values += [each.reason, amount(each.cents), ""]
            yield segment("CAS", group, *values)


def _name(entity: str, party: Party, qualifier: str) -> Segment:
    person = bool(party.first) or entity in ("IL", "QC", "82", "71")
    id = text(party.id, 80)
    if party.name and not text(party.name):
        raise error(
            "value", f"X12 has no letters but plain Latin ones: the name {party.name[:60]} must stand in these too."
        )
    return segment("NM1", entity, "1" if person else "2", text(party.name, 60), text(party.first, 35), "", "", "",
                   qualifier if id else "", id if qualifier else "")  # fmt: skip


def _place(party: Party) -> Iterator[Segment]:
    place = party.place
    yield segment("N3", text(place.line, 55))
    yield segment("N4", text(place.city, 30), text(place.state, 2), _digits(place.zip))


def _digits(value: str) -> str:
    return "".join(each for each in value if each.isascii() and each.isdigit())
