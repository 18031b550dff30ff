"""Booleans as Python conditions (https://hl7.org/fhirpath/#boolean-logic).

FHIRPath has three truth values, so there are two questions: true() is a condition that holds where the result is true,
false() one that holds where it is false; for an empty result neither holds. This keeps `and`, `or` and `implies`
as short-circuit operators of Python.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhirpath.ast import Binary, Call, Empty, Literal, Member, Node, This, TypeOperation, type_specifier
from fhir_server.fhirpath.generate import navigation, scalars
from fhir_server.fhirpath.generate.flow import Branch, Flow, NotStatic
from fhir_server.fhirpath.generate.writer import Scope, Writer, block


def true(writer: Writer, node: Node, scope: Scope) -> str:
    """A condition that holds where the node's result is true; what has no generated form is run by the engine."""
    writer.decide()
    try:
        return decide(writer, node, scope, True)
    except NotStatic:
        return _dynamic(writer, node, scope, True)


def false(writer: Writer, node: Node, scope: Scope) -> str:
    """A condition that holds where the node's result is false."""
    writer.decide()
    try:
        return decide(writer, node, scope, False)
    except NotStatic:
        return _dynamic(writer, node, scope, False)


def either(writer: Writer, node: Node, scope: Scope) -> str | None:
    """A condition for a node whose result is never empty; None where it can be, or is no boolean."""
    if isinstance(node, Call) and node.name in _PREDICATES:
        return _PREDICATES[node.name](writer, node, scope)
    return None


def negate(condition: str) -> str:
    """The opposite condition."""
    if condition in ("True", "False"):
        return "False" if condition == "True" else "True"
    return condition[4:-1] if condition.startswith("not(") and _closes_last(condition) else f"not({condition})"


def _closes_last(condition: str) -> bool:
    depth = 0
    for position, char in enumerate(condition):
        depth += (char == "(") - (char == ")")
        if depth == 0 and char == ")":
            return position == len(condition) - 1
    return False


def join(operator: str, left: str, right: str) -> str:
    """left and right, left or right; constants are folded."""
    absorbing, neutral = ("False", "True") if operator == "and" else ("True", "False")
    if absorbing in (left, right):
        return absorbing
    if neutral in (left, right):
        return right if left == neutral else left
    return f"({left} {operator} {right})"


def decide(writer: Writer, node: Node, scope: Scope, wanted: bool) -> str:
    """true() or false(); NotStatic where the whole node has no generated form."""
    if isinstance(node, Literal):
        return str(node.value is wanted if isinstance(node.value, bool) else wanted)
    if isinstance(node, Empty):
        return "False"
    if isinstance(node, Binary) and node.operator in _LOGIC:
        return _LOGIC[node.operator](writer, node, scope, wanted)
    if isinstance(node, Binary) and node.operator in ("in", "contains"):
        return _membership(writer, node, scope, wanted)
    if (
        isinstance(node, Binary)
        and node.operator == ">"
        and _counts(node.left, "children")
        and _counts(node.right, "id")
    ):
        return _has_children(writer, scope, wanted)
    if isinstance(node, Binary) and node.operator in scalars.COMPARISONS:
        return scalars.compare(writer, node, scope, wanted)
    if isinstance(node, Call) and node.name == "not" and not node.arguments:
        source = node.source or This()
        return false(writer, source, scope) if wanted else true(writer, source, scope)
    if isinstance(node, TypeOperation) and node.operator == "is":
        return _is(writer, node.operand, node.type, node.position, scope, wanted)
    if isinstance(node, Call) and node.name == "is" and len(node.arguments) == 1:
        specifier = type_specifier(node.arguments[0])
        if specifier is None:
            raise NotStatic
        return _is(writer, node.source, specifier, node.position, scope, wanted)
    if isinstance(node, Call) and node.name == "iif":
        return _iif(writer, node, scope, wanted)
    condition = either(writer, node, scope)
    if condition is not None:
        return condition if wanted else negate(condition)
    try:
        collection = navigation.flow(writer, node, scope, loose=True)
    except NotStatic:
        scalar = scalars.scalar(writer, node, scope)
        if scalar.type != "System.Boolean":
            raise
        return f"({scalar.expression} is {wanted})"
    if collection.many:
        raise NotStatic  # more than one item is an error that the engine reports
    if collection.types in ({"boolean"}, {"System.Boolean"}):
        return f"({scalars.of_flow(writer, collection).expression} is {wanted})"
    if collection.types & {"boolean", "System.Boolean", "Resource"}:
        raise NotStatic
    return exists(writer, collection) if wanted else "False"


