from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.codec import json
from fhir_server.core.errors import FhirError


def refusal(data: bytes) -> str:
    with pytest.raises(FhirError) as caught:
        json.parse(data)
    assert caught.value.category == "malformed"
    return str(caught.value)


@pytest.mark.parametrize(
    "digits", ["1.00", "0.0", "-0.010", "1.0E+2", "1E-10", "5", "-12", "123456789012345678901234567890"]
)
def test_a_number_is_written_with_the_digits_it_came_with(digits):
    data = f'{{"value":{digits}}}'.encode()
    assert json.serialize(json.parse(data)) == data


def test_a_number_with_a_point_is_a_decimal_and_others_are_integers():
    assert json.parse(b'{"a":1.50,"b":2}') == {"a": Decimal("1.50"), "b": 2}


@given(st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: -900 < d.as_tuple().exponent < 900))
def test_every_decimal_survives_with_its_precision(value):
    back = json.parse(json.serialize({"value": value}))["value"]
    assert Decimal(back).as_tuple() == value.as_tuple() or (value == 0 and back == 0)


@given(
    st.dictionaries(st.text(), st.recursive(st.text() | st.booleans() | st.none(), lambda c: st.lists(c), max_leaves=5))
)
def test_what_is_written_is_read_back(document):
    assert json.parse(json.serialize(document)) == document


def test_a_byte_order_mark_is_passed_over():
    assert json.parse(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<Patient/>", "not JSON: invalid character at line 1, column 1"),
        (b'{\n "a": tru}', "line 2, column 11"),
        (b'{"a":1,}', "trailing comma"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":"\n"}', "not JSON"),
        (b'{"a":"\\ud800 alone"}', "surrogate"),
        (b'{"a":"b', "cut short"),
        (b'{"a":{"b":[1,', "cut short: it ends unfinished at line 1"),
        (b'{"a":\n"caf\xe9"}', "not UTF-8: byte 0xe9 at line 2, column 5"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        (b"[1]", "an array where a resource"),
        (b"null", "null where a resource"),
        (b"12", "a number where a resource"),
        (b'{"a":1e999999999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too large"),
        (b'{"a":1.' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_what_is_no_resource_is_refused_with_its_place(data, says):
    assert says in refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"1","id":"2"}',
        b'{"a":{"b" :1, "b": 2}}',
        b'{"a":[{"x":1,"y":"\\u0022","x":1}]}',
        b'{"a":"\\u0022\\u0022","id":1,"id":2}',
    ],
)
def test_a_name_twice_in_one_object_is_refused(data):
    assert "twice in one object" in refusal(data)


def test_quotes_in_text_are_no_repeated_names():
    assert json.parse(b'{"a":"\\"\\u0022","b":" \\" : "}') == {"a": '""', "b": ' " : '}


@pytest.mark.parametrize("levels", [json.MAX_DEPTH + 1, 900, 10_000, 200_000])
def test_nesting_has_a_limit(levels):
    assert "nested too deep" in refusal(b'{"a":' * levels + b"1" + b"}" * levels)
    assert "nested too deep" in refusal(b'{"a":' + b"[" * levels + b"]" * levels + b"}")


def test_brackets_in_text_are_not_nesting():
    depth = json.MAX_DEPTH
    assert json.parse(b'{"a":"' + b"{[" * 5000 + b'"}')["a"].startswith("{[")
    json.parse(b'{"a":' * depth + b'"{{{{"' + b"}" * depth)


def test_control_characters_are_kept_when_escaped():
    assert json.serialize(json.parse(b'{"a":"\\u0001\\u0000\\t"}')) == b'{"a":"\\u0001\\u0000\\t"}'


def test_pretty_changes_white_space_only():
    data = b'{"a":[1.00,1.0E+2],"b":{},"c":"\\u00e9"}'
    lines = json.pretty(data)
    assert lines.startswith(b'{\n  "a": [\n    1.00,\n    1.0E+2')
    assert json.parse(lines) == json.parse(data)
