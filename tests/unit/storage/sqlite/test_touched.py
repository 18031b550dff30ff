"""What the works of a group have put."""

from __future__ import annotations

from weakref import ref

from fhir_server.core.query import TokenIs
from fhir_server.core.values import TOKEN
from fhir_server.storage.sqlite.touched import HELD, Touched


class Values(list):
    """Of one resource; can be looked for after it is gone."""


def coded(code: int) -> Values:
    return Values([(TOKEN, "code", "http://x.org", str(code))])


def asks(code: int) -> TokenIs:
    return TokenIs(("code",), "http://x.org", str(code))


def test_what_was_put_may_matter_to_who_asks_for_a_token_of_it() -> None:
    touched = Touched()
    assert not touched.may_matter(asks(1))
    touched.add("Observation", "1", coded(1))
    assert (touched.may_matter(asks(1)), touched.may_matter(asks(2))) == (True, False)
    touched.add("Observation", "2", coded(2))
    assert touched.may_matter(asks(2))


def test_a_large_group_keeps_the_tokens_and_not_all_values() -> None:
    touched, first = Touched(), coded(0)
    kept = ref(first)
    touched.add("Observation", "0", first)
    del first
    for number in range(1, HELD + 1):
        touched.add("Observation", str(number), coded(number))
    assert kept() is None
    assert touched.may_matter(asks(0)) and touched.may_matter(asks(HELD))
