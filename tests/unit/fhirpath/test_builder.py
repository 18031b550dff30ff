from __future__ import annotations

from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, PathsBuilder


def append(label: str) -> Any:
    return lambda type_name, value: [f"found.append(({label!r}, {type_name!r}, {value}))"]


def test_many_paths_make_one_function(definitions: Definitions, patient: dict[str, Any]) -> None:
    builder = PathsBuilder(definitions, "Patient")
    for expression in (
        "Patient.name.family",
        "Patient.name.given",
        "Patient.birthDate",
        "Patient.telecom.where(system='email')",
        "Patient.deceased.exists() and Patient.deceased != false",
    ):
        assert builder.add(expression, append(expression.rpartition(".")[2]))
    found: list[Any] = []
    builder.build("found")(patient, found)
    assert set(map(repr, found)) == {
        "('family', 'string', 'Chalmers')",
        "('given', 'string', 'Peter')",
        "('given', 'string', 'James')",
        "('given', 'string', 'Jim')",
        "('birthDate', 'date', '1974-12-25')",
        repr(("where(system='email')", "ContactPoint", {"system": "email", "value": "a@b"})),
        "('deceased != false', 'boolean', False)",
    }


def test_loops_over_one_array_are_shared(definitions: Definitions) -> None:
    reads = 0

    class Counting(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal reads
            reads += key == "name"
            return super().get(key, default)

    builder = PathsBuilder(definitions, "Patient")
    for expression in ("Patient.name.family", "Patient.name.given", "Patient.name"):
        builder.add(expression, lambda type_name, value: ["pass"])
    builder.build()(Counting({"resourceType": "Patient", "name": [{"family": "x"}]}))
    assert reads == 1


def test_a_body_is_asked_once_for_each_type(definitions: Definitions) -> None:
    types: list[str] = []
    builder = PathsBuilder(definitions, "Observation")
    builder.add("Observation.effective", lambda type_name, value: types.append(type_name) or ["pass"])
    assert types == ["dateTime", "Period", "Timing", "instant"]


def test_paths_relative_to_a_value_stand_in_its_body(definitions: Definitions, observation: dict[str, Any]) -> None:
    builder = PathsBuilder(definitions, "Observation")

    def body(type_name: str, value: str) -> list[str]:
        codes = builder.lines("code.text", type_name, value, lambda _, code: [f"codes.append({code})"])
        values = builder.lines("value.as(Quantity)", type_name, value, lambda _, v: [f"found.append((codes[-1], {v}))"])
        assert codes is not None
        assert values is not None
        return ["codes = []", *codes, *values]

    builder.add("Observation.component", body)
    found: list[Any] = []
    builder.build("found")(observation, found)
    assert found == [("a", observation["component"][0]["valueQuantity"])]


def test_names_reach_the_bodies(definitions: Definitions, patient: dict[str, Any]) -> None:
    builder = PathsBuilder(definitions, "Patient")
    builder.names["fold"] = str.casefold
    builder.add("Patient.name.family", lambda type_name, value: [f"found.append(fold({value}))"])
    found: list[str] = []
    builder.build("found")(patient, found)
    assert found == ["chalmers"]


def test_what_the_definitions_do_not_settle_is_not_added(definitions: Definitions) -> None:
    builder = PathsBuilder(definitions, "Patient")
    assert not builder.add("Patient.descendants().reference", append("x"))
    assert not builder.add("Patient.name.select($index)", append("x"))


def test_misshapen_json_is_a_clear_error(definitions: Definitions) -> None:
    builder = PathsBuilder(definitions, "Patient")
    builder.add("Patient.name.given", append("x"))
    with pytest.raises(FhirPathError, match="not shaped as R4 defines it"):
        builder.build("found")({"resourceType": "Patient", "name": "x"}, [])
