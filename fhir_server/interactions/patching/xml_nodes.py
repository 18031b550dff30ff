"""Changes to a tree of lxml, where a text belongs to the element before it."""

from __future__ import annotations

import copy
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.core.errors import error


def is_value(node: Any) -> bool:
    """Whether a selected node is a text or an attribute, which lxml gives as a string that knows its element."""
    return isinstance(node, str)


def is_element(node: Any) -> bool:
    """Whether a node is an element, not a comment or processing instruction."""
    return not is_value(node) and isinstance(node.tag, str)


def set_value(node: Any, value: str | None) -> None:
    """Sets or, by None, removes an attribute or a text."""
    holder = node.getparent()
    if node.is_attribute:
        if value is None:
            del holder.attrib[node.attrname]
        else:
            holder.set(node.attrname, value)
    elif node.is_tail:
        holder.tail = value
    else:
        holder.text = value


def insert(parent: Any, index: int, content: Any, *, after_text: bool) -> None:
    """Puts copies of the text and nodes inside content before the child at index.

    after_text: whether they come after the text that stands at that place, or before it.
    """
    nodes = [copy.deepcopy(node) for node in content]
    standing, new = _text_at(parent, index), content.text or ""
    _set_text_at(parent, index, standing + new if after_text else new)
    parent[index:index] = nodes
    if not after_text:
        end = index + len(nodes)
        _set_text_at(parent, end, _text_at(parent, end) + standing)


def remove(node: Any) -> None:
    """Removes a node; the text after it stays."""
    parent = node.getparent()
    index = parent.index(node)
    tail, node.tail = node.tail or "", None
    parent.remove(node)
    _set_text_at(parent, index, _text_at(parent, index) + tail)


def with_prefix(element: Any, prefix: str, uri: str) -> Any:
    """A copy of the element that declares a prefix. FhirError malformed where it can't be one."""
    try:
        new = etree.Element(element.tag, dict(element.attrib), nsmap={**element.nsmap, prefix: uri})
    except ValueError as problem:
        raise error("malformed", f"The prefix {prefix} can't be declared: {problem}.") from None
    new.text = element.text
    new.extend([copy.deepcopy(child) for child in element])
    return new


def _text_at(parent: Any, index: int) -> str:
    return (parent[index - 1].tail if index else parent.text) or ""


def _set_text_at(parent: Any, index: int, text: str) -> None:
    if index:
        parent[index - 1].tail = text or None
    else:
        parent.text = text or None
