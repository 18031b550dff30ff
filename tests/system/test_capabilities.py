"""All that the CapabilityStatement of a started server claims, works; on the distributed engine for SOME types.

What a type can do is read from the definitions, so the others have it by the same code; the embedded engine goes
through all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server import definitions
from tests.engines import EMBEDDED
from tests.official_examples import official_examples
from tests.system.operation_calls import STORED, calls
from tests.system.process import serving_on

R4 = definitions.load()
REFUSED = Path(__file__).parents[1] / "data/validation/refused_examples.json"
JSON_PATCH = [{"op": "add", "path": "/language", "value": "en"}]
FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "add"},
                {"name": "path", "valueString": "Basic"},
                {"name": "name", "valueString": "language"},
                {"name": "value", "valueCode": "en"},
            ],
        }
    ],
}
XML_PATCH = (
    '<diff xmlns="http://hl7.org/fhir"><add sel="f:Basic/f:code" pos="before"><language value="en"/></add></diff>'
)

# A value that a search parameter of each type may have; composites take theirs of their parts.
VALUES = {
    "token": "http://hospital.test/codes|a",
    "reference": "x1",
    "string": "smith",
    "uri": "http://hospital.test/uri",
    "date": "ge2020-01-31",
    "quantity": "gt5.4|http://unitsofmeasure.org|mg",
    "number": "lt100",
    "special": "42.25|-83.5|11|km",
}
# Those with operations or compartments of their own, and kinds of parameters that few have.
SOME = ("Patient", "Observation", "Encounter", "Composition", "Group", "Location", "CodeSystem", "ValueSet",
        "ConceptMap", "GraphDefinition", "Subscription", "Task", "Binary")  # fmt: skip
# Parameters whose values have a form of their own.
FORMS = {
    "_id": "x1",
    "_text": "word",
    "_content": "word",
    "_filter": "_id eq x1",
    "_has": "x1",
    "_list": "x1",
    "_type": "Patient",
}
BELOW = {"_has": "_has:Provenance:target:_id"}  # how a name is asked that can't stand alone
WITHOUT_VALUES = ("_text", "_content")
# Types whose official examples all break R4's rules, or that have none of less than 50 KB; and Subscription, as the
# server itself stores versions of those that are requested.
MINIMAL: dict[str, Any] = {
    "DeviceMetric": {"type": {"text": "x"}, "category": "setting"},
    "DeviceUseStatement": {
        "status": "active",
        "subject": {"reference": "Patient/x1"},
        "device": {"reference": "Device/x1"},
    },
    "EventDefinition": {"status": "draft", "trigger": [{"type": "named-event", "name": "x"}]},
    "Subscription": {"status": "off", "reason": "x", "criteria": "Patient", "channel": {"type": "websocket"}},
}


class Api:
    """Requests below the FHIR base of a started server; problems gathers what was not answered as claimed.

    types: those whose claims are gone through, () for all.
    """

    def __init__(self, base: str, types: Collection[str] = ()) -> None:
        self.base = base
        self.http = httpx.Client(timeout=60, headers={"accept": "application/fhir+json"})
        self.statement: dict[str, Any] = self.http.get(f"{base}/metadata").json()
        self.rest: dict[str, Any] = self.statement["rest"][0]
        if types:
            self.rest["resource"] = [claim for claim in self.rest["resource"] if claim["type"] in types]
        self.problems: list[str] = []

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        if content is not None:
            sent.setdefault("content-type", "application/fhir+json")
        return self.http.request(method, f"{self.base}/{path}".rstrip("/"), content=content, headers=sent)

    def expect(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        answer = self(method, path, body, **headers)
        if answer.status_code != status:
            self.problems.append(f"{method} {path}: {answer.status_code}, not {status}: {answer.text[:300]}")
        return answer

    def claimed(self, what: str) -> Iterator[tuple[str, Any]]:
        """(type, claim) of every type."""
        for resource in self.rest["resource"]:
            for claim in resource.get(what, ()):
                yield resource["type"], claim


@pytest.fixture(scope="module")
def started(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving_on(engine, tmp_path_factory.mktemp("capabilities")) as server:
        yield Api(server.base, () if engine == EMBEDDED else SOME)


@pytest.fixture
def api(started: Api) -> Iterator[Api]:
    started.problems.clear()
    yield started
    assert not started.problems, f"{len(started.problems)} claims fail:\n" + "\n".join(started.problems[:20])


@pytest.fixture(scope="module")
def samples(started: Api) -> dict[str, dict[str, Any]]:
    """A valid resource of each type: its smallest official example."""
    refused = {name for reason in json.loads(REFUSED.read_text("utf-8")) for name in reason["examples"]}
    smallest: dict[str, bytes] = {}
    for name, body in official_examples():
        type = json.loads(body)["resourceType"] if len(body) < 50_000 else ""
        if type and name not in refused and len(body) < len(smallest.get(type, body + b" ")):
            smallest[type] = body
    found = {}
    for resource in started.rest["resource"]:
        type = resource["type"]
        sample = MINIMAL.get(type) or json.loads(smallest.get(type, "{}"))
        found[type] = {**sample, "resourceType": type, "id": "x1"}
    return found


def test_the_statement_is_of_r4_and_valid(api: Api) -> None:
    assert api.statement["fhirVersion"] == "4.0.1" and api.statement["kind"] == "instance"
    outcome = api.expect(200, "POST", "CapabilityStatement/$validate", api.statement).json()
    assert [issue for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")] == []


def test_every_interaction_of_every_type(api: Api, samples: dict[str, dict]) -> None:
    for type, sample in samples.items():
        claimed = {claim["code"] for name, claim in api.claimed("interaction") if name == type}
        assert claimed == set(INTERACTIONS), f"{type} claims {claimed}, checked are {set(INTERACTIONS)}"
        for check in INTERACTIONS.values():
            check(api, f"{type}/x1", sample)


def created(api: Api, path: str, sample: dict) -> None:
    type = path.partition("/")[0]
    answer = api.expect(201, "POST", type, {name: value for name, value in sample.items() if name != "id"})
    location = answer.headers.get("location", "")
    if not location.endswith("/_history/1"):
        api.problems.append(f"POST {type}: Location is {location!r}")


def read(api: Api, path: str, sample: dict) -> None:
    answer = api.expect(200, "GET", path)
    if answer.headers.get("etag") != 'W/"1"' or answer.json()["id"] != "x1":
        api.problems.append(f"GET {path}: {answer.headers}")


def searched(api: Api, path: str, sample: dict) -> None:
    type = path.partition("/")[0]
    found = api.expect(200, "GET", f"{type}?_id=x1&_total=accurate").json()
    if found.get("total") != 1:
        api.problems.append(f"GET {type}?_id=x1: total is {found.get('total')}")


def in_history(count: int, where: str) -> Callable[[Api, str, dict], None]:
    def check(api: Api, path: str, sample: dict) -> None:
        asked = f"{where.format(path=path, type=path.partition('/')[0])}?_count=100"
        entries = api.expect(200, "GET", asked).json().get("entry", [])
        if len(entries) != count:
            api.problems.append(f"GET {asked}: {len(entries)} entries, not {count}")

    return check


# One after the other on Type/x1: its version after each is 1, 1, 1, 2, 3, 3, 3, 3 and 4 (deleted).
INTERACTIONS: dict[str, Callable[[Api, str, dict], Any]] = {
    "update": lambda api, path, sample: api.expect(201, "PUT", path, sample),
    "read": read,
    "search-type": searched,
    "patch": lambda api, path, sample: (
        api.expect(200, "PATCH", path, JSON_PATCH, content_type="application/json-patch+json"),
        api.expect(200, "PUT", path, sample, if_match='W/"2"'),
    ),
    "vread": lambda api, path, sample: api.expect(200, "GET", f"{path}/_history/2"),
    "history-instance": in_history(3, "{path}/_history"),
    "delete": lambda api, path, sample: (api.expect(204, "DELETE", path), api.expect(410, "GET", path)),
    "create": created,
    "history-type": in_history(5, "{type}/_history"),
}


def test_every_conditional_interaction_of_every_type(api: Api, samples: dict[str, dict]) -> None:
    for resource in api.rest["resource"]:
        type = resource["type"]
        sample = {**samples[type], "id": "c1"}
        assert resource["updateCreate"] and resource["conditionalCreate"] and resource["conditionalUpdate"]
        assert resource["versioning"] == "versioned-update" and resource["readHistory"]
        assert resource["conditionalRead"] == "full-support" and resource["conditionalDelete"] in ("single", "multiple")
        api.expect(201, "PUT", f"{type}/c1", sample)
        api.expect(200, "POST", type, sample, if_none_exist="_id=c1")
        api.expect(200, "PUT", f"{type}?_id=c1", sample)
        api.expect(412, "PUT", f"{type}/c1", sample, if_match='W/"1"')
        api.expect(304, "GET", f"{type}/c1", if_none_match='W/"2"')
        api.expect(304, "GET", f"{type}/c1", if_modified_since="Fri, 01 Jan 2100 00:00:00 GMT")
        api.expect(200, "GET", f"{type}/c1", if_modified_since="Thu, 01 Jan 1970 00:00:00 GMT")
        api.expect(204, "DELETE", f"{type}?_id=c1")
        api.expect(410, "GET", f"{type}/c1")


def test_every_search_parameter_of_every_type(api: Api) -> None:
    number = 0
    for type, claim in api.claimed("searchParam"):
        value = FORMS.get(claim["name"]) or VALUES.get(claim["type"]) or composite_value(api, claim["definition"])
        api.expect(200, "GET", f"{type}?{claim['name']}={value}")
        if claim["name"] not in (*WITHOUT_VALUES, "_id", "_lastUpdated"):
            api.expect(200, "GET", f"{type}?{claim['name']}:missing=true&_count=0")
        number += 1
    assert number > 15 * len(api.rest["resource"])


def composite_value(api: Api, definition: str) -> str:
    """The values of a composite's parts; the definitions that the server was built from say what they are."""
    parameters = {parameter.url: parameter for parameter in R4.search_parameter_list}
    parts = [parameters[component.definition] for component in parameters[definition].components]
    return "$".join(VALUES[part.type] for part in parts)


