"""Single values: comparisons, arithmetic on counts, and the functions on strings, as Python expressions."""

from __future__ import annotations

from decimal import Decimal

from fhir_server.fhirpath.ast import Binary, Call, Literal, Member, Node, Polarity, This, Variable
from fhir_server.fhirpath.generate import conditions, navigation
from fhir_server.fhirpath.generate.flow import Flow, NotStatic, Scalar
from fhir_server.fhirpath.generate.writer import Scope, Writer, block

COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
# what compare_text answers when the operator's result is true
_ORDERS = {"=": "(0,)", "!=": "(-1, 1)", "<": "(-1,)", "<=": "(-1, 0)", ">": "(1,)", ">=": "(0, 1)"}
_NUMBERS = frozenset({"System.Integer", "System.Decimal"})
_DATES = frozenset({"System.Date", "System.DateTime"})

# function -> (types of its arguments, type of the result); generated code calls it by this name with all of them
STRING_FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "startsWith": (("System.String",), "System.Boolean"),
    "endsWith": (("System.String",), "System.Boolean"),
    "contains": (("System.String",), "System.Boolean"),
    "matches": (("System.String",), "System.Boolean"),
    "matchesFull": (("System.String",), "System.Boolean"),
    "replaceMatches": (("System.String", "System.String"), "System.String"),
    "replace": (("System.String", "System.String"), "System.String"),
    "substring": (("System.Integer", "System.Integer"), "System.String"),
    "indexOf": (("System.String",), "System.Integer"),
    "length": ((), "System.Integer"),
    "upper": ((), "System.String"),
    "lower": ((), "System.String"),
    "trim": ((), "System.String"),
    "toInteger": ((), "System.Integer"),
}
_VARIABLES = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


def scalar(writer: Writer, node: Node, scope: Scope) -> Scalar:
    """A node that has at most one item, of one System type. NotStatic for others."""
    if isinstance(node, Literal):
        return _literal(writer, node)
    if isinstance(node, Variable) and node.name in _VARIABLES:
        return Scalar(repr(_VARIABLES[node.name]), "System.String", nullable=False, constant=True)
    if isinstance(node, Call):
        if node.name == "count" and not node.arguments:
            return Scalar(count(writer, navigation.flow(writer, node.source, scope)), "System.Integer", nullable=False)
        if node.name in STRING_FUNCTIONS:
            return _string_function(writer, node, scope)
        if node.name == "htmlChecks" and not node.arguments:
            source = scalar(writer, node.source, scope) if node.source else of_flow(writer, Flow((scope.this,), False))
            if source.type != "System.String" or source.nullable:
                raise NotStatic
            return Scalar(f"htmlChecks({source.expression})", "System.Boolean", nullable=False)
        condition = conditions.either(writer, node, scope)
        if condition is not None:
            return Scalar(f"bool({condition})", "System.Boolean", nullable=False)
    if isinstance(node, Polarity):
        return _polarity(writer, node, scope)
    if isinstance(node, Binary):
        return _binary(writer, node, scope)
    return of_flow(writer, navigation.flow(writer, node, scope))


def of_flow(writer: Writer, collection: Flow) -> Scalar:
    """The scalar that a flow of at most one item, of one type, is."""
    if collection.many or len(collection.branches) != 1:
        raise NotStatic
    branch = collection.branches[0]
    type_name = writer.model.system_type(branch.type)
    if not type_name or type_name == "System.Quantity":
        raise NotStatic
    text = type_name in _DATES or type_name == "System.Time"
    if not branch.steps:
        return Scalar(branch.value, type_name, branch.nullable, text)
    lines = [f"if {branch.value} is not None: return {branch.value}"] if branch.nullable else [f"return {branch.value}"]
    return Scalar(writer.function([*block(branch.steps, lines), "return None"]), type_name, True, text)


def _literal(writer: Writer, node: Literal) -> Scalar:
    value = node.value
    for python_type, name in ((bool, "Boolean"), (int, "Integer"), (str, "String"), (Decimal, "Decimal")):
        if isinstance(value, python_type):
            return Scalar(writer.constant(value), f"System.{name}", nullable=False, constant=True)
    raise NotStatic


def count(writer: Writer, collection: Flow) -> str:
    """How many items a flow has, as an expression."""
    counts = []
    for branch in collection.branches:
        primitive = writer.model.is_primitive(branch.type)
        if branch.whole_array and not primitive:
            counts.append(f"len({branch.steps[0].expression})")
        elif not branch.steps:
            counts.append(f"(1 if {conditions.exists(writer, Flow((branch,), False))} else 0)")
        elif primitive and branch.nullable:
            raise NotStatic
        else:
            line = f"if {branch.value} is not None: found += 1" if branch.nullable else "found += 1"
            counts.append(writer.function(["found = 0", *block(branch.steps, [line])], "found"))
    return f"({' + '.join(counts)})" if counts else "0"


