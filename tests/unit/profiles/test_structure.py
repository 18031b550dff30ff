"""What the structural rules accept, and how messages help."""

import copy

import pytest

from .conftest import as_parsed


def messages(validator, resource):
    return [(issue.expression, issue.diagnostics) for issue in validator.check(as_parsed(resource))]


XHTML = "http://www.w3.org/1999/xhtml"
WHY = {"extension": [{"url": "http://e.org/why", "valueCode": "unknown"}]}


def patient(**elements):
    return {"resourceType": "Patient", **elements}


@pytest.mark.parametrize(
    "resource",
    [
        patient(),
        patient(birthDate="1980"),
        patient(birthDate="2000-02-29"),
        patient(_birthDate=WHY),
        patient(birthDate="1980", _birthDate={"id": "a"}),
        patient(name=[{"given": ["Anna", None], "_given": [None, WHY]}]),
        patient(name=[{"family": "  "}]),
        patient(name=[{"family": "Müller\n\tvan der Berg 李"}]),
        patient(gender="other", _gender=WHY),
        patient(_gender=WHY),
        patient(extension=[{"url": "http://e.org/x", "_valueString": WHY}]),
        patient(contained=[{"resourceType": "Practitioner", "id": "dr"}], generalPractitioner=[{"reference": "#dr"}]),
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"fullUrl": "http://e.org/People/1", "resource": patient(id="anna")}],
        },
        patient(
            contained=[{"resourceType": "Binary", "id": "scan", "contentType": "image/png"}],
            text={"status": "generated", "div": f"<div xmlns='{XHTML}'><img src='#scan' alt='x'/></div>"},
        ),
        {
            "resourceType": "Composition", "status": "final", "type": {"text": "x"}, "date": "2024", "title": "x",
            "author": [{"display": "x"}],
            "contained": [{"resourceType": "Binary", "id": "a", "contentType": "image/png"}],
            "section": [{"text": {"status": "additional", "div": f"<div xmlns='{XHTML}'><img src='#a'/></div>"}}],
        },
        patient(generalPractitioner=[{"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}]),
        patient(generalPractitioner=[{"reference": "http://b.e/Practitioner/1/_history/2", "type": "Practitioner"}]),
        patient(generalPractitioner=[{"reference": "http://other.example/people?id=1"}]),
        patient(managingOrganization={"reference": "Organization?identifier=a|b"}),
        {"resourceType": "Observation", "code": {"text": "a"}, "status": "final", "valueInteger": -2147483648},
        {"resourceType": "Observation", "code": {"text": "a"}, "_status": WHY},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVs\n bG8="},
        {"resourceType": "Basic", "code": {"text": "a"}, "created": "2024-12-31"},
    ],
)  # fmt: skip
def test_accepts(validator, resource):
    assert messages(validator, resource) == []


def test_a_message_suggests_the_nearest_element(validator):
    [(path, text)] = messages(validator, patient(birthdate="1980-01-01"))
    assert (path, text) == ("Patient.birthdate", "Patient has no element 'birthdate'; did you mean 'birthDate'?")


def test_a_message_lists_the_codes_of_a_small_value_set(validator):
    [(_, text)] = messages(validator, patient(gender="femal"))
    assert "female, male, other, unknown" in text
    assert "did you mean 'female'?" in text


def test_several_mistakes_make_an_issue_each(validator):
    wrong = patient(gender="f", birthDate="1.1.1980", name=[{"given": "Anna"}, {"family": ""}])
    assert [path for path, _ in messages(validator, wrong)] == [
        "Patient.gender", "Patient.birthDate", "Patient.name[0].given", "Patient.name[1].family",
    ]  # fmt: skip


def test_a_string_of_a_megabyte_is_the_longest(validator):
    assert messages(validator, patient(name=[{"family": "a" * 1024 * 1024}])) == []
    [issue] = validator.check(as_parsed(patient(name=[{"family": "a" * (1024 * 1024 + 1)}])))
    assert (issue.rule, issue.code, issue.expression) == ("length", "too-long", "Patient.name[0].family")


def test_thousands_of_mistakes_are_cut_short(validator):
    issues = validator.check(as_parsed(patient(name=[{"use": "wrong"}] * 20_000)))
    assert len(issues) == 101 and issues[-1].rule == "more"
    assert len(validator.check(as_parsed(patient(**{f"unknown{i}": i for i in range(20_000)})))) == 101


def test_deep_nesting_is_an_issue(validator):
    resource = patient()
    holder = resource
    for _ in range(5000):
        holder["extension"] = [{"url": "http://e.org/x"}]
        holder = holder["extension"][0]
    [issue] = validator.check(resource)
    assert issue.rule == "depth"


def test_what_is_no_resource_is_an_issue(validator):
    for value in ([], "Patient", None, 5, {}):
        [issue] = validator.check(value)
        assert issue.rule in ("resource-type", "type", "null")


def test_check_leaves_the_resource_as_it_was(validator):
    resource = as_parsed(patient(name=[{"given": ["a", None]}], birthdate="x"))
    before = copy.deepcopy(resource)
    validator.check(resource)
    assert resource == before


@pytest.mark.parametrize("wrong", [{"foo": 1}, {"valueString": "x"}])
def test_what_is_wrong_on_every_level_is_checked_once(validator, wrong):
    """A walk that checked again what it has found wrong would take 2 to the power of 90 steps here."""
    inner: list = [{"url": "http://e.org/e", "valueString": "x"}]
    for _ in range(90):
        inner = [{"url": "http://e.org/e", "extension": inner, **wrong}]
    assert len(messages(validator, patient(extension=inner))) == 90
