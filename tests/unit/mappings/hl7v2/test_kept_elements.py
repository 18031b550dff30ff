"""What is made of a text once and laid into the resources of many messages."""

import pytest

from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.tables import Tables
from mappings.hl7v2.translating import translate

pytestmark = pytest.mark.anyio
HEAD = (
    "MSH|{marks}|LAB|HOSP|HMS|HOSP|20240102120000+0000||ORU^R01^ORU_R01|{number}|P|2.5.1\r"
    "PID|1||{number}^^^HOSP^MR||DOE^JANE\rOBR|1||{number}^LAB|1-1^One^LN|||20240102|||||||||||||||||||F\r"
)
MARKS = "^~\\&"


def message(number, *results, marks=MARKS):
    lines = [f"OBX|{at}|NM|{result}\r" for at, result in enumerate(results, 1)]
    return parse((HEAD.format(marks=marks, number=number) + "".join(lines)).encode())


async def observations(tables, read):
    """The Observations of a message, without what differs by its number."""
    bundle = (await translate(read, tables)).bundle
    assert bundle is not None
    found = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Observation"]
    return [{name: one[name] for name in ("code", "status", "valueQuantity", "interpretation") if name in one}
            for one in found]  # fmt: skip


async def test_a_second_message_says_what_it_would_say_alone():
    tables = Tables()
    lines = ["718-7^Hb^LN||10|g/dL^^UCUM|1-5|H|||F", "718-7^Hb^LN||11|g/dL^^UCUM|1-5|H|||C", "^Text only||11||||||F"]
    first = await observations(tables, message(1, *lines))
    assert await observations(tables, message(2, *lines)) == first
    assert await observations(Tables(), message(2, *lines)) == first
    assert first[0]["code"]["coding"] == [{"system": "http://loinc.org", "code": "718-7", "display": "Hb"}]


async def test_one_text_means_another_thing_with_other_separators():
    tables = Tables()
    await observations(tables, message(1, "a~b&c^Name^LN||1||||||F"))
    there = await observations(tables, message(2, "a~b&c^Name^LN||1||||||F", marks="^*\\&"))
    assert there == await observations(Tables(), message(2, "a~b&c^Name^LN||1||||||F", marks="^*\\&"))
    assert there[0]["code"]["coding"][0]["code"] == "a~b"


async def test_what_could_not_be_read_is_told_of_every_message():
    tables = Tables()
    told = [(await translate(message(number, "1^One^LN||1||||||?"), tables)).issues for number in (1, 2)]
    assert told[0] == told[1] != []


async def test_a_resource_that_is_changed_leaves_the_kept_one_alone():
    tables = Tables()
    lines = ["1^One^LN||1|mg||H|||F"]
    first = await observations(tables, message(1, *lines))
    for one in first:
        one["valueQuantity"]["unit"] = "changed"
        one.pop("code")
    assert (await observations(tables, message(2, *lines)))[0]["valueQuantity"]["unit"] != "changed"
    assert (await observations(tables, message(2, *lines)))[0]["code"]["coding"][0]["code"] == "1"


async def test_which_rows_apply_is_told_by_the_separators_too():
    tables = Tables()
    repeated = (await translate(message(1, "1^One^LN||7~8||||||F"), tables)).bundle
    plain = (await translate(message(2, "1^One^LN||7~8||||||F", marks="^*\\&"), tables)).bundle
    assert repeated and plain
    assert ["component" in entry["resource"] for entry in repeated["entry"]].count(True) == 1
    assert not any("component" in entry["resource"] for entry in plain["entry"])
