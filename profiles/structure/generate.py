"""The Python source of the checking functions of one type.

An object is walked once, property by property. Types with few properties compare names one after another and test
primitives in place; types with many look the property up in a table of functions.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.definitions import Definitions, Element, TypeDefinition, TypeReference
from profiles.structure.names import KindNames, identifier
from profiles.structure.primitives import NUMBERS, REMEMBERED, TEXTS
from profiles.structure.rules import Rule

MAX_CHAIN = 8  # properties up to which comparing names beats a table


class Source(NamedTuple):
    """Generated source; tables: constant name -> property -> name of the function that checks its value.

    choices: constant name -> property -> (element, property without underscore, function name).
    """

    text: str
    tables: dict[str, dict[str, str]]
    choices: dict[str, dict[str, tuple[str, str, str]]]


def accepts(primitive: str, value: str) -> str:
    """A Python condition that holds where the variable `value` has what this primitive type takes."""
    if primitive == "boolean":
        return f"{value} is True or {value} is False"
    if primitive == "decimal":
        return f"is_decimal({value})"
    if primitive in NUMBERS:
        low, high = NUMBERS[primitive]
        return f"type({value}) is int and {low} <= {value} <= {high}"
    if primitive in TEXTS:
        return f"type({value}) is str and 0 < len({value}) < 1048577 and ({value}.isprintable() or is_text({value}))"
    known = f"{value} in KNOWN_{primitive} or " if primitive in (*REMEMBERED, "mime") else ""
    return f"type({value}) is str and ({known}is_{primitive}({value}))"


def value_source(kind: str, condition: str, explain: str) -> str:
    """check_ and array_ of a kind of value that one condition decides."""
    return f"""
def check_{kind}(value):
    if {condition}:
        return None
    return {explain}
{array_source(kind, condition)}"""


def array_source(kind: str, condition: str = "") -> str:
    """array_ of a kind: every item by the condition on `value`, or else by check_kind.

    What check_kind finds is handed on: to check it again would double the work with each level of nesting.
    """
    if condition:
        return f"""
def array_{kind}(values):
    if type(values) is list and values:
        for value in values:
            if not ({condition}):
                break
        else:
            return None
    return array_problems(values, check_{kind})
"""
    return f"""
def array_{kind}(values):
    value = found = None
    if type(values) is list and values:
        for value in values:
            found = check_{kind}(value)
            if found is not None:
                break
        else:
            return None
    return array_problems(values, check_{kind}, value, found)
"""


def primitive_source(name: str) -> str:
    """check_ and array_ of a primitive type."""
    return value_source(name, accepts(name, "value"), f"explain({name!r}, value)")


def code_source(kind: str) -> str:
    """check_ and array_ of a code with a required binding; CODES_kind and SET_kind hold its codes and value set."""
    condition = f"type(value) is str and value in CODES_{kind}"
    return value_source(kind, condition, f"wrong_code(value, CODES_{kind}, SET_{kind})")


def coded_source(kind: str, base: str) -> str:
    """check_ and array_ of a CodeableConcept or Coding with a required binding."""
    return f"""
def check_{kind}(value):
    found = check_{base}(value)
    return check_coded(value, CODES_{kind}, SET_{kind}) if found is None else found
{array_source(kind)}"""


def ruled_source(kind: str, base: str) -> str:
    """check_ and array_ of values to which an element adds invariants, held by RULES_kind."""
    return f"""
def check_{kind}(value):
    return late_rules(check_{base}(value), value, RULES_{kind})
{array_source(kind)}"""


def reference_source(kind: str) -> str:
    """check_ and array_ of a Reference; TARGETS_kind holds the types that it may point to."""
    return f"""
def check_{kind}(value):
    found = check_Reference(value)
    if found is None:
        text = value.get("reference")
        if "type" not in value:
            if text is None:
                return None
            local = local_reference(text)
            if local and local[1] in TARGETS_{kind}:
                return None
        return target_problem(value, TARGETS_{kind})
    return found
{array_source(kind)}"""


def type_source(
    definition: TypeDefinition, definitions: Definitions, kinds: KindNames, rules: list[Rule], native: str
) -> Source:
    """check_T and array_T of a resource, data type or backbone element, with its rules.

    native: the name of a function (found, value) -> problems that checks more of this type, "" for none.
    """
    name = identifier(definition.name)
    single: list[tuple[str, str, str]] = []  # property, function, condition in place or ""
    choices: dict[str, tuple[str, str, str]] = {}
    required: list[str] = []
    for element in definition.elements:
        if element.name == "id" and definition.kind != "resource":
            continue
        for reference in element.types if element.choice else element.types[:1]:
            property_name = element.property_name(reference.code)
            function = ("array_" if element.repeats else "check_") + kinds.kind(definition, element, reference)
            primitive = definitions.is_primitive(reference.code)
            if element.choice:
                choices[property_name] = (element.name, property_name, function)
                if primitive:
                    choices["_" + property_name] = (element.name, property_name, "check_twin")
            else:
                single.append((property_name, function, _condition(element, reference, function, primitive)))
        if element.min:
            required.append(_required(definition, element, definitions))
    table = definition.kind == "resource" or len(single) > MAX_CHAIN
    walk = _by_table(name, bool(choices)) if table else _by_chain(name, single, bool(choices))
    start = "    choice = None\n" if choices else ""
    text = f"""
