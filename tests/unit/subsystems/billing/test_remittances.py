"""Remittances as payers send them: takebacks, corrections, denials, capitation, crossover, several payments a file."""

import pytest

from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import Story, coverage, payer

pytestmark = pytest.mark.anyio
CHARGED = "175.49"
ASKED = {"receivable": 17549, "revenue": -17549}


@pytest.fixture
async def id(story: Story) -> str:
    made = await story.claim()
    await story.send()
    return made


FIRST = ["CAS*CO*45*5", "CAS*PR*2*20"]  # the first payer pays 150.49, and leaves 20 to the next one
WHOLE = ["CAS*OA*23*150.49", "CAS*CO*45*13"]  # the next one pays 12, by an adjustment of the whole charge
LEFT = {"cash": 16249, "contractual": 1300, "revenue": -17549}


async def two_payers(story: Story, id: str) -> None:
    await story.store(payer("next", "70077", "Next Payer"), coverage("cov2", "next", 2))
    await story.load(file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", *FIRST))))


@pytest.mark.parametrize("crossed", [False, True])
async def test_a_later_payer_writes_off_no_more_than_what_is_left(story: Story, id: str, crossed: bool):
    await two_payers(story, id)
    own = id if crossed else await story.follow(id, "secondary")
    paid = claim(own, CHARGED, "12", *WHOLE, status="2")
    await story.load(file(payment("12", "T2", *paid, payer="70077"), control=901, sender="NEXT"), later=1)
    assert story.accounts() == LEFT and story.work() == []
    right = claim(own, CHARGED, "15", "CAS*OA*23*150.49", "CAS*CO*45*10", status="2")
    await story.load(file(payment("15", "T3", *right, payer="70077"), control=902, sender="NEXT"), later=2)
    back = claim(own, "-175.49", "-12", "CAS*OA*23*-150.49", "CAS*CO*45*-13", status="22")
    forwarded = "PLB*1234567893*20261231*FB:T4*-12"
    await story.load(file(payment("0", "T4", *back, forwarded, payer="70077"), control=903, sender="NEXT"), later=3)
    beyond = {"patient-credit": -700, "patient-receivable": 700} if crossed else {}  # while both answers stood
    assert story.accounts() == LEFT | beyond | {"cash": 17749, "contractual": 1000, "provider-adjustment": -1200}


async def problem(story: Story) -> str:
    return story.rows("SELECT problem FROM file WHERE outgoing = 0 ORDER BY loaded DESC LIMIT 1")[0][0]


async def test_a_reversal_takes_back_what_was_posted_and_the_correction_posts_anew(story: Story, id: str):
    await story.load(file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))))
    back = claim(id, "-175.49", "-150.49", "CAS*CO*45*-5", "CAS*PR*2*-20", status="22")
    right = claim(id, CHARGED, "155.49", "CAS*CO*45*10", "CAS*PR*2*10")
    await story.load(file(payment("5", "T2", *back, *right), control=901), later=1)
    assert story.accounts() == {"cash": 15549, "contractual": 1000, "patient-receivable": 1000, "revenue": -17549}
    assert story.work() == []


async def test_a_payment_that_is_taken_back_is_owed_again(story: Story, id: str):
    await story.load(file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))))
    back = claim(id, "-175.49", "-150.49", "CAS*CO*45*-5", "CAS*PR*2*-20", status="22")
    await story.load(file(payment("150.49", "T2", *back, sign="D"), control=901), later=1)
    assert story.accounts() == ASKED
    assert story.rows("SELECT status FROM claim") == [("reversed",)]


async def test_a_denial_that_is_taken_back_changes_nothing_that_is_owed(story: Story, id: str):
    refused = claim(id, CHARGED, "0", "CAS*CO*45*75.49**29*100", status="4")
    await story.load(file(payment("0", "T1", *refused, kind="H")))
    assert story.accounts() == ASKED and story.work() == ["denial"]
    back = claim(id, "-175.49", "0", "CAS*CO*45*-75.49**29*-100", status="22")
    right = claim(id, CHARGED, "100", "CAS*CO*45*75.49")
    await story.load(file(payment("100", "T2", *back, *right), control=901), later=1)
    assert story.accounts() == {"cash": 10000, "contractual": 7549, "revenue": -17549} and story.work() == []


@pytest.mark.parametrize(
    "kept",
    [
        "PLB*1234567893*20261231*WO:OLD77*50", "PLB*1234567893*20261231*72*50", "PLB*1234567893*20261231*FB:NEXT*50",
        "PLB*1234567893*20261231*L6*-10*WO:OLD77*40*CS:X*15*J1*5", "PLB*1234567893*20261231*CT*-50*AM*70*IR*30",
    ],
)  # fmt: skip
async def test_what_a_payer_keeps_back_or_adds_is_posted_beside_the_claims(story: Story, id: str, kept: str):
    paid = claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")
    await story.load(file(payment("100.49", "T1", *paid, kept)))
    left = {"contractual": 500, "patient-receivable": 2000, "provider-adjustment": 5000, "revenue": -17549}
    assert story.accounts() == {"cash": 10049, **left}


