"""The samples of data/README.md: written back the same, and the bad ones told as what they are."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from interfaces.x12.problem import STRUCTURE
from interfaces.x12.reader import read, write

FOLDER = Path(__file__).parents[3] / "data" / "x12"
READABLE = sorted(path.name for path in FOLDER.glob("*.txt") if path.name != "x12_no_isa_line.txt")
WELL_BUILT = [
    "x12_277CA_accepted.txt", "x12_277CA_rejected.txt", "x12_277_x212.txt", "x12_999_accepted.txt",
    "x12_999_rejected.txt", "x12_many_claims.txt", "x12_multiple_gs.txt", "x12_multiple_isa.txt",
    "x12_multiple_st.txt", "x12_multiple_transactions.txt", "x12_no_errors.txt", "x12_valid.txt",
    "x12_valid_different_separators.txt", "x12_writer_test.txt", "x270.txt", "x271.txt",
]  # fmt: skip
# file: the errors that it must give, each (code of a 999, segment, element, loop)
BAD = {
    "x12_bad_segment_identifier.txt": [("1", "", "", "1000A"), ("1", "Nd4", "", "2010AA"), ("1", "NM31", "", "2000B")],
    "x12_bad_valid_code.txt": [("2", "NM1", "NM101", "2000A")],
    "x12_loop_errors1_exceeds_max_1_parent.txt": [("4", "NM1", "", "2010AA")],
    "x12_loop_errors2_exceeds_max_repeats_multiple_parents.txt": [("4", "NM1", "", "2010AA")],
    "x12_loop_errors3_missing_loops.txt": [("3", "NM1", "", "2010AA")],
    "x12_missing_required_loop_in_one_repeat.txt": [("3", "NM1", "", "2010BA")],
    "x12_missing_elements.txt": [("1", "NM1", "NM102", "1000B"), ("1", "CLM", "CLM05", "2300")],
    "x12_segment_errors.txt": [("5", "REF", "", "2010AA"), ("3", "N3", "", "2010AA"), ("3", "HI", "", "2300")],
    "x12_segments_out_of_order.txt": [("7", "N4", "", "2010AA"), ("7", "N3", "", "2010AB")],
    "x12_bad_first_line.txt": [("022", "ISA", "ISA02", "ISA_LOOP")],
}


@pytest.mark.parametrize("name", READABLE)
def test_a_file_is_written_back_character_for_character(name):
    content = (FOLDER / name).read_bytes()
    assert write(read(content)).encode() == content


@pytest.mark.parametrize("name", WELL_BUILT)
def test_no_segment_of_a_good_sample_is_out_of_place(name):
    document = read((FOLDER / name).read_bytes())
    assert [problem for problem in document.problems() if problem.kind == STRUCTURE] == []
    assert all(transaction.set for transaction in document.transactions())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_gives_its_errors_with_segment_and_loop(name):
    problems = read((FOLDER / name).read_bytes()).problems()
    found = {(each.code, each.segment, each.element, each.loop) for each in problems}
    assert set(BAD[name]) <= found
    wrongly_built = {(each.code, each.loop) for each in problems if each.kind == STRUCTURE}
    if len(BAD[name]) == 1 and name != "x12_bad_valid_code.txt":
        assert wrongly_built <= {(BAD[name][0][0], BAD[name][0][3])}


def test_a_file_without_isa_is_refused_with_what_it_begins_with():
    with pytest.raises(FhirError, match=r"must begin with an ISA segment.*'GS\*'"):
        read((FOLDER / "x12_no_isa_line.txt").read_bytes())


def test_a_code_that_does_not_fit_names_those_that_do():
    problems = read((FOLDER / "x12_bad_valid_code.txt").read_bytes()).problems()
    assert (
        str(problems[0])
        == "segment NM1 (NM101) in loop 2000A, number 7: '117' is not possible here; possible: 85, 87, PE"
    )


def test_loops_hold_what_belongs_to_them():
    transaction = next(read((FOLDER / "x12_many_claims.txt").read_bytes()).transactions())
    claims = [loop.segment("CLM")[1] for loop in transaction.root.all("2300")]
    assert claims[:2] == ["A37YH556", "A37YH667"] and len(claims) > 5
    subscribers = [loop.loop("2010BA").segment("NM1")[3] for loop in transaction.root.all("2000B")]
    assert set(subscribers) == {"DOE"} and len(subscribers) == len(claims)
