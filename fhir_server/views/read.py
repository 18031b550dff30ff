"""Reading a ViewDefinition: every element that is not as it must be is an issue with its place and what to change."""

from __future__ import annotations

import difflib
import re
from typing import Any

from fhir_server.core.errors import FhirError, Issue
from fhir_server.definitions import Definitions
from fhir_server.fhirpath.model import model_of
from fhir_server.views.checking import Checking
from fhir_server.views.definition import Column, Select, View

Json = dict[str, Any]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}\Z")
ITERATIONS = ("forEach", "forEachOrNull", "repeat")
SELECT_KEYS = frozenset({*ITERATIONS, "column", "select", "unionAll"})
DEEPEST = 20  # selects within one another


def read_view(json: Any, definitions: Definitions) -> View:
    """The View of a ViewDefinition's JSON; FhirError "unprocessable" with an issue for all that is wrong in it."""
    reader = _Reader(definitions)
    view = reader.view(json)
    if view is not None and not reader.issues:
        checking = Checking(definitions, view)
        reader.issues = checking.issues()
        view = view._replace(selects=tuple(checking.typed(select) for select in view.selects))
    if view is None or reader.issues:
        raise FhirError("unprocessable", reader.issues)
    return view


class _Reader:
    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._model = model_of(definitions)
        self.issues: list[Issue] = []

    def _wrong(self, place: str, message: str, code: str = "invalid") -> None:
        self.issues.append(Issue("error", code, message, place))

    def view(self, json: Any) -> View | None:
        place = "ViewDefinition"
        if not isinstance(json, dict):
            self._wrong(place, "A ViewDefinition must be a JSON object.")
            return None
        if json.get("resourceType", place) != place:
            self._wrong(place, f"This is a {str(json['resourceType'])[:80]}; a ViewDefinition is needed.")
            return None
        resource = json.get("resource")
        if not isinstance(resource, str) or not resource:
            self._wrong(f"{place}.resource", 'Say which resource type the view is of: "resource": "Patient".')
            resource = ""
        elif not self._definitions.is_resource(resource):
            near = difflib.get_close_matches(resource, self._definitions.resource_types, 1, 0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            self._wrong(f"{place}.resource", f"'{resource[:80]}' is no R4 resource type.{hint}")
        name = json.get("name", "")
        if not isinstance(name, str) or (name and not NAME.match(name)):
            self._wrong(f"{place}.name", "The name must be letters, digits and _ after a letter: it names a table.")
            name = ""
        selects = self._selects(json, "select", place, 1)
        if not selects and not self.issues:
            self._wrong(f"{place}.select", "A view needs at least one select.", "required")
        where = self._where(json.get("where", []), f"{place}.where")
        constants = self._constants(json.get("constant", []), f"{place}.constant")
        return View(name, resource, selects, where, constants, json)

    def _list(self, value: Any, place: str) -> list[tuple[Json, str]]:
        """The objects of an array, each with its place."""
        if not isinstance(value, list):
            self._wrong(place, f"{place} must be an array.")
            return []
        found = []
        for number, entry in enumerate(value):
            if isinstance(entry, dict):
                found.append((entry, f"{place}[{number}]"))
            else:
                self._wrong(f"{place}[{number}]", f"{place}[{number}] must be an object.")
        return found

    def _selects(self, json: Json, key: str, place: str, depth: int) -> tuple[Select, ...]:
        if depth > DEEPEST:
            self._wrong(f"{place}.{key}", f"Selects may be nested {DEEPEST} deep.", "too-costly")
            return ()
        return tuple(
            self._select(entry, where, depth) for entry, where in self._list(json.get(key, []), f"{place}.{key}")
        )

    def _select(self, json: Json, place: str, depth: int) -> Select:
        for key in json:
            if key not in SELECT_KEYS and key not in ("id", "extension", "modifierExtension"):
                near = difflib.get_close_matches(key, SELECT_KEYS, 1)
                hint = f" Did you mean '{near[0]}'?" if near else f" It has {', '.join(sorted(SELECT_KEYS))}."
                self._wrong(f"{place}.{key}", f"A select has no element '{key[:80]}'.{hint}")
        used = [key for key in ITERATIONS if json.get(key) is not None]
        if len(used) > 1:
            self._wrong(place, f"A select iterates by one of {' and '.join(used)}; nest selects for both.")
        iteration = used[0] if used else ""
        paths = self._paths(json[iteration], iteration, f"{place}.{iteration}") if iteration else ()
        columns = tuple(
            column
            for entry, where in self._list(json.get("column", []), f"{place}.column")
            if (column := self._column(entry, where)) is not None
        )
        selects = self._selects(json, "select", place, depth + 1)
        unions = self._selects(json, "unionAll", place, depth + 1)
        if not columns and not selects and not unions and not self.issues:
            self._wrong(place, "A select needs a column, a select or a unionAll.", "required")
        self._same_columns(unions, place)
        return Select(iteration, paths, columns, selects, unions, place)

    def _same_columns(self, unions: tuple[Select, ...], place: str) -> None:
        """Every branch of a union has the same columns in the same order."""
        listed = [[(c.name, c.type, c.collection) for c in select.all_columns()] for select in unions]
        for number, columns in enumerate(listed):
            if [name for name, _, _ in columns] != [name for name, _, _ in listed[0]]:
                first, this = (", ".join(name for name, _, _ in each) for each in (listed[0], columns))
                self._wrong(
                    f"{place}.unionAll[{number}]",
                    f"Every branch of unionAll needs the same columns in the same order: this one has {this}, "
                    f"the first has {first}.",
                )
            elif any(a[1] and b[1] and a[1:] != b[1:] for a, b in zip(columns, listed[0], strict=True)):
                self._wrong(f"{place}.unionAll[{number}]", "A column has another type than in the first branch.")

    def _paths(self, value: Any, iteration: str, place: str) -> tuple[str, ...]:
        values = value if iteration == "repeat" and isinstance(value, list) else [value]
        if iteration == "repeat" and not isinstance(value, list):
            self._wrong(place, "repeat must be an array of FHIRPath expressions.")
            return ()
        if not values or not all(isinstance(each, str) and each.strip() for each in values):
            self._wrong(place, f'{iteration} must be FHIRPath as text, such as "name".')
            return ()
        return tuple(values)

    def _column(self, json: Json, place: str) -> Column | None:
        name, path = json.get("name"), json.get("path")
        if not isinstance(name, str) or not NAME.match(name):
            self._wrong(f"{place}.name", "A column's name must be letters, digits and _ after a letter.")
            return None
        if not isinstance(path, str) or not path.strip():
            self._wrong(f"{place}.path", f"The column {name} needs a path: FHIRPath as text.", "required")
            return None
        collection = json.get("collection", False)
        if not isinstance(collection, bool):
            self._wrong(f"{place}.collection", "collection must be true or false.")
        type = json.get("type") or ""
        if not isinstance(type, str):
            self._wrong(f"{place}.type", "type must be the name or the URL of a FHIR type, as text.")
            type = ""
        type = type.rpartition("/")[2]
        type = type[0].lower() + type[1:] if type.startswith("System.") else type
        if type and not self._model.is_type(type) and type != "integer64":
            self._wrong(f"{place}.type", f"'{type[:80]}' is no FHIR type.")
        return Column(name, path, type, collection is True)

    def _where(self, value: Any, place: str) -> tuple[str, ...]:
        found = []
        for entry, where in self._list(value, place):
            if isinstance(entry.get("path"), str) and entry["path"].strip():
                found.append(entry["path"])
            else:
                self._wrong(f"{where}.path", "A where needs a path: FHIRPath that gives a boolean.", "required")
        return tuple(found)

    def _constants(self, value: Any, place: str) -> dict[str, tuple[str, Any]]:
        found: dict[str, tuple[str, Any]] = {}
        for entry, where in self._list(value, place):
            name = entry.get("name")
            values = [key for key in entry if key.startswith("value") and len(key) > 5]
            if not isinstance(name, str) or not NAME.match(name):
                self._wrong(f"{where}.name", "A constant's name must be letters, digits and _ after a letter.")
            elif len(values) != 1:
                self._wrong(where, f"The constant {name} needs one value, such as valueString.", "required")
            else:
                type = values[0][5].lower() + values[0][6:]
                if not self._model.is_primitive(type):
                    self._wrong(f"{where}.{values[0]}", f"A constant is of a primitive type, not {type[:80]}.")
                found[name] = (type, entry[values[0]])
        return found