async def test_a_capitation_payment_has_no_claims(story: Story):
    await story.load(file(payment("5000", "T1", "PLB*1234567893*20261231*CT:MAY*-5000")))
    assert story.accounts() == {"cash": 500000, "provider-adjustment": -500000}


async def test_more_kept_back_than_paid_is_carried_forward(story: Story, id: str):
    paid = claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")
    kept = "PLB*1234567893*20261231*WO:OLD77*200*FB:20261120*-49.51"
    await story.load(file(payment("0", "T1", *paid, kept, kind="H")))
    assert "cash" not in story.accounts() and story.accounts()["provider-adjustment"] == 15049


async def test_adjustments_of_several_groups_and_triples_are_all_read(story: Story, id: str):
    cas = ("CAS*CO*45*5**253*2", "CAS*PR*1*10**2*10**3*15", "CAS*OA*23*0")
    await story.load(file(payment("133.49", "T1", *claim(id, CHARGED, "133.49", *cas, patient="35"))))
    left = {"contractual": 700, "patient-receivable": 3500, "revenue": -17549}
    assert story.accounts() == {"cash": 13349, **left}


async def test_several_payments_of_a_file_are_posted_or_none(story: Story, id: str):
    good = payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))
    bad = payment("10.01", "T2", *claim("OTHER", "10", "10"))
    await story.load(file(good, bad))
    assert story.accounts() == ASKED and "BPR02 pays 10.01" in await problem(story)
    await story.load(file(good, payment("10", "T2", *claim("OTHER", "10", "10")), control=901), later=1)
    assert story.accounts()["cash"] == 16049 and story.accounts()["unapplied"] == -1000


async def test_the_same_payment_twice_in_a_file_is_not_posted(story: Story, id: str):
    twice = payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))
    await story.load(file(twice, twice))
    assert story.accounts() == ASKED and "comes twice in this file" in await problem(story)


async def test_a_payment_in_a_file_of_several_payers_is_not_posted_again_alone(story: Story, id: str):
    await story.store(payer("red", "70001", "Red"))
    one = payment("150.49", "T_1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))
    await story.load(file(one, payment("0", "T2", kind="H", payer="70001")))
    await story.load(file(one, control=901, sender="BLUE2"), later=1)
    assert "payment T_1 of this payer was posted before" in await problem(story)
    await story.load(file(payment("0", "TX1", kind="H"), control=902), later=2)
    await story.load(file(payment("0", "tx1", kind="H"), control=903), later=3)
    assert await problem(story) == "" and story.accounts()["cash"] == 15049


async def test_a_second_interchange_of_a_file_counts_too(story: Story, id: str):
    one = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")))
    await story.load(file(payment("0", "T0", kind="H"), control=800) + one)
    assert story.accounts()["cash"] == 15049
    await story.load(file(payment("10", "T9", *claim("X", "10", "10")), control=900), later=1)
    assert "900 of this sender was used before" in (await problem(story)).replace("000000", "")


async def test_money_beside_another_kind_of_file_is_posted(story: Story, id: str):
    [sent] = story.rows("SELECT control FROM file WHERE outgoing = 1")
    yes = f"ST*999*0001*005010X231A1~AK1*HC*{int(sent[0])}~AK9*A*1*1*1~SE*4*0001~"
    other = (
        file(control=800)
        .replace("GS*HP", "GS*FA")
        .replace("005010X221A1", "005010X231A1")
        .replace("GE*0", yes + "\nGE*1")
    )
    paid = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")))
    said = await story.load(other + paid)
    assert said["kind"] == "835+999" and said["problems"] == [] and story.accounts()["cash"] == 15049


@pytest.mark.parametrize("day", ["", "20261332", "2026-11-20"])
async def test_a_payment_without_a_day_is_set_aside(story: Story, id: str, day: str):
    text = file(payment("10", "T1", *claim("X", "10", "10"))).replace("98765*20261120", f"98765*{day}")
    await story.load(text)
    assert "BPR16" in await problem(story) and story.accounts() == ASKED


async def test_a_claim_that_its_payer_sent_on_is_paid_by_the_next_one(story: Story):
    await story.store(payer("red", "70001", "Red"), coverage("second", "red", 2))
    id = await story.claim()
    first = claim(id, CHARGED, "100", "CAS*CO*45*35.49", "CAS*PR*2*40", status="19")
    await story.load(file(payment("100", "T1", *first)))
    assert await story.fhir.ids("Invoice") == []
    second = claim(id, CHARGED, "30", "CAS*OA*23*135.49", "CAS*PR*2*10", status="2")
    await story.load(file(payment("30", "R1", *second, payer="70001"), sender="RED"), later=1)
    left = {"contractual": 3549, "patient-receivable": 1000, "revenue": -17549}
    assert story.accounts() == {"cash": 13000, **left} and story.work() == []
    [invoice] = (await story.fhir.get("Invoice")).json()["entry"]
    assert invoice["resource"]["totalNet"]["value"] == 10
    back = claim(id, "-175.49", "-30", "CAS*OA*23*-135.49", "CAS*PR*2*-10", status="22")
    await story.load(file(payment("30", "R2", *back, payer="70001", sign="D"), sender="RED", control=901), later=2)
    assert story.accounts() == {"cash": 10000, **left, "patient-receivable": 4000}


async def test_a_payer_that_pays_twice_is_work_until_it_takes_that_back(story: Story, id: str):
    paid = claim(id, CHARGED, "175.49")
    await story.load(file(payment(CHARGED, "T1", *paid)))
    await story.load(file(payment(CHARGED, "T2", *paid), control=901), later=1)
    assert story.work() == ["overpaid"] and story.accounts()["receivable"] == -17549
    back = claim(id, "-175.49", "-175.49", status="22")
    await story.load(file(payment(CHARGED, "T3", *back, sign="D"), control=902), later=2)
    assert story.work() == [] and "receivable" not in story.accounts()


@pytest.mark.parametrize("standard", ["004010X091A1", "005010X999"])
async def test_an_835_of_another_version_is_set_aside_with_a_word_on_it(story: Story, standard: str):
    text = file(payment("10", "T1", *claim("X", "10", "10")), standard=standard).replace("*^*00501*", "*U*00401*")
    await story.load(text)
    assert f"no table of transaction set 835 {standard}" in await problem(story) and story.accounts() == {}


async def test_other_separators_are_those_of_the_file(story: Story, id: str):
    text = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20"),
                        "PLB*1234567893*20261231*WO:A*0.00"))  # fmt: skip
    odd = text.replace("~\n", "\r").replace("*", "|").replace(":", ">")
    await story.load(odd)
    assert story.accounts()["cash"] == 15049, await problem(story)


