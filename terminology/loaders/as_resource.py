"""The rows of a loader as a CodeSystem resource, for what is small enough to ship."""

from __future__ import annotations

from typing import Any

from terminology.loaders.loader import Plan
from terminology.model import ABSTRACT, INACTIVE, Property, Record

_FLAGS = {ABSTRACT: Property("notSelectable", "boolean", True), INACTIVE: Property("inactive", "boolean", True)}

Json = dict[str, Any]


def code_system(plan: Plan) -> Json:
    """A CodeSystem with all concepts; of plans whose only stage is one of records."""
    (stage,) = plan.stages
    info = plan.info
    resource: Json = {"resourceType": "CodeSystem", "url": info.url, "version": info.version, "title": info.name}
    resource |= {"status": "active", "caseSensitive": info.case_sensitive, "content": info.content}
    concepts = [_concept(record) for record in stage.rows()]
    kinds = {p["code"]: next(k for k in p if k != "code") for c in concepts for p in c.get("property", ())}
    if kinds:
        resource["property"] = [{"code": code, "type": _lower(key)} for code, key in kinds.items()]
    return {**resource, "count": len(concepts), "concept": concepts}


def _lower(key: str) -> str:
    name = key.removeprefix("value")
    return name if name == "Coding" else name[0].lower() + name[1:]


def _concept(record: Record) -> Json:
    concept: Json = {"code": record.code, "display": record.display, "definition": record.definition}
    if record.designations:
        concept["designation"] = [
            {key: value for key, value in (("language", d.language), ("use", d.use), ("value", d.value)) if value}
            for d in record.designations
        ]
    properties = [*record.properties, *(each for flag, each in _FLAGS.items() if record.flags & flag)]
    properties += [Property("parent", "code", parent) for parent in record.parents]
    if properties:
        concept["property"] = [{"code": p.code, f"value{p.type[0].upper()}{p.type[1:]}": p.value} for p in properties]
    return {key: value for key, value in concept.items() if value}
