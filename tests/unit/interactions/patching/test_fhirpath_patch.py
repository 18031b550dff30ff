import copy
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from fhir_server.codec import json, xml
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load
from fhir_server.interactions.patching import fhirpath_patch

DEFINITIONS = load()
CASES = etree.parse(Path(__file__).parents[3] / "data/patch/fhir-patch-tests.xml").getroot().findall("case")

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
    "active": True,
    "name": [{"use": "usual", "given": ["A", "B"], "_given": [None, {"id": "b"}]}, {"use": "old", "family": "Z"}],
    "gender": "male",
    "birthDate": "2000",
    "deceasedBoolean": False,
    "contact": [{"gender": "female"}],
}


def part(name: str, **content) -> dict:
    return {"name": name, **content}


def operation(type: str, path: str, *parts: dict, **value) -> dict:
    """An operation; value: the content of its part `value`."""
    content = [part("type", valueCode=type), part("path", valueString=path), *parts]
    return part("operation", part=[*content, *([part("value", **value)] if value else [])])


def patched(*operations: dict, resource: dict = PATIENT) -> dict:
    return fhirpath_patch.apply(resource, {"resourceType": "Parameters", "parameter": list(operations)}, DEFINITIONS)


def refusal(*operations, category: str = "unprocessable") -> str:
    before = copy.deepcopy(PATIENT)
    with pytest.raises(FhirError) as caught:
        patched(*operations)
    assert caught.value.category == category
    assert before == PATIENT
    return str(caught.value)


def resource_in(case: etree._Element, name: str) -> dict:
    return xml.parse(etree.tostring(case.find(name)[0], with_tail=False), DEFINITIONS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("name"))
def test_official_case(case):
    resource, document = resource_in(case, "input"), resource_in(case, "diff")
    if case.find("error") is not None:
        with pytest.raises(FhirError):
            fhirpath_patch.apply(resource, document, DEFINITIONS)
    else:
        assert fhirpath_patch.apply(resource, document, DEFINITIONS) == resource_in(case, "output")


def test_operations_work_one_after_another_on_a_copy():
    result = patched(
        operation("replace", "Patient.birthDate", valueDate="1999-01-02"),
        operation("add", "Patient.name[0]", part("name", valueString="family"), valueString="F"),
        operation("delete", "Patient.name.where(use = 'old')"),
        operation("add", "Patient", part("name", valueString="multipleBirth"), valueInteger=2),
    )
    assert (result["birthDate"], result["multipleBirthInteger"]) == ("1999-01-02", 2)
    assert result["name"] == [{"use": "usual", "given": ["A", "B"], "_given": [None, {"id": "b"}], "family": "F"}]
    assert len(PATIENT["name"]) == 2


def test_digits_of_decimals_stay():
    result = patched(
        operation("add", "Patient", part("name", valueString="extension"), part=[
            part("url", valueUri="http://x"), part("value", valueDecimal=Decimal("1.50")),
        ])
    )  # fmt: skip
    assert b'"extension":[{"url":"http://x","valueDecimal":1.50}]' in json.serialize(result)


def test_values_and_extensions_of_primitives_move_together():
    path = "Patient.name[0].given"
    moved = patched(operation("move", path, part("source", valueInteger=1), part("destination", valueInteger=0)))
    assert moved["name"][0] == {"use": "usual", "given": ["B", "A"], "_given": [{"id": "b"}, None]}
    inserted = patched(
        operation("insert", path, part("index", valueInteger=1), valueString="N", _valueString={"id": "n"})
    )
    assert inserted["name"][0]["given"] == ["A", "N", "B"]
    assert inserted["name"][0]["_given"] == [None, {"id": "n"}, {"id": "b"}]
    deleted = patched(operation("delete", f"{path}[1]"))
    assert deleted["name"][0] == {"use": "usual", "given": ["A"]}


