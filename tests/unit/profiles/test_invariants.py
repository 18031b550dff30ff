"""Invariants: their severities, those that are only recommended, and those with a function of their own."""

import pytest

from fhir_server.definitions import load
from fhir_server.fhirpath import compile_path
from profiles.structure.rules import NATIVE, RuleBook
from profiles.validator import Validator

from .conftest import as_parsed

BARE = {"resourceType": "Patient", "active": True}


def test_best_practice_is_reported_only_where_it_is_asked_for(validator):
    assert validator.check(as_parsed(BARE)) == []
    [issue] = Validator(load(), best_practice=True).check(as_parsed(BARE))
    assert (issue.rule, issue.severity, issue.expression) == ("dom-6", "warning", "Patient")


def test_a_broken_invariant_of_severity_warning_is_a_warning(validator):
    resource = {"resourceType": "ValueSet", "status": "active", "name": "not a name"}
    [issue] = validator.check(as_parsed(resource))
    assert (issue.rule, issue.severity) == ("vsd-0", "warning")


def test_a_warning_inside_does_not_keep_an_outer_rule_from_being_checked(validator):
    inner = {"resourceType": "ValueSet", "status": "active", "name": "not a name"}
    entry = {"fullUrl": "http://example.org/a", "resource": inner}
    issues = validator.check(as_parsed({"resourceType": "Bundle", "type": "collection", "total": 1, "entry": [entry]}))
    assert {(issue.rule, issue.severity) for issue in issues} == {("vsd-0", "warning"), ("bdl-1", "error")}


def test_an_error_is_never_hidden_by_many_warnings(validator):
    inner = {"resourceType": "ValueSet", "status": "active", "name": "not a name"}
    entries = [{"fullUrl": f"http://example.org/{n}", "resource": dict(inner)} for n in range(300)]
    entries[-1]["resource"]["status"] = "wrong"
    issues = validator.check(as_parsed({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    assert issues[0].rule == "binding-required"


@pytest.mark.parametrize(
    ("start", "end"),
    [("2020-01-01T10:00:00Z", "2020-01-01"), ("2020", "2020-06"), ("2020-01-01", "2020-01-01"), (None, "2020")],
)
def test_a_period_that_may_be_right_is_accepted(validator, start, end):
    period = {key: value for key, value in (("start", start), ("end", end)) if value}
    assert validator.check(as_parsed({**BARE, "name": [{"period": period}]})) == []


@pytest.mark.parametrize(
    "reference",
    ["#", "#dr"],
)
def test_a_contained_resource_may_refer_to_its_container_and_its_neighbours(validator, reference):
    contained = [
        {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": reference}},
        {"resourceType": "Practitioner", "id": "dr", "active": True},
    ]
    about = [{"url": "http://example.org/e", "valueReference": {"reference": "#b"}}]
    by = [{"reference": "#dr"}]
    resource = {**BARE, "contained": contained, "extension": about, "generalPractitioner": by}
    assert validator.check(as_parsed(resource)) == []


def test_only_the_invariants_that_do_not_fit_their_type_are_left_out():
    definitions = load()
    rules = RuleBook(definitions, best_practice=True)
    for definition in definitions.types.values():
        rules.of(definition.invariants, definition.name)
        for element in definition.elements:
            for reference in element.types:
                rules.of(element.invariants, reference.code)
    assert {(key, context) for key, context, _ in rules.unusable} <= {
        ("cid-0", "ChargeItemDefinition"),  # it has no element name
        ("ras-1", "decimal"),  # it speaks of the Range that the element may be instead
    }


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("que-2", {"item": [{"linkId": "a", "item": [{"linkId": "b"}]}, {"linkId": "c"}]}),
        ("que-2", {"item": [{"linkId": "a", "item": [{"linkId": "a"}]}]}),
        ("que-2", {}),
        ("csd-1", {"concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]}),
        ("csd-1", {"concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "b"}]}),
        ("csd-1", {"concept": [{"code": "a", "concept": [{"code": "b"}, {"code": "b"}]}]}),
        ("csd-1", {}),
    ],
)
def test_invariants_with_a_function_of_their_own_agree_with_their_expression(key, resource):
    definitions = load()
    name = {"que-2": "Questionnaire", "csd-1": "CodeSystem"}[key]
    [expression] = [i.expression for i in definitions.types[name].invariants if i.key == key]
    full = as_parsed({"resourceType": name, **resource})
    assert NATIVE[key](full) is compile_path(expression, definitions, name).is_true(full)