def _counts(node: Node, name: str) -> bool:
    """Whether a node is name.count() or name().count()."""
    if not (isinstance(node, Call) and node.name == "count" and isinstance(node.source, (Member, Call))):
        return False
    return node.source.source is None and node.source.name == name


def _has_children(writer: Writer, scope: Scope, wanted: bool) -> str:
    """children().count() > id.count(), the half of ele-1 that every element has to hold."""
    model, this = writer.model, scope.this
    if model.is_abstract(this.type) or model.is_primitive(this.type) or not this.default:
        raise NotStatic
    names = set()
    for child in model.children(this.type).values():
        for type_name, json_name in child.alternatives:
            names.add(json_name)
            if model.is_primitive(type_name):
                names.add(f"_{json_name}")
    condition = f"has_child({this.value}, {writer.constant(frozenset(names - {'id'}))})"
    return condition if wanted else negate(condition)


def _and(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    part = true if wanted else false
    return join("and" if wanted else "or", part(writer, node.left, scope), part(writer, node.right, scope))


def _or(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    part = true if wanted else false
    return join("or" if wanted else "and", part(writer, node.left, scope), part(writer, node.right, scope))


def _implies(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    if wanted:
        return join("or", false(writer, node.left, scope), true(writer, node.right, scope))
    return join("and", true(writer, node.left, scope), false(writer, node.right, scope))


def _xor(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    left, right = either(writer, node.left, scope), either(writer, node.right, scope)
    if left is not None and right is not None:
        return f"(bool({left}) {'!=' if wanted else '=='} bool({right}))"
    left_true, left_false = true(writer, node.left, scope), false(writer, node.left, scope)
    right_true, right_false = true(writer, node.right, scope), false(writer, node.right, scope)
    if wanted:
        return join("or", join("and", left_true, right_false), join("and", left_false, right_true))
    return join("or", join("and", left_true, right_true), join("and", left_false, right_false))


_LOGIC = {"and": _and, "or": _or, "implies": _implies, "xor": _xor}


def exists(writer: Writer, collection: Flow) -> str:
    """A condition that holds where the collection has an item."""
    branches = collection.branches
    owners = {branch.owner for branch in branches}
    if len(branches) > 2 and len(owners) == 1 and not any(branch.steps for branch in branches):
        names = {branch.json_name for branch in branches}
        names |= {"_" + b.json_name for b in branches if writer.model.is_primitive(b.type)}
        return f"not({writer.constant(frozenset(names))}.isdisjoint({owners.pop()}))"
    condition = "False"
    for branch in branches:
        condition = join("or", condition, _branch_exists(writer, branch))
    return condition


def _branch_exists(writer: Writer, branch: Branch) -> str:
    primitive = writer.model.is_primitive(branch.type)
    if not branch.steps:
        if not branch.nullable:
            return "True"
        if primitive and branch.json_name:
            return f"({branch.json_name!r} in {branch.owner} or {'_' + branch.json_name!r} in {branch.owner})"
        return f"({branch.value} is not None)" if primitive or not branch.default else branch.value
    if branch.whole_array:
        if primitive:
            return f"({branch.owner}.get({branch.json_name!r}) or {branch.owner}.get({'_' + branch.json_name!r}))"
        return f"{branch.owner}.get({branch.json_name!r})"
    last = branch.steps[-1]
    if last.kind == "if" and not branch.loops and len(branch.steps) == 1 and not branch.nullable:
        return f"({last.expression})"
    inner = Flow((branch._replace(steps=()),), False)
    condition = exists(writer, inner) if branch.nullable else "True"
    lines = ["return True"] if condition == "True" else [f"if {condition}: return True"]
    return writer.function([*block(branch.steps, lines), "return False"])


def _exists(writer: Writer, node: Call, scope: Scope) -> str:
    source = navigation.flow(writer, node.source, scope, loose=True)
    if node.source is None and writer.model.is_primitive(scope.this.type):
        raise NotStatic
    if node.arguments:
        source = navigation.filtered(writer, source, scope, node.arguments[0])
    return exists(writer, source)


def _empty(writer: Writer, node: Call, scope: Scope) -> str:
    return negate(_exists(writer, node, scope))


def _all(writer: Writer, node: Call, scope: Scope) -> str:
    source = navigation.flow(writer, node.source, scope)
    condition = "True"
    for branch in source.branches:
        bound = navigation.bind(writer, branch, scope.bound)
        inner = scope.inside(bound, bound._replace(steps=()))
        holds = true(writer, node.arguments[0], inner)
        lines = block(bound.steps, [f"if {negate(holds)}: return False"])
        condition = join("and", condition, writer.function([*lines, "return True"]))
    return condition


def _has_value(writer: Writer, node: Call, scope: Scope) -> str:
    source = navigation.flow(writer, node.source, scope)
    if source.many or any(branch.type == "Resource" or branch.steps for branch in source.branches):
        raise NotStatic
    condition = "False"
    for branch in source.branches:
        if writer.model.is_primitive(branch.type) or branch.type.startswith("System."):
            condition = join("or", condition, f"({branch.value} is not None)" if branch.nullable else "True")
    return condition


def _is_distinct(writer: Writer, node: Call, scope: Scope) -> str:
    values = navigation.flow(writer, node.source, scope)
    if any(writer.model.system_type(branch.type) != "System.String" for branch in values.branches):
        raise NotStatic
    lines = ["found = []"]
    for branch in values.branches:
        bound = navigation.bind(writer, branch, scope.bound)
        lines.extend(block(bound.steps, [f"found.append({bound.value})"]))
    return writer.function(lines, "len(set(found)) == len(found)")


_PREDICATES: dict[str, Callable[[Writer, Call, Scope], str]] = {
    "exists": _exists,
    "empty": _empty,
    "all": _all,
    "hasValue": _has_value,
    "isDistinct": _is_distinct,
}


def _is(writer: Writer, operand: Node | None, specifier: str, position: int, scope: Scope, wanted: bool) -> str:
    if isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
        return _resolves_to(writer, operand.source, specifier, position, scope, wanted)
    model = writer.model
    source = navigation.flow(writer, operand, scope)
    if source.many:
        raise NotStatic
    type_name = writer.lenient_type(specifier, position)
    matching, others = [], []
    for branch in source.branches:
        if branch.type == "Resource" and type_name != "Resource":
            if not model.is_resource(type_name):
                raise NotStatic
            bound = navigation.bind(writer, branch, scope.bound)
            if bound.loops:
                raise NotStatic
            condition = f"{bound.value}.get('resourceType') {'==' if wanted else '!='} {type_name!r}"
            for step in reversed(bound.steps):
                condition = join("and", f"({step.expression})", condition)
            return condition
        (matching if model.is_subtype(branch.type, type_name) else others).append(branch)
    return exists(writer, Flow(tuple(matching if wanted else others), False))


def _resolves_to(
    writer: Writer, operand: Node | None, specifier: str, position: int, scope: Scope, wanted: bool
) -> str:
    source = navigation.flow(writer, operand, scope)
    type_name = writer.model.type_named(specifier, position)
    if writer.strict or source.many or source.types != {"Reference"} or not writer.model.is_resource(type_name):
        raise NotStatic
    branch = source.branches[0]
    if branch.steps:
        raise NotStatic
    compared = "==" if wanted else "not in ('',"
    close = "" if wanted else ")"
    return f"(target_type({branch.default}, root, environment) {compared} {type_name!r}{close})"


def _membership(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    item, collection = (node.left, node.right) if node.operator == "in" else (node.right, node.left)
    texts = _literal_texts(collection)
    if texts is None:
        raise NotStatic
    value = scalars.scalar(writer, item, scope)
    if value.type != "System.String":
        raise NotStatic
    name = writer.constant(frozenset(texts))
    if wanted:
        return f"({value.expression} in {name})"
    if not value.nullable:
        return f"({value.expression} not in {name})"
    if isinstance(item, Member):  # an element without a value is none of the texts either
        present = exists(writer, navigation.flow(writer, item, scope))
        return join("and", present, f"({value.expression} not in {name})")
    temporary = writer.temporary()
    return f"(({temporary} := {value.expression}) is not None and {temporary} not in {name})"


def _literal_texts(node: Node) -> list[str] | None:
    if isinstance(node, Literal):
        return [node.value] if isinstance(node.value, str) else None
    if isinstance(node, Binary) and node.operator == "|":
        left, right = _literal_texts(node.left), _literal_texts(node.right)
        return left + right if left is not None and right is not None else None
    return None


def _iif(writer: Writer, node: Call, scope: Scope, wanted: bool) -> str:
    if node.source is not None or len(node.arguments) not in (2, 3):
        raise NotStatic
    part = true if wanted else false
    criterion, chosen, *otherwise = node.arguments
    condition = true(writer, criterion, scope)
    other = part(writer, otherwise[0], scope) if otherwise else "False"
    return f"({part(writer, chosen, scope)} if {condition} else {other})"


def _dynamic(writer: Writer, node: Node, scope: Scope, wanted: bool) -> str:
    this = scope.this
    if (writer.model.is_primitive(this.type) and this.value != "item") or this.type.startswith("System."):
        raise NotStatic
    run = writer.constant(writer.run(node, this.type))
    return f"({run}({this.value}, root, environment, budget) is {wanted})"
