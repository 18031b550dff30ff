"""What ships: R4's and HL7's terminology, and the store it is kept apart from."""
# ruff: noqa: E501 - rows of tables

import pytest

from fhir_server.core.errors import FhirError
from terminology import Terminology
from tests.unit.terminology.conftest import ANIMALS, animal_system, value_set

# The categories in which a shipped value set may be unable to list its codes: others' code systems, and grammars.
EXCUSED = ("not-found", "too-costly")


def test_shipped_value_sets_are_listed_or_say_which_part_is_not_here(service):
    listed, excused = 0, []
    for url, version in sorted(service.shipped.urls("ValueSet"))[::5]:  # all take long
        try:
            listed += bool(service.codes(f"{url}|{version}") is not None)
        except FhirError as failure:
            assert failure.category in EXCUSED, str(failure)
            excused.append(url)
    assert listed > 700
    assert len(excused) < 50


def test_every_shipped_concept_map_can_be_read(service):
    maps = list(service.shipped.urls("ConceptMap"))
    assert len(maps) >= 19
    assert all(service.concept_map(url) for url, _ in maps)


@pytest.mark.parametrize(
    ("value_set", "system", "code"),
    [
        ("http://hl7.org/fhir/ValueSet/marital-status", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
        ("http://hl7.org/fhir/ValueSet/observation-category", "http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"),
        ("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP"),
        ("http://hl7.org/fhir/ValueSet/resource-types", "http://hl7.org/fhir/resource-types", "Patient"),
        ("http://hl7.org/fhir/ValueSet/identifier-type", "http://terminology.hl7.org/CodeSystem/v2-0203", "MR"),
    ],
)  # fmt: skip
def test_shipped_value_sets_have_their_members(service, value_set, system, code):
    assert service.member_of(value_set, system, code) is True
    assert service.member_of(value_set, system, "no-such-code") is False


def test_what_is_stored_here_goes_before_what_ships(service):
    url = "http://hl7.org/fhir/administrative-gender"
    service.put(animal_system(url=url, version="5"))
    assert service.display(url, "dog") == "Dog"
    assert service.display(url, "male", "4.0.1") == "Male"
    assert service.display(url, "male") is None


def test_another_process_sees_what_was_stored(tmp_path, shipped):
    first, second = (Terminology(tmp_path / "terminology.db", shipped=shipped) for _ in range(2))
    asked = value_set({"system": ANIMALS})
    first.put(asked)
    assert second.member_of(asked["url"], ANIMALS, "dog") is None
    first.put(animal_system())
    assert second.member_of(asked["url"], ANIMALS, "dog") is True
    first.remove("CodeSystem", ANIMALS, "1.0")
    assert second.member_of(asked["url"], ANIMALS, "dog") is None
    assert first.remove("ValueSet", asked["url"], "1") and not first.remove("ValueSet", asked["url"], "1")
    assert second.value_set(asked["url"]) is None


def test_what_is_removed_leaves_nothing_behind(service):
    service.put(animal_system())
    service.put(animal_system())
    service.remove("CodeSystem", ANIMALS, "1.0")
    tables = (
        "concepts",
        "codes",
        "designations",
        "properties",
        "property_names",
        "parents",
        "ancestors",
        "descendants",
    )
    for table in tables:
        assert service.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    assert not service.store.connection.execute("SELECT rowid FROM texts WHERE texts MATCH 'dog'").fetchall()


def test_a_question_that_takes_too_long_is_ended(service):
    with pytest.raises(FhirError, match=r"more than 0\.01 seconds"), service.store.limited(0.01):
        service.store.connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        ).fetchone()