def test_every_search_parameter_of_all_types(api: Api) -> None:
    for claim in api.rest["searchParam"]:
        value = FORMS.get(claim["name"]) or VALUES[claim["type"]]
        name = BELOW.get(claim["name"], claim["name"])
        api.expect(200, "GET", f"?_type=Patient,Observation&{name}={value}")


def test_every_sort_that_a_type_may_have(api: Api) -> None:
    for type, claim in api.claimed("searchParam"):
        if claim["type"] not in ("composite", "special") and claim["name"] not in WITHOUT_VALUES:
            api.expect(200, "GET", f"{type}?_sort=-{claim['name']}&_count=1")


def test_every_include_and_revinclude(api: Api) -> None:
    for type, claim in api.claimed("searchInclude"):
        api.expect(200, "GET", f"{type}?_include={claim}&_count=1")
    for type, claim in api.claimed("searchRevInclude"):
        api.expect(200, "GET", f"{type}?_revinclude={claim}&_count=1")


def test_every_compartment(api: Api) -> None:
    for canonical in api.rest["compartment"]:
        code = canonical.rpartition("/")[2]
        type = code[0].upper() + code[1:]
        api.expect(200, "GET", f"{type}/x1/*?_count=1")
        for member in R4.compartments[type].members:
            api.expect(200, "GET", f"{type}/x1/{member}?_count=1")


