"""What is indexed of each resource type, derived from the search parameters alone.

Many parameters read the same elements: Observation.patient is Observation.subject where it names a Patient, combo-code
is code and component-code together. So each path is indexed once, as a field, and a parameter is
answered by the fields that hold its paths:

    code            field "code"            Observation.code
    component-code  field "component-code"  Observation.component.code
    combo-code      fields "code", "component-code"
    patient         field "subject", where it names a Patient
    name            fields "family", "given", "name"   Patient.name.family, .given; what is left of Patient.name

Paths that the same parameters read are one field (value-quantity: the Quantity and the SampledData). A field is named
after the parameter that reads just its paths. A custom parameter uses the official fields that hold its paths, and has
one field of its own for the others, so that none ever changes what is indexed for another. Specification: https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, TypeVar

from fhir_server.core.query import Include
from fhir_server.definitions import Component, Definitions, SearchParameter
from fhir_server.definitions.expressions import normal_form, split_union
from fhir_server.search.assignment import Assignment, Branch, Branches, FieldComponent, IndexField
from fhir_server.search.elements import types_at
from fhir_server.search.parts import in_parts
from fhir_server.search.phonetic import kind_of

SECURITY_CONTEXT = SearchParameter(
    "urn:hms:Binary-security-context", "security-context", "reference", ("Binary",),
    {"Binary": ("Binary.securityContext",)},
)  # fmt: skip
UNASKED = {"Binary": (SECURITY_CONTEXT,)}  # indexed beside R4's own: restrictions ask by them, no client can
BUILT_IN = frozenset({"_id", "_lastUpdated"})  # answered from the resource's own row, not from index values
ITSELF = "{def}"  # in a compartment's definition: the resource that it is of
MOST_LISTS = 200  # of types, for which something is kept
REFERENCES = frozenset({"Reference", "canonical"})
ADDRESSES = frozenset({"canonical", "uri", "url"})
K = TypeVar("K")
V = TypeVar("V")
_AS_TYPE = re.compile(r"\bas\((\w+)\)")


class ComponentParameter(NamedTuple):
    """What one part of a composite parameter's value is: a search type, and for a reference the types it may name."""

    kind: str
    targets: tuple[str, ...] = ()


class ParameterFields(NamedTuple):
    """How a parameter is answered for one resource type.

    fields: names, one of which must match; target_types: () or the only types that a reference must name to count;
    targets: the types that it may name at all (a chain goes on there), () for a parameter that is no reference;
    addresses: whether it reads canonicals or uris, which may be URLs of this server that are taken as they stand.
    """

    parameter: SearchParameter
    fields: tuple[str, ...]
    target_types: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    components: tuple[ComponentParameter, ...] = ()
    addresses: bool = False


class TypeFields(NamedTuple):
    """Of one resource type: fields by name, to extract; parameters by code, to parse."""

    fields: dict[str, IndexField]
    parameters: dict[str, ParameterFields]


class Membership(NamedTuple):
    """In a compartment is what refers to its resource by one of the fields, and, where itself, the resource."""

    fields: tuple[str, ...]
    itself: bool


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    """Keeps what was worked out for a list of types, of which clients may make up very many."""
    if len(kept) >= MOST_LISTS:
        kept.clear()
    kept[key] = value


