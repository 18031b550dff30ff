"""Questionnaires in themselves, and responses against their questionnaires."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator
from terminology import Terminology

from .conftest import Codes, Known, as_parsed

URL = "http://example.org/q"


def questionnaire(*items, **more):
    return as_parsed({"resourceType": "Questionnaire", "url": URL, "status": "active", "item": list(items), **more})


def response(*items, status="completed", **more):
    return as_parsed({"resourceType": "QuestionnaireResponse", "questionnaire": URL, "status": status,
                      **({"item": list(items)} if items else {}), **more})  # fmt: skip


def asked(link_id, type, *items, **more):
    return {"linkId": link_id, "type": type, **({"item": list(items)} if items else {}), **more}


def given(link_id, *answers, items=(), **more):
    return {
        "linkId": link_id,
        **({"answer": list(answers)} if answers else {}),
        **({"item": list(items)} if items else {}),
        **more,
    }


def coding(code):
    return {"valueCoding": {"system": "urn:s", "code": code}}


FORM = questionnaire(
    asked("name", "string", required=True, maxLength=10),
    asked("sex", "choice", answerOption=[coding("f"), coding("m")]),
    asked("pregnant", "boolean", required=True,
          enableWhen=[{"question": "sex", "operator": "=", "answerCoding": {"system": "urn:s", "code": "f"}}]),
    asked("colours", "open-choice", repeats=True, answerValueSet="http://example.org/colours"),
    asked("pets", "group", asked("pet", "string"), asked("age", "integer"), repeats=True),
    asked("note", "display"),
    asked("smokes", "boolean", asked("since", "date")),
)  # fmt: skip
NAME = given("name", {"valueString": "Ann"})
CODES = Codes(colours={("urn:s", "red")})


def issues(answered, form=FORM):
    found = Validator(load(), sources=[Known(form)], terminology=CODES).validate(answered)
    return [(i.expression.removeprefix("QuestionnaireResponse").removeprefix("Questionnaire"), i.rule) for i in found]


@pytest.mark.parametrize(
    "answered",
    [
        response(NAME),
        response(NAME, given("sex", coding("m"))),
        response(NAME, given("sex", coding("f")), given("pregnant", {"valueBoolean": False})),
        response(NAME, given("colours", coding("red"), {"valueString": "like the sea"})),
        response(
            NAME,
            given("pets", items=[given("pet", {"valueString": "cat"})]),
            given("pets", items=[given("age", {"valueInteger": 3})]),
        ),
        response(NAME, given("smokes", {"valueBoolean": True, "item": [given("since", {"valueDate": "2000"})]})),
        response(NAME, given("note")),
        response(status="in-progress"),
    ],
)
def test_accepts(answered):
    assert issues(answered) == []


@pytest.mark.parametrize(
    ("answered", "path", "rule"),
    [
        (response(given("smokes", {"valueBoolean": True})), ".item", "questionnaire-required"),
        (response(given("name")), ".item[0].answer", "questionnaire-required"),
        (response(NAME, given("sex", coding("f"))), ".item", "questionnaire-required"),
        (
            response(NAME, given("sex", coding("m")), given("pregnant", {"valueBoolean": True})),
            ".item[2]",
            "questionnaire-disabled",
        ),
        (response(given("nam", {"valueString": "x"}), status="in-progress"), ".item[0].linkId", "questionnaire-item"),
        (response(NAME, given("pet", {"valueString": "x"})), ".item[1].linkId", "questionnaire-item"),
        (response(given("smokes", {"valueBoolean": True}), NAME), ".item[1]", "questionnaire-order"),
        (response(NAME, NAME), ".item[1]", "questionnaire-repeats"),
        (
            response(given("name", {"valueString": "a"}, {"valueString": "b"})),
            ".item[0].answer[1]",
            "questionnaire-repeats",
        ),
        (response(given("name", {"valueInteger": 1})), ".item[0].answer[0].value", "questionnaire-type"),
        (response(given("name", {"valueString": "a" * 11})), ".item[0].answer[0].value", "max-length"),
        (response(NAME, given("sex", coding("x"))), ".item[1].answer[0].value", "questionnaire-option"),
        (response(NAME, given("sex", {"valueString": "f"})), ".item[1].answer[0].value", "questionnaire-type"),
        (response(NAME, given("colours", coding("blue"))), ".item[1].answer[0].value", "questionnaire-option"),
        (response(NAME, given("note", {"valueString": "x"})), ".item[1].answer", "questionnaire-type"),
        (response(NAME, given("pets", {"valueString": "x"})), ".item[1].answer", "questionnaire-type"),
        (
            response(NAME, given("smokes", items=[given("since", {"valueDate": "2000"})])),
            ".item[1].item",
            "questionnaire-nesting",
        ),
        (
            response(NAME, given("smokes", {"valueBoolean": True, "item": [given("since", {"valueString": "x"})]})),
            ".item[1].answer[0].item[0].answer[0].value",
            "questionnaire-type",
        ),
    ],
)
def test_tells_what_does_not_fit(answered, path, rule):
    assert issues(answered) == [(path, rule)]


@pytest.mark.parametrize(
    ("operator", "expected", "answer", "enabled"),
    [
        (">", {"answerInteger": 3}, {"valueInteger": 4}, True),
        (">", {"answerInteger": 3}, {"valueInteger": 3}, False),
        (">=", {"answerInteger": 3}, {"valueInteger": 3}, True),
        ("<", {"answerDate": "2020-01-02"}, {"valueDate": "2020-01-01"}, True),
        ("<=", {"answerQuantity": {"value": 3, "unit": "kg"}}, {"valueQuantity": {"value": 2, "unit": "kg"}}, True),
        ("<=", {"answerQuantity": {"value": 3, "unit": "kg"}}, {"valueQuantity": {"value": 2, "unit": "g"}}, False),
        ("!=", {"answerString": "a"}, {"valueString": "b"}, True),
        ("!=", {"answerString": "a"}, {"valueString": "a"}, False),
        ("=", {"answerBoolean": True}, {"valueBoolean": True}, True),
        ("exists", {"answerBoolean": True}, {"valueString": "x"}, True),
        ("exists", {"answerBoolean": False}, {"valueString": "x"}, False),
    ],
)
def test_conditions(operator, expected, answer, enabled):
    types = {"Integer": "integer", "Date": "date", "Quantity": "quantity", "String": "string", "Boolean": "boolean"}
    first = asked("a", types[next(iter(answer)).removeprefix("value")])
    condition = {"question": "a", "operator": operator, **expected}
    form = questionnaire(first, asked("b", "string", required=True, enableWhen=[condition]))
    assert issues(response(given("a", answer)), form) == ([(".item", "questionnaire-required")] if enabled else [])


def test_all_conditions_or_any():
    conditions = [{"question": q, "operator": "=", "answerBoolean": True} for q in ("a", "b")]
    for behaviour, wanted in (("all", []), ("any", [(".item", "questionnaire-required")])):
        last = asked("c", "string", required=True, enableWhen=conditions, enableBehavior=behaviour)
        form = questionnaire(asked("a", "boolean"), asked("b", "boolean"), last)
        answered = response(given("a", {"valueBoolean": True}), given("b", {"valueBoolean": False}))
        assert issues(answered, form) == wanted


SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"
A_IS_TRUE = "%resource.item.where(linkId = 'a').answer.value = true"


@pytest.mark.parametrize(
    ("expression", "answer", "without", "answered"),
    [
        (A_IS_TRUE, True, "questionnaire-required", ""),
        (A_IS_TRUE, False, "", "questionnaire-disabled"),
        (f"{A_IS_TRUE} and %ageOfPatient > 17", True, "", ""),  # the form's own variable
        ("%resource.item.where(", True, "", ""),
    ],
)
def test_an_expression_enables_an_item_or_leaves_it_open(expression, answer, without, answered):
    said = {"url": SDC, "valueExpression": {"language": "text/fhirpath", "expression": expression}}
    form = questionnaire(asked("a", "boolean"), asked("b", "string", required=True, extension=[said]))
    first = given("a", {"valueBoolean": answer})
    assert issues(response(first), form) == ([(".item", without)] if without else [])
    both = response(first, given("b", {"valueString": "x"}))
    assert issues(both, form) == ([(".item[1]", answered)] if answered else [])


def test_an_answer_is_of_the_value_set_that_the_questionnaire_contains():
    colours = {"resourceType": "ValueSet", "id": "colours", "status": "active",
               "compose": {"include": [{"system": "urn:s", "concept": [{"code": "red"}]}]}}  # fmt: skip
    form = questionnaire(asked("a", "choice", answerValueSet="#colours"), contained=[colours])
    validator = Validator(load(), sources=[Known(form)], terminology=Terminology())
    right, wrong = (validator.validate(response(given("a", coding(code)))) for code in ("red", "blue"))
    assert [issue.rule for issue in right] == []
    assert [issue.rule for issue in wrong] == ["questionnaire-option"]


def test_a_contained_questionnaire_is_found():
    contained = {**FORM, "id": "q", "url": "http://example.org/other"}
    answered = as_parsed(
        {**response(given("name", {"valueInteger": 1})), "questionnaire": "#q", "contained": [contained]}
    )
    assert (".item[0].answer[0].value", "questionnaire-type") in issues(answered)


def test_an_unknown_questionnaire_is_a_warning():
    answered = as_parsed({**response(), "questionnaire": "http://example.org/none"})
    assert issues(answered) == [(".questionnaire", "questionnaire-unknown")]


def test_the_subject_is_of_the_type_that_is_asked_about():
    form = questionnaire(asked("a", "string"), subjectType=["Patient"])
    assert issues(response(subject={"reference": "Patient/1"}), form) == []
    assert issues(response(subject={"reference": "Device/1"}), form) == [(".subject", "questionnaire-subject")]


@pytest.mark.parametrize(
    ("item", "path", "rule"),
    [
        (
            asked("b", "string", enableWhen=[{"question": "x", "operator": "exists", "answerBoolean": True}]),
            ".item[1].enableWhen[0].question",
            "questionnaire-question",
        ),
        (
            asked("b", "string", enableWhen=[{"question": "b", "operator": "exists", "answerBoolean": True}]),
            ".item[1].enableWhen[0].question",
            "questionnaire-question",
        ),
        (
            asked(
                "b",
                "group",
                asked("c", "boolean"),
                enableWhen=[{"question": "c", "operator": "=", "answerBoolean": True}],
            ),
            ".item[1].enableWhen[0].question",
            "questionnaire-question",
        ),
        (
            asked("b", "string", enableWhen=[{"question": "a", "operator": "=", "answerInteger": 1}]),
            ".item[1].enableWhen[0].answer",
            "questionnaire-type",
        ),
        (
            asked("b", "integer", answerOption=[{"valueString": "x"}]),
            ".item[1].answerOption[0].value",
            "questionnaire-type",
        ),
        (asked("b", "integer", initial=[{"valueString": "x"}]), ".item[1].initial[0].value", "questionnaire-type"),
    ],
)
def test_a_questionnaire_in_itself(item, path, rule):
    assert issues(questionnaire(asked("a", "boolean"), item)) == [(path, rule)]


@pytest.mark.parametrize(
    ("type", "limits", "answer", "rule"),
    [
        ("decimal", {"minValue": {"valueDecimal": 1.5}}, {"valueDecimal": 1.4}, "min-value"),
        ("decimal", {"minValue": {"valueInteger": 1}}, {"valueDecimal": 1.0}, ""),
        ("integer", {"maxValue": {"valueInteger": 5}}, {"valueInteger": 6}, "max-value"),
        ("date", {"maxValue": {"valueDate": "2020-06"}}, {"valueDate": "2020-07-01"}, "max-value"),
        ("date", {"minValue": {"valueDate": "2020-06-15"}}, {"valueDate": "2020"}, ""),
        ("string", {"minLength": {"valueInteger": 3}}, {"valueString": "ab"}, "min-length"),
        ("decimal", {"maxDecimalPlaces": {"valueInteger": 1}}, {"valueDecimal": 1.25}, "max-decimal-places"),
        ("string", {"regex": {"valueString": "[0-9]{4}"}}, {"valueString": "1234"}, ""),
        ("string", {"regex": {"valueString": "[0-9]{4}"}}, {"valueString": "12345"}, "regex"),
        ("string", {"regex": {"valueString": "[0-9"}}, {"valueString": "12345"}, "regex"),
        ("attachment", {"maxSize": {"valueDecimal": 0.5}}, {"valueAttachment": {"size": 600_000}}, "max-size"),
        ("attachment", {"maxSize": {"valueDecimal": 0.5}}, {"valueAttachment": {"size": 500}}, ""),
    ],
)
def test_limits_of_answers(type, limits, answer, rule):
    base = "http://hl7.org/fhir/StructureDefinition/"
    form = questionnaire(asked("a", type, extension=[{"url": base + name, **value} for name, value in limits.items()]))
    assert issues(response(given("a", answer)), form) == ([(".item[0].answer[0].value", rule)] if rule else [])


def extension(name, **value):
    return {"url": "http://hl7.org/fhir/StructureDefinition/" + name, **value}


KILOGRAM = {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kilogram"}


@pytest.mark.parametrize(
    ("type", "said", "right", "wrong", "path"),
    [
        (
            "attachment",
            extension("mimeType", valueCode="image/gif"),
            {"valueAttachment": {"contentType": "image/gif;q=1", "url": "http://example.org/a"}},
            {"valueAttachment": {"contentType": "application/pdf", "url": "http://example.org/a"}},
            ".contentType",
        ),
        (
            "reference",
            extension("questionnaire-referenceResource", valueCode="Patient"),
            {"valueReference": {"reference": "Patient/1"}},
            {"valueReference": {"reference": "Organization/1"}},
            ".reference",
        ),
        (
            "quantity",
            extension("questionnaire-unitOption", valueCoding=KILOGRAM),
            {"valueQuantity": {"value": 1, "unit": "kilogram"}},
            {"valueQuantity": {"value": 1, "unit": "km", "system": "http://unitsofmeasure.org", "code": "km"}},
            "",
        ),
        (
            "quantity",
            extension("questionnaire-unitValueSet", valueCanonical="http://example.org/colours"),
            {"valueQuantity": {"value": 1, "system": "urn:s", "code": "red"}},
            {"valueQuantity": {"value": 1, "system": "urn:s", "code": "blue"}},
            "",
        ),
    ],
)
def test_kinds_of_answers(type, said, right, wrong, path):
    form = questionnaire(asked("a", type, extension=[said]))
    assert issues(response(given("a", right)), form) == []
    assert [place for place, _ in issues(response(given("a", wrong)), form)] == [".item[0].answer[0].value" + path]


@pytest.mark.parametrize(
    ("count", "status", "rule"),
    [
        (0, "completed", "min"),
        (1, "completed", "min"),
        (1, "in-progress", ""),
        (2, "completed", ""),
        (3, "completed", "max"),
    ],
)
def test_how_many_answers_and_groups(count, status, rule):
    said = [extension(f"questionnaire-{n}Occurs", valueInteger=2) for n in ("min", "max")]
    form = questionnaire(asked("a", "string", repeats=True, extension=said))
    wanted = [(".item[0].answer", f"questionnaire-{rule}-occurs")] if rule else []
    assert issues(response(given("a", *[{"valueString": "x"}] * count), status=status), form) == wanted
    form = questionnaire(asked("g", "group", asked("a", "string"), repeats=True, extension=said))
    wanted = [(".item", f"questionnaire-{rule}-occurs")] if rule and count else []
    group = given("g", items=[given("a", {"valueString": "x"})])
    assert issues(response(*[group] * count, status=status), form) == wanted


def test_an_exclusive_option_stands_alone():
    none = {**coding("n"), "extension": [extension("questionnaire-optionExclusive", valueBoolean=True)]}
    form = questionnaire(asked("a", "choice", repeats=True, answerOption=[coding("x"), coding("y"), none]))
    assert issues(response(given("a", coding("x"), coding("y"))), form) == []
    assert issues(response(given("a", coding("n"))), form) == []
    beside = [(".item[0].answer[1]", "questionnaire-exclusive")]
    assert issues(response(given("a", coding("x"), coding("n"))), form) == beside


def test_a_required_group_has_an_item_unless_none_is_enabled():
    later = {"enableWhen": [{"question": "q", "operator": "=", "answerBoolean": True}]}
    form = questionnaire(asked("q", "boolean"), asked("g", "group", asked("a", "string"), required=True))
    assert issues(response(given("g"), status="in-progress"), form) == []
    assert issues(response(given("g")), form) == [(".item[0].item", "questionnaire-required")]
    form = questionnaire(asked("q", "boolean"), asked("g", "group", asked("a", "string", **later), required=True))
    assert issues(response(given("g")), form) == []
