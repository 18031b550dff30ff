"""Which entries of a document its Composition leads to (https://hl7.org/fhir/R4/documents.html#content)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems

Json = dict[str, Any]

POINTS_BACK = ("Provenance",)  # may be in a document because of what they point to


def document_problems(bundle: Json, context: Context) -> Problems:
    """A warning for each entry of a document that references from its Composition do not lead to; [] for other Bundles.

    What a link of the Bundle names (a stylesheet) belongs to it too. Nothing is said of a Bundle within another.
    """
    entries = bundle.get("entry")
    if bundle.get("type") != "document" or not isinstance(entries, list) or context.shared.bundle is not bundle:
        return []
    resources = {
        position: entry["resource"]
        for position, entry in enumerate(entries)
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
    }
    places = {id(resource): position for position, resource in resources.items()}
    links = {at: _named(resource, _base(entries[at]), context, places) for at, resource in resources.items()}
    reached: set[int] = set()
    base = _base(entries[0]) if 0 in resources else ""
    _follow([0, *_named(bundle.get("link"), base, context, places)], links, reached)
    backwards: list[int] = []
    while pointing := [at for at in links if at not in reached and links[at] & reached]:
        backwards += [at for at in pointing if resources[at].get("resourceType") not in POINTS_BACK]
        _follow(pointing, links, reached)
    text = "no reference from the Composition leads to this resource{}: refer to it, or leave it out of the document"
    only = ", it only refers to others of the document"
    lost = [(at, text.format("")) for at in links if at not in reached]
    found = sorted([*lost, *((at, text.format(only)) for at in backwards)])
    return [Problem("document-unreachable", "business-rule", said, f".entry[{at}]", "warning") for at, said in found]


def _base(entry: Json) -> str:
    """The part of an entry's fullUrl before the type and id of its resource, "" for none."""
    url, resource = entry.get("fullUrl"), entry["resource"]
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    return url[: -len(own)] if isinstance(url, str) and url.endswith("/" + own) else ""


def _named(value: Any, base: str, context: Context, places: dict[int, int]) -> set[int]:
    """The positions of the entries that anything in a value names, by fullUrl or by type and id."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str):
            target = context.shared.entry(each, base)
            if target is not None and id(target) in places:
                found.add(places[id(target)])
    return found


def _follow(starts: Iterable[int], links: dict[int, set[int]], reached: set[int]) -> None:
    waiting = list(starts)
    while waiting:
        position = waiting.pop()
        if position in links and position not in reached:
            reached.add(position)
            waiting.extend(links[position])
