"""history of a resource, a type and everything."""

import pytest

from tests.conftest import Fhir

pytestmark = pytest.mark.anyio


async def some(fhir: Fhir) -> None:
    for active in (True, False):
        await fhir.put("Patient/a", {"resourceType": "Patient", "id": "a", "active": active})
    await fhir("DELETE", "Patient/a")
    await fhir.put("Patient/b", {"resourceType": "Patient", "id": "b"})
    await fhir.put("Organization/o", {"resourceType": "Organization", "id": "o", "name": "O"})


async def versions(fhir: Fhir, path: str) -> list[tuple[str, str]]:
    """(url, method) over all pages, newest first."""
    found = []
    answer = await fhir.get(path)
    while True:
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert bundle["type"] == "history"
        found += [(e["fullUrl"].rpartition("/fhir/")[2], e["request"]["method"]) for e in bundle.get("entry", ())]
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        if following is None:
            return found
        answer = await fhir.http.get(following)


async def test_an_instance_newest_first_with_its_deletion(fhir: Fhir) -> None:
    await some(fhir)
    assert await versions(fhir, "Patient/a/_history") == [("Patient/a", m) for m in ("DELETE", "PUT", "PUT")]
    bundle = (await fhir.get("Patient/a/_history")).json()
    assert bundle["total"] == 3
    assert "resource" not in bundle["entry"][0]
    assert [e["response"]["status"][:3] for e in bundle["entry"]] == ["204", "200", "201"]


@pytest.mark.parametrize("path", ["Patient/a/_history", "Patient/_history", "_history"])
@pytest.mark.parametrize("count", [1, 2, 100])
async def test_what_is_put_after_its_deletion_was_created(fhir: Fhir, path: str, count: int) -> None:
    patient = {"resourceType": "Patient", "id": "a"}
    written = [await fhir.put("Patient/a", patient), await fhir("DELETE", "Patient/a")]
    written += [await fhir.put("Patient/a", patient), await fhir.put("Patient/a", patient)]
    told: list[int] = []
    answer = await fhir.get(f"{path}?_count={count}")
    while answer:
        bundle = answer.json()
        told += [int(entry["response"]["status"][:3]) for entry in bundle["entry"]]
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        answer = await fhir.http.get(following) if following else None
    assert told == [each.status_code for each in written[::-1]] == [200, 201, 204, 201]


async def test_a_transaction_sees_what_it_creates_anew(fhir: Fhir) -> None:
    patient = {"resourceType": "Patient", "id": "a"}
    await fhir.put("Patient/a", patient)
    await fhir("DELETE", "Patient/a")
    asked = [{"resource": patient, "request": {"method": "PUT", "url": "Patient/a"}},
             {"request": {"method": "GET", "url": "Patient/a/_history"}}]  # fmt: skip
    answer = await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": asked})
    history = answer.json()["entry"][1]["resource"]["entry"]
    assert [entry["response"]["status"][:3] for entry in history] == ["201", "204", "201"]


@pytest.mark.parametrize("count", [1, 2, 100])
async def test_a_type_and_the_system_are_paged_without_repeats(fhir: Fhir, count: int) -> None:
    await some(fhir)
    of_type = await versions(fhir, f"Patient/_history?_count={count}")
    assert [url for url, _ in of_type] == ["Patient/b", "Patient/a", "Patient/a", "Patient/a"]
    of_all = await versions(fhir, f"_history?_count={count}")
    assert [url for url, _ in of_all] == ["Organization/o", *[url for url, _ in of_type]]


async def test_since_and_at(fhir: Fhir) -> None:
    await some(fhir)
    moments = [v.updated for v in (await fhir.server.environment.store.history("Patient", "a")).versions]
    assert moments == sorted(moments, reverse=True)
    from fhir_server.core.keys import instant

    since = instant(moments[1])
    assert len(await versions(fhir, f"Patient/a/_history?_since={since}")) == 2
    assert await versions(fhir, "Patient/a/_history?_since=2999-01-01") == []
    at = await versions(fhir, f"Patient/a/_history?_at={instant(moments[2])}")
    assert at == [("Patient/a", "PUT")]


async def test_new_versions_do_not_shift_the_pages(fhir: Fhir) -> None:
    await some(fhir)
    first = (await fhir.get("_history?_count=2")).json()
    await fhir.put("Patient/c", {"resourceType": "Patient", "id": "c"})
    second = (await fhir.http.get(next(link["url"] for link in first["link"] if link["relation"] == "next"))).json()
    seen = [e["fullUrl"].rpartition("/")[2] for e in first["entry"] + second["entry"]]
    assert seen == ["o", "b", "a", "a"]


async def test_of_what_never_was_is_404(fhir: Fhir) -> None:
    assert (await fhir.get("Patient/none/_history")).status_code == 404


async def test_total_of_what_has_one_page(fhir: Fhir) -> None:
    await some(fhir)
    assert (await fhir.get("Patient/_history")).json()["total"] == 4
    assert (await fhir.get("_history")).json()["total"] == 5
    assert "total" not in (await fhir.get("_history?_count=2")).json()


async def test_of_what_a_list_names(fhir: Fhir) -> None:
    await some(fhir)
    items = [{"item": {"reference": text}} for text in ("Patient/a/_history/2", "Organization/o", "Patient/nobody")]
    await fhir.create({"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items})
    assert await versions(fhir, "_history?_list=l") == [("Organization/o", "PUT"), ("Patient/a", "PUT")]
    assert await versions(fhir, "Patient/_history?_list=List/l") == [("Patient/a", "PUT")]
    refused = await fhir.get("Patient/_history?_list=none")
    assert refused.status_code == 400 and "List/none" in refused.text


async def test_summary_and_elements(fhir: Fhir) -> None:
    await some(fhir)
    counted = (await fhir.get("Patient/a/_history?_summary=count")).json()
    assert counted["total"] == 3 and "entry" not in counted
    for shape in ("_elements=id", "_summary=text", "_elements=id&_elements=name&_format=json&_format=json"):
        shown = (await fhir.get(f"Patient/a/_history?{shape}")).json()["entry"][1]["resource"]
        assert shown["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert (await fhir.get("Patient/a/_history?_summary=all")).status_code == 400
    assert (await fhir.get("Patient/a/_history?_elements=nonsense")).status_code == 400
    passed_over = await fhir.get("Patient/a/_history?_elements=nonsense", prefer="handling=lenient")
    assert passed_over.status_code == 200
    assert (await fhir.get("Patient/a/_history?_count=" + "9" * 5000)).status_code == 400
