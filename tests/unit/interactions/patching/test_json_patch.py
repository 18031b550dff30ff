import copy
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.codec import json
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load
from fhir_server.interactions.patching import json_patch

DEFINITIONS = load()
CASES = json.parse_any((Path(__file__).parents[3] / "data/patch/json-patch-tests.json").read_bytes())

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "name": [{"family": "A", "given": ["B", "C"]}],
    "multipleBirthInteger": 2,
    "extension": [{"url": "http://x", "valueDecimal": Decimal("1.50")}],
}


def patched(*operations: dict, resource: dict = PATIENT) -> dict:
    return json_patch.apply(resource, list(operations), DEFINITIONS)


def refusal(*operations, category: str = "unprocessable") -> str:
    before = copy.deepcopy(PATIENT)
    with pytest.raises(FhirError) as caught:
        json_patch.apply(PATIENT, list(operations), DEFINITIONS)
    assert caught.value.category == category
    assert before == PATIENT
    return str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["comment"])
def test_official_case(case):
    before = copy.deepcopy(case["doc"])
    if "error" in case:
        with pytest.raises(FhirError):
            json_patch.apply_operations(case["doc"], case["patch"], [])
    else:
        assert json_patch.apply_operations(case["doc"], case["patch"], []) == case["expected"]
    assert case["doc"] == before


def test_operations_work_one_after_another_on_a_copy():
    result = patched(
        {"op": "test", "path": "/active", "value": True},
        {"op": "replace", "path": "/name/0/given/1", "value": "D"},
        {"op": "add", "path": "/name/0/given/-", "value": "E"},
        {"op": "copy", "from": "/name/0", "path": "/name/1"},
        {"op": "remove", "path": "/name/0/given/0"},
        {"op": "move", "from": "/id", "path": "/language"},
    )
    assert result["name"] == [{"family": "A", "given": ["D", "E"]}, {"family": "A", "given": ["B", "D", "E"]}]
    assert (result["language"], "id" in result) == ("1", False)
    assert PATIENT["name"] == [{"family": "A", "given": ["B", "C"]}]


def test_decimals_keep_their_digits():
    result = patched({"op": "add", "path": "/extension/0/valueDecimal", "value": Decimal("2.00")})
    assert b"2.00" in json.serialize(result)
    assert b"1.50" in json.serialize(patched())


def test_numbers_are_tested_by_value_and_never_equal_booleans_or_text():
    patched({"op": "test", "path": "/extension/0/valueDecimal", "value": Decimal("1.5")})
    patched({"op": "test", "path": "/multipleBirthInteger", "value": Decimal("2.0")})
    for path, value in (("/active", 1), ("/multipleBirthInteger", "2"), ("/multipleBirthInteger", True)):
        assert "is another" in refusal({"op": "test", "path": path, "value": value})


def test_what_a_removal_leaves_empty_is_left_out_at_the_end():
    given = "/name/0/given"
    assert "name" not in patched({"op": "remove", "path": "/name/0"})
    assert "name" not in patched(
        *[{"op": "remove", "path": path} for path in (f"{given}/0", f"{given}/0", "/name/0/family")]
    )
    refilled = patched({"op": "remove", "path": "/name/0"}, {"op": "add", "path": "/name/-", "value": {"text": "x"}})
    assert refilled["name"] == [{"text": "x"}]
    assert patched({"op": "add", "path": "/photo", "value": []})["photo"] == []


def test_a_null_value_is_a_value():
    assert patched({"op": "add", "path": "/name/0/given/0", "value": None})["name"][0]["given"] == [None, "B", "C"]


