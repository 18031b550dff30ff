"""Clauses about other resources, resolved to terms: what is left speaks of one resource alone.

A chain becomes the terms of references to what it names, _has the ids of what is referred to. All of them are gathered,
page by page, be they hundreds of thousands; nothing is cut short.
Canonicals name resources by `url` and business version (https://hl7.org/fhir/R4/references.html#canonical).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any as Anything

from fhir_server.core.query import (
    All,
    Any,
    Chain,
    Clause,
    Has,
    IdIn,
    InList,
    Missing,
    Not,
    RefersWithin,
)
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.search.found import BUSINESS_VERSION, URL, Documents, Key

if TYPE_CHECKING:
    from fhir_server.storage.elastic.search.scope import Scope


@dataclass(frozen=True, slots=True)
class Terms:
    """A property has one of these terms: a clause that only resolving makes."""

    property: str
    terms: tuple[str, ...]


async def resolve(clause: Clause, types: tuple[str, ...], scope: Scope) -> Clause:
    """The same about resources of these types, without clauses about others."""
    if isinstance(clause, All | Any):
        return type(clause)(tuple([await resolve(inner, types, scope) for inner in clause.clauses]))
    if isinstance(clause, Not):
        return Not(await resolve(clause.clause, types, scope))
    if isinstance(clause, Chain):
        return await _chain(clause, scope)
    if isinstance(clause, Has):
        return await _has(clause, types, scope)
    if isinstance(clause, InList):
        return await _in_list(clause, types, scope)
    return await _refers_within(clause, scope) if isinstance(clause, RefersWithin) else clause


def one_of(property: str, found: Iterable[str]) -> Clause:
    """The clause that a property has one of these terms."""
    named: Anything = Terms(property, tuple(dict.fromkeys(found)))
    return named


async def _chain(clause: Chain, scope: Scope) -> Clause:
    targets: dict[Clause, list[str]] = defaultdict(list)
    for name, target in clause.targets:
        targets[target].append(name)
    asked: list[Documents] = []
    canonical: list[Documents] = []
    for target, names in targets.items():
        resolved = await resolve(target, tuple(names), scope)
        asked.append(Documents(scope.filter(names, resolved)))
        called = [name for name in names if scope.has_field(name, URL)]
        if called:
            with_url = All((resolved, Missing((URL,), False)))
            canonical.append(Documents(scope.filter(called, with_url), ("uri", BUSINESS_VERSION)))
    found = await scope.each([*asked, *canonical])
    keys = [each.key for some in found[: len(asked)] for each in some]
    urls = [term for some in found[len(asked) :] for each in some for f in clause.fields for term in each.named_by(f)]
    return Any((_naming(clause.fields, keys), one_of("uri", urls)))


def _naming(fields: Iterable[str], keys: Iterable[Key]) -> Clause:
    return one_of("reference", [terms.reference(field, *key) for field in fields for key in keys])


async def _has(clause: Has, types: tuple[str, ...], scope: Scope) -> Clause:
    sources = scope.filter((clause.source,), await resolve(clause.clause, (clause.source,), scope))
    starts = [("reference", terms.reference_to_type(field, type)) for field in clause.fields for type in types]
    if any(scope.has_field(type, URL) for type in types):
        starts += [("uri", terms.uri_version_start(field)) for field in clause.fields]
    keys: set[Key] = set()
    ways: list[Clause] = []
    for (property, _), found in zip(starts, await scope.terms(sources, starts), strict=True):
        if property == "reference":
            read = [terms.read_reference(terms.field_of(term), term) for term in found]
            keys.update([reference[:2] for reference in read if reference])
            continue
        by_version: dict[str, list[str]] = defaultdict(list)
        for term in found:
            address = terms.read_uri(terms.field_of(term), term)
            if address:
                by_version[address[1]].append(terms.uri(URL, address[0]))
        for version, urls in by_version.items():
            named = one_of("uri", urls)
            ways.append(All((named, one_of("token", [terms.token("version", "", version)]))) if version else named)
    return Any((one_of("_id", [f"{type}/{id}" for type, id in sorted(keys)]), *ways))


async def _in_list(clause: InList, types: tuple[str, ...], scope: Scope) -> Clause:
    lists = await scope.all(scope.filter(("List",), IdIn((clause.id,))), "reference")
    items = {(type, id) for found in lists for type, id, _ in found.references("item") if type in types}
    return one_of("_id", [f"{type}/{id}" for type, id in sorted(items)])


async def _refers_within(clause: RefersWithin, scope: Scope) -> Clause:
    tree: set[Key] = {(clause.type, clause.id)}
    fresh = set(tree)
    through = await resolve(clause.through, (clause.type,), scope)
    while fresh:
        if clause.direction == "below":
            children = scope.filter((clause.type,), All((_naming(clause.parents, sorted(fresh)), through)))
            reached = {found.key for found in await scope.all(children)}
        else:
            named = one_of("_id", [f"{type}/{id}" for type, id in sorted(fresh)])
            children = scope.filter((clause.type,), All((named, through)))
            reached = {
                (type, id)
                for found in await scope.all(children, "reference")
                for field in clause.parents
                for type, id, _ in found.references(field)
            }
        fresh = reached - tree
        tree |= fresh
    return _naming(clause.fields, sorted(tree))
