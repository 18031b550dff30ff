"""A view as one DuckDB query.

Columns of a row are a struct; an iteration is a list_transform over what it iterates over, whose lists of structs are
flattened; what stands side by side is nested, so that each row of one meets each row of the other. One unnest then
makes rows of the lists.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.fhirpath.model import model_of
from fhir_server.fhirpath.parser import parse
from fhir_server.views.definition import ROW_INDEX, Column, Select, View
from fhir_server.views.sql.expressions import Expressions
from fhir_server.views.sql.shape import NotInSqlError, Shape, sql_type
from fhir_server.views.sql.value import Value, literal, name, text

LONGEST = 200_000  # characters of a query


class Work(NamedTuple):
    """Selects that are still to be done on an item, whose %rowIndex is index.

    kind: select (the first of selects), entered (the same, within its iteration), union (each of selects by turns).
    """

    kind: str
    selects: tuple[Select, ...]
    item: Value
    index: str


def compile_view(view: View, definitions: Definitions, source: str) -> str:
    """The query. source: a query that gives the column body, JSON text; NotInSqlError where a part has no SQL form."""
    return _ViewCompiler(view, definitions).query(source)


def column_types(view: View, definitions: Definitions) -> dict[str, str]:
    """The DuckDB type of each column, by what the view says; VARCHAR where it says nothing."""
    model = model_of(definitions)
    found = {}
    for column in view.columns:
        type = sql_type(model, column.type) if column.type else "VARCHAR"
        found[column.name] = f"{type}[]" if column.collection else type
    return found


class _ViewCompiler:
    def __init__(self, view: View, definitions: Definitions) -> None:
        self._view = view
        self._model = model = model_of(definitions)
        self._types = column_types(view, definitions)
        constants = {key: Value(literal(value), type) for key, (type, value) in view.constants.items()}
        self._compile = Expressions(model, constants)
        self._names = [column.name for column in view.columns]
        if len({each.lower() for each in self._names}) < len(self._names):
            raise NotInSqlError("names of columns that differ by case only")

    def query(self, source: str) -> str:
        shape = Shape(self._view.resource)
        shape.below("resourceType", "code", False)
        resource = Value("r", self._view.resource, False, shape)
        work = tuple(Work("select", (select,), resource, "0") for select in self._view.selects)
        columns: dict[str, str] = {}
        rows = self._rows(work, columns)
        criteria = [f'r."resourceType" = {text(self._view.resource)}']
        for path in self._view.where:
            criteria.append(f"coalesce({self._compile.truth(parse(path), resource, '0', 'where')}, false)")
        structure = text(shape.structure(self._model))
        below = f"(SELECT json_transform(body, {structure}) AS r FROM ({source})) WHERE {' AND '.join(criteria)}"
        if not any(map(_iterates, self._view.selects)):
            listed = ", ".join(f"{columns[each]} AS {name(each)}" for each in self._names)
            return f"SELECT {listed} FROM {below}"
        return f"SELECT found.* FROM (SELECT unnest({rows}) AS found FROM {below})"

    def _rows(self, work: tuple[Work, ...], columns: dict[str, str]) -> str:
        """SQL of the list of rows that the work makes with the columns that there are already."""
        while work:
            first, *rest = work
            if first.kind == "union":
                branches = [(first._replace(kind="select", selects=(each,)), *rest) for each in first.selects]
                united = ", ".join(self._rows(branch, dict(columns)) for branch in branches)
                return self._limited(f"flatten([{united}])")
            select = first.selects[0]
            if select.iteration and first.kind == "select":
                return self._limited(self._iterated(first, tuple(rest), columns))
            for column in select.columns:
                columns[column.name] = self._column(column, first.item, first.index)
            below = [first._replace(kind="select", selects=(each,)) for each in select.selects]
            united = [first._replace(kind="union", selects=select.unions)] if select.unions else []
            work = (*below, *united, *rest)
        listed = ", ".join(f"{name(each)} := {columns[each]}" for each in self._names)
        return f"[struct_pack({listed})]"

    def _iterated(self, first: Work, rest: tuple[Work, ...], columns: dict[str, str]) -> str:
        select = first.selects[0]
        if select.iteration == "repeat":
            raise NotInSqlError("repeat")
        found = self._compile.value(parse(select.paths[0]), first.item, first.index).plain()
        if found.many:
            item, position = self._compile.variable(), self._compile.variable()
            entered = Work("entered", (select,), found._replace(sql=item, many=False), f"({position} - 1)")
            rows = self._rows((entered, *rest), dict(columns))
            made = f"flatten(list_transform({found.sql}, lambda {item}, {position}: {rows}))"
        else:
            rows = self._rows((Work("entered", (select,), found, "0"), *rest), dict(columns))
            made = f"CASE WHEN {found.exists} THEN {rows} ELSE [] END"
        if select.iteration == "forEach":
            return f"coalesce({made}, [])"
        nothing = {column.name: self._nothing(column) for column in select.all_columns()}
        return f"CASE WHEN {found.exists} THEN {made} ELSE {self._rows(rest, {**columns, **nothing})} END"

    def _nothing(self, column: Column) -> str:
        """A column of the row that forEachOrNull makes of nothing."""
        if column.collection:
            return f"CAST([] AS {self._type(column)}[])"
        sql = "0" if column.path.strip() == f"%{ROW_INDEX}" else "NULL"
        return f"CAST({sql} AS {self._type(column)})"

    def _column(self, column: Column, item: Value, index: str) -> str:
        value = self._compile.value(parse(column.path), item, index).plain()
        if value.shape is not None and not self._model.is_primitive(value.type):
            raise NotInSqlError(f"a column of {value.type}")
        if column.collection:
            return f"CAST(coalesce({value.listed}, []) AS {self._type(column)}[])"
        return f"CAST({value.single(f'the column {column.name}').sql} AS {self._type(column)})"

    def _type(self, column: Column) -> str:
        return self._types[column.name].removesuffix("[]")

    @staticmethod
    def _limited(sql: str) -> str:
        if len(sql) > LONGEST:
            raise NotInSqlError("so many unions within one another")
        return sql


def _iterates(select: Select) -> bool:
    """Whether a select may make more or less than one row."""
    return bool(select.iteration or select.unions) or any(map(_iterates, select.selects))