class Fields:
    """The fields of every resource type, each worked out on first use and kept."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._types: dict[str, TypeFields] = {}
        self._memberships: dict[tuple[str, str], Membership] = {}
        self._references: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._grouped: dict[tuple, tuple[tuple[tuple[str, ...], Membership], ...]] = {}
        self._includes: dict[tuple, tuple[Include, ...]] = {}
        self._together: dict[str, frozenset[tuple[str, ...]]] = {}
        self._local: dict[str, frozenset[str]] = {}

    def of(self, type_name: str) -> TypeFields:
        """The fields and parameters of a concrete resource type. KeyError for an unknown one."""
        found = self._types.get(type_name)
        if found is None:
            if not self._definitions.is_resource(type_name):
                raise KeyError(type_name)
            found = self._types[type_name] = self._derive(type_name)
        return found

    def sorted_together(self, type_name: str) -> frozenset[tuple[str, ...]]:
        """The fields, several of one parameter, by which resources of a type are sorted together."""
        found = self._together.get(type_name)
        if found is None:
            known = self._definitions.is_resource(type_name)
            parameters = self.of(type_name).parameters.values() if known else ()
            found = frozenset(each.fields for each in parameters if len(each.fields) > 1)
            _keep(self._together, type_name, found)
        return found

    def local_references(self, type_name: str) -> frozenset[str]:
        """The fields of references, which are sorted by what they name at this server; canonicals are by their URLs."""
        found = self._local.get(type_name)
        if found is None:
            known = self._definitions.is_resource(type_name)
            parameters = self.of(type_name).parameters.values() if known else ()
            plain = [each.fields for each in parameters if each.parameter.type == "reference" and not each.addresses]
            found = frozenset(chain.from_iterable(plain))
            _keep(self._local, type_name, found)
        return found

    def membership(self, type_name: str, compartment: str) -> Membership:
        """What makes resources of a type members of compartments of this kind, such as those of Patients."""
        found = self._memberships.get((type_name, compartment))
        if found is None:
            codes = self._definitions.compartments[compartment].members.get(type_name, ())
            parameters = self.of(type_name).parameters
            named = {field: None for code in codes if code in parameters for field in parameters[code].fields}
            found = self._memberships[type_name, compartment] = Membership(tuple(named), ITSELF in codes)
        return found

    def memberships(self, types: tuple[str, ...], compartment: str) -> tuple[tuple[tuple[str, ...], Membership], ...]:
        """The same for several types: those that have one in common together."""
        found = self._grouped.get((types, compartment))
        if found is None:
            groups: dict[Membership, list[str]] = {}
            for name in types:
                groups.setdefault(self.membership(name, compartment), []).append(name)
            found = tuple((tuple(names), membership) for membership, names in groups.items())
            _keep(self._grouped, (types, compartment), found)
        return found

    def includes(
        self, sources: tuple[str, ...], targets: tuple[str, ...], reverse: bool, iterate: bool
    ) -> tuple[Include, ...]:
        """What `*` stands for: of each source its references, to one of the targets if there are any."""
        found = self._includes.get((sources, targets, reverse, iterate))
        if found is None:
            named = [(source, self.references(source, targets)) for source in sources]
            found = tuple(Include(source, fields, (), reverse, iterate) for source, fields in named if fields)
            _keep(self._includes, (sources, targets, reverse, iterate), found)
        return found

    def references(self, type_name: str, targets: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The fields that hold references; only those that can name one of the targets, if any are given."""
        found = self._references.get((type_name, targets))
        if found is None:
            named = {
                field: None
                for parameter in self.of(type_name).parameters.values()
                if parameter.parameter.type == "reference" and (not targets or set(targets) & set(parameter.targets))
                for field in parameter.fields
            }
            found = self._references[type_name, targets] = tuple(named)
        return found

    def _derive(self, type_name: str) -> TypeFields:
        parameters = self._definitions.search_parameters(type_name)
        official = self._definitions.official.search_parameters(type_name)
        unasked = {parameter.code: parameter for parameter in UNASKED.get(type_name, ())}
        branches = self._read(type_name, parameters)
        assigned = Assignment(self._read(type_name, {**official, **unasked}))
        # each apart from the others, so that no custom parameter changes what a field of another means
        fields_of = {
            code: assigned.fields_of(found) if parameters[code] is official.get(code) else assigned.add(code, found)
            for code, found in branches.items()
        }
        named: dict[str, set[str]] = {}  # field -> every type that some parameter lets it name
        for code, found in branches.items():
            for field in fields_of[code]:
                named.setdefault(field, set()).update(self._targets(parameters[code], found))
        return TypeFields(
            assigned.fields,
            {
                code: self._parameter_fields(parameters[code], found, fields_of[code], named)
                for code, found in branches.items()
            },
        )

    def _read(self, type_name: str, parameters: dict[str, SearchParameter]) -> dict[str, Branches]:
        """What each parameter reads; those that read nothing left out."""
        branches = {
            code: dict(self._branches(type_name, parameter))
            for code, parameter in parameters.items()
            if code not in BUILT_IN
        }
        return {code: found for code, found in branches.items() if found}

    def _branches(self, type_name: str, parameter: SearchParameter) -> Iterator[tuple[Branch, str]]:
        components = self._components(type_name, parameter)
        paths = [
            normal_form(branch)
            for ancestor in self._definitions.ancestors(type_name)
            for branch in parameter.branches.get(ancestor, ())
        ]
        restricted = all(target for _, target in paths)
        for path, target in paths:
            if target and not restricted:
                path, target = f"{path}.where(resolve() is {target})", ""
            path, kind = self._with_type_names(path), kind_of(parameter)
            for part in in_parts(self._definitions, type_name, path) if kind == "string" else (path,):
                yield Branch(part, kind, components), target

    def _components(self, type_name: str, parameter: SearchParameter) -> tuple[FieldComponent, ...]:
        components = []
        for component in parameter.components:
            paths = tuple(self._with_type_names(normal_form(path)[0]) for path in split_union(component.expression))
            types = set[str]().union(
                *(
                    types_at(self._definitions, type_name, f"{base}.{path}".partition(".")[2])
                    for base in parameter.branches.get(type_name, ())
                    for path in paths
                )
            )
            components.append(FieldComponent(self._component_kind(component, types), paths))
        return tuple(components)

    def _component_kind(self, component: Component, types: set[str]) -> str:
        """The search type of a component; that of its elements where the definition is another's (R4 mixes two up)."""
        definition = self._definitions.search_parameter(component.definition)
        kind = definition.type if definition else "string"
        if types and types <= REFERENCES and kind != "reference":
            return "reference"
        return "token" if kind == "reference" and types and not types & REFERENCES else kind

    def _with_type_names(self, path: str) -> str:
        """The path with types spelled as they are defined: R4 has as(DateTime) for as(dateTime)."""

        def spell(match: re.Match[str]) -> str:
            name = match[1]
            known = name in self._definitions.types
            return match[0] if known else f"as({name[0].lower()}{name[1:]})"

        return _AS_TYPE.sub(spell, path)

    def _targets(self, parameter: SearchParameter, branches: Branches) -> tuple[str, ...]:
        if parameter.type != "reference":
            return ()
        restriction = {target for target in branches.values() if target}
        return tuple(sorted(restriction)) or self._declared_targets(parameter)

    def _declared_targets(self, parameter: SearchParameter) -> tuple[str, ...]:
        known = tuple(target for target in parameter.targets if self._definitions.is_resource(target))
        return known or self._definitions.resource_types

    def _component_targets(self, component: Component) -> tuple[str, ...]:
        definition = self._definitions.search_parameter(component.definition)
        fits = definition is not None and definition.type == "reference"
        return self._declared_targets(definition) if definition and fits else self._definitions.resource_types

    def _parameter_fields(
        self,
        parameter: SearchParameter,
        branches: Branches,
        fields: tuple[str, ...],
        named: dict[str, set[str]],
    ) -> ParameterFields:
        targets = self._targets(parameter, branches)
        everything = set[str]().union(*(named[field] for field in fields))
        restricted = any(branches.values()) or not everything <= set(targets)
        components = [
            ComponentParameter(part.kind, self._component_targets(component) if part.kind == "reference" else ())
            for component, part in zip(parameter.components, next(iter(branches)).components, strict=True)
        ]
        addresses = parameter.type == "reference" and any(map(self._reads_addresses, branches))
        return ParameterFields(parameter, fields, targets if restricted else (), targets, tuple(components), addresses)

    def _reads_addresses(self, branch: Branch) -> bool:
        type_name, _, path = branch.path.partition(".")
        return not ADDRESSES.isdisjoint(types_at(self._definitions, type_name, path))
