"""Generated code and the engine are two ways to one result, on official examples of every resource type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, Path, compile_path
from fhir_server.fhirpath.engine.items import Node, children, resource_node
from fhir_server.fhirpath.model import Model, model_of
from tests.official_examples import official_examples

EACH_TYPE, LARGEST = 3, 60_000


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    counted: Counter[str] = Counter()
    found = []
    for _, content in official_examples():
        if len(content) < LARGEST:
            resource = json.loads(content, parse_float=Decimal)
            kind = resource.get("resourceType", "")
            counted[kind] += 1
            if kind and counted[kind] <= EACH_TYPE:
                found.append(resource)
    return found


def plain(pairs: list[tuple[str, Any]]) -> list[str]:
    return sorted(json.dumps(pair, default=str, sort_keys=True) for pair in pairs)


def test_search_parameters_agree(examples: list[dict[str, Any]], definitions: Definitions) -> None:
    compared = 0
    for resource in examples:
        kind = resource["resourceType"]
        if not definitions.is_resource(kind):
            continue
        for parameter in definitions.search_parameters(kind).values():
            for base in set(parameter.branches) & set(definitions.ancestors(kind)):
                for branch in parameter.branches[base]:
                    path = compile_path(branch, definitions, kind)
                    assert plain(path.values(resource)) == plain(path._engine_values(resource)), (kind, branch)
                    compared += 1
    assert compared > 5_000


def elements(model: Model, node: Node) -> Iterator[Node]:
    yield node
    for child in children(model, node):
        if isinstance(child, Node):
            yield from elements(model, child)


def invariants_of(definitions: Definitions, kind: str, kept: dict[str, list[Path]]) -> list[Path]:
    if kind not in kept:
        expressions = {i.expression for name in definitions.ancestors(kind) for i in definitions.types[name].invariants}
        kept[kind] = [compile_path(expression, definitions, kind) for expression in expressions]
    return kept[kind]


def test_invariants_agree(examples: list[dict[str, Any]], definitions: Definitions) -> None:
    model = model_of(definitions)
    kept: dict[str, list[Path]] = {}
    compared = 0
    for resource in examples[::2]:
        environment = Environment(container=resource)
        for node in elements(model, resource_node(resource)):
            if node.value is None or node.type not in definitions.types:
                continue
            for path in invariants_of(definitions, node.type, kept):
                arguments = (node.value, resource, environment)
                assert path.is_true(*arguments) == path._engine_is_true(*arguments), (node.path, path)
                assert path.is_violated(*arguments) == path._engine_is_violated(*arguments), (node.path, path)
                compared += 1
    assert compared > 10_000
