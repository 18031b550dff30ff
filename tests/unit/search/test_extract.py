import math
from decimal import Decimal

import pytest

from fhir_server.core import values as v
from fhir_server.definitions import SearchParameter
from fhir_server.search.dates import DAY, date_range
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields

UCUM = "http://unitsofmeasure.org"
GENDER = "http://hl7.org/fhir/administrative-gender"


@pytest.fixture(scope="module")
def extractor(definitions, fields):
    return Extractor(definitions, fields, "http://here.org/fhir")


@pytest.fixture
def extract(extractor):
    """extract("Patient", gender="male") -> {field: [what follows the field]}; texts on "<field>:text"."""

    def extract(type_name, **content):
        found = {}
        for kind, field, *parts in extractor.extract({"resourceType": type_name, **content}):
            name = f"{field}:text" if kind == v.TEXT else field
            found.setdefault(name, []).append((kind, *parts))
        return found

    return extract


def test_a_code_gets_the_system_of_its_required_binding(extract):
    assert extract("Patient", gender="male")["gender"] == [(v.TOKEN, GENDER, "male")]


def test_a_code_of_a_value_set_with_two_systems_gets_the_one_that_has_it(extract):
    found = extract("Observation", valueCodeableConcept={"coding": [{"code": "x"}]})
    assert found["value-concept"] == [(v.TOKEN, "", "x")]


def test_a_codeable_concept_is_its_codings_and_its_texts(extract):
    concept = {"coding": [{"system": "s", "code": "a", "display": "A  b"}, {"code": "c"}, {"system": "d"}], "text": "Ä"}
    found = extract("Observation", code=concept)
    assert found["code"] == [(v.TOKEN, "s", "a"), (v.TOKEN, "", "c"), (v.TOKEN, "d", "")]
    assert found["code:text"] == [(v.TEXT, "a b"), (v.TEXT, "a")]


def test_an_identifier_is_its_value_and_its_type_and_value(extract):
    kind = {"coding": [{"system": "t", "code": "MR"}], "text": "Record number"}
    found = extract("Patient", identifier=[{"system": "s", "value": "1", "type": kind}, {"system": "s"}])
    assert found["identifier"] == [(v.TOKEN, "s", "1"), (v.TOKEN, "s", "")]
    assert found["identifier:of-type"] == [(v.TOKEN, "", "t|MR|1")]
    assert found["identifier:text"] == [(v.TEXT, "record number")]


def test_contact_points_are_found_by_their_value(extract):
    found = extract("Patient", telecom=[{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}])
    assert found["telecom"] == [(v.TOKEN, "phone", "1"), (v.TOKEN, "email", "a@b")]
    assert found["phone"] == [(v.TOKEN, "phone", "1")]


