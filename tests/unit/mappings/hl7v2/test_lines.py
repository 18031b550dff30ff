"""Segments of texts that come again, laid at once: what comes out is what the rules make one by one."""

import random

import pytest

from interfaces.hl7v2.er7 import parse
from mappings.hl7v2 import applying, lines
from mappings.hl7v2.tables import SiteTables, Tables
from mappings.hl7v2.translating import translate

pytestmark = pytest.mark.anyio
HEAD = "MSH|^~\\&|L|H|||20240102||ORU^R01|{0}|P|2.5\rPID|1||{0}^^^H\rOBR|1||{0}^L|1^P^LN|||2024||||||||||||||||||F\r"
HEADER = "map,source,condition,target,type_map,vocabulary,assignment,comment"
KINDS = [
    ("NM", ["5.1", "<3", "0", "1^2", '""', "abc", ""]),
    ("ST", ["text", "a\\T\\b", "", "two~texts"]),
    ("CWE", ["POS^positive^L", "^only text", "260385009^Negative^SCT"]),
    ("SN", [">^5", "^1^-^2", "^3"]),
    ("TS", ["20240102030405", "2024"]),
]


def message(chance, number, count=6):
    """An ORU whose lines differ in some fields, and in others hardly ever."""
    pick = chance.choice
    segments = [
        f"MSH|^~\\&|LAB|HOSP|HMS|HOSP|20240102120000+0000||ORU^R01^ORU_R01|{number}|P|2.5.1",
        f"PID|1||{number}^^^HOSP^MR||DOE^{pick(['JANE', 'JIM'])}||{pick(['1970', '19700102', ''])}|{pick('MFUX')}",
        f"ORC|RE|P{number}^{pick('AB')}|F{number}^LAB",
        f"OBR|1|P{number}^A|F{number}^LAB|{pick(['1-1^One^LN', '^Panel'])}|||20240102|||||||||||||||||||{pick('FPC')}",
    ]
    for at in range(count):
        kind, values = pick(KINDS)
        segments.append(
            f"OBX|{at + 1}|{kind}|{pick(['718-7^Hb^LN', '4544-3^Ht^LN', 'X^own^L', '^text'])}|{pick(['', '1', '2.1'])}"
            f"|{pick([*values, str(chance.random())[:6]])}|{pick(['', 'g/dL^^UCUM', '%'])}|{pick(['', '1-5', '>3'])}"
            f"|{pick(['', 'H', 'H~A', 'odd'])}|||{pick('FPCXDW')}|||{pick(['', '20240102', '202401020304', 'never'])}"
            f"|{pick(['', 'LAB^Lab^L'])}||{pick(['', 'M1^Method^L'])}|{pick(['', 'EI1^LAB'])}|"
        )
    return parse(("\r".join(segments) + "\r").encode())


async def told(read, tables):
    found = await translate(read, tables)
    entries = found.bundle["entry"] if found.bundle else []
    return [entry for entry in entries if entry["resource"]["resourceType"] != "Provenance"], found.issues, found.errors


@pytest.mark.parametrize("few", [300, 2])
async def test_lines_say_what_their_rules_say(monkeypatch, few):
    monkeypatch.setattr(lines, "FEW_TEXTS", few)
    tables, apart, chance = Tables(), Tables(), random.Random(few)
    for number in range(120):
        read = message(chance, number)
        at_once = await told(read, tables)
        with monkeypatch.context() as patched:
            patched.setattr(lines.Line, "lay", lambda *_: None)
            assert at_once == await told(read, apart)


async def test_most_lines_are_laid_at_once(monkeypatch):
    laid, lay = [], lines.Line.lay
    monkeypatch.setattr(lines.Line, "lay", lambda *given: laid.append(lay(*given)) or laid[-1])
    tables = Tables()
    for number in range(lines.FEW_TEXTS + 100):
        line = f"OBX|1|NM|718-7^Hb^LN|1|{number}.5|g/dL^^UCUM|1-5|H|||F|||20240102\r"
        found, _, _ = await told(parse((HEAD.format(number) + line).encode()), tables)
        result = next(each["resource"] for each in found if each["resource"]["resourceType"] == "Observation")
        assert str(result["valueQuantity"]["value"]) == f"{number}.5"
        assert result["valueQuantity"]["code"] == "g/dL"
    assert laid.count(None) < 5


