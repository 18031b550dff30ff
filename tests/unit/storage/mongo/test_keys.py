"""The keys of a resource and the room that they take in its document."""

from __future__ import annotations

import pytest
from bson import encode

from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.storage.mongo import content
from fhir_server.storage.mongo.content import split
from fhir_server.storage.mongo.keys import LARGEST, Candidates, bytes_of


def test_keys_take_no_less_room_than_is_reckoned() -> None:
    keys = [f"Patient/{number}" for number in range(5000)] + ["#é\N{GRINNING FACE}"]
    assert len(encode({"keys": keys})) <= bytes_of(keys) + 20


def test_more_keys_than_a_document_has_room_for_are_refused() -> None:
    keys = [f"Patient/{number:060}" for number in range(LARGEST // 80)]
    with pytest.raises(FhirError, match="divide it into several") as raised:
        bytes_of(keys)
    assert raised.value.category == "too-large"


def test_a_resource_that_has_no_room_beside_its_keys_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "LARGEST", 1000)
    body = serialize({"resourceType": "List", "id": "a", "title": "x" * 500})
    alone, beside = split(body), split(body, 600)
    assert alone.moved is None
    assert beside.moved is not None and (beside.moved.form, beside.moved.data) == ("body", body)


def test_the_key_of_an_identifier_identifies_and_that_of_a_reference_does_not() -> None:
    assert Candidates(frozenset(("#123",))).identifying == "#123"
    others = [Candidates(frozenset(keys)) for keys in ((), ("Patient/1",), ("#1", "#2"))]
    assert [each.identifying for each in (*others, Candidates(ids=frozenset("a")))] == [""] * 4
