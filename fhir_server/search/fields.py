"""What is indexed of each resource type, derived from the search parameters alone.

Many parameters read the same elements: Observation.patient is Observation.subject where it names a Patient, combo-code
is code and component-code together, phonetic is name. So each path is indexed once, as a field, and a parameter is
answered by the fields that hold its paths:

    code            field "code"            Observation.code
    component-code  field "component-code"  Observation.component.code
    combo-code      fields "code", "component-code"
    patient         field "subject", where it names a Patient

Paths that the same parameters read are one field (value-quantity: the Quantity and the SampledData). A field is named
after the parameter that reads just its paths. Specification: https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.definitions.expressions import normal_form, split_union

BUILT_IN = frozenset({"_id", "_lastUpdated"})  # answered from the resource's own row, not from index values
_AS_TYPE = re.compile(r"\bas\((\w+)\)")


class FieldComponent(NamedTuple):
    """One part of a composite field: the search type it is compared as, and its paths from the composite's base."""

    kind: str
    paths: tuple[str, ...]


class IndexField(NamedTuple):
    """One thing to index: kind is the search type; paths are FHIRPath from the resource; components of a composite."""

    name: str
    kind: str
    paths: tuple[str, ...]
    components: tuple[FieldComponent, ...] = ()


class ComponentParameter(NamedTuple):
    """What one part of a composite parameter's value is: a search type, and for a reference the types it may name."""

    kind: str
    targets: tuple[str, ...] = ()


class ParameterFields(NamedTuple):
    """How a parameter is answered for one resource type.

    fields: names, one of which must match; target_types: () or the only types that a reference must name to count;
    targets: the types that it may name at all (a chain goes on there), () for a parameter that is no reference.
    """

    parameter: SearchParameter
    fields: tuple[str, ...]
    target_types: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    components: tuple[ComponentParameter, ...] = ()


class TypeFields(NamedTuple):
    """Of one resource type: fields by name, to extract; parameters by code, to parse."""

    fields: dict[str, IndexField]
    parameters: dict[str, ParameterFields]


class _Branch(NamedTuple):
    """A path as one parameter reads it; two branches that are equal are indexed once."""

    path: str
    kind: str
    components: tuple[FieldComponent, ...]


class Fields:
    """The fields of every resource type, each worked out on first use and kept."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._types: dict[str, TypeFields] = {}

    def of(self, type_name: str) -> TypeFields:
        """The fields and parameters of a concrete resource type. KeyError for an unknown one."""
        found = self._types.get(type_name)
        if found is None:
            if not self._definitions.is_resource(type_name):
                raise KeyError(type_name)
            found = self._types[type_name] = self._derive(type_name)
        return found

    def _derive(self, type_name: str) -> TypeFields:
        branches: dict[str, dict[_Branch, str]] = {}  # parameter code -> branch -> the type it must name, "" for any
        parameters = self._definitions.search_parameters(type_name)
        for code, parameter in parameters.items():
            if code not in BUILT_IN:
                found = dict(self._branches(type_name, parameter))
                if found:
                    branches[code] = found
        fields = _name_fields(_group(branches), branches)
        field_of = {_Branch(path, f.kind, f.components): f.name for f in fields for path in f.paths}
        named: dict[str, set[str]] = {}  # field -> every type that some parameter lets it name
        for code, found in branches.items():
            targets = self._targets(parameters[code], found)
            for branch in found:
                named.setdefault(field_of[branch], set()).update(targets)
        return TypeFields(
            {field.name: field for field in fields},
            {
                code: self._parameter_fields(parameters[code], found, field_of, named)
                for code, found in branches.items()
            },
        )

    def _branches(self, type_name: str, parameter: SearchParameter) -> Iterator[tuple[_Branch, str]]:
        components = self._components(parameter)
        paths = [
            normal_form(branch)
            for ancestor in self._definitions.ancestors(type_name)
            for branch in parameter.branches.get(ancestor, ())
        ]
        restricted = all(target for _, target in paths)
        for path, target in paths:
            if target and not restricted:
                path, target = f"{path}.where(resolve() is {target})", ""
            yield _Branch(self._with_type_names(path), parameter.type, components), target

    def _components(self, parameter: SearchParameter) -> tuple[FieldComponent, ...]:
        components = []
        for component in parameter.components:
            definition = self._definitions.search_parameter(component.definition)
            paths = [self._with_type_names(normal_form(path)[0]) for path in split_union(component.expression)]
            components.append(FieldComponent(definition.type if definition else "string", tuple(paths)))
        return tuple(components)

    def _with_type_names(self, path: str) -> str:
        """The path with types spelled as they are defined: R4 has as(DateTime) for as(dateTime)."""

        def spell(match: re.Match[str]) -> str:
            name = match[1]
            known = name in self._definitions.types
            return match[0] if known else f"as({name[0].lower()}{name[1:]})"

        return _AS_TYPE.sub(spell, path)

    def _targets(self, parameter: SearchParameter, branches: dict[_Branch, str]) -> tuple[str, ...]:
        if parameter.type != "reference":
            return ()
        restriction = {target for target in branches.values() if target}
        return tuple(sorted(restriction)) or self._declared_targets(parameter)

    def _declared_targets(self, parameter: SearchParameter) -> tuple[str, ...]:
        known = tuple(target for target in parameter.targets if self._definitions.is_resource(target))
        return known or self._definitions.resource_types

    def _parameter_fields(
        self,
        parameter: SearchParameter,
        branches: dict[_Branch, str],
        field_of: dict[_Branch, str],
        named: dict[str, set[str]],
    ) -> ParameterFields:
        fields = tuple(dict.fromkeys(field_of[branch] for branch in branches))
        targets = self._targets(parameter, branches)
        everything = set[str]().union(*(named[field] for field in fields))
        restricted = any(branches.values()) or not everything <= set(targets)
        components = []
        for component in parameter.components:
            definition = self._definitions.search_parameter(component.definition)
            reference = definition is not None and definition.type == "reference"
            components.append(
                ComponentParameter(
                    definition.type if definition else "string",
                    self._declared_targets(definition) if definition and reference else (),
                )
            )
        return ParameterFields(parameter, fields, targets if restricted else (), targets, tuple(components))


def _group(branches: dict[str, dict[_Branch, str]]) -> list[list[_Branch]]:
    """The branches, those together that the very same parameters read."""
    readers: dict[_Branch, list[str]] = {}
    for code, found in branches.items():
        for branch in found:
            readers.setdefault(branch, []).append(code)
    groups: dict[tuple, list[_Branch]] = {}
    for branch, codes in readers.items():
        groups.setdefault((branch.kind, branch.components, *codes), []).append(branch)
    return list(groups.values())


def _name_fields(groups: list[list[_Branch]], branches: dict[str, dict[_Branch, str]]) -> list[IndexField]:
    """A field for each group, named after the parameter that reads just this group, without restriction if there is."""
    fields: list[IndexField] = []
    taken: set[str] = set(branches)
    for group in groups:
        readers = [code for code, found in branches.items() if group[0] in found]
        exact = [code for code in readers if set(branches[code]) == set(group)]
        free = [code for code in exact if not any(branches[code].values())]
        name = (free or exact or [""])[0]
        if not name:
            number = 1
            while not name or name in taken:
                name = f"{readers[0]}.{number}"
                number += 1
            taken.add(name)
        fields.append(IndexField(name, group[0].kind, tuple(b.path for b in group), group[0].components))
    return fields
