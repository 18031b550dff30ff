"""FHIRPath to DuckDB SQL: one function for each kind of node of the syntax tree.

Empty is NULL, and SQL's logic of three values is that of FHIRPath. What has no SQL form raises NotInSqlError, so that
the whole view is evaluated by the FHIRPath engine instead: nothing is answered differently.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from decimal import Decimal

from fhir_server.fhirpath import ast
from fhir_server.fhirpath.ast import Node
from fhir_server.fhirpath.engine.variables import CONSTANTS
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.temporal import Temporal
from fhir_server.views.definition import ROW_INDEX
from fhir_server.views.sql.functions import FUNCTIONS
from fhir_server.views.sql.operators import BINARY
from fhir_server.views.sql.shape import NotInSqlError
from fhir_server.views.sql.value import Value, literal, name, text

BOOLEAN = "System.Boolean"
TEXT = "System.String"
INTEGER = "System.Integer"


class Expressions:
    """Compiles the expressions of one view. constants: name -> its Value."""

    def __init__(self, model: Model, constants: Mapping[str, Value]) -> None:
        self.model = model
        self._constants = constants
        self._variables = 0

    def variable(self) -> str:
        """A new name for what a lambda is given."""
        self._variables += 1
        return f"x{self._variables}"

    def value(self, node: Node | None, this: Value, index: str) -> Value:
        """The Value of a node where $this is this, and %rowIndex is index."""
        if node is None:
            return this
        match node:
            case ast.Literal():
                return _literal(node)
            case ast.This():
                return this
            case ast.Variable():
                return self._variable(node, index)
            case ast.Member():
                return self._member(node, this, index)
            case ast.Indexer():
                return self._indexer(node, this, index)
            case ast.Binary():
                operate = BINARY.get(node.operator)
                if operate is None:
                    raise NotInSqlError(f"the operator {node.operator}")
                left, right = self.value(node.left, this, index), self.value(node.right, this, index)
                return operate(self.model, left, right)
            case ast.Call():
                return self._call(node, this, index)
            case ast.TypeOperation(operator="as"):
                return self.of_type(self.value(node.operand, this, index), node.type)
            case ast.Polarity(operator="-" | "+"):
                value = self.value(node.operand, this, index).single("A sign")
                if self.model.system_type(value.type) not in (INTEGER, "System.Decimal"):
                    raise NotInSqlError("a sign of what is no number")
                return value._replace(sql=f"({node.operator}{value.sql})")
        raise NotInSqlError(type(node).__name__)

    def truth(self, node: Node, this: Value, index: str, what: str) -> str:
        """SQL of a criterion, true, false or NULL."""
        value = self.value(node, this, index).single(what)
        if self.model.system_type(value.type) != BOOLEAN:
            raise NotInSqlError(f"{what} of a {value.type}")
        return value.sql

    def _variable(self, node: ast.Variable, index: str) -> Value:
        if node.name == ROW_INDEX:
            return Value(index, INTEGER)
        if node.name in self._constants:
            return self._constants[node.name]
        if node.name in CONSTANTS:
            return Value(text(CONSTANTS[node.name]), TEXT)
        raise NotInSqlError(f"%{node.name}")

    def _member(self, node: ast.Member, this: Value, index: str) -> Value:
        if node.source is None and self.model.starts_path(node.name):
            if self.model.is_subtype(this.type, node.name) and not self.model.child(this.type, node.name):
                return this
            raise NotInSqlError(f"a path that starts with {node.name}")
        return self.child(self.value(node.source, this, index), node.name)

    def child(self, source: Value, wanted: str) -> Value:
        """An element of a value."""
        source.plain()
        shape = source.shape
        if shape is None or self.model.is_primitive(source.type):
            raise NotInSqlError(f"{wanted} of a {source.type}")
        child = self.model.child(source.type, wanted)
        if child is None or self.model.is_abstract(source.type):
            raise NotInSqlError(f"{wanted} of a {source.type}")
        # made when they are named, so that only what is named is read
        found = {
            of: functools.partial(self._step, source, property, of, child.repeats)
            for of, property in child.alternatives
        }
        return Value("", "", source.many, None, found) if child.choice else next(iter(found.values()))()

    def _step(self, source: Value, property: str, type: str, repeats: bool) -> Value:
        """One JSON property of a value."""
        assert source.shape is not None
        shape = source.shape.below(property, type, repeats)

        def step(item: Value) -> Value:
            sql = f"({item.sql}).{name(property)}"
            if repeats and self.model.is_primitive(type):  # null stands for an element with extensions only
                inner = self.variable()
                sql = f"list_filter({sql}, lambda {inner}: {inner} IS NOT NULL)"
            return Value(sql, type, repeats, shape)

        return self.mapped(source, step)

    def _indexer(self, node: ast.Indexer, this: Value, index: str) -> Value:
        source = self.value(node.source, this, index).plain()
        position = self.value(node.index, this, index).single("An index")
        if self.model.system_type(position.type) != INTEGER:
            raise NotInSqlError("an index that is no integer")
        if not source.many:
            return source._replace(sql=f"CASE WHEN {position.sql} = 0 THEN {source.sql} END")
        return source._replace(
            sql=f"{source.sql}[CASE WHEN {position.sql} >= 0 THEN {position.sql} + 1 END]", many=False
        )

    def _call(self, node: ast.Call, this: Value, index: str) -> Value:
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise NotInSqlError(f"{node.name}()")
        return function(self, node, self.value(node.source, this, index), this, index)

    def of_type(self, source: Value, specifier: str) -> Value:
        """A value as one of the types that it may have."""
        wanted = self.model.type_named(specifier)
        if source.alternatives is not None:
            found = source.alternatives.get(wanted)
            if found is None:
                raise NotInSqlError(f"a choice as {wanted}")
            return found()
        if source.type != wanted:
            raise NotInSqlError(f"{source.type} as {wanted}")
        return source

    def filtered(self, source: Value, criterion: Callable[[Value], str]) -> Value:
        """The items of a value for which a criterion is true."""
        source.plain()
        if not source.many:
            return source._replace(sql=f"CASE WHEN {criterion(source)} THEN {source.sql} END")
        item = self.variable()
        holds = criterion(source._replace(sql=item, many=False))
        return source._replace(sql=f"list_filter({source.sql}, lambda {item}: coalesce({holds}, false))")

    def mapped(self, source: Value, make: Callable[[Value], Value]) -> Value:
        """What make gives for each item of a value, in one list; a single item's as it is."""
        source.plain()
        if not source.many:
            return make(source)
        item = self.variable()
        made = make(source._replace(sql=item, many=False)).plain()
        if made.many:
            return made._replace(sql=f"flatten(list_transform({source.sql}, lambda {item}: coalesce({made.sql}, [])))")
        inner = self.variable()
        each = f"list_transform({source.sql}, lambda {item}: {made.sql})"
        return made._replace(sql=f"list_filter({each}, lambda {inner}: {inner} IS NOT NULL)", many=True)


def _literal(node: ast.Literal) -> Value:
    if isinstance(node.value, Temporal):
        return Value(
            text(str(node.value)),
            {"date": "System.Date", "time": "System.Time"}.get(node.value.kind, "System.DateTime"),
        )
    kind = {bool: BOOLEAN, int: INTEGER, str: TEXT, Decimal: "System.Decimal"}.get(type(node.value))
    if kind is None:
        raise NotInSqlError("a literal of a quantity")
    return Value(literal(node.value), kind)
