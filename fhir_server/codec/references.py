"""References inside resources: find them, read them, rewrite them (https://hl7.org/fhir/R4/references.html).

A transaction calls these for each of its resources, so the walk follows a plan made once per type from the definitions:
it looks only at elements that hold a link, and at those that have such elements inside.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, load

# The types whose values a transaction rewrites; canonical is left out by R4: http.html#trules. That names oid and uuid
# too, but Type/id, as a transaction has it, is neither.
_LINK_TYPES = frozenset({"uri", "url"})

_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?(?:#.*)?\Z")
_LITERAL_OR_CONDITIONAL = re.compile(rf"{_LITERAL.pattern}|([A-Z][A-Za-z]+)\?(.+)\Z", re.DOTALL)
_NARRATIVE_LINK = re.compile(r"""(\s(?:href|src)\s*=\s*)(?:"([^"]*)"|'([^']*)')""")


class LocalReference(NamedTuple):
    """A literal reference to a resource of this server; version "" where it names none."""

    type: str
    id: str
    version: str = ""


def parse_reference(text: str, base_url: str = "") -> LocalReference | None:
    """A reference Type/id or Type/id/_history/version, relative or below base_url; None for any other."""
    found = _LITERAL.match(_relative(text, base_url))
    return LocalReference(found[1], found[2], found[3] or "") if found else None


def _relative(text: str, base_url: str) -> str:
    if base_url and text.startswith(base_url):
        rest = text[len(base_url) :]
        if rest[:1] == "/" or base_url[-1] == "/":
            return rest.removeprefix("/")
    return text


def localise(resource: dict[str, Any], base_url: str) -> bool:
    """Makes, in place, references below base_url relative; whether there was one. Bundles inside stay as they are.

    Those by criteria too in a Bundle, which is a batch or transaction: nothing else resolves them.
    """
    prefix = base_url + "/"
    local = _LITERAL_OR_CONDITIONAL if resource.get("resourceType") == "Bundle" else _LITERAL
    found = False
    waiting: list[Any] = [resource]
    while waiting:
        node = waiting.pop()
        if type(node) is dict:
            text = node.get("reference")
            if type(text) is str and text.startswith(prefix) and local.match(text, len(prefix)):
                node["reference"] = text[len(prefix) :]
                found = True
            if node is not resource and node.get("resourceType") == "Bundle":
                continue
            node = node.values()
        waiting += [child for child in node if type(child) in (dict, list)]
    return found


def rewrite(
    resource: dict[str, Any],
    mapping: dict[str, str],
    definitions: Definitions | None = None,
    links: dict[str, str] | None = None,
) -> None:
    """Replaces, in place, each link that is a key of mapping, with or without a #fragment after it, which stays.

    Links are Reference.reference, elements of type uri and url, and href and src of narratives
    (https://hl7.org/fhir/R4/http.html#trules); contained resources are walked too, and those in the entries of a
    Bundle, but for links to others of its entries. links: the mapping of all but references, where it is another.
    """
    if mapping:
        plan = _plans((definitions or load()).official).resource(resource)
        _rewrite(resource, plan, mapping, mapping if links is None else links)


def rewrite_plain(resource: dict[str, Any], mapping: dict[str, str]) -> None:
    """Replaces, in place, each Reference.reference that is a key of mapping and stands where most do: in an element of
    the resource or of one of its lists. It takes a tenth of `rewrite`, which finds the others."""
    for value in resource.values():
        kind = type(value)
        if kind is dict:
            if "reference" in value:
                _rewrite_one(value, mapping)
        elif kind is list:
            for child in value:
                if type(child) is dict:
                    if "reference" in child:
                        _rewrite_one(child, mapping)
                    for inner in child.values():
                        if type(inner) is dict and "reference" in inner:
                            _rewrite_one(inner, mapping)


def _rewrite_one(reference: dict[str, Any], mapping: dict[str, str]) -> None:
    text = reference["reference"]
    if type(text) is str and (new := mapping.get(text)):
        reference["reference"] = new


def references(resource: dict[str, Any], definitions: Definitions | None = None) -> list[tuple[str, str]]:
    """(FHIRPath of the Reference, its literal text) for every Reference.reference, those of contained ones included.

    References within a Bundle to others of its entries are left out.
    """
    plans = _plans((definitions or load()).official)
    found: list[tuple[str, str]] = []
    _collect(resource, plans.resource(resource), found)
    return [(str(resource.get("resourceType")) + path, text) for path, text in found]


class _Plan(dict[str, Any]):
    """What to do with each property of a type: _LINK, _REFERENCE, _NARRATIVE, a plan, or how to choose a plan.

    choices: the element name of properties that spell out a choice (valueReference: value); bundle: whether it is that
    of a Bundle, whose entries refer to one another by their fullUrls.
    """

    __slots__ = ("bundle", "choices")

    def __init__(self) -> None:
        super().__init__()
        self.choices: dict[str, str] = {}
        self.bundle = False


_LINK, _REFERENCE, _NARRATIVE = "link", "reference", "narrative"
_NOTHING = _Plan()


