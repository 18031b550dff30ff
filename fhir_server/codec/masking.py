"""Elements that somebody may not see taken out of a resource, and put back into what that somebody writes.

Hidden elements are a tree of element names: {"address": {}, "name": {"given": {}}}; {} hides an element whole. Elements
of a choice go by their common name (value of valueQuantity). A narrative tells what elements say, so it is hidden with
them. What is cut carries the tag SUBSETTED, whether there was something to hide or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir_server.codec.summary import SUBSETTED
from fhir_server.core.errors import error
from fhir_server.definitions import Definitions

Tree = dict[str, Any]
Resource = dict[str, Any]
KEPT = frozenset({"id", "meta", "resourceType"})  # never hidden: a resource without them is none


def tree_of(definitions: Definitions, type: str, fields: Iterable[str]) -> Tree:
    """The tree of paths such as `address`, `name.given`, `valueQuantity`, `Patient.address`.

    Paths that the type has no such element for are left out.
    """
    found: list[Tree] = []
    for field in fields:
        first, _, rest = field.partition(".")
        if first[:1].isupper() and first != type:
            continue
        names = _elements(definitions, type, (rest if first == type else field).split("."))
        if names and names[0] not in KEPT:
            tree: Tree = {}
            for name in reversed(names):
                tree = {name: tree}
            found.append(tree)
    return joined(found)


def all_but(definitions: Definitions, type: str, fields: Iterable[str]) -> Tree:
    """The tree of everything but these elements, id and meta."""
    shown = {path[0] for field in fields if (path := _elements(definitions, type, [field.rpartition(".")[2]]))}
    return {e.name: {} for e in definitions.types[type].elements if e.name not in shown and e.name not in KEPT}


def _elements(definitions: Definitions, type: str, path: list[str]) -> list[str]:
    """The names of the elements on a path; [] where the type has none such."""
    for element in definitions.types[type].elements:
        for reference in element.types:
            if path[0] in (element.name, f"{element.name}[x]", element.property_name(reference.code)):
                if len(path) == 1:
                    return [element.name]
                deeper = _elements(definitions, reference.code, path[1:])
                if deeper:
                    return [element.name, *deeper]
    return []


def joined(trees: Iterable[Tree]) -> Tree:
    """What any of the trees hides."""
    whole: Tree = {}
    for tree in trees:
        for name, inside in tree.items():
            known = whole.get(name)
            if known is None:
                whole[name] = inside
            elif known and inside:
                whole[name] = joined((known, inside))
            else:
                whole[name] = {}
    return whole


def hides(tree: Tree, path: tuple[str, ...]) -> bool:
    """Whether what is read at a path, or below it, has something hidden in it."""
    for name in path:
        inside = tree.get(name)
        if inside is None:
            return False
        if not inside:
            return True
        tree = inside
    return bool(tree)


class Masking:
    """The masks of one caller: trees by resource type; for types of contained resources too."""

    def __init__(self, definitions: Definitions, trees: Callable[[str], Tree]) -> None:
        self._definitions = definitions
        self._trees = trees

    def masked(self, resource: Resource, tree: Tree) -> Resource:
        """A new resource without what the tree hides; resources inside it by their own trees."""
        type = resource.get("resourceType", "")
        if not self._definitions.is_resource(type):
            return resource
        kept = self._without(resource, tree, type) if tree else dict(resource)
        if tree:
            kept.pop("text", None)
            meta = dict(kept.get("meta") or {})
            tags = meta.get("tag") or []
            if not any(_subsetted(tag) for tag in tags):
                meta["tag"] = [*tags, SUBSETTED]
            front = {name: kept[name] for name in ("resourceType", "id") if name in kept}
            kept = {**front, "meta": meta, **{name: value for name, value in kept.items() if name != "meta"}}
        return {name: self._inside(value) if name not in KEPT else value for name, value in kept.items()}

    def _inside(self, value: Any) -> Any:
        """Resources within a value masked; the value itself where there are none."""
        if isinstance(value, list):
            return [self._inside(each) for each in value]
        if isinstance(value, dict):
            type = value.get("resourceType")
            if isinstance(type, str):
                return self.masked(value, self._trees(type))
            return {name: self._inside(each) for name, each in value.items()}
        return value

    def _without(self, node: Resource, tree: Tree, type: str) -> Resource:
        properties = self._definitions.properties(type)
        kept: Resource = {}
        for name, value in node.items():
            known = properties.get(name) or properties.get(name.removeprefix("_"))
            step = tree.get(known.element.name) if known else None
            if known is None or step is None:
                kept[name] = value
            elif step:
                value = self._part(value, step, known.type.code)
                if value not in (None, [], {}):
                    kept[name] = value
        return kept

    def _part(self, value: Any, tree: Tree, type: str) -> Any:
        if isinstance(value, list):
            parts = [self._part(each, tree, type) for each in value]
            return [part for part in parts if part not in (None, {})]
        return self._without(value, tree, type) if isinstance(value, dict) else value

    def merged(self, stored: Resource | None, sent: Resource, tree: Tree) -> Resource:
        """What is sent, by somebody who sees the masked resource only, with what is hidden kept as it is stored.

        FhirError "forbidden" where an element that is hidden, or hidden in part, was changed.
        """
        seen = self.masked(stored, tree) if stored else {}
        shown = self.masked(sent, tree)
        stored = stored or {}
        written: Resource = {}
        for name, value in sent.items():
            narrative = name == "text" and "text" not in tree
            if name in KEPT or narrative or (stored.get(name) == seen.get(name) and shown.get(name) == value):
                written[name] = value
            elif name in seen and seen[name] == value:
                written[name] = stored[name]
            else:
                raise error(
                    "forbidden",
                    f"You may not write {name}: it is hidden from you, all or a part of it. Leave it as it was given.",
                    expression=f"{sent.get('resourceType')}.{name.removeprefix('_')}",
                )
        for name, value in stored.items():
            if name not in sent and name not in seen and (name != "text" or "text" in tree):
                written[name] = value
        _untag(written, stored)
        return written


def _untag(written: Resource, stored: Mapping[str, Any]) -> None:
    """Takes away the tag that says that it was shown in part, as what is stored is whole."""
    meta = written.get("meta")
    before = stored.get("meta") or {}
    if not isinstance(meta, dict) or any(map(_subsetted, before.get("tag") or ())):
        return
    tags = [tag for tag in meta.get("tag") or () if not _subsetted(tag)]
    meta = {name: value for name, value in meta.items() if name != "tag"}
    written["meta"] = {**meta, "tag": tags} if tags else meta


def _subsetted(tag: Any) -> bool:
    return isinstance(tag, dict) and tag.get("code") == SUBSETTED["code"] and tag.get("system") == SUBSETTED["system"]