def test_an_extension_can_be_added_to_a_primitive():
    extension = [part("url", valueUri="http://x"), part("value", valueCode="c")]
    result = patched(operation("add", "Patient.birthDate", part("name", valueString="extension"), part=extension))
    assert result["birthDate"] == "2000"
    assert result["_birthDate"] == {"extension": [{"url": "http://x", "valueCode": "c"}]}
    again = patched(operation("delete", "Patient.birthDate.extension[0]"), resource=result)
    assert again == PATIENT


def test_a_choice_changes_its_type():
    result = patched(operation("replace", "Patient.deceased", valueDateTime="2020"))
    assert result["deceasedDateTime"] == "2020"
    assert "deceasedBoolean" not in result


def test_an_object_is_given_by_parts_to_any_depth():
    result = patched(
        operation("add", "Patient", part("name", valueString="contact"), part=[
            part("name", part=[part("given", valueString="X"), part("given", valueString="Y")]),
            part("telecom", valueContactPoint={"system": "phone", "value": "1"}),
        ])
    )  # fmt: skip
    assert result["contact"][1] == {"name": {"given": ["X", "Y"]}, "telecom": [{"system": "phone", "value": "1"}]}


def test_a_resource_can_be_contained():
    organization = {"resourceType": "Organization", "id": "p"}
    result = patched(operation("add", "Patient", part("name", valueString="contained"), resource=organization))
    assert result["contained"][1] == organization
    renamed = patched(operation("replace", "Patient.contained[0].name", valueString="N"))
    assert renamed["contained"] == [{"resourceType": "Organization", "id": "o", "name": "N"}]


def test_a_list_that_is_not_there_takes_an_element_at_its_start():
    result = patched(operation("insert", "Patient.photo", part("index", valueInteger=0), valueAttachment={"url": "u"}))
    assert result["photo"] == [{"url": "u"}]


def test_deleting_what_is_not_there_is_no_error():
    assert patched(operation("delete", "Patient.maritalStatus")) == PATIENT


def test_what_a_deletion_leaves_empty_is_left_out():
    assert "contact" not in patched(operation("delete", "Patient.contact[0].gender"))


def test_an_empty_patch_changes_nothing():
    assert fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters"}, DEFINITIONS) == PATIENT


NAME = part("name", valueString="name")
FIRST = part("index", valueInteger=0)


def named(name: str) -> dict:
    return part("name", valueString=name)


