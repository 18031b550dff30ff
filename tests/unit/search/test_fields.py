import msgspec
import pytest

from fhir_server.definitions import SearchParameter
from fhir_server.search.fields import Fields


def test_a_parameter_with_a_target_type_reads_the_field_of_the_free_one(fields):
    patient = fields.of("Observation").parameters["patient"]
    assert (patient.fields, patient.target_types) == (("subject",), ("Patient",))


def test_a_parameter_over_two_paths_reads_two_fields(fields):
    assert fields.of("Observation").parameters["combo-code"].fields == ("code", "component-code")


def test_paths_that_the_same_parameters_read_are_one_field(fields):
    found = fields.of("Observation").fields["value-quantity"]
    assert found.paths == ("Observation.value.as(Quantity)", "Observation.value.as(SampledData)")


def test_combo_composites_are_made_of_the_plain_ones(fields):
    combo = fields.of("Observation").parameters["combo-code-value-quantity"]
    assert combo.fields == ("code-value-quantity", "component-code-value-quantity")
    assert [part.kind for part in combo.components] == ["token", "quantity"]


def test_types_are_spelled_as_they_are_defined(fields):
    assert fields.of("Observation").fields["code-value-date"].components[1].paths[0] == "value.as(dateTime)"


def test_parameters_on_one_path_with_different_targets_are_told_apart_by_type(fields):
    parameters = fields.of("Bundle").parameters
    assert parameters["message"].fields == parameters["composition"].fields
    assert parameters["message"].target_types == ("MessageHeader",)


def test_every_branch_of_every_parameter_is_in_just_one_field(definitions, fields):
    for type_name in definitions.resource_types:
        type_fields = fields.of(type_name)
        keys = [(p, f.kind, f.components) for f in type_fields.fields.values() for p in f.paths]
        assert len(keys) == len(set(keys))
        for parameter in type_fields.parameters.values():
            assert parameter.fields and all(name in type_fields.fields for name in parameter.fields)


def custom(**changes):
    base = SearchParameter("http://acme.org/sp", "hair", "token", ("Patient",), {"Patient": ("Patient.hair",)})
    return msgspec.structs.replace(base, **changes)


def test_a_custom_parameter_gets_a_field(definitions):
    fields = Fields(definitions.with_search_parameters((custom(),)))
    assert fields.of("Patient").fields["hair"].paths == ("Patient.hair",)
    assert "hair" not in fields.of("Group").fields


def test_a_custom_parameter_over_a_known_path_shares_its_field(definitions):
    other = custom(branches={"Patient": ("Patient.gender",)})
    assert Fields(definitions.with_search_parameters((other,))).of("Patient").parameters["hair"].fields == ("gender",)


def test_a_branch_restricted_to_a_type_beside_a_free_one_keeps_its_restriction_in_the_path(definitions):
    mixed = custom(
        type="reference",
        branches={"Patient": ("Patient.link.other.where(resolve() is Patient)", "Patient.managingOrganization")},
    )
    found = Fields(definitions.with_search_parameters((mixed,))).of("Patient")
    paths = [path for name in found.parameters["hair"].fields for path in found.fields[name].paths]
    assert "Patient.link.other.where(resolve() is Patient)" in paths


def test_a_custom_parameter_changes_no_field_that_was_there(definitions, fields):
    part = custom(
        code="amount",
        type="quantity",
        base=("Observation",),
        branches={"Observation": ("Observation.value.as(Quantity)",)},
    )
    changed = Fields(definitions.with_search_parameters((part,))).of("Observation")
    before = fields.of("Observation")
    assert before.fields.items() <= changed.fields.items()
    assert changed.fields["amount"].paths == ("Observation.value.as(Quantity)",)
    assert changed.parameters["value-quantity"].fields == ("value-quantity",)


def test_custom_parameters_share_nothing_with_one_another(definitions):
    first = custom(code="z", url="http://acme.org/z")
    second = custom(code="a", url="http://acme.org/a")
    both = Fields(definitions.with_search_parameters((first, second))).of("Patient")
    assert (both.parameters["a"].fields, both.parameters["z"].fields) == (("a",), ("z",))


def test_a_custom_parameter_in_place_of_an_official_one_leaves_the_fields_of_others(definitions, fields):
    official = fields.of("Observation").parameters["value-quantity"].parameter
    other = msgspec.structs.replace(official, branches={"Observation": ("Observation.extension('x').value",)})
    changed = Fields(definitions.with_search_parameters((other,))).of("Observation")
    assert changed.parameters["value-quantity"].fields == ("value-quantity.custom",)
    assert changed.parameters["combo-value-quantity"].fields == ("value-quantity", "component-value-quantity")


def test_unknown_types_have_no_fields(fields):
    with pytest.raises(KeyError):
        fields.of("Patience")
