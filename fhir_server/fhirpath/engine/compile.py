"""A syntax tree to closures: each takes a Frame and gives the list of items."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from fhir_server.fhirpath import ast
from fhir_server.fhirpath.ast import Node as Tree
from fhir_server.fhirpath.engine import operators
from fhir_server.fhirpath.engine.conversion import boolean, single
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions import FUNCTIONS, Function
from fhir_server.fhirpath.engine.functions.function import ANY
from fhir_server.fhirpath.engine.items import Item, Node, TypeInfo, members
from fhir_server.fhirpath.engine.variables import variable
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import Quantity

Closure = Callable[[Frame], list[Item]]


class Compiler:
    """Compiles for one model; strict: see compile_path."""

    def __init__(self, model: Model, strict: bool) -> None:
        self.model = model
        self.strict = strict

    def compile(self, tree: Tree) -> Closure:
        """The closure of a node."""
        return _COMPILE[type(tree)](self, tree)

    def scoped(self, tree: Tree) -> Closure:
        """The closure of an operand or argument, whose variables must not leak out of it."""
        closure = self.compile(tree)
        return (lambda frame: closure(frame.branch())) if _defines(tree) else closure

    def source(self, tree: Tree | None) -> Closure:
        """The closure of what a path or a function applies to; $this where nothing is written."""
        return _this if tree is None else self.compile(tree)


def _defines(tree: Tree) -> bool:
    if isinstance(tree, ast.Call) and tree.name == "defineVariable":
        return True
    return any(_defines(child) for child in ast.children(tree))


def _this(frame: Frame) -> list[Item]:
    return frame.this


def _literal(compiler: Compiler, tree: ast.Literal) -> Closure:
    values = [tree.value]
    return lambda frame: values


def _empty(compiler: Compiler, tree: ast.Empty) -> Closure:
    return lambda frame: []


def _index_variable(compiler: Compiler, tree: ast.IndexVariable) -> Closure:
    return lambda frame: [frame.index]


def _total(compiler: Compiler, tree: ast.Total) -> Closure:
    def total(frame: Frame) -> list[Item]:
        if frame.total is None:
            raise FhirPathError("semantic", "$total exists inside of aggregate() only", tree.position)
        return frame.total

    return total


def _variable(compiler: Compiler, tree: ast.Variable) -> Closure:
    name, position = tree.name, tree.position

    def value(frame: Frame) -> list[Item]:
        found = frame.variables.get(name)
        return found if found is not None else variable(compiler.model, frame, name, position)

    return value


def _member(compiler: Compiler, tree: ast.Member) -> Closure:
    model, name = compiler.model, tree.name
    if tree.source is None and model.starts_path(name):
        return _type_at_start(compiler, tree)
    source = compiler.source(tree.source)

    def member(frame: Frame) -> list[Item]:
        items = source(frame)
        frame.shared.budget.spend(len(items) + 1)
        found: list[Item] = []
        for item in items:
            if isinstance(item, Node):
                members(model, item, name, found)
            elif isinstance(item, TypeInfo):
                found.extend(_type_info_member(item, name))
            elif isinstance(item, Quantity) and name in ("value", "unit"):
                found.append(getattr(item, name))
        return found

    return member


def _type_at_start(compiler: Compiler, tree: ast.Member) -> Closure:
    model, name = compiler.model, tree.name

    def typed(frame: Frame) -> list[Item]:
        found: list[Item] = []
        for item in frame.this:
            if isinstance(item, Node):
                before = len(found)
                members(model, item, name, found)
                if len(found) == before and model.is_subtype(item.type, name):
                    found.append(item)
        return found

    return typed


def _type_info_member(info: TypeInfo, name: str) -> list[Item]:
    attribute = {"namespace": "namespace", "name": "name", "baseType": "base"}.get(name)
    return [getattr(info, attribute)] if attribute else []


def _indexer(compiler: Compiler, tree: ast.Indexer) -> Closure:
    source, index = compiler.compile(tree.source), compiler.scoped(tree.index)
    model = compiler.model

    def item_at(frame: Frame) -> list[Item]:
        items = source(frame)
        position = single(model, index(frame), "Integer", "an index")
        return [items[position]] if position is not None and 0 <= position < len(items) else []

    return item_at


def _polarity(compiler: Compiler, tree: ast.Polarity) -> Closure:
    operand = compiler.scoped(tree.operand)
    model = compiler.model
    if tree.operator not in ("+", "-"):
        return operand  # asc and desc; sort has looked at them
    negative = tree.operator == "-"
    return lambda frame: operators.polarity(model, operand(frame), negative)


def _binary(compiler: Compiler, tree: ast.Binary) -> Closure:
    left, right = compiler.scoped(tree.left), compiler.scoped(tree.right)
    model, operator = compiler.model, tree.operator
    if operator in operators.LOGIC:
        decide = operators.LOGIC[operator]

        def logic(frame: Frame) -> list[Item]:
            result = decide(
                lambda: boolean(model, left(frame), operator), lambda: boolean(model, right(frame), operator)
            )
            return [] if result is None else [result]

        return logic
    operate = operators.OPERATORS[operator]

    def binary(frame: Frame) -> list[Item]:
        a, b = left(frame), right(frame)
        frame.shared.budget.spend(len(a) + len(b) + 1)
        return operate(model, a, b, frame)

    return binary


def _type_operation(compiler: Compiler, tree: ast.TypeOperation) -> Closure:
    operand = compiler.scoped(tree.operand)
    return operators.type_operation(compiler, tree.operator, operand, tree.type, tree.position)


def _call(compiler: Compiler, tree: ast.Call) -> Closure:
    function = FUNCTIONS.get(tree.name)
    if function is None:
        raise unknown_function(tree)
    check_arguments(tree, function)
    source = compiler.source(tree.source)
    if function.type_argument:
        specifier = ast.type_specifier(tree.arguments[0])
        if specifier is None:
            raise FhirPathError("semantic", f"{tree.name}() takes the name of a type", tree.position)
        return operators.type_operation(compiler, tree.name, source, specifier, tree.position)
    run = function.prepare(compiler, tree) if function.prepare else function.run
    model = compiler.model
    if function.scoped:
        closures = [compiler.compile(argument) for argument in tree.arguments]

        def scoped_call(frame: Frame) -> list[Item]:
            items = source(frame)
            frame.shared.budget.spend(len(items) + 1)
            return run(model, frame, items, *closures)

        return scoped_call
    arguments = [compiler.scoped(argument) for argument in tree.arguments]

    def call(frame: Frame) -> list[Item]:
        items = source(frame)
        frame.shared.budget.spend(len(items) + 1)
        return run(model, frame, items, *[argument(frame) for argument in arguments])

    return call


def unknown_function(tree: ast.Call) -> FhirPathError:
    """The error for a function that FHIRPath does not have, with the nearest name that it has."""
    near = difflib.get_close_matches(tree.name, FUNCTIONS, 1)
    hint = f"; did you mean {near[0]}()?" if near else ""
    return FhirPathError("semantic", f"There is no function {tree.name}(){hint}", tree.position)


def check_arguments(tree: ast.Call, function: Function) -> None:
    """FhirPathError for a call with too few or too many arguments."""
    given = len(tree.arguments)
    if function.minimum <= given <= function.maximum:
        return
    allowed = str(function.minimum)
    if function.maximum != function.minimum:
        allowed = (
            f"{function.minimum} to {function.maximum}" if function.maximum < ANY else f"{function.minimum} or more"
        )
    raise FhirPathError("semantic", f"{tree.name}() takes {allowed} arguments, not {given}", tree.position)


_COMPILE: dict[type, Callable[..., Closure]] = {
    ast.Literal: _literal,
    ast.Empty: _empty,
    ast.This: lambda compiler, tree: _this,
    ast.IndexVariable: _index_variable,
    ast.Total: _total,
    ast.Variable: _variable,
    ast.Member: _member,
    ast.Call: _call,
    ast.Indexer: _indexer,
    ast.Polarity: _polarity,
    ast.Binary: _binary,
    ast.TypeOperation: _type_operation,
}