@pytest.mark.parametrize(
    ("content", "code"),
    [({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedDateTime": "2020"}, "true")],
)
def test_a_computed_boolean_is_a_token(extract, content, code):
    assert [parts[2] for parts in extract("Patient", **content)["deceased"]] == [code]


def test_strings_are_folded_and_kept(extract):
    found = extract("Patient", name=[{"family": "Müller  Ö", "given": ["Ann", None], "text": "Ann M"}])
    assert found["family"] == [(v.STRING, "muller o", "Müller  Ö")]
    assert found["given"] == [(v.STRING, "ann", "Ann")]
    assert found["name"] == [(v.STRING, "ann m", "Ann M")]


def test_each_part_of_an_address_is_kept_once(extract):
    found = extract("Patient", address=[{"line": ["1 High St", "Flat 2"], "city": "Bath", "postalCode": "BA1"}])
    assert [parts[2] for parts in found["address"]] == ["1 High St", "Flat 2"]
    assert [parts[2] for parts in found["address-city"]] == ["Bath"]
    assert [parts[2] for parts in found["address-postalcode"]] == ["BA1"]


def test_a_name_without_parameters_of_its_parts_has_them_all(extract):
    found = extract("Person", name=[{"family": "Chalmers", "given": ["Ann"]}])
    assert [parts[2] for parts in found["name"]] == ["Chalmers", "Ann"]


def test_dates_are_ranges(extract):
    assert extract("Patient", birthDate="2000-02")["birthdate"] == [(v.DATE, *date_range("2000-02"))]


def test_periods_may_be_open(extract):
    start = date_range("2020-01-01")[0]
    assert extract("Encounter", period={"start": "2020-01-01"})["date"] == [(v.DATE, start, v.MAX_DATE)]
    assert extract("Encounter", period={"end": "2020-01-01"})["date"] == [(v.DATE, v.MIN_DATE, start + DAY - 1)]
    assert "date" not in extract("Encounter", period={"id": "x"})


def test_a_timing_is_its_outer_limits(extract):
    timing = {
        "event": ["2020-01-05", "2020-01-03"],
        "repeat": {"boundsPeriod": {"start": "2020-01-04", "end": "2020-02"}},
    }
    (found,) = extract("ServiceRequest", occurrenceTiming=timing)["occurrence"]
    assert found == (v.DATE, date_range("2020-01-03")[0], date_range("2020-02")[1])
    assert "occurrence" not in extract("ServiceRequest", occurrenceTiming={"code": {"text": "BID"}})


def test_numbers_and_ranges_of_numbers(extract):
    risk = extract("RiskAssessment", prediction=[{"probabilityDecimal": Decimal("0.10")}])
    assert risk["probability"] == [(v.NUMBER, 0.1, 0.1)]
    risk = extract("RiskAssessment", prediction=[{"probabilityRange": {"low": {"value": 1}}}])
    assert risk["probability"] == [(v.NUMBER, 1.0, math.inf)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueQuantity": {"value": Decimal("5.40"), "system": UCUM, "code": "mg", "unit": "milligram"}},
         (5.4, 5.4, UCUM, "mg", "milligram")),
        ({"valueQuantity": {"value": 5, "comparator": "<="}}, (-math.inf, 5.0, "", "", "")),
        ({"valueQuantity": {"value": 5, "comparator": ">"}}, (5.0, math.inf, "", "", "")),
        ({"valueSampledData": {"origin": {"value": 10, "unit": "mV"}, "period": 1, "dimensions": 1, "factor": 2,
                               "data": "1 -2 E 3 U L"}}, (6.0, 16.0, "", "", "mV")),
    ],
)  # fmt: skip
def test_quantities(extract, value, expected):
    assert extract("Observation", **value)["value-quantity"] == [(v.QUANTITY, *expected)]


def test_a_quantity_without_a_value_is_none(extract):
    assert "value-quantity" not in extract("Observation", valueQuantity={"unit": "mg"})


def test_money_has_its_currency_as_unit(extract):
    found = extract("Invoice", totalNet={"value": Decimal("1.50"), "currency": "EUR"})
    assert found["totalnet"] == [(v.QUANTITY, 1.5, 1.5, "urn:iso:std:iso:4217", "EUR", "")]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Patient/1", (v.REFERENCE, "Patient", "1", "")),
        ("Patient/1/_history/2", (v.REFERENCE, "Patient", "1", "2")),
        ("http://here.org/fhir/Patient/1", (v.REFERENCE, "Patient", "1", "")),
        ("http://there.org/fhir/Patient/1", (v.CANONICAL, "http://there.org/fhir/Patient/1", "")),
        ("urn:uuid:1", (v.CANONICAL, "urn:uuid:1", "")),
        ("Pacient/1", (v.CANONICAL, "Pacient/1", "")),
        ("#p", (v.CANONICAL, "#p", "")),
    ],
)
def test_references(extract, reference, expected):
    assert extract("Observation", subject={"reference": reference})["subject"] == [expected]


def test_a_logical_reference_is_its_identifier(extract):
    found = extract("Observation", subject={"identifier": {"system": "s", "value": "1"}, "display": "A"})
    assert found["subject"] == [(v.TOKEN, "s", "1")]
    assert "subject:text" not in found


def test_a_display_alone_is_kept_as_text(extract):
    assert extract("Observation", subject={"display": "Ann"}) == {"subject:text": [(v.TEXT, "ann")]} | extract(
        "Observation"
    )


def test_canonicals_have_their_version_apart(extract):
    found = extract("Patient", meta={"profile": ["http://a|1.0", "http://b"]})
    assert found["_profile"] == [(v.CANONICAL, "http://a", "1.0"), (v.CANONICAL, "http://b", "")]
    found = extract("QuestionnaireResponse", questionnaire="http://q|2")
    assert found["questionnaire"] == [(v.CANONICAL, "http://q", "2")]
    found = extract("QuestionnaireResponse", questionnaire="Questionnaire/q|2")["questionnaire"]
    assert found == [(v.REFERENCE, "Questionnaire", "q", ""), (v.CANONICAL, "Questionnaire/q", "2")]


def test_uris(extract):
    assert extract("ValueSet", url="http://v|x")["url"] == [(v.URI, "http://v|x")]


