"""One function for each resource type, generated from its fields: all search values in a single walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.core.values import COMPOSITE, SearchValue
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, PathsBuilder, compile_path
from fhir_server.search.elements import elements_at
from fhir_server.search.extract.adding import Add, Convert
from fhir_server.search.extract.converters import Converters
from fhir_server.search.extract.narrative import add_narrative
from fhir_server.search.extract.tokens import code_converter
from fhir_server.search.fields import IndexField, TypeFields

NARRATIVE_FIELD = "_text"
MAX_COMBINATIONS = 200  # values of one composite that one element may make

Extract = Callable[[dict[str, Any], Add], None]


class TypeExtractor:
    """What to do for one type: `run` for all fields at once, `fields` one by one where a resource is misshapen."""

    def __init__(
        self, type_name: str, type_fields: TypeFields, definitions: Definitions, converters: Converters
    ) -> None:
        self._type = type_name
        self._definitions = definitions
        self._converters = converters
        self._names = 0
        fields = [(field, path) for field in type_fields.fields.values() for path in field.paths]
        self.fields = [self._alone(field, path) for field, path in fields]
        builder = PathsBuilder(definitions, type_name)
        unsettled = [self._alone(*part) for part in fields if not self._add(builder, *part)]
        elements = {element.name: element for element in definitions.types[type_name].elements}
        if "text" in elements and elements["text"].types[0].code == "Narrative":
            self.fields.append(self._narrative)
            builder.names["add_narrative"] = add_narrative
            builder.add(f"{type_name}.text", lambda _, value: [f"add_narrative(add, {NARRATIVE_FIELD!r}, {value})"])
        settled = builder.build("add")
        self.run: Extract = settled
        if unsettled:

            def run(resource: dict[str, Any], add: Add) -> None:
                settled(resource, add)
                for extract in unsettled:
                    extract(resource, add)

            self.run = run

    def _name(self, builder: PathsBuilder, function: object) -> str:
        """A name for a function in generated code."""
        for name, known in builder.names.items():
            if known is function:
                return name
        self._names += 1
        name = f"{getattr(function, '__name__', 'convert')}_{self._names}"
        builder.names[name] = function
        return name

    def _converter(self, field: IndexField, start: str, path: str, type_name: str) -> Convert | None:
        if type_name == "code" and field.kind == "token":
            return self._code_converter(start, path)
        return self._converters.find(field.kind, type_name)

    def _code_converter(self, start: str, path: str) -> Convert | None:
        for element, _ in elements_at(self._definitions, start, path):
            if element.binding and element.binding.strength == "required":
                systems = self._definitions.required_codes(element.binding.value_set)
                if systems:
                    return code_converter(systems)
        return self._converters.find("token", "code")

    def _add(self, builder: PathsBuilder, field: IndexField, path: str) -> bool:
        """Adds a path's lines to the generated function; False where that has to be left to _alone."""
        settled = True

        def body(type_name: str, value: str) -> list[str]:
            nonlocal settled
            if field.components:
                lines = self._composite_lines(builder, field, type_name, value)
                settled = settled and lines is not None
                return lines or ["pass"]
            convert = self._converter(field, *_from_root(path), type_name)
            if convert is None:
                return ["pass"]
            return [f"{self._name(builder, convert)}(add, {field.name!r}, {value})"]

        try:
            return builder.add(path, body) and settled
        except FhirPathError:
            return False

    def _composite_lines(
        self, builder: PathsBuilder, field: IndexField, type_name: str, value: str
    ) -> list[str] | None:
        """Lines that collect each component's parts, the last first (it is missing most often), and combine them."""
        lines: list[str] = []
        for position in reversed(range(len(field.components))):
            component = field.components[position]
            parts = f"parts_{position}"
            inner: list[str] = []
            for path in component.paths:

                def body(part_type: str, part: str, kind=component.kind, path=path, parts=parts) -> list[str]:
                    if part_type == "code" and kind == "token":
                        convert = self._code_converter(type_name, path)
                    else:
                        convert = self._converters.find(kind, part_type, component=True)
                    return [f"{self._name(builder, convert)}({parts}.append, '', {part})"] if convert else ["pass"]

                found = builder.lines(path, type_name, value, body)
                if found is None:
                    return None
                inner += found
            indent = " " * (len(field.components) - 1 - position)
            lines += [f"{indent}{line}" for line in (f"{parts} = []", *inner, f"if {parts}:")]
        names = ", ".join(f"parts_{position}" for position in range(len(field.components)))
        call = f"{self._name(builder, add_combinations)}(add, {field.name!r}, ({names}))"
        return [*lines, " " * len(field.components) + call]

    def _alone(self, field: IndexField, path: str) -> Extract:
        """A function for one path of one field, by the FHIRPath engine."""
        definitions, converters = self._definitions, self._converters

        def extract(resource: dict[str, Any], add: Add) -> None:
            for type_name, value in compile_path(path, definitions, self._type).values(resource):
                if not field.components:
                    convert = self._converter(field, *_from_root(path), type_name)
                    if convert:
                        convert(add, field.name, value)
                    continue
                parts: list[list[SearchValue]] = []
                for component in field.components:
                    found: list[SearchValue] = []
                    for inner in component.paths:
                        for part_type, part in compile_path(inner, definitions, type_name).values(value, resource):
                            convert = converters.find(component.kind, part_type, component=True)
                            if part_type == "code" and component.kind == "token":
                                convert = self._code_converter(type_name, inner)
                            if convert:
                                convert(found.append, "", part)
                    parts.append(found)
                add_combinations(add, field.name, parts)

        return extract

    def _narrative(self, resource: dict[str, Any], add: Add) -> None:
        if "text" in resource:
            add_narrative(add, NARRATIVE_FIELD, resource["text"])


def _from_root(path: str) -> tuple[str, str]:
    """(type, path from it) of Patient.gender."""
    start, _, rest = path.partition(".")
    return start, rest


def add_combinations(add: Add, field: str, parts: Any) -> None:
    """A composite value for each combination of what the components have, up to MAX_COMBINATIONS."""
    combinations: list[tuple[SearchValue, ...]] = [()]
    for found in parts:
        combinations = [(*left, part) for left in combinations for part in found][:MAX_COMBINATIONS]
    for combination in combinations:
        add((COMPOSITE, field, combination))
