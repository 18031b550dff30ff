"""A view's rows of a resource, in memory, by the processing model of the specification.

https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition-notes.html#processing-algorithm-model
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, compile_path
from fhir_server.fhirpath.parser import parse
from fhir_server.views.checking import variables_of
from fhir_server.views.definition import ROW_INDEX, Column, Select, View

Json = dict[str, Any]
Row = dict[str, Any]
Item = tuple[str, Any]  # FHIR type and JSON value

MOST_ROWS = 100_000  # of one resource: nested iterations multiply


class Evaluator:
    """Makes rows of one view."""

    def __init__(self, view: View, definitions: Definitions) -> None:
        self.view = view
        self._definitions = definitions
        self._columns = view.columns
        self._names = [column.name for column in self._columns]
        self._indexed: dict[str, bool] = {}
        self._environments: dict[int, Environment] = {}

    def rows(self, resource: Json) -> list[Row]:
        """The rows of a resource, [] for those of another type or that a where leaves out.

        FhirError "unprocessable" for a column that finds several values and is no collection.
        """
        if resource.get("resourceType") != self.view.resource:
            return []
        item = (self.view.resource, resource)
        for path in self.view.where:
            if not self._holds(path, item, resource):
                return []
        found = self._product(self.view.selects, item, resource, 0)
        names = self._names
        return [{name: row[name] for name in names} for row in found]

    def _holds(self, path: str, item: Item, resource: Json) -> bool:
        found = self._values(path, item, resource, 0)
        if not found:
            return False
        if len(found) > 1 or not isinstance(found[0][1], bool):
            raise error("unprocessable", f"`{path[:200]}` is no boolean for {_name(resource)}, as a where must be.")
        return found[0][1]

    def _product(self, selects: Iterable[Select], item: Item, resource: Json, index: int) -> list[Row]:
        """Each row of each select with each row of the others."""
        rows: list[Row] = [{}]
        for select in selects:
            found = self._select(select, item, resource, index)
            if len(found) * len(rows) > MOST_ROWS:
                raise _too_many(resource)
            rows = [{**row, **more} for row in rows for more in found]
            if not rows:
                break
        return rows

    def _select(self, select: Select, item: Item, resource: Json, index: int) -> list[Row]:
        if not select.iteration:
            return self._rows_of(select, item, resource, index)
        if select.iteration == "repeat":
            items = list(itertools.islice(self._repeated(select.paths, item, resource), MOST_ROWS + 1))
            if len(items) > MOST_ROWS:
                raise _too_many(resource)
        else:
            items = self._values(select.paths[0], item, resource, index)
        if not items and select.iteration == "forEachOrNull":
            return [{column.name: self._of_nothing(column) for column in select.all_columns()}]
        return [row for number, each in enumerate(items) for row in self._rows_of(select, each, resource, number)]

    def _rows_of(self, select: Select, item: Item, resource: Json, index: int) -> list[Row]:
        row = {column.name: self._value(column, item, resource, index) for column in select.columns}
        rows = [row]
        if select.selects:
            rows = [{**row, **more} for more in self._product(select.selects, item, resource, index)]
        if select.unions:
            united = [more for branch in select.unions for more in self._select(branch, item, resource, index)]
            rows = [{**row, **more} for row in rows for more in united]
        return rows

    def _repeated(self, paths: tuple[str, ...], item: Item, resource: Json) -> Iterator[Item]:
        """What the paths give, and give again from there, depth first."""
        for path in paths:
            if not self._applies(path, item[0]):
                continue
            for found in self._values(path, item, resource, 0):
                yield found
                yield from self._repeated(paths, found, resource)

    def _applies(self, path: str, type: str) -> bool:
        """Whether items of a type can have what a path names: an answer has no answers, an item has."""
        try:
            compile_path(path, self._definitions, type, strict=True)
        except Exception:
            return False
        return True

    def _value(self, column: Column, item: Item, resource: Json, index: int) -> Any:
        found = self._values(column.path, item, resource, index)
        if column.collection:
            return [value for _, value in found]
        if len(found) > 1:
            raise error(
                "unprocessable",
                f"`{column.path[:200]}` gives {len(found)} values for {_name(resource)}; the column {column.name} "
                "takes one: set collection, choose with first(), or iterate with forEach.",
            )
        return found[0][1] if found else None

    def _of_nothing(self, column: Column) -> Any:
        """The value of a column in the row that forEachOrNull makes of nothing."""
        if self._uses_index(column.path) and column.path.strip() == f"%{ROW_INDEX}":
            return 0
        return [] if column.collection else None

    def _values(self, path: str, item: Item, resource: Json, index: int) -> list[Item]:
        compiled = compile_path(path, self._definitions, item[0], strict=True)
        position = index if self._uses_index(path) else 0
        return compiled.values(item[1], resource, self._environment(position))

    def _uses_index(self, path: str) -> bool:
        found = self._indexed.get(path)
        if found is None:
            found = self._indexed[path] = ROW_INDEX in variables_of(parse(path))
        return found

    def _environment(self, index: int) -> Environment:
        found = self._environments.get(index)
        if found is None:
            if len(self._environments) > 1000:
                self._environments.clear()
            found = self._environments[index] = Environment(
                variables={**self.view.constants, ROW_INDEX: index}, joins_nothing=True
            )
        return found


def _too_many(resource: Json) -> FhirError:
    return error("too-costly", f"{_name(resource)} gives more than {MOST_ROWS} rows; iterate over less.")


def _name(resource: Json) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id', '?')}"
