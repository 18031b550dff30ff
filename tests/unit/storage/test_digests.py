"""Documents are told apart, but for what a custom parameter has left behind that is in force no more."""

from __future__ import annotations

from fhir_server.core.values import STRING, TOKEN
from fhir_server.storage.elastic.digests import Parameters, differ, digests

NAME, OTHER = (STRING, "name", "ann", "Ann"), (STRING, "name", "eve", "Eve")
GREEN, BLUE = (TOKEN, "eyes", "", "green"), (TOKEN, "eyes", "", "blue")


def parameters(*in_force, groups=()):
    return Parameters(
        lambda type: groups,
        lambda type, field: field == "name",
        lambda type, field: field == "name" or field in in_force,
    )


def differs(kept, wanted, *in_force, groups=()):
    now = parameters(*in_force, groups=groups)
    before = digests("Patient", kept, parameters("eyes"))
    return differ("Patient", before, digests("Patient", wanted, now), now)


def test_the_order_of_values_does_not_matter():
    assert not differs([NAME, OTHER, GREEN], [GREEN, OTHER, NAME], "eyes")


def test_official_values_must_be_the_same():
    assert differs([NAME], [OTHER])
    assert differs([NAME, OTHER], [NAME])
    assert differs([NAME, GREEN], [OTHER])


def test_values_of_a_parameter_in_force_must_be_the_same():
    assert differs([NAME, GREEN], [NAME, BLUE], "eyes")
    assert differs([NAME, GREEN], [NAME], "eyes")
    assert differs([NAME], [NAME, GREEN], "eyes")


def test_values_left_by_a_parameter_that_is_in_force_no_more_are_passed_over():
    assert not differs([NAME, GREEN], [NAME])


def test_a_sort_key_over_a_custom_field_must_be_there():
    assert differs([NAME, GREEN], [NAME, GREEN], "eyes", groups=[("name", "eyes")])


def test_the_body_counts_where_content_is_searched():
    found = [digests("Patient", [NAME], parameters(), body) for body in (b"", b"{}", b'{"a":1}')]
    assert len({tuple(each) for each in found}) == 3