def check_{name}(value):
    if type(value) is not dict or not value:
        return not_object(value, SHAPE_{name})
    found = None
{start}    for key, item in value.items():
{walk}{"".join(required)}{_ext_1(definition)}{_dom_3(definition)}{_rules(name, rules)}{_native(native)}    return found
{array_source(name)}"""
    tables = {f"TABLE_{name}": {key: function for key, function, _ in single}} if table else {}
    if definition.kind == "resource":
        tables[f"TABLE_{name}"]["resourceType"] = "check_accepted"
    return Source(text, tables, {f"CHOICES_{name}": choices} if choices else {})


def _condition(element: Element, reference: TypeReference, function: str, primitive: bool) -> str:
    if element.repeats or not primitive or reference.code == "xhtml":
        return ""
    kind = function.removeprefix("check_")
    if kind.startswith("ruled_"):
        return ""
    if kind not in (reference.code, "mime"):
        return f"type(item) is str and item in CODES_{kind}"
    return accepts(kind, "item")


def _required(definition: TypeDefinition, element: Element, definitions: Definitions) -> str:
    name = element.name
    if element.choice:
        condition = f"choice is None or {name!r} not in choice"
    elif definitions.is_primitive(element.types[0].code):
        condition = f"{name!r} not in value and '_{name}' not in value"
    else:
        condition = f"{name!r} not in value"
    return f"    if {condition}:\n        found = missing(found, {name!r}, SHAPE_{identifier(definition.name)})\n"


def _ext_1(definition: TypeDefinition) -> str:
    if not any(invariant.key == "ext-1" for invariant in definition.invariants):
        return ""
    return "    if (choice is None) == ('extension' not in value):\n        found = extension_problem(found, choice)\n"


def _dom_3(definition: TypeDefinition) -> str:
    if not any(invariant.key == "dom-3" for invariant in definition.invariants):
        return ""
    return "    if 'contained' in value:\n        found = unreferenced_contained(found, value)\n"


def _native(function: str) -> str:
    return f"    found = {function}(found, value)\n" if function else ""


def _rules(name: str, rules: list[Rule]) -> str:
    if not rules:
        return ""
    lines = []
    for rule in rules:
        if rule.needs_resource:
            lines.append(f"            found = ask(found, RULE_{rule.name}, value)\n")
        else:
            lines.append(f"            if not HOLDS_{rule.name}(value, value):\n")
            lines.append(f"                found = broken(found, RULE_{rule.name})\n")
    return f"""    if found is None:
        try:
{"".join(lines)}        except FhirPathError:
            found = late_rules(None, value, RULES_{name})
    else:
        found = late_rules(found, value, RULES_{name})
"""


def _choice_branch(name: str) -> str:
    return f"""
        elif key in CHOICES_{name}:
            element, chosen, check = CHOICES_{name}[key]
            if choice is None:
                choice = {{element: chosen}}
            elif choice.setdefault(element, chosen) != chosen:
                found = second_choice(found, element, chosen, choice)
                continue
            problems = check(item)
            if problems is not None:
                found = under(found, "." + element, problems)"""


def _other_branch(name: str) -> str:
    return f"""
        else:
            found = other(found, value, key, item, SHAPE_{name})
"""


def _by_table(name: str, choices: bool) -> str:
    return f"""        if key in TABLE_{name}:
            problems = TABLE_{name}[key](item)
            if problems is not None:
                found = under(found, "." + key, absolved(problems, value, key)){
        _choice_branch(name) if choices else ""
    }{_other_branch(name)}"""


def _by_chain(name: str, single: list[tuple[str, str, str]], choices: bool) -> str:
    branches = []
    for key, function, condition in single:
        test = f"            if {condition}:\n                continue\n" if condition else ""
        branches.append(f"""        {"elif" if branches else "if"} key == {key!r}:
{test}            problems = {function}(item)
            if problems is not None:
                found = under(found, ".{key}", absolved(problems, value, key))""")
    return "\n".join(branches) + (_choice_branch(name) if choices else "") + _other_branch(name)
