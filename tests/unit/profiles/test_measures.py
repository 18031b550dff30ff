"""MeasureReports against their Measures."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import Known, as_parsed

URL = "http://example.org/measure"
SCORE = {"measureScore": {"value": 1}}


def code(name):
    return {"code": {"coding": [{"system": "urn:s", "code": name}]}}


def measure(*groups, scoring="proportion"):
    return {"resourceType": "Measure", "url": URL, "status": "active", "group": list(groups),
            "scoring": {"coding": [{"code": scoring}]}}  # fmt: skip


def group(name="", *populations, **more):
    counted = {"population": [{**code(each), "count": 1} for each in populations]} if populations else SCORE
    return {**(code(name) if name else {}), **counted, **more}


def issues(known, *groups, status="complete", type="summary"):
    report = {"resourceType": "MeasureReport", "status": status, "type": type, "measure": URL,
              "period": {"start": "2024"}, **({"group": list(groups)} if groups else {})}  # fmt: skip
    found = Validator(load(), sources=[Known(known)]).validate(as_parsed(report))
    return [(i.expression.removeprefix("MeasureReport"), i.rule) for i in found]


ONE = measure(group("", "numerator", "denominator"))
TWO = measure(group("a"), group("b", stratifier=[code("age"), code("sex")]))
UNNAMED = measure(group(), group())


@pytest.mark.parametrize(
    ("known", "groups"),
    [
        (ONE, [group("", "numerator", "denominator", **SCORE)]),
        (ONE, [group("anything", "numerator")]),
        (TWO, [group("b"), group("a")]),
        (TWO, [group("a"), group("b", stratifier=[{"code": [code("sex")["code"]]}])]),
        (UNNAMED, [group(), group()]),
        (measure(), [group("x")]),
    ],
)
def test_what_fits(known, groups):
    assert issues(known, *groups) == []


@pytest.mark.parametrize(
    ("known", "groups", "path", "rule"),
    [
        (ONE, [group("", "numerator"), group("", "denominator")], ".group[1]", "measure-group"),
        (ONE, [group("", "numerator", "other")], ".group[0].population[1]", "measure-population"),
        (TWO, [group("a"), group("b"), group("c")], ".group[2]", "measure-group"),
        (TWO, [group("a"), group()], ".group[1]", "measure-group"),
        (TWO, [group("a")], ".group", "measure-group"),
        (TWO, [group("a"), group("b", stratifier=[{"code": [{"text": "age"}]}])],
         ".group[1].stratifier[0]", "measure-stratifier"),
        (measure(group(), scoring="cohort"), [group(**SCORE)], ".group[0].measureScore", "measure-score"),
    ],
)  # fmt: skip
def test_what_does_not(known, groups, path, rule):
    assert issues(known, *groups) == [(path, rule)]


def test_a_report_that_is_not_complete_lacks_groups():
    assert issues(TWO, group("a"), status="pending") == issues(TWO, type="data-collection") == []


def test_an_unknown_measure_is_a_warning():
    assert issues({**ONE, "url": "http://example.org/other"}, group()) == [(".measure", "measure-unknown")]


BASIS = "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-populationBasis"


@pytest.mark.parametrize(
    ("count", "basis", "told"),
    [(2, "", False), (1, "", True), (3, "", True), (2, "boolean", False), (3, "boolean", True),
     (3, "Encounter", False), (1, "Encounter", True), (3, None, False), (1, None, True)],
)  # fmt: skip
def test_a_population_counts_the_subjects_that_are_listed(count, basis, told):
    known = {**ONE, **({"extension": [{"url": BASIS, "valueCode": basis}]} if basis else {})}
    listed = [{"item": {"reference": f"MeasureReport/{number}"}} for number in (1, 2)]
    subjects = {
        "resourceType": "List",
        "id": "l",
        "status": "current",
        "mode": "changes",
        "entry": [*listed, {**listed[0], "deleted": True}],
    }
    population = {**code("numerator"), "count": count, "subjectResults": {"reference": "#l"}}
    report = {
        "resourceType": "MeasureReport", "status": "complete", "type": "subject-list", "measure": URL,
        "period": {"start": "2024"}, "contained": [subjects], "group": [{"population": [population]}],
    }  # fmt: skip
    found = Validator(load(), sources=[] if basis is None else [Known(known)]).validate(as_parsed(report))
    place = "MeasureReport.group[0].population[0].count"
    assert [i.expression for i in found if i.rule == "measure-count"] == ([place] if told else [])
