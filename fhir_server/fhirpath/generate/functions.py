"""Whole functions from expressions: the values of a path, and whether an invariant holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.fhirpath import strings
from fhir_server.fhirpath.ast import Binary, Call, IndexVariable, Node, Total, children
from fhir_server.fhirpath.environment import Environment
from fhir_server.fhirpath.generate import conditions, navigation, scalars
from fhir_server.fhirpath.generate.flow import Branch, Flow, NotStatic, TooLarge
from fhir_server.fhirpath.generate.writer import Scope, Writer, block
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.references import target_type
from fhir_server.fhirpath.temporal import compare_text
from fhir_server.fhirpath.xhtml import html_checks

# what JSON of a wrong shape makes of generated code; the engine then says what is wrong
SHAPE_ERRORS = (AttributeError, TypeError, KeyError, IndexError)

_SYSTEM_TO_FHIR = {"System.DateTime": "dateTime"}


def is_dynamic(node: Node) -> bool:
    """Whether a part of an expression depends on more than $this and the resource."""
    if isinstance(node, (IndexVariable, Total)) or (isinstance(node, Call) and node.name == "defineVariable"):
        return True
    return any(is_dynamic(child) for child in children(node))


def root_type_of(model: Model, context_type: str) -> str:
    """The resource type that a context lies in: Patient for Patient.contact; "" for a data type."""
    root = context_type.partition(".")[0]
    return root if model.is_resource(root) else ""


def fhir_name(type_name: str) -> str:
    """The FHIR type that a System type is written as: System.Boolean -> boolean."""
    if not type_name.startswith("System."):
        return type_name
    name = type_name[7:]
    return _SYSTEM_TO_FHIR.get(type_name) or (name if name == "Quantity" else name[0].lower() + name[1:])


def target_type_function(model: Model) -> Callable[[dict[str, Any], Any, Environment | None], str]:
    """references.target_type as generated code calls it."""

    def find(reference: dict[str, Any], root: Any, environment: Environment | None) -> str:
        return target_type(reference, root, environment.resolve if environment else None, model.is_resource)

    return find


def has_child(element: dict[str, Any], names: frozenset[str]) -> bool:
    """Whether an element has one of these properties."""
    for name, content in element.items():  # noqa: SIM110  three times as quick as any()
        if name in names and content is not None and content != []:
            return True
    return False


def new_writer(model: Model, context_type: str, strict: bool, run: Callable[..., Any]) -> Writer:
    """A Writer whose names have all that generated code calls."""
    writer = Writer(model, root_type_of(model, context_type), strict, run)
    writer.names |= {name: getattr(strings, name) for name in scalars.STRING_FUNCTIONS}
    writer.names |= {
        "compare_text": compare_text,
        "target_type": target_type_function(model),
        "has_child": has_child,
        "htmlChecks": html_checks,
    }
    return writer


def compile_function(writer: Writer, name: str, lines: Iterable[str], parameters: str) -> Callable[..., Any]:
    """The function of these lines, with the helpers that the writer has collected."""
    body = "\n".join(f"    {line}" for line in lines)
    source = "\n".join([*writer.functions, f"def {name}({parameters}):\n{body}"])
    try:
        code = compile(source, f"<fhirpath {name}>", "exec")
    except (SyntaxError, RecursionError, MemoryError):  # more nested blocks or parentheses than Python takes
        raise NotStatic from None
    namespace = dict(writer.names)
    exec(code, namespace)
    return namespace[name]


def _prelude(writer: Writer, lines: list[str]) -> list[str]:
    found = ["if root is None: root = item"] if writer.root_type else []
    # parts that the engine runs share one budget, made by the first of them
    return [*found, "budget = []"] if any("budget" in line for line in lines) else found


def type_expression(branch: Branch, variable: str) -> str:
    """An expression for the FHIR type of an item in a variable."""
    if branch.type == "Resource":
        return f"{variable}.get('resourceType', 'Resource')"
    return repr(fhir_name(branch.type))


def result_flow(writer: Writer, node: Node, scope: Scope, *, loose: bool) -> Flow:
    """The flow of a whole expression; a computed value counts as a flow of one item. loose: see navigation.flow."""
    try:
        return navigation.flow(writer, node, scope, loose)
    except NotStatic:
        value = scalars.scalar(writer, node, scope)
        return Flow((Branch((), value.expression, value.type, value.nullable),), False)


def generate_values(
    model: Model, node: Node, context_type: str, strict: bool, run: Callable[..., Any], fallback: Callable[..., Any]
) -> Callable[..., list[tuple[str, Any]]]:
    """values(resource, root, environment) as generated code. NotStatic where there is no generated form."""
    if is_dynamic(node):
        raise NotStatic
    writer = new_writer(model, context_type, strict, run)
    try:
        scope = Scope(navigation.context_branch(context_type))
        parts = [result_flow(writer, part, scope, loose=False) for part in _united(node)]
    except (TooLarge, RecursionError):
        raise NotStatic from None
    lines = ["found = []", "try:"]
    branches = [branch for part in parts for branch in part.branches]
    for branch in branches:
        if branch.nullable:
            variable = branch.value if branch.in_array else writer.variable(branch.value)
            test = f"{variable} is not None" if branch.in_array else f"({variable} := {branch.value}) is not None"
            check = [f"if {test}: found.append(({type_expression(branch, variable)}, {variable}))"]
        else:
            check = [f"found.append(({type_expression(branch, branch.value)}, {branch.value}))"]
        lines += [f"  {line}" for line in block(branch.steps, check)]
    if not branches:
        lines.append("  pass")
    lines += ["except SHAPE_ERRORS: return fallback(item, root, environment)"]
    lines.append("return distinct(found)" if len(parts) > 1 else "return found")
    writer.names |= {"SHAPE_ERRORS": SHAPE_ERRORS, "fallback": fallback, "distinct": distinct}
    return compile_function(writer, "values", _prelude(writer, lines) + lines, "item, root=None, environment=None")


def distinct(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Without values that are there already, as | has it."""
    found: list[tuple[str, Any]] = []
    for pair in pairs:
        value = pair[1]
        if not any(value == other and isinstance(value, bool) == isinstance(other, bool) for _, other in found):
            found.append(pair)
    return found


def _united(node: Node) -> list[Node]:
    """The operands of the unions at the top of an expression; the expression where there is none."""
    if isinstance(node, Binary) and node.operator == "|":
        return _united(node.left) + _united(node.right)
    return [node]


def generate_condition(
    model: Model,
    node: Node,
    context_type: str,
    strict: bool,
    wanted: bool,
    run: Callable[..., Any],
    fallback: Callable[..., Any],
) -> Callable[..., bool]:
    """(resource, root, environment) -> whether the result is true, or whether it is false, as generated code.

    NotStatic where there is no generated form.
    """
    if is_dynamic(node):
        raise NotStatic
    writer = new_writer(model, context_type, strict, run)
    try:
        condition = conditions.decide(writer, node, Scope(navigation.context_branch(context_type)), wanted)
    except (TooLarge, RecursionError):
        raise NotStatic from None
    lines = ["try:", f"  return True if {condition} else False"]
    lines += ["except SHAPE_ERRORS: return fallback(item, root, environment)"]
    writer.names |= {"SHAPE_ERRORS": SHAPE_ERRORS, "fallback": fallback}
    return compile_function(writer, "condition", _prelude(writer, lines) + lines, "item, root=None, environment=None")