async def test_a_voided_secondary_claim_leaves_the_patient_the_share(story: Story):
    await story.store(payer("red", "70001", "Red"), coverage("next", "red", 2))
    id = await story.claim()
    await story.load(file(payment("100", "T1", *claim(id, CHARGED, "100", "CAS*CO*45*35.49", "CAS*PR*2*40"))))
    second = await story.follow(id, "secondary")
    assert story.accounts()["receivable"] == 4000
    again = await story.follow(second, "replace")
    await story.follow(again, "void")
    left = story.accounts()
    assert "receivable" not in left and left["patient-receivable"] == 4000


async def test_who_insured_the_patient_on_the_day_of_the_service_is_the_next_payer(story: Story):
    ended = {**coverage("next", "red", 2), "period": {"end": "2026-11-15"}}
    begun = {**coverage("new", "green", 3), "period": {"start": "2026-11-16"}}
    await story.store(payer("red", "70001", "Red"), ended, payer("green", "80001", "Green"), begun)
    id = await story.claim()
    await story.load(file(payment("100", "T1", *claim(id, CHARGED, "100", "CAS*CO*45*35.49", "CAS*PR*2*40"))))
    assert await story.fhir.ids("Invoice?status=issued") == []
    second = await story.follow(id, "secondary")
    assert story.rows("SELECT payer FROM claim WHERE id = ?", second) == [("Organization/red",)]


async def test_the_third_payer_is_told_what_both_before_it_paid(story: Story):
    await story.store(payer("red", "70001", "Red"), coverage("next", "red", 2),
                      payer("green", "80001", "Green"), coverage("last", "green", 3))  # fmt: skip
    id = await story.claim()
    await story.send()
    await story.load(file(payment("100", "T1", *claim(id, CHARGED, "100", "CAS*CO*45*35.49", "CAS*PR*2*40"))))
    second = await story.follow(id, "secondary")
    await story.send()
    paid = claim(second, CHARGED, "30", "CAS*OA*23*135.49", "CAS*PR*2*10", status="2")
    await story.load(file(payment("30", "R1", *paid, payer="70001"), sender="RED"), later=1)
    third = await story.follow(second, "secondary")
    assert story.rows("SELECT responsibility, payer FROM claim WHERE id = ?", third) == [("T", "Organization/green")]
    [sent] = await story.send()
    text = sent["text"]
    assert "SBR*T*18" in text and "SBR*P*18" in text and "SBR*S*18" in text
    assert "AMT*D*100~" in text and "AMT*D*30~" in text
    assert story.accounts()["receivable"] == 1000


