import pytest

from fhir_server.codec.formats import HTML, JSON, XML, body_format, negotiate, request_format, wants_pretty
from fhir_server.core.errors import FhirError

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/fhir+json", JSON),
        ("application/fhir+xml", XML),
        ("Application/FHIR+XML", XML),
        ("application/fhir+xml;q=0.4, application/fhir+json;q=0.8", JSON),
        ("application/fhir+json;q=0.4, application/fhir+xml;q=0.8, */*;q=0.1", XML),
        ("application/fhir+xml, */*", XML),
        ("*/*, application/fhir+xml", XML),
        ("application/pdf, application/fhir+xml;q=0.1", XML),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+json;q=0, application/json;q=0, text/json;q=0, application/json+fhir;q=0, */*", XML),
        (BROWSER, HTML),
    ],
)
def test_the_best_accepted_format_is_chosen(accept, expected):
    assert negotiate(accept) == expected


@pytest.mark.parametrize("type", ["application/json", "text/json", "application/xml", "text/xml"])
def test_a_generic_type_is_answered_with_itself(type):
    assert negotiate(type).content_type == f"{type}; charset=utf-8"


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("json", JSON),
        ("xml", XML),
        ("html", HTML),
        ("application/fhir+xml", XML),
        ("application/fhir xml", XML),
        ("application/fhir+xml; fhirVersion=4.0", XML),
        ("", JSON),
    ],
)
def test_format_comes_before_accept(parameter, expected):
    assert negotiate("application/fhir+json", parameter) == expected


@pytest.mark.parametrize(
    ("accept", "parameter"),
    [
        ("image/png", None),
        ("application/fhir+json;q=0", None),
        ("application/fhir+json;q=x", None),
        ("*/*", "turtle"),
        ("nonsense;;;=,", None),
    ],
)
def test_what_can_not_be_answered_is_told_what_can(accept, parameter):
    with pytest.raises(FhirError, match=r"application/fhir\+json") as caught:
        negotiate(accept, parameter)
    assert caught.value.status == 406


@pytest.mark.parametrize("version", ["3.0", "4.3", "5.0", "4"])
def test_another_fhir_version_is_not_acceptable(version):
    with pytest.raises(FhirError, match=f"fhirVersion={version} is not spoken") as caught:
        negotiate(f"application/fhir+json;fhirVersion={version}")
    assert caught.value.status == 406


def test_a_page_that_has_no_html_answers_a_browser_otherwise():
    assert negotiate(BROWSER, None, ("json", "xml")).name == "xml"


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/fhir+json", "json"),
        ("application/fhir+json; charset=UTF-8", "json"),
        ('application/json;charset="utf-8";fhirVersion=4.0', "json"),
        ("text/xml", "xml"),
        ("application/fhir+xml", "xml"),
    ],
)
def test_a_body_is_known_by_its_content_type(content_type, name):
    assert request_format(content_type).name == name


@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        (None, "no Content-Type; send application/fhir"),
        ("", "no Content-Type"),
        ("text/plain", "text/plain can't be read here; send application/fhir"),
        ("application/x-www-form-urlencoded", "can't be read"),
        ("text/html", "can't be read"),
        ("json", "can't be read"),
        ("*/*", "can't be read"),
        ("application/fhir+json; charset=latin-1", "sent as UTF-8"),
        ("application/fhir+json; fhirVersion=5.0", "fhirVersion=5.0 is not spoken"),
    ],
)
def test_another_content_type_is_refused_with_what_is_accepted(content_type, says):
    with pytest.raises(FhirError, match=says) as caught:
        request_format(content_type)
    assert caught.value.status == 415


def test_a_binary_may_have_a_type_that_is_no_format():
    assert body_format("image/png") is None
    assert body_format("application/fhir+xml; charset=utf-8") == XML


def test_pretty_is_true_or_false():
    assert [wants_pretty(value) for value in (None, "", "false", "true")] == [False, False, False, True]
    with pytest.raises(FhirError, match="use true or false"):
        wants_pretty("yes")
