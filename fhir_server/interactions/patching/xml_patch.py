"""XML Patch (https://www.rfc-editor.org/rfc/rfc5261) on the XML of a resource.

White space between elements means nothing in FHIR, so `ws` of a removal is accepted and has no effect.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.codec import xml
from fhir_server.codec.xml_tree import parse_tree
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.interactions.patching.selector import PREFIXES, to_xpath
from fhir_server.interactions.patching.xml_nodes import insert, is_element, is_value, remove, set_value, with_prefix

_POSITIONS = ("before", "after", "prepend")


def apply(resource: dict[str, Any], document: bytes, definitions: Definitions) -> dict[str, Any]:
    """The patched copy; document: the XML of the patch.

    FhirError malformed where the document is no XML Patch, unprocessable where an operation can't be applied or leaves
    what is no resource in XML; nothing changes.
    """
    before = xml.serialize(resource, definitions)
    after = apply_operations(before, document)
    try:
        patched = xml.parse(after, definitions)
    except FhirError as problem:
        raise error("unprocessable", f"The XML Patch leaves no R4 resource: {problem}") from None
    # A tree does not keep the letters of a narrative; those that the patch left alone come back from the resource.
    plain = xml.parse(etree.tostring(parse_tree(before)), definitions)
    letters = dict(zip(_narratives(plain), _narratives(resource), strict=True))
    _restore(patched, letters)
    return patched


def apply_operations(document: bytes, patch: bytes) -> bytes:
    """RFC 5261 itself, on any XML document."""
    target = _Target(parse_tree(document))
    operations = parse_tree(patch)
    if etree.QName(operations).localname not in ("diff", "patch"):
        raise error(
            "malformed", f"An XML Patch is a <diff> or <patch> element, not <{etree.QName(operations).localname}>."
        )
    elements = [node for node in operations if isinstance(node.tag, str)]
    if not elements:
        raise error("malformed", "The XML Patch has no operations; put <add>, <replace> or <remove> inside.")
    for index, element in enumerate(elements):
        _Operation(target, element, index).run()
    return etree.tostring(target.root)


class _Target:
    """The document on its way: its root may be replaced."""

    def __init__(self, root: Any) -> None:
        self.root = root

    def replace(self, old: Any, new: Any) -> None:
        """Puts an element in the place of another."""
        new.tail = old.tail
        if old is self.root:
            new.tail = None
            self.root = new
        else:
            old.getparent().replace(old, new)


class _Operation:
    """One operation, with what its errors need to say where they are."""

    def __init__(self, target: _Target, element: Any, index: int) -> None:
        self.target = target
        self.element = element
        self.index = index
        self.name = etree.QName(element).localname
        self.sel = element.get("sel", "")

    def run(self) -> None:
        """Changes the target."""
        action = _ACTIONS.get(self.name)
        if action is None:
            raise self.malformed("is none of <add>, <replace>, <remove>")
        action(self, self.selected())

    def add(self, node: Any) -> None:
        position, kind = self.element.get("pos"), self.element.get("type")
        if position not in (None, *_POSITIONS):
            raise self.malformed(f"has pos={position!r}; use {', '.join(_POSITIONS)}, or none to append")
        if kind is not None:
            self.add_to_tag(node, kind)
        elif position in ("before", "after"):
            self.add_beside(node, position)
        elif not is_element(node):
            raise self.unprocessable("selects no element to add to")
        elif position == "prepend":
            insert(node, 0, self.element, after_text=False)
        else:
            insert(node, len(node), self.element, after_text=True)

    def add_to_tag(self, node: Any, kind: str) -> None:
        """An attribute, or the declaration of a prefix."""
        if not is_element(node):
            raise self.unprocessable("selects no element to add to")
        if kind.startswith("@"):
            name = self.attribute_name(kind[1:])
            if node.get(name) is not None:
                raise self.unprocessable(f"adds the attribute {kind[1:]}, which is there; replace it")
            node.set(name, self.text())
        elif kind.startswith("namespace::"):
            self.target.replace(node, with_prefix(node, kind[len("namespace::") :], self.text()))
        else:
            raise self.malformed(f"has type={kind!r}; use @name or namespace::prefix")

    def add_beside(self, node: Any, position: str) -> None:
        """Content before or after a node."""
        parent = None if is_value(node) else node.getparent()
        if parent is None:
            raise self.unprocessable("selects no element or comment inside the resource to stand beside")
        before = position == "before"
        insert(parent, parent.index(node) + (not before), self.element, after_text=before)

    def replace(self, node: Any) -> None:
        if is_value(node):
            set_value(node, self.text())
            return
        kind = "an element" if is_element(node) else "a comment or processing instruction"
        content = [child for child in self.element if is_element(child) == is_element(node)]
        if len(content) != 1 or len(self.element) != 1:
            raise self.malformed(f"replaces {kind}; put exactly one inside")
        self.target.replace(node, copy.deepcopy(content[0]))

    def remove(self, node: Any) -> None:
        if self.element.get("ws") not in (None, "before", "after", "both"):
            raise self.malformed("has a ws that is not before, after or both")
        if is_value(node):
            set_value(node, None)
        elif node.getparent() is None:
            raise self.unprocessable("would remove the whole resource; delete it instead")
        else:
            remove(node)

    def selected(self) -> Any:
        """The one node that sel selects."""
        if not self.sel:
            raise self.malformed("needs a sel attribute, a path such as f:Patient/f:birthDate")
        prefixes = {prefix: uri for prefix, uri in self.element.nsmap.items() if prefix}
        try:
            nodes = etree.ElementTree(self.target.root).xpath(to_xpath(self.sel), namespaces={**PREFIXES, **prefixes})
        except ValueError as problem:
            raise self.malformed(f"has a sel that {problem}") from None
        except etree.XPathError as problem:
            raise self.malformed(f"has a sel that is no path: {problem}") from None
        if not isinstance(nodes, list):
            raise self.malformed("has a sel that gives a value, not a node")
        if len(nodes) != 1:
            found = f"{len(nodes)} nodes; make it select one" if nodes else "nothing"
            raise self.unprocessable(f"selects {found}")
        return nodes[0]

    def attribute_name(self, name: str) -> str:
        """An attribute's name as the tree has it: {namespace}name where it has a prefix."""
        prefix, _, local = name.rpartition(":")
        uri = self.element.nsmap.get(prefix) if prefix else ""
        if not local or uri is None:
            raise self.malformed(f"names no attribute by @{name}")
        try:
            return etree.QName(uri or None, local).text
        except ValueError:
            raise self.malformed(f"names no attribute by @{name}") from None

    def text(self) -> str:
        """Content that must be text."""
        if len(self.element):
            raise self.malformed("needs text inside, not elements")
        return self.element.text or ""

    def unprocessable(self, problem: str) -> FhirError:
        """The error where the patch is one, but can't be applied."""
        return error("unprocessable", f"{self.place()} {problem}. Nothing was changed.", location=f"[{self.index}]")

    def malformed(self, problem: str) -> FhirError:
        """The error where the document is no XML Patch."""
        return error("malformed", f"{self.place()} {problem}.", location=f"[{self.index}]")

    def place(self) -> str:
        """Which operation it is, counted from 0."""
        return (
            f"Operation {self.index} (<{self.name}{f' sel={self.sel[:200]!r}' if self.sel else ''}>) of the XML Patch"
        )


_ACTIONS: dict[str, Callable[[_Operation, Any], None]] = {
    "add": _Operation.add,
    "replace": _Operation.replace,
    "remove": _Operation.remove,
}


def _narratives(node: Any) -> Iterator[str]:
    """Every div of a resource, in an order that depends on the content only."""
    if isinstance(node, dict):
        for name in sorted(node):
            if name == "div" and isinstance(node[name], str):
                yield node[name]
            else:
                yield from _narratives(node[name])
    elif isinstance(node, list):
        for child in node:
            yield from _narratives(child)


def _restore(node: Any, letters: dict[str, str]) -> None:
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "div" and isinstance(child, str):
                node[name] = letters.get(child, child)
            else:
                _restore(child, letters)
    elif isinstance(node, list):
        for child in node:
            _restore(child, letters)
