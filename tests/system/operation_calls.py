"""A call of each operation that the CapabilityStatement may claim, and the resources that they work on."""

from __future__ import annotations

from typing import Any

CODES = "http://hospital.test/codes"
STORED: list[dict[str, Any]] = [
    {
        "resourceType": "CodeSystem",
        "id": "o1",
        "url": CODES,
        "status": "active",
        "content": "complete",
        "hierarchyMeaning": "is-a",
        "property": [{"code": "kind", "type": "code"}],
        "concept": [
            {
                "code": "a",
                "display": "A",
                "concept": [{"code": "b", "display": "B", "property": [{"code": "kind", "valueCode": "k"}]}],
            }
        ],
    },
    {
        "resourceType": "ValueSet",
        "id": "o1",
        "url": f"{CODES}/all",
        "status": "active",
        "compose": {"include": [{"system": CODES}]},
    },
    {
        "resourceType": "ConceptMap",
        "id": "o1",
        "url": f"{CODES}/map",
        "status": "active",
        "sourceUri": f"{CODES}/all",
        "group": [
            {
                "source": CODES,
                "target": "http://other.test",
                "element": [{"code": "a", "target": [{"code": "z", "equivalence": "equal"}]}],
            }
        ],
    },
    {
        "resourceType": "GraphDefinition",
        "id": "o1",
        "url": "http://hospital.test/graph",
        "name": "Graph",
        "status": "active",
        "start": "Patient",
    },
    {"resourceType": "Patient", "id": "o1", "identifier": [{"system": "http://hospital.test", "value": "1"}]},
    {"resourceType": "Group", "id": "o1", "type": "person", "actual": True},
    {"resourceType": "Encounter", "id": "o1", "status": "finished", "class": {"code": "AMB"}},
    {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}},
    {
        "resourceType": "Composition",
        "id": "o1",
        "status": "final",
        "type": {"text": "x"},
        "date": "2026",
        "author": [{"reference": "Patient/o1"}],
        "title": "T",
    },
    {
        "resourceType": "Subscription",
        "id": "o1",
        "status": "requested",
        "reason": "x",
        "criteria": "Patient",
        "channel": {"type": "websocket"},
    },
]
META = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}


def parameters(**values: str) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": n, "valueString": v} for n, v in values.items()]}


def batch_validate(**inner: Any) -> dict[str, Any]:
    one = {"name": "validation", "resource": {"resourceType": "Parameters", "parameter": [inner]}}
    return {"resourceType": "Parameters", "parameter": [one]}


