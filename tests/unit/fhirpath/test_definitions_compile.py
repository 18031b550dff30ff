"""Everything that R4 itself writes in FHIRPath compiles, and most of it to generated code."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.fhirpath import PathsBuilder, compile_path

# expressions of R4 that name elements which R4 does not have: they are always empty
WITHOUT_ELEMENT = {"name.matches('[A-Z]([A-Za-z0-9_]){0,254}')": {"ChargeItemDefinition"}}


def invariants(definitions: Definitions) -> Iterator[tuple[str, str]]:
    for definition in definitions.types.values():
        for invariant in definition.invariants:
            yield invariant.expression, definition.name
        for element in definition.elements:
            for invariant in element.invariants:
                for reference in element.types:
                    yield invariant.expression, reference.code


def test_every_branch_of_every_search_parameter_compiles(definitions: Definitions) -> None:
    for parameter in definitions.search_parameter_list:
        for base, branches in parameter.branches.items():
            for branch in branches:
                path = compile_path(branch, definitions, base)
                assert path.warnings == (), (parameter.url, branch)
                assert path.result_types, (parameter.url, branch)


def test_every_branch_of_every_search_parameter_is_settled_by_the_definitions(definitions: Definitions) -> None:
    for parameter in definitions.search_parameter_list:
        for base, branches in parameter.branches.items():
            for branch in branches:
                assert PathsBuilder(definitions, base).add(branch, lambda type_name, value: [f"print({value})"])


def test_components_of_composite_parameters_are_settled_by_the_definitions(definitions: Definitions) -> None:
    composites = [p for p in definitions.search_parameter_list if p.type == "composite"]
    assert composites
    for parameter in composites:
        for base, branches in parameter.branches.items():
            builder = PathsBuilder(definitions, base)
            for branch in branches:
                assert builder.add(branch, functools.partial(component_lines, builder, parameter))


def component_lines(builder: PathsBuilder, parameter: SearchParameter, type_name: str, value: str) -> list[str]:
    lines: list[str] = []
    for component in parameter.components:
        found = builder.lines(component.expression, type_name, value, lambda _, v: [f"print({v})"])
        assert found is not None, (parameter.url, component)
        lines.extend(found)
    return lines or ["pass"]


def test_every_invariant_compiles(definitions: Definitions) -> None:
    for expression, context in invariants(definitions):
        path = compile_path(expression, definitions, context)
        if path.warnings and context not in WITHOUT_ELEMENT.get(expression, ()):
            assert context == "decimal", (context, expression, path.warnings)  # ras-1 speaks of the Range only