async def test_lines_that_came_are_laid_again_without_a_look_for_their_rules(monkeypatch):
    looked, plan_of = [], applying.plan_of
    monkeypatch.setattr(applying, "plan_of", lambda *given: looked.append(given[1].name) or plan_of(*given))
    monkeypatch.setattr(lines, "FEW_TEXTS", 5)
    tables = Tables()
    for number in range(30):
        line = f"OBX|1|NM|718-7^Hb^LN|1|{number}.5|g/dL^^UCUM|1-5|H|||F|||20240102\r"
        found, _, _ = await told(parse((HEAD.format(number) + line).encode()), tables)
        result = next(each["resource"] for each in found if each["resource"]["resourceType"] == "Observation")
        assert str(result["valueQuantity"]["value"]) == f"{number}.5"
    assert 5 < looked.count("OBX") < 10


async def test_a_text_that_asks_for_other_rules_is_not_laid_as_those_before(monkeypatch):
    monkeypatch.setattr(lines, "FEW_TEXTS", 2)
    tables = Tables()
    said = []
    for value in ("1.5", "2.5", "3.5", "4.5", '""', "5.5", "", "6.5"):
        line = f"OBX|1|NM|718-7^Hb^LN|1|{value}|g/dL^^UCUM|1-5|H|||F|||20240102\r"
        found, _, _ = await told(parse((HEAD.format(1) + line).encode()), tables)
        result = next(each["resource"] for each in found if each["resource"]["resourceType"] == "Observation")
        said.append(str(result.get("valueQuantity", {}).get("value", "")))
    assert said == ["1.5", "2.5", "3.5", "4.5", "", "5.5", "", "6.5"]


async def test_lines_that_do_not_come_again_are_left_to_the_rules(monkeypatch):
    monkeypatch.setattr(lines, "MOST_LEARNT", 20)
    monkeypatch.setattr(lines, "FEW_TEXTS", 10_000)
    tables, read = Tables(), "OBX|1|NM|1^One^LN|1|{0}|mg|1-5|H|||F\r"
    for number in range(50):
        await told(parse((HEAD.format(number) + read.format(number)).encode()), tables)
    mapping = tables.map("OBX[Observation]")
    assert mapping is not None
    assert [plan.line.useful for plan in mapping.plans.values()] == [False]


async def test_a_sites_rules_hold_for_lines_from_the_next_message_on(tmp_path):
    site = SiteTables(tmp_path)
    line = "OBX|1|NM|1^One^LN|1|5|mg|1-5|H|||F\r"
    before, _, _ = await told(parse((HEAD.format(1) + line).encode()), site.current())
    (tmp_path / "maps.csv").write_text(
        f"{HEADER}\nOBX[Observation],OBX-7,,referenceRange.text,,,,\nOBX[Observation],OBX-7,,method.text,,,,\n"
    )
    after, _, _ = await told(parse((HEAD.format(2) + line).encode()), site.current())
    methods = [one["resource"].get("method") for found in (before, after) for one in found
               if one["resource"]["resourceType"] == "Observation"]  # fmt: skip
    assert methods == [None, {"text": "1-5"}]


@pytest.mark.parametrize(
    "rules",
    ["OBX[Observation],OBX-4,,valueQuantity.unit,,,,",
     "OBX[Observation],OBX-4,,implicitRules,,,,\nOBX[Observation],OBX-7,,implicitRules,,,,"],
)  # fmt: skip
async def test_the_later_of_two_fields_holds_whichever_of_them_differs(monkeypatch, tmp_path, rules):
    monkeypatch.setattr(lines, "FEW_TEXTS", 2)
    (tmp_path / "maps.csv").write_text(f"{HEADER}\n{rules}\n")
    tables = SiteTables(tmp_path).current()
    said = set()
    for number in range(6):
        line = f"OBX|1|NM|1^One^LN|s{number}|5|mg|1-5|H|||F\r"
        found, _, _ = await told(parse((HEAD.format(number) + line).encode()), tables)
        result = next(each["resource"] for each in found if each["resource"]["resourceType"] == "Observation")
        said.add((result["valueQuantity"]["unit"], result.get("implicitRules", "")))
    assert said == {("mg", "1-5" if "implicitRules" in rules else "")}


async def test_lines_of_all_shapes_are_bounded_together(monkeypatch):
    monkeypatch.setattr(lines, "MOST_LINES", 20)
    tables = Tables()
    for number in range(15):
        for unit in ("mg", ""):
            line = f"OBX|1|NM|1^One^LN|{number}|5|{unit}|1-5|H|||F\r"
            await told(parse((HEAD.format(number) + line).encode()), tables)
    assert 0 < len(tables.lines) <= 20
