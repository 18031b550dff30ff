"""The first page of one token is the one that any search gives."""

from __future__ import annotations

import pytest

from fhir_server.core.query import Query, TokenIs
from fhir_server.core.values import TOKEN
from fhir_server.storage.sqlite.search import pages
from fhir_server.storage.sqlite.search.one_token import of_one_token
from tests.unit.storage.sqlite.shelf import Shelf

FEMALE = TokenIs(("gender",), "", "female")


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """Patients of whom one is deleted and one has changed."""
    shelf = Shelf()
    for number in range(12):
        shelf.put(
            "Patient",
            f"p{number}",
            (TOKEN, "identifier", "mrn", str(number)),
            (TOKEN, "identifier", "other", str(number)),
            (TOKEN, "gender", "", "female" if number % 2 else "male"),
        )
    shelf.delete("Patient", "p3")
    shelf.put("Patient", "p5", (TOKEN, "identifier", "mrn", "x"), (TOKEN, "gender", "", "female"))
    return shelf


@pytest.mark.parametrize("count", [1, 4, 5, 6])
@pytest.mark.parametrize(
    "where",
    [
        FEMALE,
        *[TokenIs(("identifier",), "mrn", code) for code in ("0", "3", "5", "x", "none")],
        TokenIs(("gender",), "http://unknown.test", "female"),
        TokenIs(("deceased",), "", "true"),
    ],
    ids=str,
)
def test_it_is_the_page_of_any_search(
    shelf: Shelf, where: TokenIs, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Query(("Patient",), where, count=count)
    quick = shelf.page(query)
    monkeypatch.setattr(pages, "of_one_token", lambda *_: None)
    assert shelf.page(query) == quick


def test_the_pages_after_it_follow(shelf: Shelf) -> None:
    found = []
    cursor = ""
    while True:
        page = shelf.page(Query(("Patient",), FEMALE, count=2, cursor=cursor))
        found += [version.id for version in page.matches]
        cursor = page.next
        if not cursor:
            break
    assert found == ["p1", "p5", "p7", "p9", "p11"]


@pytest.mark.parametrize(
    "query",
    [
        Query(("Patient",), TokenIs(("gender",), None, "female")),
        Query(("Patient",), TokenIs(("gender",), "", None)),
        Query(("Patient",), TokenIs(("gender", "identifier"), "", "female")),
        Query(("Patient", "Person"), FEMALE),
        Query(("Patient",), FEMALE, total="accurate"),
        Query(("Patient",), FEMALE, count=0),
    ],
    ids=str,
)
def test_other_queries_are_none(shelf: Shelf, query: Query) -> None:
    assert of_one_token(query, shelf.index._reader) is None
