"""Remittances: 835 files read and written (005010X221A1), and whether their money balances."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.core.errors import error
from interfaces.x12.claims import adjustments
from interfaces.x12.segments import Segment, segment
from interfaces.x12.shapes import (
    Adjustment,
    ClaimAnswer,
    Envelope,
    LineAnswer,
    Party,
    Place,
    ProviderAdjustment,
    Remittance,
)
from interfaces.x12.tree import Loop, Transaction
from interfaces.x12.values import amount, cents, is_day, text
from interfaces.x12.writer import interchange


def remittance(transaction: Transaction) -> Remittance:
    """What an 835 says; FhirError "value" where an amount, or the day of the payment, is none."""
    root = transaction.root
    component = transaction.delimiters.component
    bpr = root.segment("BPR")
    if not is_day(bpr[16]):
        raise error("value", f"BPR16 {bpr[16][:30]!r} is no day as CCYYMMDD.")
    sign = -1 if bpr[3] == "D" and not bpr[2].startswith("-") else 1
    claims = tuple(_claim(loop, component) for loop in root.all("2100"))
    provider = tuple(each for plb in root.segments("PLB") for each in _provider(plb, component))
    return Remittance(
        _party(root.loop("1000A"), root.segment("TRN")[3]), _party(root.loop("1000B"), ""),
        sign * cents(bpr[2], "BPR02"), root.segment("TRN")[2], bpr[16], claims, provider, bpr[4],
    )  # fmt: skip


STATUSES = frozenset({"1", "2", "3", "4", "19", "20", "21", "22", "23", "25"})  # CLP02 (X221, loop 2100)


def doubtful(found: Remittance) -> list[str]:
    """Claims with a status that there is not, or that take money back without being a reversal."""
    problems = []
    for claim in found.claims:
        if claim.status not in STATUSES:
            problems.append(f"claim {claim.control}: CLP02 {claim.status[:10]!r} is no status of a claim")
        elif claim.paid < 0 and claim.status != "22":
            problems.append(f"claim {claim.control}: takes {_shown(-claim.paid)} back, but is no reversal (CLP02 22)")
    return problems


def unbalanced(found: Remittance) -> list[str]:
    """What does not add up: the file, its claims and its lines (X221, section 1.10.2.1)."""
    problems = []
    paid, kept = sum(claim.paid for claim in found.claims), sum(each.cents for each in found.provider)
    if found.amount != paid - kept:
        problems.append(
            f"BPR02 pays {_shown(found.amount)}, but the claims (CLP04) less provider adjustments (PLB) are "
            f"{_shown(paid)} - {_shown(kept)} = {_shown(paid - kept)}"
        )
    for claim in found.claims:
        taken = sum(each.cents for each in claim.all_adjustments())
        if claim.charged - taken != claim.paid:
            problems.append(
                f"claim {claim.control}: charged {_shown(claim.charged)} less adjustments {_shown(taken)} is not the "
                f"paid {_shown(claim.paid)} (loop 2100, CLP04)"
            )
        if claim.lines and sum(line.charged for line in claim.lines) != claim.charged:
            problems.append(f"claim {claim.control}: its lines (SVC02) do not add up to CLP03 (loop 2110)")
        for line in claim.lines:
            if line.charged - sum(each.cents for each in line.adjustments) != line.paid:
                problems.append(
                    f"claim {claim.control}, line {line.code}: charged less adjustments is not the paid "
                    f"{_shown(line.paid)} (loop 2110, SVC03)"
                )
    return problems


def write_remittance(found: Remittance, envelope: Envelope) -> str:
    """An 835 file of one payment, such as a payer makes."""
    debit = found.amount < 0
    body = [
        segment("BPR", "I" if found.amount else "H", amount(abs(found.amount)), "D" if debit else "C",
                found.method if found.amount else "NON", *("",) * 11, found.date),
        segment("TRN", "1", text(found.trace, 50), f"1{text(found.payer.tax or found.payer.id).zfill(9)[-9:]}"),
        segment("N1", "PR", text(found.payer.name, 60), *(("XV", found.payer.id) if found.payer.id else ())),
        segment("N3", text(found.payer.place.line or "UNKNOWN", 55)),
        segment("N4", text(found.payer.place.city or "UNKNOWN", 30), found.payer.place.state or "NY",
                found.payer.place.zip or "10001"),
        segment("PER", "BL", text(found.payer.name, 60)),
        segment("N1", "PE", text(found.payee.name, 60), "XX", found.payee.id),
    ]  # fmt: skip
    if found.claims:
        body.append(segment("LX", "1"))
    for claim in found.claims:
        body += _write_claim(claim)
    for each in found.provider:
        why = f"{each.reason}:{text(each.reference, 50)}"
        body.append(segment("PLB", found.payee.id, f"{found.date[:4]}1231", why, amount(each.cents)))
    return interchange("835", [body], envelope)


def _write_claim(claim: ClaimAnswer) -> Iterator[Segment]:
    yield segment("CLP", text(claim.control, 38), claim.status, amount(claim.charged), amount(claim.paid),
                  amount(claim.patient_cents) if claim.patient_cents else "", claim.filing,
                  text(claim.payer_control, 50) or "0", "11", "1")  # fmt: skip
    yield from adjustments(claim.adjustments)
    yield segment("NM1", "QC", "1", text(claim.patient.name, 60), text(claim.patient.first, 35))
    if claim.remarks:
        yield segment("MOA", "", "", *claim.remarks[:5])
    for line in claim.lines:
        yield segment("SVC", ":".join(("HC", line.code, *line.modifiers)), amount(line.charged), amount(line.paid),
                      "", line.units)  # fmt: skip
        yield from adjustments(line.adjustments)
        if line.control:
            yield segment("REF", "6R", text(line.control, 50))
        for remark in line.remarks:
            yield segment("LQ", "HE", remark)


def _claim(loop: Loop, component: str) -> ClaimAnswer:
    clp, patient = loop.segment("CLP"), loop.segment("NM1", "QC")
    of_outpatients, of_inpatients = loop.segment("MOA"), loop.segment("MIA")
    remarks = tuple(
        remark
        for remark in (
            *(of_outpatients[number] for number in range(3, 8)),
            *(of_inpatients[number] for number in (5, *range(20, 24))),
        )
        if remark
    )
    return ClaimAnswer(
        clp[1], clp[2], cents(clp[3], "CLP03"), cents(clp[4], "CLP04"), cents(clp[5], "CLP05"), clp[7],
        _adjustments(loop), tuple(_line(each, component) for each in loop.loops("2110")),
        Party(patient[3], patient[4], patient[9], patient[8]), remarks, clp[6],
    )  # fmt: skip


def _line(loop: Loop, component: str) -> LineAnswer:
    svc = loop.segment("SVC")
    parts = svc[1].split(component)
    remarks = tuple(each[2] for each in loop.segments("LQ", "HE"))
    return LineAnswer(
        parts[1] if len(parts) > 1 else svc[4], cents(svc[2], "SVC02"), cents(svc[3], "SVC03"), _adjustments(loop),
        loop.segment("REF", "6R")[2], remarks, svc[5], tuple(parts[2:6]),
    )  # fmt: skip


def _adjustments(loop: Loop) -> tuple[Adjustment, ...]:
    found = []
    for cas in loop.segments("CAS"):
        for start in range(2, len(cas.values) + 1, 3):
            if cas[start]:
                found.append(Adjustment(cas[1], cas[start], cents(cas[start + 1], f"CAS{start + 1:02}")))
    return tuple(found)


def _provider(plb: Segment, component: str) -> Iterator[ProviderAdjustment]:
    for start in range(3, len(plb.values) + 1, 2):
        if plb[start]:
            reason, _, reference = plb[start].partition(component)
            yield ProviderAdjustment(reason, reference, cents(plb[start + 1], f"PLB{start + 1:02}"))


def _party(loop: Loop, other: str) -> Party:
    n1, n4 = loop.segment("N1"), loop.segment("N4")
    place = Place(loop.segment("N3")[1], n4[1], n4[2], n4[3])
    return Party(n1[2], "", n1[4], n1[3], place, other[1:] if len(other) == 10 else other)


def _shown(found: int) -> str:
    return f"{'-' if found < 0 else ''}{abs(found) // 100}.{abs(found) % 100:02}"
