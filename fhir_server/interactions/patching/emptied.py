"""What a removal leaves empty: FHIR has no empty arrays, objects or elements."""

from __future__ import annotations

from typing import Any


def without_emptied(document: Any, emptied: list[Any]) -> Any:
    """The document without those of these containers that are empty now, and what becomes empty by that; in place.

    Containers that a patch brought empty stay, for validation to refuse.
    """
    marked = {id(container) for container in emptied if not container}
    if marked:
        _prune(document, marked)
    return document


def _prune(node: Any, marked: set[int]) -> bool:
    """Whether the node has to go."""
    if isinstance(node, dict):
        gone = [name for name, child in node.items() if _prune(child, marked)]
        for name in gone:
            del node[name]
    elif isinstance(node, list):
        kept = [child for child in node if not _prune(child, marked)]
        gone = len(kept) < len(node)
        node[:] = kept
    else:
        return False
    return not node and (bool(gone) or id(node) in marked)