def test_a_patch_can_be_applied_again_without_sharing_values():
    operations = [
        {"op": "add", "path": "/photo", "value": [{"url": "x"}]},
        {"op": "add", "path": "/photo/-", "value": {"url": "y"}},
    ]
    assert patched(*operations) == patched(*operations)
    assert len(operations[0]["value"]) == 1


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ({"op": "remove", "path": "/birthDate"}, "Operation 0 (remove /birthDate) of the JSON Patch: there is nothing"),
        ({"op": "replace", "path": "/name/3/family", "value": "x"}, "nothing at /name/3: the array has 1 elements"),
        ({"op": "replace", "path": "/birthDate", "value": "x"}, "nothing at /birthDate"),
        ({"op": "add", "path": "/name/2", "value": {}}, "nothing at /name/2: the array has 1 elements"),
        ({"op": "add", "path": "/name/01", "value": {}}, "nothing at /name/01"),
        ({"op": "add", "path": "/name/-1", "value": {}}, "nothing at /name/-1"),
        ({"op": "add", "path": "/name/x", "value": {}}, "nothing at /name/x"),
        ({"op": "add", "path": "/name/99999999999999999999", "value": {}}, "nothing at"),
        ({"op": "add", "path": "/active/x", "value": 1}, "nothing at /active/x"),
        ({"op": "remove", "path": "/name/-"}, "nothing at /name/-"),
        ({"op": "test", "path": "/name/0/family", "value": "Z"}, 'the value at /name/0/family is another: "A"'),
        ({"op": "move", "from": "/name", "path": "/name/0"}, "can't move /name into itself"),
        ({"op": "copy", "from": "/photo", "path": "/name"}, "nothing at /photo"),
        ({"op": "remove", "path": ""}, "can't be removed"),
        ({"op": "replace", "path": "", "value": 4}, "leaves no resource"),
        ({"op": "add", "path": "", "value": []}, "leaves no resource"),
    ],
)  # fmt: skip
def test_an_operation_that_can_not_be_applied_says_why(operation, says):
    assert says in refusal(operation)


def test_the_operation_that_fails_is_named():
    assert "Operation 1 (remove /x)" in refusal({"op": "remove", "path": "/active"}, {"op": "remove", "path": "/x"})


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ("x", "Operation 0 of the JSON Patch is no object"),
        ({}, "needs an op of add, remove, replace, move, copy, test"),
        ({"op": "increment", "path": "/x"}, "Operation 0 (increment /x) of the JSON Patch needs an op of add"),
        ({"op": ["add"], "path": "/x"}, "needs an op"),
        ({"op": "add", "path": "/x"}, "needs a value"),
        ({"op": "remove"}, "needs a path, a JSON Pointer such as"),
        ({"op": "remove", "path": 4}, "needs a path"),
        ({"op": "move", "path": "/x"}, "needs a from"),
        ({"op": "remove", "path": "active"}, "is no JSON Pointer"),
        ({"op": "remove", "path": "/a~2b"}, "is no JSON Pointer"),
        ({"op": "remove", "path": "/a~"}, "is no JSON Pointer"),
    ],
)
def test_what_is_no_patch_is_malformed(operation, says):
    assert says in refusal(operation, category="malformed")


@pytest.mark.parametrize("document", [{"op": "add"}, None, "x", 4])
def test_a_document_that_is_no_array_is_malformed(document):
    with pytest.raises(FhirError, match="is an array of operations"):
        json_patch.apply(PATIENT, document, DEFINITIONS)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(documents, documents)
def test_replace_reaches_every_document_and_test_recognises_it(before, after):
    replace = {"op": "replace", "path": "", "value": after}
    assert json_patch.apply_operations(before, [replace, {"op": "test", "path": "", "value": after}], []) == after


@given(st.dictionaries(st.text(), documents), st.text(), documents)
def test_add_then_remove_is_the_inverse(document, name, value):
    document.pop(name, None)
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    operations = [
        {"op": "add", "path": path, "value": value},
        {"op": "test", "path": path, "value": value},
        {"op": "remove", "path": path},
    ]
    assert json_patch.apply_operations(document, operations, []) == document


@given(st.lists(documents, min_size=1), st.data())
def test_moving_there_and_back_changes_nothing(array, data):
    source, destination = (data.draw(st.integers(0, len(array) - 1)) for _ in range(2))
    move = {"op": "move", "from": f"/{source}", "path": f"/{destination}"}
    back = {"op": "move", "from": f"/{destination}", "path": f"/{source}"}
    assert json_patch.apply_operations(array, [move, back], []) == array


def test_copies_of_copies_have_a_limit():
    doubling = {"op": "copy", "from": "/extension", "path": "/extension/-"}
    with pytest.raises(FhirError, match="what is copied") as refused:
        patched(*[doubling] * 40)
    assert refused.value.category == "too-costly"