def test_every_interaction_of_the_whole_system(api: Api) -> None:
    entry = {
        "resource": {"resourceType": "Basic", "code": {"text": "x"}},
        "request": {"method": "POST", "url": "Basic"},
    }
    checks = {
        "transaction": lambda: bundle_answer("transaction"),
        "batch": lambda: bundle_answer("batch"),
        "search-system": lambda: api.expect(200, "GET", "?_type=Basic&_count=1").json()["type"] == "searchset",
        "history-system": lambda: api.expect(200, "GET", "_history?_count=1").json()["type"] == "history",
    }

    def bundle_answer(type: str) -> bool:
        answer = api.expect(200, "POST", "", {"resourceType": "Bundle", "type": type, "entry": [entry]}).json()
        return answer["type"] == f"{type}-response" and answer["entry"][0]["response"]["status"].startswith("201")

    for claim in api.rest["interaction"]:
        assert checks[claim["code"]](), claim


def test_every_format(api: Api) -> None:
    api.expect(201, "PUT", "Basic/f1", {"resourceType": "Basic", "id": "f1", "code": {"text": "x"}})
    for format in api.statement["format"]:
        for answer in (
            api.expect(200, "GET", f"Basic/f1?_format={format}"),
            api.expect(200, "GET", "Basic/f1", accept=format) if "/" in format else None,
        ):
            if answer is None:
                continue
            kind = "xml" if "xml" in format else "json"
            assert kind in answer.headers["content-type"] and answer.text.startswith({"xml": "<", "json": "{"}[kind])
            if "/" in format:
                again = api.expect(200, "PUT", "Basic/f1", answer.text, content_type=format)
                assert again.json()["code"] == {"text": "x"}


