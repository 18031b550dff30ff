"""Chains and _has along canonicals, which name resources by url and version."""

from __future__ import annotations

import pytest

from fhir_server.core.query import All, Chain, Has, StringIs, TokenIs
from fhir_server.core.values import CANONICAL, STRING, TOKEN, URI
from tests.unit.storage.sqlite.shelf import Shelf


@pytest.fixture
def shelf():
    return filled(Shelf())


def filled(shelf):
    for version, title in (("1", "intake"), ("2", "discharge")):
        shelf.put(
            "Questionnaire",
            f"q{version}",
            (URI, "url", "http://a/q"),
            (TOKEN, "version", "", version),
            (STRING, "title", title, title),
        )
    for id, version, status in (("any", "", "draft"), ("first", "1", "final"), ("second", "2", "final")):
        shelf.put(
            "QuestionnaireResponse",
            id,
            (CANONICAL, "questionnaire", "http://a/q", version),
            (TOKEN, "status", "", status),
        )
    shelf.put("QuestionnaireResponse", "other", (CANONICAL, "questionnaire", "http://b/q", ""))
    return shelf


def titled(title):
    return Chain(("questionnaire",), (("Questionnaire", StringIs(("title",), "starts", title)),))


def answered(status):
    return Has("QuestionnaireResponse", ("questionnaire",), TokenIs(("status",), None, status))


@pytest.mark.parametrize(("title", "expected"), [("intake", ["any", "first"]), ("dis", ["any", "second"]), ("x", [])])
def test_a_chain_follows_a_canonical_to_the_version_that_it_names(shelf, title, expected):
    assert shelf.ids("QuestionnaireResponse", titled(title)) == expected


def test_a_chain_along_a_canonical_tests_what_another_clause_finds(shelf):
    where = All((titled("discharge"), TokenIs(("status",), None, "final")))
    assert shelf.ids("QuestionnaireResponse", where) == ["second"]


@pytest.mark.parametrize(("status", "expected"), [("draft", ["q1", "q2"]), ("final", ["q1", "q2"]), ("x", [])])
def test_has_follows_canonicals_back(shelf, status, expected):
    assert shelf.ids("Questionnaire", answered(status)) == expected


def test_has_sees_only_the_version_that_is_named(shelf):
    shelf.delete("QuestionnaireResponse", "first")
    assert shelf.ids("Questionnaire", answered("final")) == ["q2"]
    assert shelf.ids("Questionnaire", All((answered("final"), StringIs(("title",), "starts", "intake")))) == []