def test_positions(extract):
    place = {"longitude": Decimal("-83.69"), "latitude": Decimal("42.25")}
    assert extract("Location", position=place)["near"] == [(v.POSITION, 42.25, -83.69)]


def coded(code):
    return {"coding": [{"system": "s", "code": code, "display": "text"}]}


def test_composites_combine_what_stands_together(extract):
    found = extract(
        "Observation",
        code=coded("a"),
        valueQuantity={"value": 1},
        component=[{"code": coded("b"), "valueQuantity": {"value": 2}}, {"code": coded("c")}],
    )
    one = (v.TOKEN, "", "s", "a"), (v.QUANTITY, "", 1.0, 1.0, "", "", "")
    two = (v.TOKEN, "", "s", "b"), (v.QUANTITY, "", 2.0, 2.0, "", "", "")
    assert found["code-value-quantity"] == [(v.COMPOSITE, one)]
    assert found["component-code-value-quantity"] == [(v.COMPOSITE, two)]
    assert "code-value-string" not in found


def test_a_composites_component_may_look_at_the_whole_resource(extract):
    found = extract(
        "MolecularSequence",
        referenceSeq={"chromosome": coded("1")},
        variant=[{"start": 3, "end": 5}],
    )
    parts = (v.TOKEN, "", "s", "1"), (v.NUMBER, "", 3.0, 3.0), (v.NUMBER, "", 5.0, 5.0)
    assert found["chromosome-variant-coordinate"] == [(v.COMPOSITE, parts)]


def test_the_narrative_is_plain_text(extract):
    text = {"status": "generated", "div": '<div xmlns="x"><p>Heart&nbsp;failure</p><b>&amp; more</b></div>'}
    assert extract("Patient", text=text)["_text"] == [(v.NARRATIVE, "Heart failure & more")]


def test_the_first_entry_of_a_bundle_can_be_referred_to(extract):
    found = extract("Bundle", entry=[{"resource": {"resourceType": "Composition", "id": "c"}}])
    assert found["composition"] == [(v.REFERENCE, "Composition", "c", "")]


def test_contained_resources_have_their_values_on_their_container(extract):
    medication = {"resourceType": "Medication", "id": "m", "status": "active", "text": {"div": "<div>x</div>"}}
    found = extract("MedicationRequest", contained=[medication, {"resourceType": "Pacient", "id": "p"}, 5, {}])
    assert found["#Medication"] == [(v.TOKEN, "", "m")]
    assert found["#Medication.status"] == [(v.TOKEN, "http://hl7.org/fhir/CodeSystem/medication-status", "active")]
    assert "#Medication._text" not in found


def test_contained_resources_can_be_left_out(definitions, fields):
    resource = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o"}]}
    without = Extractor(definitions, fields, contained=False).extract(resource)
    assert not [value for value in without if value[1].startswith("#")]


def test_nothing_is_there_twice(extractor):
    name = {"given": ["Ann", "Ann"], "text": "Ann"}
    found = extractor.extract({"resourceType": "Patient", "name": [name, name]})
    assert len(found) == len(set(found))


def test_a_custom_parameter_over_an_extension(definitions):
    url = "http://acme.org/hair"
    custom = SearchParameter(
        "http://acme.org/sp", "hair", "token", ("Patient",), {"Patient": (f"Patient.extension('{url}').value",)}
    )
    changed = definitions.with_search_parameters((custom,))
    found = Extractor(changed, Fields(changed)).extract(
        {"resourceType": "Patient", "extension": [{"url": url, "valueCode": "red"}]}
    )
    assert (v.TOKEN, "hair", "", "red") in found


@pytest.mark.parametrize(
    "broken",
    [
        {"name": {"family": "x"}},
        {"name": ["x"]},
        {"name": [{"given": "x"}]},
        {"name": [{"family": {"x": 1}}]},
        {"name": None},
        {"birthDate": 5},
        {"birthDate": "x"},
        {"identifier": [{"value": {"a": []}, "system": [1]}]},
        {"telecom": [[]]},
        {"meta": 1},
        {"text": {"div": 1}},
        {"text": {}},
        {"managingOrganization": {"reference": 5}},
        {"communication": [{"language": {"coding": [1]}}]},
    ],
)
def test_a_broken_element_has_no_values_and_all_others_have_theirs(extract, broken):
    found = extract("Patient", gender="male", **broken)
    assert found["gender"] == [(v.TOKEN, GENDER, "male")]


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Pacient"}, {"resourceType": "HumanName"}])
def test_what_is_no_resource_has_no_values(extractor, resource):
    assert extractor.extract(resource) == []