def test_every_patch_format(api: Api) -> None:
    patches = {
        "application/json-patch+json": JSON_PATCH,
        "application/merge-patch+json": {"language": "en"},
        "application/xml-patch+xml": XML_PATCH,
        "application/fhir+json": FHIRPATH_PATCH,
        "application/fhir+xml": fhirpath_patch_as_xml(),
    }
    assert set(api.statement["patchFormat"]) == set(patches)
    for number, (format, patch) in enumerate(patches.items()):
        basic = {"resourceType": "Basic", "id": f"p{number}", "code": {"text": "x"}}
        api.expect(201, "PUT", f"Basic/p{number}", basic)
        answer = api.expect(200, "PATCH", f"Basic/p{number}", patch, content_type=format)
        assert answer.json().get("language") == "en", format


def fhirpath_patch_as_xml() -> str:
    parts = "".join(
        "<part>" + "".join(f'<{name} value="{value}"/>' for name, value in part.items()) + "</part>"
        for part in FHIRPATH_PATCH["parameter"][0]["part"]
    )
    operation = f'<parameter><name value="operation"/>{parts}</parameter>'
    return f'<Parameters xmlns="http://hl7.org/fhir">{operation}</Parameters>'


def test_every_operation(api: Api, samples: dict[str, dict]) -> None:
    for type, sample in samples.items():
        api.expect(201, "PUT", f"{type}/o1", {**sample, "id": "o1"})
    for resource in STORED:
        api.expect(200, "PUT", f"{resource['resourceType']}/o1", resource)
    claimed = [("", claim["name"]) for claim in api.rest["operation"]]
    claimed += [(type, claim["name"]) for type, claim in api.claimed("operation")]
    claimed.sort(key=lambda claim: claim[1] == "purge")  # it takes the Patient away
    for type, code in claimed:
        for method, path, body in calls(code, type, samples.get(type, {})):
            expected = {"export": 202, "import": 403}.get(code, 200)  # a server fetches nothing without a setting
            answer = api.expect(expected, method, path, body)
            if answer.status_code == 200 and code == "validate":
                refused = [i for i in answer.json()["issue"] if i["severity"] in ("error", "fatal")]
                if refused:
                    api.problems.append(f"{method} {path}: {refused}")
