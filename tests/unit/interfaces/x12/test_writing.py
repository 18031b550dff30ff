"""What we write is found right by pyx12 and read to the same content by a third party's reader."""

import io
import logging
from decimal import Decimal

import oxedi
import pytest
from x12sdk.io import X12ModelReader, X12SegmentReader

from fhir_server.core.errors import FhirError
from interfaces.x12.acknowledgements import acknowledgements, functional, ta1
from interfaces.x12.claims import write_claims
from interfaces.x12.reader import read
from interfaces.x12.remittances import remittance as remittance_of
from interfaces.x12.remittances import unbalanced, write_remittance
from tests.unit.interfaces.x12 import samples
from tests.unit.interfaces.x12.samples import CLEARING, ENVELOPE, SENDER, claim, institutional, remittance, secondary


def by_pyx12(text):
    """The errors that pyx12 finds."""
    import pyx12.error_handler
    import pyx12.params
    import pyx12.x12n_document

    logging.disable(logging.ERROR)
    try:
        answer = io.StringIO()
        good = pyx12.x12n_document.x12n_document(pyx12.params.params(), io.StringIO(text), answer, None, None)
    finally:
        logging.disable(logging.NOTSET)
    return "" if good else answer.getvalue() or "refused"


def write(*claims):
    return write_claims(claims, ENVELOPE, SENDER, CLEARING)


CLAIMS = {
    "professional": [claim(), claim("C9", frequency="7", payer_control="ICN77")],
    "void": [claim(frequency="8", payer_control="ICN77")],
    "institutional": [institutional(), institutional("C4", frequency="8", payer_control="X1")],
    "secondary": [secondary()],
    "dependent": [claim(patient=samples.CHILD, relationship="19")],
}


@pytest.mark.parametrize("name", CLAIMS)
def test_pyx12_finds_no_error_in_claims(name):
    assert by_pyx12(write(*CLAIMS[name])) == ""


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_read_by_another_reader_to_the_same_content(name):
    with X12ModelReader(write(*CLAIMS[name])) as reader:
        models = list(reader.models())
    assert len(models) == 1
    text = repr(models[0])
    for each in CLAIMS[name]:
        assert f"clm01='{each.control}'" in text or each.control in text
    with X12SegmentReader(write(*CLAIMS[name])) as reader:
        amounts = [Decimal(fields[2]) for id, fields in reader.segments() if id == "CLM"]
    assert amounts == [Decimal(each.cents) / 100 for each in CLAIMS[name]]


def test_a_remittance_passes_pyx12_and_reads_back_to_the_same_content():
    text = write_remittance(remittance(), ENVELOPE)
    assert by_pyx12(text) == ""
    again = remittance_of(next(read(text).transactions()))
    assert again.claims[0].lines == remittance().claims[0].lines
    assert (again.amount, again.trace, again.provider) == (9000, "CHK100", remittance().provider)
    other = oxedi.parse(text.encode())
    assert other.count_claims() == 1 and other.sum_payments() == Decimal("90")
    assert unbalanced(again) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"amount": 9001}, "BPR02 pays 90.01"), ({"provider": ()}, r"100.00 - 0.00 = 100.00")],
)
def test_a_remittance_that_does_not_balance_says_where(changes, words):
    found = remittance_of(next(read(write_remittance(remittance(**changes), ENVELOPE)).transactions()))
    assert any(words in each for each in unbalanced(found))


def test_what_can_not_be_written_is_told_with_segment_and_loop():
    with pytest.raises(FhirError, match=r"HI.*in loop 2300"):
        write(claim(diagnoses=()))


def test_delimiters_and_accents_of_a_name_do_not_break_a_file():
    text = write(claim(subscriber=samples.Party("O*Brien~:^ñ", "Zoë", "M1", "MI", samples.PLACE, born="19800101")))
    names = [loop.segment("NM1")[3] for loop in next(read(text).transactions()).root.all("2010BA")]
    assert names == ["O Brien   n"] and by_pyx12(text) == ""


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Strauß", "Strauss"),
        ("Łukaszewski", "Lukaszewski"),
        ("Ørsted", "Orsted"),
        ("O’Neil–Đorđević", "O'Neil-Dordevic"),
    ],
)
def test_letters_that_are_not_plain_are_spelled_out(name: str, written: str):
    assert f"NM1*IL*1*{written}*" in write(claim(subscriber=samples.Party(name, "Zoë", "M1", "MI", samples.PLACE)))


def test_a_name_without_a_plain_letter_is_told_as_what_it_is():
    with pytest.raises(FhirError, match="no letters but plain Latin ones: the name 山田"):
        write(claim(subscriber=samples.Party("山田", "太郎", "M1", "MI", samples.PLACE)))


@pytest.mark.parametrize(
    "text",
    [write(claim()), write(claim()).replace("NM1*85*2", "NM1*85*9"), write(claim()).replace("N3*1 Main St~\n", "", 1)],
)
def test_the_acknowledgement_of_a_file_passes_pyx12_and_says_what_is_wrong(text):
    found = read(text).interchanges[0]
    answer = functional(found, ENVELOPE)
    assert by_pyx12(answer) == ""
    [said] = acknowledgements(read(answer))
    assert said.accepted == (not read(text).problems()) and said.control == "17"
    assert said.accepted or "in loop 2010, number" in said.reasons[0]


def test_an_interchange_with_a_wrong_control_number_is_rejected_by_ta1():
    found = read(write(claim()).replace("IEA*1*000000017", "IEA*1*000000018")).interchanges[0]
    [said] = acknowledgements(read(ta1(found, ENVELOPE)))
    assert (said.kind, said.accepted, said.reasons) == ("TA1", False, ["TA105 001"])


def test_a_277ca_says_of_each_claim_whether_it_goes_on():
    folder = samples_folder()
    [accepted] = acknowledgements(read((folder / "x12_277CA_accepted.txt").read_bytes()))
    [rejected] = acknowledgements(read((folder / "x12_277CA_rejected.txt").read_bytes()))
    assert (accepted.accepted, accepted.control, accepted.payer_control) == (True, "5781", "1107000000014420")
    assert (rejected.accepted, rejected.control, rejected.reasons) == (False, "3920394930203", ["A7:562:85"])


def samples_folder():
    from pathlib import Path

    return Path(__file__).parents[3] / "data" / "x12"


@pytest.mark.parametrize(("make", "most"), [(claim, 12), (institutional, 25)])
def test_as_many_diagnoses_as_a_claim_has_room_for_are_written(make, most: int):
    codes = tuple(f"E{number:02}" for number in range(10, 40))
    text = write(make(diagnoses=codes))
    assert by_pyx12(text) == ""
    assert [code for code in codes if f":{code}" in text] == list(codes[:most])
