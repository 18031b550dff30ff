"""What is said of XML that R4 does not have (https://hl7.org/fhir/R4/xml.html)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fhir_server.codec.xml_shapes import FHIR, NARRATIVE, XHTML, Child, Shape
from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions


def unknown_element(name: str, shape: Shape) -> str:
    """An element that the type does not have."""
    known = [child.name for child in shape.children.values()]
    if name in shape.attributes:
        return f"{name} is an attribute of the element around it, not an element."
    spelled = next((child for child in known if child.startswith(name) and child[len(name) :][:1].isupper()), "")
    hint = f" Did you mean {spelled}?" if spelled else _nearest(name, known)
    return f"{shape.name} has no element {name}.{hint}"


def unknown_attribute(name: str, attributes: Iterable[str], known: frozenset[str]) -> str:
    """An attribute that the element does not have."""
    attribute = next(each for each in attributes if each not in known)
    allowed = f"only {' and '.join(sorted(known))}" if known else "no attributes"
    return f"<{name}> has an attribute {attribute.rpartition(' ')[2]}; R4 gives it {allowed}."


def wrong_resource(name: str, namespace: str, definitions: Definitions) -> str:
    """An element where a resource belongs that is none of FHIR's namespace, or of no type of R4's."""
    known = definitions.is_resource(name)
    if namespace != FHIR and not known:
        return (
            f'<{name}> has {_stated(namespace)} and is no resource of R4, which begins like <Patient xmlns="{FHIR}">.'
        )
    if namespace != FHIR:
        return f'<{name}> has {_stated(namespace)}; write <{name} xmlns="{FHIR}">.'
    return f"<{name}> is no resource type of R4.{_nearest(name, definitions.resource_types)}"


def wrong_namespace(namespace: str, child: Child) -> str:
    """An element of another namespace than its own."""
    right = XHTML if child.kind == NARRATIVE else FHIR
    return f'<{child.name}> has {_stated(namespace)}; write <{child.name} xmlns="{right}">.'


def misplaced(child: Child, shape: Shape, order: int) -> str:
    """An element that comes too late or twice; order: of the last one before."""
    if child.order == order:
        return f"<{child.name}> comes twice, or in two types; {shape.name} takes one."
    last = next(each for each in shape.children.values() if each.order == order)
    return f"<{child.name}> comes too late: its place is before <{last.name}>."


def with_others(problems: list[Issue], others: list[Issue]) -> list[Issue]:
    """The problems of a reading with what a check says of the resource that was read, each thing once."""
    told = {each.expression for each in problems}
    return problems + [each for each in others if each.severity != "error" or each.expression not in told]


def _stated(namespace: str) -> str:
    return f"the namespace {namespace}" if namespace else "no namespace"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""
