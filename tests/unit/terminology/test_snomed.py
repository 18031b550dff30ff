"""SNOMED CT: the loader on a small edition in RF2, ECL, implicit value sets."""
# ruff: noqa: E501 - rows of tables

import pytest

from fhir_server.core.errors import FhirError
from terminology import Terminology
from terminology.loaders.jobs import Jobs
from terminology.snomed.ecl import parse
from tests.unit.terminology import releases as r
from tests.unit.terminology.conftest import MOMENT, answer, caller, codes_of, value_set

SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def snomed(shipped, tmp_path_factory):
    service = Terminology(shipped=shipped, clock=lambda: MOMENT)
    jobs = Jobs(service.store, service.clock)
    job = jobs.run(jobs.create("snomed", r.snomed(tmp_path_factory.mktemp("rf2"))))
    assert (job.state, job.message) == ("done", "")
    return service


def chosen(service, ecl):
    return set(service.codes(f"{SNOMED}?fhir_vs=ecl/{ecl}"))


EXPRESSIONS = [
    (f"{r.PNEUMONIA} |Pneumonia|", [r.PNEUMONIA]),
    (f"<< {r.PNEUMONIA}", [r.PNEUMONIA, r.BACTERIAL, r.VIRAL]),
    (f"< {r.PNEUMONIA}", [r.BACTERIAL, r.VIRAL]),
    (f"<! {r.FINDING}", [r.DISEASE]),
    (f"<<! {r.FINDING}", [r.FINDING, r.DISEASE]),
    (f"> {r.DISEASE}", [r.FINDING, r.ROOT]),
    (f">> {r.DISEASE}", [r.DISEASE, r.FINDING, r.ROOT]),
    (f">! {r.DISEASE}", [r.FINDING]),
    (f"^ {r.REFSET}", [r.PNEUMONIA]),
    ("^ *", [r.PNEUMONIA]),
    (f"< {r.PNEUMONIA} AND << {r.VIRAL}", [r.VIRAL]),
    (f"{r.VIRAL} OR {r.BACTERIAL} OR {r.LUNG}", [r.VIRAL, r.BACTERIAL, r.LUNG]),
    (f"<< {r.PNEUMONIA} MINUS << {r.VIRAL}", [r.PNEUMONIA, r.BACTERIAL]),
    (f"<< {r.PNEUMONIA} MINUS ({r.VIRAL} OR {r.BACTERIAL})", [r.PNEUMONIA]),
    (f"<< {r.PNEUMONIA} : {r.SITE} = {r.LUNG}", [r.PNEUMONIA, r.BACTERIAL]),
    (f"<< {r.PNEUMONIA} : {r.SITE} = << {r.LUNG}", [r.PNEUMONIA, r.BACTERIAL, r.VIRAL]),
    (f"<< {r.PNEUMONIA} : {r.SITE} != {r.LUNG}", [r.VIRAL]),
    (f"<< {r.PNEUMONIA} : {r.SITE} = *, {r.AGENT} = << {r.ORGANISM}", [r.BACTERIAL, r.VIRAL]),
    (f"<< {r.PNEUMONIA} : {r.AGENT} = {r.BACTERIA} OR {r.AGENT} = {r.VIRUS}", [r.BACTERIAL, r.VIRAL]),
    (f"<< {r.PNEUMONIA} : {{ {r.SITE} = << {r.LUNG}, {r.AGENT} = * }}", [r.BACTERIAL]),
    (f"<< {r.PNEUMONIA} : [0..0] {r.AGENT} = *", [r.PNEUMONIA]),
    (f"<< {r.PNEUMONIA} : [1..1] {r.SITE} = *", [r.PNEUMONIA, r.BACTERIAL, r.VIRAL]),
    (f"<< {r.PNEUMONIA} : [2..*] {r.SITE} = *", []),
    (f"* : R {r.AGENT} = {r.VIRAL}", [r.VIRUS]),
    (f"<< {r.PNEUMONIA} . {r.AGENT}", [r.BACTERIA, r.VIRUS]),
    (f"* : {r.STRENGTH} >= #250", [r.BACTERIAL]),
    (f"* : {r.STRENGTH} > #250.5", []),
    (f"* : << {r.ATTRIBUTE} = {r.VIRUS}", [r.VIRAL]),
    (f"<< {r.PNEUMONIA} /* comment */ : ({r.AGENT} = {r.VIRUS} OR {r.AGENT} = {r.BACTERIA}), {r.SITE} = {r.LUNG}", [r.BACTERIAL]),
    ("<< 999999999", []),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "codes"), EXPRESSIONS)
