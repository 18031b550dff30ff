"""The conditions of the tables, as they are written there."""

import pytest

from fhir_server.core.errors import FhirError
from mappings.hl7v2.conditions import read_condition
from mappings.hl7v2.tables import standard


class Values:
    """A context of values by operand, written as the tables write them."""

    def __init__(self, **values):
        self.values = {name.replace("_", "-", 1).replace("_", "."): value for name, value in values.items()}

    def read(self, operand):
        name = operand.name + "".join(
            mark + str(number) for mark, number in zip("-..", operand[1:], strict=True) if number
        )
        found = self.values.get(name, [])
        return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("IF PRT-9 VALUED OR IF PRT-14 VALUED", {"PRT_14": "x"}, True),
        ("IF PRT-9 VALUED OR IF PRT-14 VALUED", {}, False),
        ('IF OBX-5 LST.count LESS THAN OR EQUALS 1 OR OBX-2 IS "NA"', {"OBX_5": ["a", "b"], "OBX_2": "NM"}, False),
        ('IF OBX-5 LST.count LESS THAN OR EQUALS 1 OR OBX-2 IS "NA"', {"OBX_5": ["a", "b"], "OBX_2": "NA"}, True),
        ('IF OBX-2 EQUALS "SN" AND OBX-5.3 NOT IN (":", "/", "-", "+")', {"OBX_2": "SN", "OBX_5_3": "-"}, False),
        ('IF OBX-2 EQUALS "SN" AND OBX-5.3 NOT IN (":", "/", "-", "+")', {"OBX_2": "SN"}, True),
        ("IF PID-11.9 IS VALUED NOT EQUAL PID-12", {"PID_11_9": "y", "PID_12": "z"}, True),
        ("IF PID-11.9 IS VALUED NOT EQUAL PID-12", {"PID_11_9": "z", "PID_12": "z"}, False),
        ('IF IAM-15 VALUED AND NOT "SEL"', {"IAM_15": "SEL"}, False),
        ('IF IAM-15 VALUED AND NOT "SEL"', {"IAM_15": "MTH"}, True),
        ("IF RXO-2 IS VALUED AND (IF RXO-4.1 IS NOT VALUED AND RXO-4.3 IS NOT VALUED)", {"RXO_2": "1"}, True),
        ('IF PRT-2 IS IN ("A", "S", "U", X")', {"PRT_2": "X"}, True),
        ("IF TQ1-7 AND TQ1-8 NOT VALUED", {"TQ1_7": "1"}, False),
        ("IF OBX-33 COUNT>1", {"OBX_33": ["1", "2"]}, True),
        ("IF PID-7 LENGTH GREATER THAN 8", {"PID_7": "197001011200"}, True),
        ('IF HD-3 = "ISO"', {"HD_3": "ISO"}, True),
    ],
)
def test_conditions_hold_or_not(condition, values, holds):
    assert read_condition(condition).test(Values(**values)) is holds


def test_every_condition_of_the_tables_is_read():
    tables = standard()
    texts = {row.condition for name in tables.names() for row in tables.rows(name)}
    texts |= {row.condition for rows in tables.messages.values() for row in rows}
    refused = []
    for text in filter(None, texts):
        try:
            read_condition(text)
        except FhirError:
            refused.append(text)
    assert refused == []


@pytest.mark.parametrize("text", ["IF", "IF PID-3 FOO", "IF OBX-5 COUNT > many", "PID-3 VALUED $"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(FhirError, match="condition"):
        read_condition(text)
