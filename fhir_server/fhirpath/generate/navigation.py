"""Paths as flows: member access, where, select, first, as, ofType, extension, resolve (https://hl7.org/fhirpath/#paths)."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhirpath.ast import (
    Binary,
    Call,
    Empty,
    Indexer,
    Literal,
    Member,
    Node,
    This,
    TypeOperation,
    Variable,
    type_specifier,
)
from fhir_server.fhirpath.generate import conditions, scalars
from fhir_server.fhirpath.generate.flow import EMPTY, Branch, Flow, NotStatic, Step
from fhir_server.fhirpath.generate.writer import Scope, Writer, block


def flow(writer: Writer, node: Node | None, scope: Scope, loose: bool = False) -> Flow:
    """The collection that a node yields; None is $this.

    loose: duplicates of a union may stay, since whoever asks does not see the difference.
    """
    if node is None or isinstance(node, This):
        return Flow((scope.this,), False)
    if isinstance(node, Empty):
        return EMPTY
    if isinstance(node, Member):
        return _member(writer, node, scope, loose)
    if isinstance(node, TypeOperation) and node.operator == "as":
        return _as_type(writer, flow(writer, node.operand, scope, loose), node.type, node.position)
    if isinstance(node, Indexer):
        if isinstance(node.index, Literal) and isinstance(node.index.value, int):
            return _at(writer, flow(writer, node.source, scope), node.index.value)
        raise NotStatic
    if isinstance(node, Variable) and node.name == "resource":
        return _resource(writer, scope)
    if isinstance(node, Call) and node.name in _CALLS:
        return _CALLS[node.name](writer, node, scope, loose)
    if isinstance(node, Binary) and node.operator == "|" and loose:
        left, right = flow(writer, node.left, scope, True), flow(writer, node.right, scope, True)
        return Flow(left.branches + right.branches, True)
    raise NotStatic


def context_branch(type_name: str) -> Branch:
    """$this at the start of an expression."""
    return Branch((), "item", type_name, nullable=False, default="item")


def _resource(writer: Writer, scope: Scope) -> Flow:
    # generated code counts no steps: a walk through the resource inside of criteria inside of criteria is the engine's
    if not writer.root_type or scope.depth > 1:
        raise NotStatic
    return Flow((Branch((), "root", writer.root_type, nullable=False, default="root"),), False)


def _member(writer: Writer, node: Member, scope: Scope, loose: bool) -> Flow:
    model = writer.model
    if node.source is None:
        this = scope.this
        if model.child(this.type, node.name) is None and model.starts_path(node.name):
            if model.is_subtype(this.type, node.name):
                return Flow((this,), False)
            if this.type == "Resource":
                return of_type(writer, Flow((this,), False), node.name, node.position)
            return EMPTY
    source = flow(writer, node.source, scope, loose)
    found: list[Branch] = []
    many = source.many
    for branch in source.branches:
        children, repeats = _children(writer, branch, node.name, scope)
        found.extend(children)
        many = many or repeats
    return Flow(tuple(found), many)


def _children(writer: Writer, branch: Branch, name: str, scope: Scope) -> tuple[list[Branch], bool]:
    model = writer.model
    if model.is_primitive(branch.type):
        if name not in ("extension", "id") or not branch.owner or (branch.loops and branch.whole_array):
            raise NotStatic
        twin = f"{branch.owner}.get({'_' + branch.json_name!r}, E)"
        branch = branch._replace(value=twin, default=twin, type="Element", nullable=False)
    if branch.type.startswith("System."):
        raise NotStatic
    child = model.child(branch.type, name)
    if child is None:
        if model.is_abstract(branch.type):
            raise NotStatic
        return [], False
    owner = branch.default or branch.value
    bound = scope.bound | {step.variable for step in branch.steps}
    found = []
    for type_name, json_name in child.alternatives:
        primitive = model.is_primitive(type_name)
        if child.repeats:
            source = f"{owner}.get({json_name!r}, ())"
            variable = writer.variable(source, bound)
            step = Step("for", variable, source)
            default = "" if primitive else variable
            found.append(Branch((*branch.steps, step), variable, type_name, primitive, default, owner, json_name))
        else:
            value = f"{owner}.get({json_name!r})"
            default = "" if primitive else f"{owner}.get({json_name!r}, E)"
            found.append(Branch(branch.steps, value, type_name, True, default, owner, json_name))
    return found, child.repeats


def of_type(writer: Writer, source: Flow, specifier: str, position: int) -> Flow:
    """The items of a type: for primitives just that type, else the type and what specialises it."""
    model = writer.model
    wanted = writer.lenient_type(specifier, position)
    found = []
    for branch in source.branches:
        if branch.type == "Resource" and model.is_resource(wanted):
            bound = bind(writer, branch, frozenset())
            check = Step("if", "", f"{bound.value}.get('resourceType') == {wanted!r}")
            found.append(bound._replace(steps=(*bound.steps, check), type=wanted))
        elif branch.type == wanted or (not model.is_primitive(wanted) and model.is_subtype(branch.type, wanted)):
            found.append(branch)
        elif model.is_abstract(branch.type):
            raise NotStatic
    return Flow(tuple(found), source.many)


def bind(writer: Writer, branch: Branch, bound: frozenset[str]) -> Branch:
    """The same branch with its item in a variable that is not None.

    A primitive that has extensions only is an item too, but a rare one: the engine starts over where there is one.
    """
    if not branch.nullable:
        return branch
    if branch.in_array:
        check = Step("line", "", f"if {branch.value} is None: raise TypeError")
        return branch._replace(steps=(*branch.steps, check), nullable=False)
    if writer.model.is_primitive(branch.type) and branch.json_name:
        twin = f"'_{branch.json_name}' in {branch.owner}"
        check = Step("line", "", f"if {twin} and {branch.value} is None: raise TypeError")
        branch = branch._replace(steps=(*branch.steps, check))
    return bind_value(writer, branch, bound)


def bind_value(writer: Writer, branch: Branch, bound: frozenset[str]) -> Branch:
    """The same branch with its value in a variable that is not None; primitives without one are left out."""
    if not branch.nullable:
        return branch
    variable = writer.variable(branch.value, bound | {step.variable for step in branch.steps})
    step = Step("if", variable, f"({variable} := {branch.value}) is not None")
    default = variable if branch.default else ""
    return branch._replace(steps=(*branch.steps, step), value=variable, nullable=False, default=default)


def filtered(writer: Writer, source: Flow, scope: Scope, criterion: Node) -> Flow:
    """The items for which the criterion is true."""
    found = []
    for branch in source.branches:
        bound = bind(writer, branch, scope.bound)
        inner = scope.inside(bound, bound._replace(steps=()))
        condition = conditions.true(writer, criterion, inner)
        if condition != "False":
            steps = bound.steps if condition == "True" else (*bound.steps, Step("if", "", condition))
            found.append(bound._replace(steps=steps))
    return Flow(tuple(found), source.many)


def _where(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    return filtered(writer, flow(writer, node.source, scope, loose), scope, _argument(node))


def _select(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    source = flow(writer, node.source, scope, loose)
    found: list[Branch] = []
    many = source.many
    for branch in source.branches:
        bound = bind(writer, branch, scope.bound)
        inner = scope.inside(bound, bound._replace(steps=()))
        try:
            projected = flow(writer, _argument(node), inner)
        except NotStatic:
            value = scalars.scalar(writer, _argument(node), inner)
            projected = Flow((Branch((), value.expression, value.type, value.nullable),), False)
        found.extend(p._replace(steps=bound.steps + p.steps) for p in projected.branches)
        many = many or projected.many
    return Flow(tuple(found), many)


def _first(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    if node.arguments:
        raise NotStatic
    return _at(writer, flow(writer, node.source, scope), 0)


def _at(writer: Writer, source: Flow, index: int) -> Flow:
    if not source.many:
        return source if index == 0 else EMPTY
    if len(source.branches) != 1:
        raise NotStatic
    branch = source.branches[0]
    if writer.model.is_primitive(branch.type) and not branch.whole_array:
        raise NotStatic
    if branch.whole_array:
        array = branch.steps[0].expression
        lines = [f"array = {array}", f"return array[{index}] if len(array) > {index} else None"]
    elif index == 0:
        lines = [*block(branch.steps, _return(branch)), "return None"]
    else:
        raise NotStatic
    value = writer.function(lines)
    default = f"({value} or E)" if branch.default else ""
    return Flow((Branch((), value, branch.type, True, default),), False)


def _return(branch: Branch) -> list[str]:
    if branch.nullable:
        return [f"if {branch.value} is not None: return {branch.value}"]
    return [f"return {branch.value}"]


def _trace(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    return flow(writer, node.source, scope, loose)


def _as(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    specifier = type_specifier(_argument(node))
    if specifier is None:
        raise NotStatic
    source = flow(writer, node.source, scope, loose)
    if node.name == "as":
        return _as_type(writer, source, specifier, node.position)
    return of_type(writer, source, specifier, node.position)


def _as_type(writer: Writer, source: Flow, specifier: str, position: int) -> Flow:
    if writer.strict and source.many:
        raise NotStatic  # more than one item is an error that the engine reports
    return of_type(writer, source, specifier, position)


def _extension(writer: Writer, node: Call, scope: Scope, loose: bool) -> Flow:
    url = _argument(node)
    if not isinstance(url, Literal) or not isinstance(url.value, str):
        raise NotStatic
    criterion = Binary("=", Member(None, "url"), url)
    source = flow(writer, Member(node.source, "extension", node.position), scope, loose)
    return filtered(writer, source, scope, criterion)


def _argument(node: Call) -> Node:
    if len(node.arguments) != 1:
        raise NotStatic
    return node.arguments[0]


_CALLS: dict[str, Callable[[Writer, Call, Scope, bool], Flow]] = {
    "where": _where,
    "select": _select,
    "first": _first,
    "trace": _trace,
    "as": _as,
    "ofType": _as,
    "extension": _extension,
}