def test_ecl_chooses_concepts_and_membership_agrees(snomed, expression, codes):
    assert {code for _, code in chosen(snomed, expression)} == set(codes)
    url = f"{SNOMED}?fhir_vs=ecl/{expression}"
    assert {code for code in r.CONCEPTS if snomed.member_of(url, SNOMED, code)} == set(codes)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("<<", "a concept is expected before the end"), ("<< 64572001 AND", "before the end"), ("64572001)", "not expected"),
        ("64572001 OR 64572001 AND 64572001", "mixed"), ("<< 64572001 {{ term = \"x\" }}", "not expected|filters"),
        ("<< 64572001 : 363698007", "'=' or another comparison"), ("%", "no meaning"), ("(" * 40 + "*", "nested"),
        ("* : [1-2] 363698007 = *", "cardinality"), ("", "a concept is expected"), ("*" * 4001, "4000"),
    ],
)  # fmt: skip
def test_wrong_expressions_are_refused_where_they_are_wrong(expression, message):
    with pytest.raises(FhirError, match=message):
        parse(expression)


def test_the_display_is_the_preferred_term(snomed):
    found = answer(caller(snomed)("CodeSystem/lookup", system=SNOMED, code=r.PNEUMONIA))
    assert (found["display"], found["version"]) == ("Pneumonia", f"{SNOMED}/900000000000207008/version/20260101")
    assert {d["value"] for d in found["designation"]} == {"Pneumonia (disorder)", "Pneumonia", "Lung inflammation"}
    told = {(p["code"], str(p["value"])) for p in found["property"]}
    assert told >= {
        (r.SITE, r.LUNG), ("parent", r.DISEASE), ("child", r.VIRAL), ("inactive", "False"),
        ("definition", "Inflammation of lung tissue."),
    }  # fmt: skip
    assert not any(code.startswith("^") for code, _ in told)


def test_inactive_concepts_are_known_as_such(snomed):
    assert snomed.catalog.find(SNOMED, "", r.OLD)[1].inactive
    assert snomed.display(SNOMED, r.OLD) == "Old"


def test_subsumption_is_that_of_is_a(snomed):
    assert snomed.subsumes(SNOMED, r.FINDING, r.VIRAL)
    assert not snomed.subsumes(SNOMED, r.VIRAL, r.FINDING)


@pytest.mark.parametrize(
    ("what", "count"),
    [("", 17), (f"=isa/{r.PNEUMONIA}", 3), (f"=refset/{r.REFSET}", 1), (f"=ecl/%3C{r.PNEUMONIA}", 2)],
)
def test_urls_of_snomed_mean_value_sets(snomed, what, count):
    assert len(snomed.codes(f"{SNOMED}?fhir_vs{what}")) == count
    assert len(snomed.codes(f"{SNOMED}/900000000000207008?fhir_vs{what}")) == count


def test_all_reference_sets_are_a_value_set_of_their_own(snomed):
    assert snomed.codes(f"{SNOMED}?fhir_vs=refset") == [(SNOMED, r.REFSET)]
    assert snomed.codes(f"{SNOMED}/900000000000207008?fhir_vs=refset") == [(SNOMED, r.REFSET)]


def test_an_expression_in_a_url_may_name_the_terms(snomed):
    named = f"<< {r.PNEUMONIA} |Pneumonia| MINUS << {r.VIRAL} |Viral pneumonia|"
    assert chosen(snomed, named) == chosen(snomed, f"<< {r.PNEUMONIA} MINUS << {r.VIRAL}")
    edition = f"{SNOMED}/900000000000207008"
    assert chosen(snomed, f"{named}|{edition}") == chosen(snomed, named)
    assert codes_of(caller(snomed)("ValueSet/expand", url=f"{SNOMED}?fhir_vs=ecl/{named}", valueSetVersion=edition))
    with pytest.raises(FhirError, match="not known"):
        chosen(snomed, f"{named}|{SNOMED}/731000124108")


def test_an_edition_that_is_not_here_is_not_taken_for_another(snomed):
    assert snomed.member_of(f"{SNOMED}/731000124108?fhir_vs", SNOMED, r.PNEUMONIA) is None


def test_attributes_are_properties_to_filter_by(snomed):
    by_site = value_set({"system": SNOMED, "filter": [{"property": r.SITE, "op": "=", "value": r.LOBE}]})
    assert codes_of(caller(snomed)("ValueSet/expand", valueSet=by_site)) == [r.VIRAL]
    constraint = value_set(
        {"system": SNOMED, "filter": [{"property": "constraint", "op": "=", "value": f"< {r.PNEUMONIA}"}]}
    )
    assert codes_of(caller(snomed)("ValueSet/expand", valueSet=constraint, filter="vir")) == [r.VIRAL]
