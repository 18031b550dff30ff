"""Code systems that are grammars: UCUM, language tags, media types, URIs; and the registries behind them."""
# ruff: noqa: E501 - rows of tables

import pytest

UCUM, TAGS, MEDIA, URIS = "http://unitsofmeasure.org", "urn:ietf:bcp:47", "urn:ietf:bcp:13", "urn:ietf:rfc:3986"
RIGHT = [
    (UCUM, "mm[Hg]", "(millimeter of mercury column)"), (TAGS, "de-CH", "German (Switzerland)"), (TAGS, "EN", "English"),
    (TAGS, "zh-Hant-TW", "Taiwan Chinese in traditional script"),
    (TAGS, "sl-rozaj-biske", "Slovenian (Resian, The San Giorgio dialect of Resian)"), (TAGS, "qaa", "Private use"),
    (TAGS, "i-klingon", "Klingon"), (TAGS, "x-ward", "Private use (x-ward)"), (TAGS, "gsw-Latn-LI", "Swiss German (Latin, Liechtenstein)"),
    (MEDIA, "application/fhir+json", "application/fhir+json"), (MEDIA, "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    (MEDIA, "image/*", "image/*"), (URIS, "urn:oid:1.2.3", "urn:oid:1.2.3"), (URIS, "https://a.b/c?d#e", "https://a.b/c?d#e"),
    ("urn:iso:std:iso:4217", "CHF", "Swiss Franc"), ("urn:iso:std:iso:3166", "CH", "Switzerland"),
    ("urn:iso:std:iso:3166", "756", "Switzerland"), ("http://hl7.org/fhir/sid/cvx", "08", "hepatitis B vaccine, pediatric or pediatric/adolescent dosage"),
    ("http://hl7.org/fhir/sid/mvx", "PFR", "Pfizer, Inc"),
]  # fmt: skip
WRONG = [
    (UCUM, "mmHg"), (TAGS, "en_US"), (TAGS, "zz"), (TAGS, "de-QQQ"), (TAGS, "a"), (TAGS, ""), (MEDIA, "text"),
    (MEDIA, "text/"), (MEDIA, "spoken/word"), (URIS, "not a uri"), (URIS, "relative/path"),
    ("urn:iso:std:iso:4217", "XYZ"), ("urn:iso:std:iso:3166", "ZZZ"),
]  # fmt: skip


@pytest.mark.parametrize(("system", "code", "display"), RIGHT)
def test_right_codes_have_a_display(service, system, code, display):
    assert (service.display(system, code) or "").startswith(display)


@pytest.mark.parametrize(("system", "code"), WRONG)
def test_wrong_codes_are_not_known(service, system, code):
    assert service.display(system, code) is None


@pytest.mark.parametrize(
    ("value_set", "system", "code", "expected"),
    [
        ("http://hl7.org/fhir/ValueSet/all-time-units", UCUM, "min", True),
        ("http://hl7.org/fhir/ValueSet/all-time-units", UCUM, "mg", False),
        ("http://hl7.org/fhir/ValueSet/mimetypes", MEDIA, "application/pdf", True),
        ("http://hl7.org/fhir/ValueSet/all-languages", TAGS, "gsw", True),
        ("http://hl7.org/fhir/ValueSet/currencies", "urn:iso:std:iso:4217", "EUR", True),
        ("http://hl7.org/fhir/ValueSet/iso3166-1-3", "urn:iso:std:iso:3166", "CHE", True),
        ("http://hl7.org/fhir/ValueSet/iso3166-1-3", "urn:iso:std:iso:3166", "CH", False),
        ("http://unitsofmeasure.org/vs", UCUM, "mg", True),
    ],
)
def test_value_sets_over_grammars_know_their_members(service, value_set, system, code, expected):
    assert service.member_of(value_set, system, code) is expected
