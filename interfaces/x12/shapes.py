"""What claims, remittances and answers say, free of segments. Money is whole cents, dates are CCYYMMDD."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """An address."""

    line: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""


class Party(msgspec.Struct, frozen=True):
    """Who is named by NM1 or N1. first: "" for an organization; id: of the qualifier (XX an NPI, MI a member, PI a
    payer, 46 a submitter); tax: an EIN."""

    name: str
    first: str = ""
    id: str = ""
    qualifier: str = "XX"
    place: Place = Place()
    tax: str = ""
    phone: str = ""
    born: str = ""
    gender: str = "U"


class Adjustment(msgspec.Struct, frozen=True):
    """One triple of a CAS segment: why something is not paid."""

    group: str
    reason: str
    cents: int


class LineAnswer(msgspec.Struct, frozen=True):
    """What a payer said of a service line. control: REF02 of 6R, which is our own number of the line."""

    code: str
    charged: int
    paid: int
    adjustments: tuple[Adjustment, ...] = ()
    control: str = ""
    remarks: tuple[str, ...] = ()
    units: str = ""
    modifiers: tuple[str, ...] = ()


class ClaimAnswer(msgspec.Struct, frozen=True):
    """Loop 2100 of an 835. control: CLP01; status: CLP02 (1 to 3 processed, 4 denied, 22 reversal); payer_control:
    CLP07; patient_cents: CLP05; adjustments: of the claim as a whole."""

    control: str
    status: str
    charged: int
    paid: int
    patient_cents: int = 0
    payer_control: str = ""
    adjustments: tuple[Adjustment, ...] = ()
    lines: tuple[LineAnswer, ...] = ()
    patient: Party = Party("")
    remarks: tuple[str, ...] = ()
    filing: str = "12"

    def all_adjustments(self) -> list[Adjustment]:
        """Of the claim and of its lines."""
        return [*self.adjustments, *(each for line in self.lines for each in line.adjustments)]


class ProviderAdjustment(msgspec.Struct, frozen=True):
    """One pair of a PLB segment: a positive amount is kept back from the provider."""

    reason: str
    reference: str
    cents: int


class Remittance(msgspec.Struct, frozen=True):
    """An 835. amount: BPR02, negative where BPR03 is D; trace: TRN02, the number of the check or transfer."""

    payer: Party
    payee: Party
    amount: int
    trace: str
    date: str
    claims: tuple[ClaimAnswer, ...]
    provider: tuple[ProviderAdjustment, ...] = ()
    method: str = "ACH"


class Line(msgspec.Struct, frozen=True):
    """A service line. pointers: numbers of the claim's diagnoses, from 1; revenue: of an institutional claim; units:
    as a decimal number; answers: what each of the claim's other payers said of it."""

    code: str
    cents: int
    units: str
    date: str
    pointers: tuple[int, ...] = (1,)
    modifiers: tuple[str, ...] = ()
    control: str = ""
    revenue: str = ""
    until: str = ""
    answers: tuple[LineAnswer | None, ...] = ()


class OtherPayer(msgspec.Struct, frozen=True):
    """A payer before the one that a claim goes to, and what it paid. responsibility: SBR01 (P, S, T)."""

    payer: Party
    subscriber: Party
    responsibility: str
    relationship: str
    filing: str
    paid: int
    date: str
    adjustments: tuple[Adjustment, ...] = ()


class ClaimData(msgspec.Struct, frozen=True):
    """A claim of an 837. kind: P professional, I institutional; facility: CLM05-1; frequency: 1 original, 7
    replacement, 8 void; payer_control: of the claim that is replaced or voided; relationship: 18 where the patient is
    the subscriber; diagnoses: ICD-10-CM without dots, the principal one first; admitted: CCYYMMDDHHMM of an
    institutional claim, "" for none; patient_status, admission_type, admission_source: CL1."""

    kind: str
    control: str
    cents: int
    billing: Party
    subscriber: Party
    payer: Party
    diagnoses: tuple[str, ...]
    lines: tuple[Line, ...]
    facility: str = "11"
    frequency: str = "1"
    payer_control: str = ""
    patient: Party | None = None
    relationship: str = "18"
    group: str = ""
    filing: str = "CI"
    responsibility: str = "P"
    rendering: Party | None = None
    taxonomy: str = ""
    others: tuple[OtherPayer, ...] = ()
    start: str = ""
    end: str = ""
    admitted: str = ""
    admission_type: str = "3"
    admission_source: str = ""
    patient_status: str = "01"


class Envelope(msgspec.Struct, frozen=True):
    """Who sends to whom, as what. control: ISA13 and GS06; date, time: CCYYMMDD and HHMM; usage: P or T."""

    sender: str
    receiver: str
    control: int
    date: str
    time: str
    usage: str = "P"
    sender_qualifier: str = "ZZ"
    receiver_qualifier: str = "ZZ"
