"""What a store keeps: every version, digit for digit."""

from typing import Any

import pytest

from fhir_server.codec.canonical import draft
from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from tests.contract.conftest import Shelf
from tests.engines import EMBEDDED
from tests.official_examples import official_examples

pytestmark = pytest.mark.anyio

BODY = b'{"resourceType":"Patient"}'
PATIENT = {"resourceType": "Patient", "id": "a", "active": True}


async def test_what_was_put_is_read_and_nothing_else(shelf: Shelf) -> None:
    stored = await shelf.put(PATIENT)
    assert await shelf.store.read("Patient", "a") == stored
    assert await shelf.store.read("Patient", "b") is None
    assert await shelf.store.read("Person", "a") is None


async def test_many_are_read_in_the_order_asked(shelf: Shelf) -> None:
    for id in "abc":
        await shelf.put({**PATIENT, "id": id})
    found = await shelf.store.read_many([("Patient", "c"), ("Patient", "x"), ("Patient", "a"), ("Patient", "c")])
    assert [version and version.id for version in found] == ["c", None, "a", "c"]


async def test_what_is_read_ahead_is_what_is_read(shelf: Shelf) -> None:
    stored = [await shelf.put({**PATIENT, "id": id}) for id in "ab"]

    async def work(transaction: Transaction) -> list[StoredVersion | None]:
        await transaction.prefetch([("Patient", "a"), ("Patient", "b"), ("Patient", "c")])
        return [await transaction.read("Patient", id) for id in "abc"]

    assert await shelf.store.commit(work) == [*stored, None]


async def test_every_version_stays_and_a_deletion_is_one(shelf: Shelf) -> None:
    first = await shelf.put(PATIENT)
    second = await shelf.put({**PATIENT, "active": False})
    third = await shelf.delete("Patient", "a")
    fourth = await shelf.put(PATIENT)
    for version in (first, second, third, fourth):
        assert await shelf.store.read_version("Patient", "a", version.version) == version
    assert third.deleted and not fourth.deleted
    assert await shelf.store.read("Patient", "a") == fourth
    assert await shelf.store.read_version("Patient", "a", 5) is None


async def test_a_version_that_does_not_follow_the_newest_is_a_conflict(shelf: Shelf) -> None:
    await shelf.put(PATIENT)
    for number in (1, 3):

        async def work(transaction: Transaction, number: int = number) -> None:
            await transaction.put(Write("Patient", "a", number, transaction.now(), "PUT", BODY, ()))

        with pytest.raises(FhirError) as problem:
            await shelf.store.commit(work)
        assert problem.value.category == "conflict"
    assert len((await shelf.store.history("Patient", "a")).versions) == 1


