"""UCUM: which codes are units, what they are canonically, and how values convert."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.definitions import ucum

VALID = [
    "m", "mg/dL", "mm[Hg]", "10*3/uL", "10*6/L", "{score}", "{cells}/uL", "/100{WBC}", "%{Hb}",
    "Cel", "[degF]", "mmol/L", "[iU]/L", "k[IU]/mL", "ug/kg/min", "mL/min/{1.73_m2}", "mL/min/(173.10*-2.m2)", "1",
    "kg.m/s2", "m3.kg-1.s-2", "(8.h){shift}", "J/(kg.K)", "dB[SPL]", "B[10.nV]", "[in_i'H2O]", "cm[H2O]", "[Amb'a'1'U]",
    "meq/L", "mo", "a_j", "4.[pi].10*-7.N/A2", "m+2", "/min", "{}", "'", "''",
]  # fmt: skip
INVALID = [
    ("", 0), ("m/", 2), ("12h", 2), ("g/12h", 4), ("iU", 0), ("mmol/kg[H20]", 5), ("m//s", 2), ("(m", 0), ("m)", 1),
    ("ug(8.h)", 2), ("{a}rad2", 3), ("m{a}{b}", 4), ("10+3/ul", 2), ("µg", 0), ("mg / dL", 2), ("{x", 0), (".m", 0),
    ("mmHg", 0), ("m99999", 1), ("0", 0), ("(" * 50 + "m" + ")" * 50, 21), ("m." * 300 + "m", 256), ("h[mol]", 0),
]  # fmt: skip
CONVERSIONS = [
    ("6.3", "mm", "m", "0.0063"), ("6.3", "s.mm-2", "s.m-2", "6300000"), ("1", "[in_i]", "cm", "2.54"),
    ("1", "m[Hg]", "kPa", "133.322"), ("98.6", "[degF]", "Cel", "37"), ("-40", "Cel", "[degF]", "-40"),
    ("100", "%[slope]", "deg", "45"), ("120", "dB[SPL]", "Pa", "20"), ("1E-7", "mol/L", "[pH]", "7"),
    ("1", "k[IU]/L", "[iU]/mL", "1"), ("1", "[lb_av]", "g", "453.59237"), ("2", "h", "min", "120"),
    ("80", "[degRe]", "K", "373.15"), ("1", "cal_th", "J", "4.184"), ("180", "deg", "[pi].rad", "1"),
    ("72", "{beats}/min", "/min", "72"), ("100", "mCel", "Cel", "0.1"), ("1", "[ly]", "km", "9460730472580.8"),
    ("2.50", "mg", "mg", "2.50"), ("3", "10*3/uL", "10*9/L", "3"), ("8", "bit_s", "1", "256"),
]  # fmt: skip


@pytest.mark.parametrize("code", VALID)
def test_units_are_accepted(code):
    assert ucum.is_valid(code)


@pytest.mark.parametrize(("code", "position"), INVALID)
def test_wrong_codes_are_refused_where_they_are_wrong(code, position):
    with pytest.raises(ucum.InvalidUnit) as failure:
        ucum.parse(code)
    assert failure.value.position == position
    assert not ucum.is_valid(code)
    assert ucum.canonical(code) is None


def test_a_wrong_case_names_the_right_one():
    with pytest.raises(ucum.InvalidUnit, match=r"'mm\[Hg\]' meant"):
        ucum.parse("mmHg")


@pytest.mark.parametrize(("value", "source", "target", "expected"), CONVERSIONS)
def test_values_convert(value, source, target, expected):
    assert str(ucum.convert(Decimal(value), source, target)) == expected
    assert ucum.convert(float(value), source, target) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("source", "target"),
    [("mg", "mL"), ("[iU]", "mg"), ("[iU]", "[arb'U]"), ("mmol/L", "mg/dL"), ("Cel/m", "K/m"), ("m", "x"), ("x", "x")],
)
def test_other_dimensions_do_not_convert(source, target):
    assert ucum.convert(1.0, source, target) is None
    assert not ucum.comparable(source, target) or source == target


def test_a_value_without_a_logarithm_does_not_convert():
    assert ucum.convert(Decimal(0), "mol/L", "[pH]") is None
    assert ucum.convert(Decimal("NaN"), "g", "mg") is None


@pytest.mark.parametrize(
    ("code", "factor", "units"),
    [
        ("mg", "0.001", "g"), ("mm[Hg]", "133322", "g.m-1.s-2"), ("%", "0.01", "1"), ("[IU]/mL", "1000000", "[iU].m-3"),
        ("10*3/uL", "1000000000000", "m-3"), ("{score}", "1", "1"), ("J/(kg.K)", "1", "K-1.m2.s-2"),
    ],
)  # fmt: skip
def test_canonical_forms(code, factor, units):
    assert ucum.canonical(code) == (Decimal(factor), units)


def test_special_units_have_no_canonical_factor():
    assert ucum.canonical("Cel") is None
    assert ucum.parse("[degF]").canonical_units == "K"


def test_products_and_quotients_have_units():
    assert ucum.multiply("cm", "cm") == "cm2"
    assert ucum.multiply("10*3/uL", "uL") == "10*3"
    assert ucum.divide("g", "m") == "g/m"
    assert ucum.divide("g", "g") == "1"
    assert ucum.multiply("Cel", "m") is None
    assert ucum.multiply("x", "m") is None


def test_units_are_described_in_words():
    assert ucum.describe("mg/dL") == "(milligram) / (deciliter)"
    assert ucum.describe("{score}") == "(unity)"


def test_every_unit_of_the_essence_has_a_meaning_and_no_prefix_makes_it_another():
    tables = ucum.load()
    assert len(tables.atoms) == 312
    for code in tables.atoms:
        assert ucum.parse(code).factor


def test_the_converter_knows_only_ucum():
    converter = ucum.UcumConverter()
    assert converter.convert(1.0, ucum.SYSTEM, "g", ucum.SYSTEM, "mg") == 1000.0
    assert converter.convert(1.0, "", "tab", "", "tab") == 1.0
    assert converter.convert(1.0, "", "g", "", "mg") is None
    assert converter.canonical(5.0, ucum.SYSTEM, "mg") == 0.005
    assert converter.canonical(37.0, ucum.SYSTEM, "Cel") == 310.15
    assert converter.canonical(5.0, "", "mg") == converter.canonical(5.0, ucum.SYSTEM, "spoon") == 5.0


_MASS = st.sampled_from(["g", "mg", "ug", "kg", "[lb_av]", "[oz_av]", "t", "[gr]"])
_TEMPERATURE = st.sampled_from(["K", "Cel", "[degF]", "[degRe]", "mK"])


@given(st.decimals("-1e6", "1e6", places=3), _MASS, _MASS)
@settings(max_examples=60)
def test_there_and_back_is_the_same_mass(value, source, target):
    there = ucum.convert(value, source, target)
    back = ucum.convert(there, target, source)
    assert math.isclose(back, value, rel_tol=1e-25, abs_tol=1e-25)


@given(st.decimals("-100", "1e4", places=2), _TEMPERATURE, _TEMPERATURE)
@settings(max_examples=60)
def test_there_and_back_is_the_same_temperature(value, source, target):
    there = ucum.convert(value, source, target)
    assert math.isclose(ucum.convert(there, target, source), value, rel_tol=1e-25, abs_tol=1e-25)


@given(st.text("mgL[]{}()/.10*-+' µ", max_size=12))
@settings(max_examples=200)
def test_any_text_is_a_unit_or_an_invalid_one(text):
    try:
        unit = ucum.parse(text)
    except ucum.InvalidUnit:
        return
    assert ucum.parse(unit.canonical_units).dimensions == unit.dimensions