def move(path: str, source: int, destination: int) -> dict:
    return operation("move", path, part("source", valueInteger=source), part("destination", valueInteger=destination))


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (operation("replace", "Patient.maritalStatus", valueString="x"), "0 (replace Patient.maritalStatus) of the"),
        (operation("delete", "Patient.name"), "leads to 2 elements; delete takes one"),
        (operation("delete", "Patient"), "the whole resource, which delete can't take"),
        (operation("delete", "Observation.status"), "The context is a Patient"),
        (operation("delete", "Patient.name.famly"), "did you mean `family`?"),
        (operation("replace", "'x'", valueString="y"), "computed value"),
        (operation("replace", "Patient.birthDate + 1 year", valueString="y"), ""),
        (operation("replace", "Patient.nonsense", valueString="y"), ""),
        (operation("replace", "Patient.name.single()", valueString="y"), "can't be followed"),
        (operation("add", "Patient.name", named("family"), valueString="x"), "leads to 2 elements; add"),
        (operation("add", "Patient.link", named("type"), valueCode="x"), "leads to no elements"),
        (operation("add", "Patient", named("gender"), valueCode="x"), "gender is there and does not repeat"),
        (operation("add", "Patient", named("deceased"), valueDateTime="2020"), "deceased is there"),
        (operation("add", "Patient", named("nmae"), valueString="x"), "Did you mean name?"),
        (operation("add", "Patient", NAME, valueString="x"), "gives name a string; it takes HumanName"),
        (operation("replace", "Patient.active", valueString="true"), "gives active a string; it takes boolean"),
        (operation("replace", "Patient.deceased", valueString="true"), "it takes boolean or dateTime"),
        (operation("replace", "Patient.gender", part=[part("x", valueCode="y")]), "a value by parts"),
        (operation("add", "Patient", NAME, part=[part("text", valueString="a")] * 2), "gives text twice"),
        (operation("add", "Patient", NAME, part=[part("txt", valueString="a")]), "Did you mean text?"),
        (operation("insert", "Patient.name", part("index", valueInteger=3), valueHumanName={}), "index 3 is past"),
        (operation("insert", "Patient.name", part("index", valueInteger=-1), valueHumanName={}), "index -1"),
        (operation("insert", "Patient.gender", FIRST, valueCode="x"), "Patient has no list gender"),
        (operation("insert", "Patient.name.where(true)", FIRST, valueCode="x"), "must lead to one list"),
        (operation("insert", "Patient.name.given", FIRST, valueString="x"), "must lead to one list"),
        (move("Patient.name", 0, 2), "destination 2 is past"),
        (move("Patient.name", 5, 0), "source 5 is past"),
    ],
)  # fmt: skip
def test_an_operation_that_can_not_be_applied_says_why(operation, says):
    assert says in refusal(operation)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ("x", "must be a parameter named operation"),
        (part("op"), "must be a parameter named operation"),
        (part("operation"), "needs parts"),
        (part("operation", part=["x"]), "needs parts"),
        (part("operation", part=[]), "needs a part type"),
        (operation("change", "Patient"), "needs a type of add, insert, delete, replace, move"),
        (operation("delete", "Patient.name["), "has a path that is no FHIRPath"),
        (operation("delete", "Patient.id", part("index", valueInteger=1)), "has a part index; delete takes type, path"),
        (operation("delete", "Patient.id", part("path", valueString="x")), "has the part path twice"),
        (operation("replace", "Patient.id"), "needs a part value"),
        (operation("replace", "Patient.id", part("value")), "has a value that has nothing"),
        (operation("replace", "Patient.id", valueString="x", valueCode="y"), "valueCode and valueString; give it one"),
        (operation("replace", "Patient.id", valueNonsense="x"), "has valueNonsense, which Parameters does not have"),
        (operation("replace", "Patient.id", valueString=None), "has an empty valueString"),
        (operation("replace", "Patient.id", part=["x"]), "a part that is no array of objects"),
        (operation("insert", "Patient.name", part("index", valueString="1"), valueHumanName={}), "value[x] that is"),
        (operation("insert", "Patient.name", part("index", valueBoolean=True), valueHumanName={}), "value[x] that is"),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_malformed(operation, says):
    assert says in refusal(operation, category="malformed")


@pytest.mark.parametrize("document", [{}, {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": {}}])
def test_a_document_that_is_no_parameters_is_malformed(document):
    with pytest.raises(FhirError, match="is a Parameters resource"):
        fhirpath_patch.apply(PATIENT, document, DEFINITIONS)


def test_values_that_are_no_fhir_never_crash():
    wild = [
        operation("add", "Patient", NAME, valueHumanName="x"),
        operation("add", "Patient", named("contained"), resource={"resourceType": "Nonsense"}),
    ]
    follow = [
        operation("replace", "Patient.name[2].family", valueString="x"),
        operation("add", "Patient.contained[1]", NAME, valueString="x"),
        operation("delete", "Patient.descendants().where(true)"),
    ]
    for first in wild:
        for second in follow:
            with pytest.raises(FhirError):
                patched(first, second)


def test_all_paths_together_have_a_limit_of_time():
    document = {"resourceType": "Parameters", "parameter": [operation("delete", "Patient.name")]}
    with pytest.raises(FhirError) as refused:
        fhirpath_patch.apply(PATIENT, document, DEFINITIONS, seconds=0)
    assert refused.value.category == "too-costly"