ODD = {
    "decimals": b"[1.00, 0.000, -0.0, 1E+2, 1.5E-30, 100.0, 3.14159265358979323846264338327950288]",
    "more digits than a Decimal128": b"[1.00000000000000000000000000000000000,1234567890123456789012345678901234567.8]",
    "exponents": b"[1E+999, 1E-999, 0E-500]",
    "whole numbers": b"[0, -1, 2147483647, 2147483648, 9223372036854775807, -9223372036854775808]",
    "whole numbers past 64 bits": b"[9223372036854775808, -9223372036854775809, 123456789012345678901234567890]",
    "names with dollars": b'{"$where":1,"$ref":"a","$id":2,"$numberDecimal":"1.0","a$b":3}',
    "names with points": b'{"a.b":1,"a":{"b":2},".":3,"a.":4}',
    "odd names": '{"":1,"_id":2,"\\u0000":3,"Ä":4,"keys":5,"__proto__":6}'.encode(),
    "order of names": b'{"z":1,"a":2,"m":{"y":1,"b":2},"B":3}',
    "values that look like others": b'{"$date":"2026-01-01","oid":{"$oid":"0123456789abcdef01234567"}}',
    "texts": b'["\\u0000","\\ud83d\\ude00","\\u2028","\\\\","\\"$x\\":1","/"]',
    "nulls and empties": b'[null, true, false, [], {}, "", [[[]]]]',
    "levels": b"[" * 150 + b"1" + b"]" * 150,
    "levels of objects": b'{"a":' * 150 + b"1.50" + b"}" * 150,
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
async def test_whatever_json_can_hold_comes_back_as_it_was(shelf: Shelf, content: bytes) -> None:
    resource = {**PATIENT, "extension": [{"url": "http://hospital.test/odd", "odd": decode(content)}], "last": 1}
    first = await shelf.put(resource)
    assert first.body == draft(resource).body("a", 1, first.updated)
    assert await shelf.store.read("Patient", "a") == first
    second = await shelf.put(PATIENT)
    assert await shelf.store.read_version("Patient", "a", 1) == first
    assert (await shelf.store.history("Patient", "a")).versions == [second, first]


@pytest.mark.parametrize("data", ["", "AAEC", "AAEC\n", "not base64", "QUJD" * 100_000], ids=range(5))
async def test_a_binary_comes_back_as_it_was(shelf: Shelf, data: str) -> None:
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": data, "language": "en"}
    first = await shelf.put(binary)
    second = await shelf.put({**binary, "data": "AAEC"})
    assert await shelf.store.read("Binary", "b") == second
    assert await shelf.store.read_version("Binary", "b", 1) == first
    assert decode(first.body)["data"] == data


async def test_a_resource_of_twenty_megabytes_is_stored(shelf: Shelf) -> None:
    large = {
        "resourceType": "DocumentReference",
        "id": "l",
        "status": "current",
        "content": [{"attachment": {"data": "QUJD" * 5_000_000, "size": 15_000_000}}],
        "date": "2026-11-26",
    }
    first = await shelf.put(large)
    assert await shelf.store.read("DocumentReference", "l") == first
    second = await shelf.put({**large, "status": "superseded"})
    assert await shelf.store.read_version("DocumentReference", "l", 1) == first
    assert await shelf.store.read("DocumentReference", "l") == second


async def test_every_official_example_is_read_digit_for_digit(shelf: Shelf, engine: str) -> None:
    if engine == EMBEDDED:
        pytest.skip("tests/system/test_official_examples.py does it by HTTP")
    group: list[dict[str, Any]] = []
    for number, (_, body) in enumerate(official_examples()):
        resource = decode(body)
        group.append({**resource, "id": f"e{number}"})
        if len(group) == 50:
            await check_examples(shelf, group)
            group = []
    await check_examples(shelf, group)


async def check_examples(shelf: Shelf, group: list[dict[str, Any]]) -> None:
    async def work(transaction: Transaction) -> None:
        for resource in group:
            await shelf.put_in(transaction, resource)

    await shelf.store.commit(work)
    found = await shelf.store.read_many([(resource["resourceType"], resource["id"]) for resource in group])
    for resource, version in zip(group, found, strict=True):
        assert version is not None
        assert version.body == draft(resource).body(resource["id"], 1, version.updated), resource["id"]


async def test_mentions_are_found_in_every_version_wherever_they_are(shelf: Shelf) -> None:
    reference = {"reference": "Patient/a"}
    await shelf.put({"resourceType": "Observation", "id": "now", "subject": reference})
    await shelf.put({"resourceType": "Observation", "id": "once", "subject": reference})
    await shelf.put({"resourceType": "Observation", "id": "once"})
    await shelf.put({"resourceType": "Basic", "id": "deleted", "extension": [{"valueReference": reference}]})
    await shelf.delete("Basic", "deleted")
    await shelf.put({"resourceType": "Observation", "id": "other", "subject": {"reference": "Patient/ab"}})
    found = await shelf.store.mentions("Patient/a")
    assert sorted(found) == [("Basic", "deleted"), ("Observation", "now"), ("Observation", "once")]