class _Plans:
    """The plans of all types, each made when it is first needed."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._plans: dict[str, _Plan] = {}

    def resource(self, resource: dict[str, Any]) -> _Plan:
        """The plan of a resource; one that has nothing to do where its type is unknown."""
        name = resource.get("resourceType")
        if not isinstance(name, str):
            return _NOTHING
        plan = self._plans.get(name)
        if plan is None:
            plan = self.of(name) if self._definitions.is_resource(name) else _NOTHING
        return plan

    def of(self, type_name: str) -> _Plan:
        plan = self._plans.get(type_name)
        if plan is None:
            plan = self._plans[type_name] = _Plan()
            plan.bundle = type_name == "Bundle"
            for name, (element, reference, primitive) in self._definitions.properties(type_name).items():
                step = self._step(type_name, element.name, reference.code, primitive)
                if step is not None:
                    plan[name] = step
                if primitive:
                    plan["_" + name] = self.of("Element")
                if element.choice:
                    plan.choices[name] = plan.choices["_" + name] = element.name
        return plan

    def _step(self, type_name: str, element: str, code: str, primitive: bool) -> Any:
        if code in _LINK_TYPES:
            return _LINK if (type_name, element) != ("Bundle.entry", "fullUrl") else None
        if (type_name, element) == ("Reference", "reference"):
            return _REFERENCE
        if code == "xhtml":
            return _NARRATIVE
        if primitive:
            return None
        return self.resource if code == "Resource" else self.of(code)


@functools.lru_cache(maxsize=8)
def _plans(definitions: Definitions) -> _Plans:
    return _Plans(definitions)


def _full_urls(bundle: dict[str, Any]) -> set[str]:
    """The identities of a Bundle's entries."""
    entries = bundle.get("entry")
    urls = [each.get("fullUrl") for each in entries if type(each) is dict] if type(entries) is list else []
    return {url for url in urls if type(url) is str}


def _rewrite(node: dict[str, Any], plan: _Plan, mapping: dict[str, str], links: dict[str, str]) -> None:
    if plan.bundle:
        own = _full_urls(node)
        mapping, links = ({link: new for link, new in each.items() if link not in own} for each in (mapping, links))
    for name, value in node.items():
        step = plan.get(name)
        if step is None:
            continue
        kind = type(value)
        if kind is str:
            if step is _NARRATIVE:
                node[name] = _rewrite_narrative(value, links)
            elif type(step) is str:
                known = mapping if step is _REFERENCE else links
                new = known.get(value)
                if new is None and "#" in value:
                    new = _before_fragment(value, known)
                if new:
                    node[name] = new
        elif kind is dict:
            if type(step) is _Plan:
                _rewrite(value, step, mapping, links)
            elif type(step) is not str:
                _rewrite(value, step(value), mapping, links)
        elif kind is list:
            if type(step) is _Plan:
                for child in value:
                    if type(child) is dict:
                        _rewrite(child, step, mapping, links)
            elif type(step) is not str:
                for child in value:
                    if type(child) is dict:
                        _rewrite(child, step(child), mapping, links)
            else:
                node[name] = [
                    (links.get(text) or _before_fragment(text, links) or text) if type(text) is str else text
                    for text in value
                ]


def _before_fragment(text: str, mapping: dict[str, str]) -> str | None:
    if "#" not in text:
        return None
    link, _, fragment = text.partition("#")
    new = mapping.get(link)
    return f"{new}#{fragment}" if new else None


def _rewrite_narrative(div: str, mapping: dict[str, str]) -> str:
    if "href" not in div and "src" not in div:
        return div

    def replaced(found: re.Match[str]) -> str:
        text = html.unescape(found[2] if found[2] is not None else found[3])
        new = mapping.get(text) or _before_fragment(text, mapping)
        return f'{found[1]}"{html.escape(new)}"' if new else found[0]

    return _NARRATIVE_LINK.sub(replaced, div)


def _collect(node: dict[str, Any], plan: _Plan, found: list[tuple[str, str]]) -> None:
    """Appends (path below node, text) of each reference; paths are put together only where there is one."""
    before = len(found)
    for name, value in node.items():
        step = plan.get(name)
        if step is None or step is _LINK or step is _NARRATIVE:
            continue
        kind = type(value)
        if step is _REFERENCE:
            if kind is str:
                found.append(("", value))
        elif kind is dict:
            _collect_child(value, step, found, plan, name, "")
        elif kind is list:
            for index, child in enumerate(value):
                if type(child) is dict:
                    _collect_child(child, step, found, plan, name, f"[{index}]")
    if plan.bundle and len(found) > before:
        own = _full_urls(node)
        found[before:] = [each for each in found[before:] if each[1] not in own]


def _collect_child(
    child: dict[str, Any],
    step: _Plan | Callable[[dict[str, Any]], _Plan],
    found: list[tuple[str, str]],
    parent: _Plan,
    name: str,
    index: str,
) -> None:
    before = len(found)
    _collect(child, step if isinstance(step, _Plan) else step(child), found)
    if len(found) > before:
        here = f".{parent.choices.get(name, name).removeprefix('_')}{index}"
        found[before:] = [(here + path, text) for path, text in found[before:]]
