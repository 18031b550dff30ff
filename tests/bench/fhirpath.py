"""What FHIRPath costs, in microseconds, on two official examples: python -m tests.bench.fhirpath."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.codec import json
from fhir_server.definitions import Definitions, load
from fhir_server.fhirpath import Path, PathsBuilder, compile_path
from fhir_server.fhirpath.engine.items import Node, children, resource_node
from fhir_server.fhirpath.model import model_of
from tests.official_examples import official_examples

EXAMPLES = ("package/Patient-example.json", "package/Observation-example.json")


def measured(call: Callable[[], object]) -> float:
    """Microseconds of the fastest of five runs."""
    count = max(1, int(0.05 / max(timeit.timeit(call, number=1), 1e-6)))
    return min(timeit.repeat(call, number=count, repeat=5)) / count * 1e6


def branches(definitions: Definitions, kind: str) -> list[str]:
    """The paths of all search parameters of a type."""
    ancestors = definitions.ancestors(kind)
    parameters = definitions.search_parameters(kind).values()
    return [b for p in parameters for base, found in p.branches.items() if base in ancestors for b in found]


def checks(definitions: Definitions, node: Node) -> Iterator[tuple[str, Path, Any]]:
    """(key, invariant, element) for every element of a resource, each expression once an element."""
    model = model_of(definitions)
    invariants = [i for name in definitions.ancestors(node.type) for i in definitions.types[name].invariants]
    if node.parent is not None:
        elements = definitions.types[node.parent.type].elements
        invariants += [i for e in elements if e.name == node.name for i in e.invariants]
    expressions = {invariant.expression: invariant.key for invariant in invariants}
    if node.value is not None:
        for expression, key in expressions.items():
            yield key, compile_path(expression, definitions, node.type), node.value
    for child in children(model, node):
        if isinstance(child, Node):
            yield from checks(definitions, child)


def run_all(calls: list[tuple[Path, Any]], resource: dict[str, Any]) -> None:
    """Asks each invariant of its element."""
    for path, element in calls:
        path.is_violated(element, resource)


def main() -> None:
    """Prints one line a measurement."""
    definitions = load()
    resources = {name: json.parse(data) for name, data in official_examples() if name in EXAMPLES}
    for resource in resources.values():
        kind = resource["resourceType"]
        paths = [compile_path(branch, definitions, kind) for branch in branches(definitions, kind)]
        builder = PathsBuilder(definitions, kind)
        for path in paths:
            builder.add(path.expression, lambda type_name, value: [f"found.append(({type_name!r}, {value}))"])
        extract = builder.build("found")
        found = list(checks(definitions, resource_node(resource)))
        calls = [(path, element) for _, path, element in found]
        others = [(path, element) for key, path, element in found if key not in ("ele-1", "txt-1", "txt-2")]
        run_all(calls, resource)
        for name, call in {
            f"{len(paths)} search paths, one function": lambda r=resource, e=extract: e(r, []),
            f"{len(paths)} search paths, one by one": lambda r=resource, p=paths: [path.values(r) for path in p],
            f"{len(calls)} invariants": lambda r=resource, c=calls: run_all(c, r),
            f"{len(others)} invariants but ele-1, txt-1": lambda r=resource, c=others: run_all(c, r),
            "evaluate descendants().count()": lambda r=resource, k=kind: compile_path(
                "descendants().count()", definitions, k
            ).evaluate(r),
        }.items():
            print(f"{kind:<12}{name:<40}{measured(call):8.2f}")


if __name__ == "__main__":
    main()
