"""The expressions of a view before any resource is seen: syntax, elements, types, names of columns and variables."""

from __future__ import annotations

from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path
from fhir_server.fhirpath.ast import Node, Variable, children
from fhir_server.fhirpath.engine.variables import PREFIXES, RESERVED
from fhir_server.fhirpath.model import model_of
from fhir_server.fhirpath.parser import parse
from fhir_server.views.definition import ROW_INDEX, Select, View

Types = frozenset[str] | None  # those that the items of a context can have; None where not known

BOOLEAN = frozenset({"System.Boolean", "boolean"})


class Checking:
    """Checks one view."""

    def __init__(self, definitions: Definitions, view: View) -> None:
        self._definitions = definitions
        self._model = model_of(definitions)
        self._view = view
        self._variables = {*view.constants, *RESERVED, ROW_INDEX}
        self._issues: list[Issue] = []
        self._found: dict[tuple[str, str], str] = {}  # the type of each column, by select and name

    def issues(self) -> list[Issue]:
        """What is wrong, [] for nothing."""
        root: Types = frozenset({self._view.resource})
        names: set[str] = set()
        for column in self._view.columns:
            if column.name in names:
                self._wrong("ViewDefinition.select", f"Two columns have the name {column.name}; give each its own.")
            names.add(column.name)
        for number, path in enumerate(self._view.where):
            place = f"ViewDefinition.where[{number}].path"
            types = self.types(path, root, place)
            if types and not types & BOOLEAN:
                self._wrong(place, f"`{path[:200]}` gives {_listed(types)}; a where must give a boolean.")
        for select in self._view.selects:
            self._select(select, root)
        return self._issues

    def _wrong(self, place: str, message: str) -> None:
        self._issues.append(Issue("error", "invalid", message, place))

    def _select(self, select: Select, types: Types) -> None:
        types = self._iterated(select, types)
        for number, column in enumerate(select.columns):
            place = f"{select.place}.column[{number}]"
            found = self.types(column.path, types, f"{place}.path")
            self._found[(select.place, column.name)] = self._variable_type(column.path) or self._one(found)
            if found and all(self._is_complex(type) for type in found):
                self._wrong(
                    f"{place}.path",
                    f"The column {column.name} would hold {_listed(found)}; a column holds a primitive: "
                    "name an element of it, or iterate with forEach.",
                )
        for below in (*select.selects, *select.unions):
            self._select(below, types)

    def _iterated(self, select: Select, types: Types) -> Types:
        """The types of what a select iterates over."""
        place = f"{select.place}.{select.iteration}"
        if not select.iteration:
            return types
        if select.iteration != "repeat":
            return self.types(select.paths[0], types, place)
        found: frozenset[str] = frozenset()
        seen = types
        for _ in range(20):  # until no new type shows: items of items
            below: frozenset[str] = frozenset()
            for path in select.paths:
                next = self.types(path, seen, place, lax=True)
                if next is None:
                    return None
                below |= next
            if below <= found:
                return found or None
            found |= below
            seen = below
        return None

    def types(self, path: str, context: Types, place: str, *, lax: bool = False) -> Types:
        """The types of an expression's results on items of the context; wrong expressions are issues.

        lax: what no type of the context has is empty, as of the paths of repeat not all go on everywhere.
        """
        try:
            for name in variables_of(parse(path)):
                if name not in self._variables and not name.startswith(tuple(PREFIXES)):
                    listed = ", ".join(f"%{each}" for each in self._view.constants) or "none"
                    self._wrong(place, f"There is no constant %{name}; the view defines {listed}.")
                    return None
        except FhirPathError as problem:
            self._wrong(place, str(problem.located(path)))
            return None
        found: frozenset[str] = frozenset()
        problems: list[FhirPathError] = []
        for type in context or ("",):
            try:
                compiled = compile_path(path, self._definitions, _context(type), strict=True)
            except FhirPathError as problem:
                problems.append(problem)
                continue
            if compiled.result_types is None or context is None:
                return None
            found |= compiled.result_types
        if problems and len(problems) == len(context or ("",)) and not lax:
            self._wrong(place, str(problems[0]))
            return None
        return found

    def typed(self, select: Select) -> Select:
        """A select whose columns have the types that their paths give, where the view states none."""
        return select._replace(
            columns=tuple(
                column._replace(type=column.type or self._found.get((select.place, column.name), ""))
                for column in select.columns
            ),
            selects=tuple(map(self.typed, select.selects)),
            unions=tuple(map(self.typed, select.unions)),
        )

    def _variable_type(self, path: str) -> str:
        """The type of a path that is a variable of the view; "" for any other."""
        name = path.strip().removeprefix("%")
        if name == path.strip():
            return ""
        return "integer" if name == ROW_INDEX else self._view.constants.get(name, ("", None))[0]

    def _one(self, types: Types) -> str:
        """The one primitive type of a column's values; "" where they can be of several."""
        found = {_context(type) for type in types or ()}
        return found.pop() if len(found) == 1 and self._model.is_primitive(next(iter(found))) else ""

    def _is_complex(self, type: str) -> bool:
        return not type.startswith("System.") and not self._model.is_primitive(type)


def _context(type: str) -> str:
    if type == "System.DateTime":
        return "dateTime"
    return type[7].lower() + type[8:] if type.startswith("System.") else type


def variables_of(node: Node) -> set[str]:
    """The names of the variables in an expression."""
    found = {node.name} if isinstance(node, Variable) else set()
    for child in children(node):
        found |= variables_of(child)
    return found


def _listed(types: frozenset[str]) -> str:
    return " or ".join(sorted(type.removeprefix("System.") for type in types))