def calls(code: str, type: str, sample: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(method, path, body) of a call of each claimed operation, after STORED and Type/o1 are stored."""
    match (code, type):
        case ("validate", ""):
            return [("POST", "$validate", {"resourceType": "Basic", "code": {"text": "x"}})]
        case ("validate", "Parameters"):
            wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": sample}]}
            return [("POST", "Parameters/$validate", wrapped)]
        case ("validate", _):
            return [("POST", f"{type}/$validate", sample), ("GET", f"{type}/o1/$validate", None)]
        case ("meta", ""):
            return [("GET", "$meta", None)]
        case ("meta", _):
            return [("GET", f"{type}/$meta", None), ("GET", f"{type}/o1/$meta", None)]
        case ("meta-add" | "meta-delete", _):
            return [("POST", f"{type}/o1/${code}", META)]
        case ("graph", _):
            return [("GET", "Patient/o1/$graph?graph=http://hospital.test/graph", None)]
        case ("graphql", ""):
            return [("GET", "$graphql?query={PatientList{id}}", None)]
        case ("graphql", _):
            return [("GET", f"{type}/o1/$graphql?query={{id}}", None)]
        case ("fhirpath", ""):
            return [("POST", "$fhirpath?expression=code.text", {"resourceType": "Basic", "code": {"text": "x"}})]
        case ("fhirpath", _):
            return [("GET", f"{type}/o1/$fhirpath?expression=id", None)]
        case ("convert", ""):
            return [("POST", "$convert", {"resourceType": "Basic", "code": {"text": "x"}})]
        case ("closure", ""):
            return [("POST", "$closure", parameters(name="c1"))]
        case ("document", _):
            return [("GET", "Composition/o1/$document", None), ("GET", "Composition/$document?id=o1", None)]
        case ("everything", _):
            return [("GET", f"{type}/o1/$everything", None)]
        case ("docref", _):
            return [("GET", "DocumentReference/$docref?patient=o1", None)]
        case ("lastn", _):
            return [("GET", "Observation/$lastn?subject=Patient/o1&max=1", None)]
        case ("purge", _):
            return [("POST", "Patient/o1/$purge", None)]
        case ("de-identify", ""):
            return [("POST", "$de-identify", {"resourceType": "Basic", "code": {"text": "x"}})]
        case ("de-identify", _):
            return [("GET", f"{type}/o1/$de-identify", None)]
        case ("k-anonymity", _):
            return [("GET", f"{type}/$k-anonymity?quasi=id", None)]
        case ("changes", _):
            return [("GET", "$changes?_count=1", None)]
        case ("import", _):
            part = [{"name": "url", "valueUrl": "http://files.test/all.ndjson"}]
            return [("POST", "$import", {"resourceType": "Parameters", "parameter": [{"name": "input", "part": part}]})]
        case ("export", "Group"):
            return [("GET", "Group/o1/$export", None)]
        case ("export", _):
            return [("GET", f"{type}/$export".lstrip("/"), None)]
        case ("viewdefinition-run", ""):
            return [("GET", "$viewdefinition-run?viewReference=patients", None)]
        case ("viewdefinition-run", _):
            view = {"resource": type, "select": [{"column": [{"name": "id", "path": "id"}]}]}
            body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": view}]}
            return [("POST", f"{type}/$viewdefinition-run", body)]
        case ("match", _):
            wanted = next(resource for resource in STORED if resource["resourceType"] == "Patient")
            body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wanted}]}
            return [("POST", "Patient/$match", body)]
        case ("ihe-pix", _):
            return [("GET", "Patient/$ihe-pix?sourceIdentifier=http://hospital.test|1", None)]
        case ("lookup", _):
            return [("GET", f"CodeSystem/$lookup?system={CODES}&code=a", None)]
        case ("validate-code", "CodeSystem"):
            return [
                ("GET", f"CodeSystem/$validate-code?url={CODES}&code=a", None),
                ("GET", "CodeSystem/o1/$validate-code?code=a", None),
            ]
        case ("validate-code", _):
            return [
                ("GET", f"ValueSet/$validate-code?url={CODES}/all&system={CODES}&code=a", None),
                ("GET", f"ValueSet/o1/$validate-code?system={CODES}&code=a", None),
            ]
        case ("batch-validate-code", _):
            return [("POST", f"{type}/$batch-validate-code", batch_validate(name="code", valueCode="a"))]
        case ("loads", _):
            return [("GET", "CodeSystem/$loads", None)]
        case ("subsumes", _):
            return [
                ("GET", f"CodeSystem/$subsumes?system={CODES}&codeA=a&codeB=b", None),
                ("GET", "CodeSystem/o1/$subsumes?codeA=a&codeB=b", None),
            ]
        case ("events", _):
            return [("GET", "Subscription/o1/$events", None)]
        case ("status" | "get-ws-binding-token", _):
            return [("GET", f"Subscription/${code}?id=o1", None), ("GET", f"Subscription/o1/${code}", None)]
        case ("find-matches", _):
            part = {
                "name": "property",
                "part": [{"name": "code", "valueCode": "kind"}, {"name": "value", "valueCode": "k"}],
            }
            body = {"resourceType": "Parameters", "parameter": [{"name": "system", "valueUri": CODES}, part]}
            alone = {"resourceType": "Parameters", "parameter": [part]}
            return [("POST", "CodeSystem/$find-matches", body), ("POST", "CodeSystem/o1/$find-matches", alone)]
        case ("expand", _):
            return [("GET", f"ValueSet/$expand?url={CODES}/all", None), ("GET", "ValueSet/o1/$expand", None)]
        case ("translate", _):
            return [
                ("GET", f"ConceptMap/$translate?url={CODES}/map&system={CODES}&code=a", None),
                ("GET", f"ConceptMap/o1/$translate?system={CODES}&code=a", None),
            ]
    raise AssertionError(f"No call is known for the claimed ${code} of {type or 'the system'}; add one.")