def _string_function(writer: Writer, node: Call, scope: Scope) -> Scalar:
    types, result = STRING_FUNCTIONS[node.name]
    if len(node.arguments) != len(types) and not (node.name == "substring" and len(node.arguments) == 1):
        raise NotStatic
    source = (
        scalar(writer, node.source, scope) if node.source is not None else of_flow(writer, Flow((scope.this,), False))
    )
    values = [scalar(writer, argument, scope) for argument in node.arguments]
    if source.type != "System.String" or any(v.type != t for v, t in zip(values, types, strict=False)):
        raise NotStatic
    arguments = ", ".join((source.expression, *(v.expression for v in values)))
    return Scalar(f"{node.name}({arguments})", result)


def _polarity(writer: Writer, node: Polarity, scope: Scope) -> Scalar:
    value = scalar(writer, node.operand, scope)
    if not value.constant or value.type not in _NUMBERS:
        raise NotStatic
    return value if node.operator == "+" else value._replace(expression=f"(-{value.expression})")


def _binary(writer: Writer, node: Binary, scope: Scope) -> Scalar:
    if node.operator in COMPARISONS or node.operator in ("and", "or", "xor", "implies", "in", "contains"):
        holds = conditions.true(writer, node, scope)
        fails = conditions.false(writer, node, scope)
        return Scalar(f"(True if {holds} else False if {fails} else None)", "System.Boolean")
    left, right = scalar(writer, node.left, scope), scalar(writer, node.right, scope)
    if node.operator == "&" and left.type == right.type == "System.String":
        parts = [part.expression if not part.nullable else f"({part.expression} or '')" for part in (left, right)]
        return Scalar(f"({parts[0]} + {parts[1]})", "System.String", nullable=False)
    if (
        node.operator in ("+", "-")
        and left.type == right.type == "System.Integer"
        and not (left.nullable or right.nullable)
        and not (left.constant and right.constant)  # which may come to more than an Integer holds
    ):
        return Scalar(f"({left.expression} {node.operator} {right.expression})", "System.Integer", nullable=False)
    raise NotStatic


def compare(writer: Writer, node: Binary, scope: Scope, wanted: bool) -> str:
    """A condition that holds where the comparison is true (wanted) or false."""
    operator = node.operator if wanted else _OPPOSITE[node.operator]
    if isinstance(node.right, Literal) and operator in ("=", "!=") and isinstance(node.left, (Member, This)):
        return _equals_literal(writer, navigation.flow(writer, node.left, scope), node.right, operator)
    return _compare_scalars(writer, scalar(writer, node.left, scope), scalar(writer, node.right, scope), operator)


def _equals_literal(writer: Writer, collection: Flow, literal: Literal, operator: str) -> str:
    """An element, perhaps of several types, against a literal: what is of another type than the literal is unequal."""
    if collection.many:
        raise NotStatic
    value = _literal(writer, literal)
    condition = "False"
    for branch in collection.branches:
        type_name = writer.model.system_type(branch.type)
        if type_name == value.type or {type_name, value.type} <= _NUMBERS:
            element = of_flow(writer, Flow((branch,), False))
            condition = conditions.join("or", condition, _compare_scalars(writer, element, value, operator))
        elif type_name == "System.Quantity" or writer.model.is_abstract(branch.type):
            raise NotStatic
        elif operator == "!=":
            single = Flow((branch,), False)
            exists = (
                f"({of_flow(writer, single).expression} is not None)"
                if type_name
                else conditions.exists(writer, single)
            )
            condition = conditions.join("or", condition, exists)
    return condition


def _compare_scalars(writer: Writer, left: Scalar, right: Scalar, operator: str) -> str:
    if left.type in _DATES and right.type in _DATES and left.text and right.text:
        checks, one, other = _present(writer, left, right)
        return f"({' and '.join([*checks, f'compare_text({one}, {other}) in {_ORDERS[operator]}'])})"
    if left.type != right.type and not {left.type, right.type} <= _NUMBERS:
        raise NotStatic
    if left.type not in ("System.String", "System.Boolean", *_NUMBERS):
        raise NotStatic
    if left.type == "System.Boolean" and operator not in ("=", "!="):
        raise NotStatic
    if operator == "=" and not right.nullable:  # None equals no value
        return f"({left.expression} == {right.expression})"
    checks, one, other = _present(writer, left, right)
    return f"({' and '.join([*checks, f'{one} {_PYTHON[operator]} {other}'])})"


def _present(writer: Writer, left: Scalar, right: Scalar) -> tuple[list[str], str, str]:
    """(the tests that both values are there, the left one, the right one)."""
    checks, values = [], []
    for each in (left, right):
        value = each.expression
        if each.nullable:
            value = writer.temporary()
            checks.append(f"({value} := {each.expression}) is not None")
        values.append(value)
    return checks, values[0], values[1]
