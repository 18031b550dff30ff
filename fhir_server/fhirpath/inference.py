"""The types that an expression can yield, and the mistakes that show before any resource is seen.

Follows https://hl7.org/fhirpath/#type-safety-and-strict-evaluation: what is certainly wrong is an error of kind
semantic (an element that no possible type has, a string function on an Identifier); what may be right is left to the
evaluation.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.fhirpath import ast
from fhir_server.fhirpath.ast import Node
from fhir_server.fhirpath.engine.compile import check_arguments, unknown_function
from fhir_server.fhirpath.engine.functions import FUNCTIONS
from fhir_server.fhirpath.engine.items import system_type_of
from fhir_server.fhirpath.engine.variables import CONSTANTS
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.signatures import INPUTS, KEEPS_INPUT, ORDERED, RESULTS, SEVERAL, UNORDERED

Types = frozenset[str]

_BOOLEAN = frozenset({"System.Boolean"})
_NUMBERS = frozenset({"System.Integer", "System.Long", "System.Decimal"})
_MOMENTS = frozenset({"System.Date", "System.DateTime", "System.Time"})
_MEMBERS = {
    "System.Quantity": {"value": "System.Decimal", "unit": "System.String"},
    "System.TypeInfo": {"namespace": "System.String", "name": "System.String", "baseType": "System.String"},
}


class Shape(NamedTuple):
    """types: those that items can have, None where not known; many: whether there can be several; ordered."""

    types: Types | None
    many: bool = False
    ordered: bool = True


UNKNOWN = Shape(None, many=True)


class Scope(NamedTuple):
    """this: $this; context: %context; resource: %resource."""

    this: Shape
    context: Shape
    resource: Shape


class Inference:
    """Infers for one model; strict: see compile_path.

    warnings: what strict takes for an error and others for an empty path: elements that no possible type has.
    """

    def __init__(self, model: Model, strict: bool) -> None:
        self.model = model
        self.strict = strict
        self.warnings: list[str] = []

    def _empty_path(self, message: str, position: int) -> Shape:
        if self.strict:
            raise FhirPathError("semantic", message, position)
        self.warnings.append(message)
        return Shape(frozenset())

    def infer(self, node: Node, scope: Scope) -> Shape:
        """The shape of a node. Raises FhirPathError of kind semantic."""
        if isinstance(node, ast.Literal):
            return Shape(frozenset({f"System.{system_type_of(node.value)}"}))
        if isinstance(node, ast.Empty):
            return Shape(frozenset())
        if isinstance(node, ast.This):
            return scope.this
        if isinstance(node, ast.IndexVariable):
            return Shape(frozenset({"System.Integer"}))
        if isinstance(node, ast.Variable):
            return self._variable(node, scope)
        if isinstance(node, ast.Member):
            return self._member(node, scope)
        if isinstance(node, ast.Call):
            return self._call(node, scope)
        if isinstance(node, ast.Indexer):
            self.infer(node.index, scope)
            source = self.infer(node.source, scope)
            self._check_order(source, "An index", node.position)
            return source._replace(many=False)
        if isinstance(node, ast.TypeOperation):
            return self._type_operation(node.operator, self.infer(node.operand, scope), node.type, node.position)
        if isinstance(node, ast.Polarity):
            return self.infer(node.operand, scope)
        if isinstance(node, ast.Binary):
            return self._binary(node, scope)
        return UNKNOWN

    def _variable(self, node: ast.Variable, scope: Scope) -> Shape:
        if node.name == "context":
            return scope.context
        if node.name == "resource":
            return scope.resource
        return Shape(frozenset({"System.String"})) if node.name in CONSTANTS else UNKNOWN

    def _member(self, node: ast.Member, scope: Scope) -> Shape:
        if node.source is None:
            started = self._type_at_start(node, scope.this)
            if started is not None:
                return started
        source = scope.this if node.source is None else self.infer(node.source, scope)
        if source.types is None:
            return UNKNOWN._replace(ordered=source.ordered)
        found: set[str] = set()
        many = source.many
        known = False
        for type_name in source.types:
            types, repeats = self._child(type_name, node.name)
            if types is None:
                return UNKNOWN
            known = known or bool(types)
            found |= types
            many = many or repeats
        if not known and source.types:
            return self._empty_path(self._no_element(node, source.types), node.position)
        return Shape(frozenset(found), many, source.ordered)

    def _type_at_start(self, node: ast.Member, this: Shape) -> Shape | None:
        model, name = self.model, node.name
        if not model.starts_path(name):
            return None
        if this.types is None:
            return Shape(frozenset({name}))
        if any(model.child(type_name, name) for type_name in this.types):
            return None
        fitting = frozenset(t for t in this.types if model.is_subtype(t, name))
        if not fitting and any(model.is_subtype(name, t) for t in this.types):
            fitting = frozenset({name})
        if not fitting and this.types:
            return self._empty_path(f"The context is a {_listed(this.types)}, never a {name}", node.position)
        return this._replace(types=fitting)

    def _child(self, type_name: str, name: str) -> tuple[set[str] | None, bool]:
        """The types of a child and whether it repeats; None for types of which all children are possible."""
        model = self.model
        if type_name.startswith("System."):
            member = _MEMBERS.get(type_name, {}).get(name)
            return ({member} if member else set()), False
        if model.is_primitive(type_name) and name == "value":
            return {model.system_type(type_name)}, False
        child = model.child(type_name, name)
        if child is None:
            return (None, True) if model.is_abstract(type_name) else (set(), False)
        return {alternative for alternative, _ in child.alternatives}, child.repeats

    def _no_element(self, node: ast.Member, types: Types) -> str:
        names = {child.name: child for type_name in types for child in self.model.children(type_name).values()}
        for child in names.values():
            for type_name, json_name in child.alternatives if child.choice else ():
                if json_name == node.name:
                    return f"Write {child.name}.ofType({type_name}) for `{node.name}`"
        near = difflib.get_close_matches(node.name, names, 1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        return f"A {_listed(types)} has no element `{node.name}`{hint}"

    def _call(self, node: ast.Call, scope: Scope) -> Shape:
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise unknown_function(node)
        check_arguments(node, function)
        source = scope.this if node.source is None else self.infer(node.source, scope)
        self._check_input(node, source)
        if function.type_argument:
            specifier = ast.type_specifier(node.arguments[0])
            if specifier is None:
                raise FhirPathError("semantic", f"{node.name}() takes the name of a type", node.position)
            return self._type_operation(node.name, source, specifier, node.position)
        if node.name in ("repeat", "repeatAll"):
            return self._repeat(node, source, scope)
        if node.name == "getReferenceKey":
            return Shape(frozenset({"System.String"}), many=source.many)
        # in a projection or criterion $this is one item of the input; other arguments keep the scope
        inner = scope._replace(this=source._replace(many=False)) if function.scoped else scope
        if node.name in ("coalesce", "aggregate", "defineVariable"):
            inner = scope if node.name == "coalesce" else scope._replace(this=UNKNOWN)
        arguments = [self.infer(argument, inner) for argument in node.arguments]
        if node.name == "iif":
            return self._iif(node, arguments)
        return self._result(node, source, arguments)

    def _result(self, node: ast.Call, source: Shape, arguments: list[Shape]) -> Shape:
        name = node.name
        if name in KEEPS_INPUT:
            return source._replace(many=source.many and KEEPS_INPUT[name])
        if name == "select":
            return arguments[0]._replace(many=source.many or arguments[0].many)
        if name in ("union", "combine"):
            return _united((source, arguments[0]))
        if name == "coalesce":
            return _united(arguments)
        if name == "extension":
            return Shape(frozenset({"Extension"}), many=True)
        if name in RESULTS:
            return Shape(frozenset({RESULTS[name]}), many=name in SEVERAL)
        return UNKNOWN._replace(ordered=name not in UNORDERED)

    def _repeat(self, node: ast.Call, source: Shape, scope: Scope) -> Shape:
        """The projection is typed until no new type shows: repeat(item) of a Questionnaire's items."""
        types: Types | None = frozenset()
        this = source
        for _ in range(20):
            found = self.infer(node.arguments[0], scope._replace(this=this._replace(many=False)))
            if found.types is None or types is None:
                return UNKNOWN
            if found.types <= types:
                break
            types |= found.types
            this = Shape(found.types)
        return Shape(types, many=True)

    def _iif(self, node: ast.Call, arguments: list[Shape]) -> Shape:
        criterion = arguments[0]
        if criterion.types and not self._converts(criterion.types, _BOOLEAN) and (criterion.many or self.strict):
            raise FhirPathError(
                "semantic", f"iif() decides by a Boolean, not by {_listed(criterion.types)}", node.position
            )
        return _united(arguments[1:])

    def _check_input(self, node: ast.Call, source: Shape) -> None:
        if node.name in ORDERED:
            self._check_order(source, f"{node.name}()", node.position)
        expected = INPUTS.get(node.name)
        if expected is None or not source.types:
            return
        if not self._converts(source.types, expected):
            wanted = " or ".join(sorted(name.removeprefix("System.") for name in expected))
            raise FhirPathError(
                "semantic", f"{node.name}() applies to {wanted}, not to {_listed(source.types)}", node.position
            )

    def _check_order(self, source: Shape, what: str, position: int) -> None:
        if self.strict and not source.ordered:
            raise FhirPathError(
                "semantic", f"{what} needs an order, but children() and descendants() have none", position
            )

    def _converts(self, types: Iterable[str], expected: Types) -> bool:
        """Whether one of these types may be one of the expected System types, or convert to it implicitly."""
        for type_name in types:
            if self.model.is_abstract(type_name):
                return True
            system = self.model.system_type(type_name)
            if system in expected or (system == "System.Integer" and expected & _NUMBERS):
                return True
        return False

    def _type_operation(self, operator: str, source: Shape, specifier: str, position: int) -> Shape:
        model = self.model
        name = model.type_named(specifier, position) if self.strict else model.lenient_type(specifier, position)
        return Shape(_BOOLEAN) if operator == "is" else Shape(frozenset({name}), source.many, source.ordered)

    def _binary(self, node: ast.Binary, scope: Scope) -> Shape:
        left, right = self.infer(node.left, scope), self.infer(node.right, scope)
        if node.operator == "|":
            return _united((left, right))
        if node.operator == "&":
            return Shape(frozenset({"System.String"}))
        if node.operator not in ("+", "-", "*", "/", "div", "mod"):
            return Shape(_BOOLEAN)
        if left.types and right.types and node.operator in ("+", "-"):
            a = {self.model.system_type(t) for t in left.types}
            b = {self.model.system_type(t) for t in right.types}
            if a <= _MOMENTS and not b & {"System.Quantity", ""}:
                message = f"`{node.operator}` moves a date by a Quantity such as 7 days, not by {_listed(right.types)}"
                raise FhirPathError("semantic", message, node.position)
            if a == b and len(a) == 1:
                return Shape(frozenset(a))
        return Shape(None)


def _united(shapes: Iterable[Shape]) -> Shape:
    types: set[str] = set()
    shapes = list(shapes)
    for shape in shapes:
        if shape.types is None:
            return UNKNOWN
        types |= shape.types
    return Shape(frozenset(types), many=len(shapes) > 1 or any(shape.many for shape in shapes))


def _listed(types: Iterable[str]) -> str:
    names = sorted(types)
    return " or ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} …"


def infer(model: Model, node: Node, context_type: str, root_type: str, strict: bool) -> tuple[Shape, tuple[str, ...]]:
    """The shape of an expression and its warnings; types "" where not known. FhirPathError, kind semantic."""
    this = Shape(frozenset({context_type})) if context_type else Shape(None)
    resource = Shape(frozenset({root_type})) if root_type else Shape(None)
    inference = Inference(model, strict)
    shape = inference.infer(node, Scope(this, this, resource))
    return shape, tuple(inference.warnings)
