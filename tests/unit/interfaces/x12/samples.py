"""Claims and remittances that tests write."""

import msgspec

from interfaces.x12.shapes import (
    Adjustment,
    ClaimAnswer,
    ClaimData,
    Envelope,
    Line,
    LineAnswer,
    OtherPayer,
    Party,
    Place,
    ProviderAdjustment,
    Remittance,
)

PLACE = Place("1 Main St", "Albany", "NY", "122071234")
HOSPITAL = Party("General Hospital", id="1234567893", place=PLACE, tax="12-3456789", phone="(518) 555-0100")
SENDER = Party("General Hospital", id="HOSP1", phone="5185550100")
CLEARING = Party("Clearing House", id="CLEAR1")
PAYER = Party("Blue Payer", id="60054", qualifier="PI", place=PLACE, tax="987654321")
SECOND = Party("Second Payer", id="70077", qualifier="PI")
ANNA = Party("Müller", "Anna", "M123", "MI", PLACE, born="19800102", gender="F")
CHILD = Party("Müller", "Tom", place=PLACE, born="20150203", gender="M")
DOCTOR = Party("Jones", "Jane", "1003000126")
OFFICE = (Adjustment("CO", "45", 550), Adjustment("PR", "2", 2000))
ENVELOPE = Envelope("HOSP1", "CLEAR1", 17, "20261127", "0915")


def claim(control="C1", **changes):
    lines = (
        Line("99213", 12550, "1", "20261101", (1, 2), ("25",), "L1"),
        Line("80053", 4999, "2", "20261101", (1,), (), "L2"),
    )
    made = {"kind": "P", "control": control, "cents": 17549, "billing": HOSPITAL, "subscriber": ANNA, "payer": PAYER,
            "diagnoses": ("E119", "I10"), "lines": lines, "rendering": DOCTOR, "taxonomy": "207Q00000X"}  # fmt: skip
    return ClaimData(**(made | changes))


def institutional(control="C2", **changes):
    lines = (
        Line("", 100000, "2", "20261101", revenue="0120", until="20261103", control="L1"),
        Line("80053", 4999, "1", "20261101", revenue="0301", control="L2"),
    )
    made = {"kind": "I", "facility": "11", "lines": lines, "cents": 104999, "start": "20261101", "end": "20261103"}
    return claim(control, **(made | {"admitted": "202611010830", "admission_source": "1"} | changes))


def secondary():
    answers = (LineAnswer("99213", 12550, 10000, (Adjustment("CO", "45", 550), Adjustment("PR", "2", 2000))),
               LineAnswer("80053", 4999, 4999))  # fmt: skip
    lines = tuple(
        msgspec.structs.replace(each, answers=(answer,)) for each, answer in zip(claim().lines, answers, strict=True)
    )
    other = OtherPayer(PAYER, ANNA, "P", "18", "CI", 14999, "20261115")
    return claim("C3", payer=SECOND, responsibility="S", lines=lines, others=(other,))


def remittance(**changes):
    answers = (
        LineAnswer(
            "99213", 12550, 10000, (Adjustment("CO", "45", 550), Adjustment("PR", "2", 2000)), "L1", (), "1", ("25",)
        ),
        LineAnswer("80053", 4999, 0, (Adjustment("CO", "29", 4999),), "L2", ("N210",), "2"),
    )
    made = {"payer": PAYER, "payee": HOSPITAL, "amount": 9000, "trace": "CHK100", "date": "20261120",
            "claims": (ClaimAnswer("C1", "1", 17549, 10000, 2000, "ICN77", (), answers, Party("Muller", "Anna")),),
            "provider": (ProviderAdjustment("WO", "OVER1", 1000),)}  # fmt: skip
    return Remittance(**(made | changes))
