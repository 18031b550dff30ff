"""What R4 says in words of the links of a Bundle, and of the entries of a search's answer.

https://hl7.org/fhir/R4/bundle.html#searchset and https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from fhir_server.definitions import Definitions
from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

ONCE = ("self", "first", "previous", "prev", "next", "last")  # links of which a Bundle has one
NO_MATCH = ("outcome", "include")  # modes of entries that a search does not look for
WITHOUT_ID = ("OperationOutcome", "Parameters")  # what tells of a search is stored nowhere


def search_problems(bundle: Json, context: Context) -> Problems:
    """Links that are there twice; of a searchset, entries that no search gives; [] for other resources."""
    if bundle.get("resourceType") != "Bundle":
        return []
    links = [(link.get("relation"), link.get("url")) for link in bundle.get("link", ())]
    found = list(_twice([relation for relation, _ in links]))
    if bundle.get("type") == "searchset":
        searched = next(
            (_searched(url, context.shared.definitions) for relation, url in links if relation == "self"), ""
        )
        for position, entry in enumerate(bundle.get("entry", ())):
            for each in _entry(entry, searched):
                each.path = f".entry[{position}]{each.path}"
                found.append(each)
    return found


def _twice(relations: list[Any]) -> Iterator[Problem]:
    for position, relation in enumerate(relations):
        if relation in ONCE and relations.index(relation) < position:
            text = f"a Bundle has one link {shown(relation)}: leave out this one, or the one before"
            yield Problem("bundle-link", "duplicate", text, f".link[{position}].relation")


def _searched(url: Any, definitions: Definitions) -> str:
    """The type of resource that the URL of a search looks for, "" where it names none or several."""
    parts = [part for part in urlsplit(str(url)).path.split("/") if part]
    if parts and parts[-1] == "_search":
        parts.pop()
    return parts[-1] if parts and definitions.is_resource(parts[-1]) else ""


def _entry(entry: Json, searched: str) -> Iterator[Problem]:
    search, resource = entry.get("search", {}), entry.get("resource")
    mode, score = search.get("mode"), search.get("score")
    if score is not None and not 0 <= score <= 1:
        text = f"a score is from 0, the least relevant, to 1, the most relevant, which {score} is not"
        yield Problem("bundle-search-score", "value", text, ".search.score")
    if not isinstance(resource, dict) or mode == "outcome" or resource.get("resourceType") in WITHOUT_ID:
        return
    name = resource.get("resourceType")
    if "id" not in resource:
        text = f"what a search finds is stored and has an id, which this {name} has not"
        yield Problem("bundle-search-id", "required", text, ".resource.id")
    if searched and name != searched and mode not in NO_MATCH:
        text = (
            f"the self link says that {searched} was searched for, this is a {name}: say include, or correct the link"
        )
        yield Problem("bundle-search-type", "business-rule", text, ".resource", "error" if mode else "warning")