@pytest.mark.parametrize(
    ("change", "why"),
    [(("*1*175.49*", "*99*175.49*"), "'99' is no status"), (("*1*175.49*150.49", "*1*-175.49*-150.49"), "no reversal")],
)
async def test_a_status_that_there_is_not_is_set_aside(story: Story, id: str, change: tuple[str, str], why: str):
    text = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*25")))
    assert any(why in each for each in (await story.load(text.replace(*change)))["problems"])
    assert story.accounts() == ASKED


def of_day(text: str, day: str) -> str:
    return text.replace("*20261120~\nTRN", f"*{day}~\nTRN")


async def test_a_denial_that_comes_after_the_later_payment_is_no_work(story: Story, id: str):
    refused = claim(id, CHARGED, "0", "CAS*CO*16*175.49", status="4")
    paid = claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")
    await story.load(file(payment("150.49", "T2", *paid)))
    await story.load(of_day(file(payment("0", "T1", *refused, kind="H"), control=901), "20261101"), later=1)
    assert story.rows("SELECT status FROM claim") == [("paid",)] and story.work() == []


async def test_a_correction_that_comes_before_its_reversal_stands(story: Story, id: str):
    await story.store(payer("second", "70077", "Second Payer"), coverage("cov2", "second", 2))
    first = claim(id, CHARGED, "150.49", "CAS*CO*45*5", "CAS*PR*2*20")
    right = claim(id, CHARGED, "155.49", "CAS*CO*45*10", "CAS*PR*2*10")
    back = claim(id, "-175.49", "-150.49", "CAS*CO*45*-5", "CAS*PR*2*-20", status="22")
    await story.load(of_day(file(payment("150.49", "T1", *first)), "20261101"))
    await story.load(file(payment("155.49", "T2", *right), control=901), later=1)
    await story.load(file(payment("150.49", "T3", *back, sign="D"), control=902), later=2)
    assert story.rows("SELECT status FROM claim") == [("paid",)] and story.work() == []
    await story.follow(id, "secondary")
    assert "AMT*D*155.49" in (await story.send())[-1]["text"]


async def test_a_denied_part_of_a_claim_stays_work_when_another_part_is_paid(story: Story, id: str):
    refused = claim(id, "49.99", "0", "CAS*CO*29*49.99", status="4")
    await story.load(file(payment("0", "T1", *refused, kind="H")))
    await story.load(file(payment("125.5", "T2", *claim(id, "125.5", "125.5")), control=901), later=1)
    assert story.accounts()["receivable"] == 4999 and story.work() == ["denial"]


async def test_what_takes_back_what_was_never_answered_is_work(story: Story, id: str):
    await story.load(file(payment("10", "T1", *claim(id, "-10", "-10", status="22"), sign="D")))
    assert story.accounts()["cash"] == -1000 and story.work() == ["unmatched"]


async def test_a_predetermination_posts_nothing_of_a_claim(story: Story, id: str):
    await story.load(file(payment("0", "T1", *claim(id, CHARGED, "0", "CAS*CO*45*175.49", status="25"), kind="H")))
    assert story.accounts() == ASKED and story.work() == ["unmatched"]


@pytest.mark.parametrize("status", ["1", "23"])
async def test_what_another_payer_is_to_pay_first_stays_owed_and_is_a_denial(story: Story, id: str, status: str):
    await story.load(file(payment("0", "T1", *claim(id, CHARGED, "0", "CAS*OA*23*175.49", status=status), kind="H")))
    assert story.accounts() == ASKED and story.work() == ["denial"]


@pytest.mark.parametrize("change", [str.lower, lambda id: f" {id} "])
async def test_a_claims_number_is_known_as_payers_give_it_back(story: Story, id: str, change):
    await story.load(file(payment("150.49", "T1", *claim(change(id), CHARGED, "150.49", "CAS*CO*45*25"))) + "\x1a")
    assert story.accounts()["cash"] == 15049 and story.work() == []


async def test_control_numbers_that_are_no_numbers_are_told_apart(story: Story, id: str):
    for number, last in enumerate("AB"):
        text = file(payment("0", f"T{last}"))
        await story.load(text.replace("000000900", f"00000090{last}"), later=number)
    assert story.rows("SELECT state FROM file WHERE outgoing = 0") == [("posted",), ("posted",)]


async def test_remarks_on_a_stay_are_reasons_of_its_denial(story: Story, id: str):
    refused = claim(id, CHARGED, "0", "CAS*CO*50*175.49", status="4")
    stay = f"MIA*0****N130{'*' * 15}MA01*N386"
    await story.load(file(payment("0", "T1", *refused, stay, kind="H")))
    assert story.rows("SELECT reasons FROM item") == [("CO-50 N130 MA01 N386",)]
