"""What is included with a page (https://hl7.org/fhir/R4/search.html#revinclude)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, islice

from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ResourceReads
from fhir_server.core.query import Clause, Include, Query
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.search.clauses import NOTHING, Filter, all_of, any_of, one_of
from fhir_server.storage.elastic.search.found import BUSINESS_VERSION, URL, Documents, Found, Key, Matches
from fhir_server.storage.elastic.search.links import resolve
from fhir_server.storage.elastic.search.scope import BATCH, Scope

LIMIT = 10_000  # resources included with one page
EDGES = ("reference", "uri", BUSINESS_VERSION)

Wanted = dict[tuple[str, str, str], None]  # type, id and version, "" for the newest, in the order they were met


async def included(
    query: Query,
    scope: Scope,
    reads: ResourceReads,
    found: Sequence[Found],
    matches: Matches,
    elsewhere: Filter | None = None,
) -> list[StoredVersion]:
    """What the includes of a query bring for the documents of a page, each version once and none of the matches.

    elsewhere: what it finds are matches on another page and is not brought with this one. FhirError "too-costly" where
    it is more than LIMIT.
    """
    seen = {version.seq for version in matches.versions}
    brought: list[StoredVersion] = []
    reached = {each.key for each in found}
    fresh: Sequence[Found] = found
    includes: Sequence[Include] = query.includes
    known = dict(matches.newest)
    while fresh and includes:
        keys: dict[Key, None] = {}
        wanted = await _shown(query, scope, await _wanted(query, includes, scope, fresh), elsewhere)
        for version in await _stored(query, wanted, reads, known):
            if version.seq not in seen:
                seen.add(version.seq)
                brought.append(version)
                keys[version.type, version.id] = None
        if len(brought) > LIMIT:
            raise _too_many()
        includes = [include for include in query.includes if include.iterate]
        further = [key for key in keys if key not in reached]
        reached.update(further)
        fresh = await scope.with_keys(further, *EDGES) if further and includes else []
    return brought


async def _wanted(query: Query, includes: Sequence[Include], scope: Scope, fresh: Sequence[Found]) -> Wanted:
    """What all of these includes name, in their order; what takes the index is asked for by one request.

    What documents refer to may be more than LIMIT; who may see it is not asked here.
    """
    by_type: dict[str, list[Found]] = defaultdict(list)
    for each in fresh:
        by_type[each.type].append(each)
    fields = {type: set[str]().union(*(each.fields for each in some)) for type, some in by_type.items()}
    most = LIMIT + 1 if query.restriction is None else None  # of those that are named some may be hidden
    named: list[tuple[Wanted, Documents]] = []
    for include in includes:
        if include.reverse:
            limit = query.restriction(include.source) if query.restriction is not None else None
            named.append(({}, Documents(await _referring(include, scope, fresh, limit), limit=LIMIT + 1)))
        elif not fields.get(include.source, set()).isdisjoint(include.fields):  # few of what * stands for
            references, filter = _named(include, by_type[include.source])
            named.append((references, Documents(filter, limit=most)))
    asked = [documents for _, documents in named if documents.filter != NOTHING]
    answers = iter(await scope.each(asked) if asked else ())
    wanted: Wanted = {}
    for references, documents in named:
        wanted.update(references)
        if documents.filter != NOTHING:
            wanted.update({(found.type, found.id, ""): None for found in next(answers)})
    return wanted


def _named(include: Include, sources: Sequence[Found]) -> tuple[Wanted, Filter]:
    """What the references of these documents name, and the filter of what their canonicals do."""
    wanted = _references(include, sources)
    urls: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        for url, version in source.addresses_of(include.fields):
            urls[version].append(terms.uri(URL, url))
    ways: list[Filter] = []
    for version, found in urls.items():
        named = one_of("uri", found)
        ways.append(all_of([named, one_of("token", [terms.token("version", "", version)])]) if version else named)
    types = [one_of("type", include.target_types)] if include.target_types else []
    return wanted, all_of([any_of(ways), *types])


def _references(include: Include, sources: Sequence[Found]) -> Wanted:
    """What they refer to; where one refers to a version and to the resource by one field, the version alone."""
    lists = [found for source in sources for field in include.fields if (found := source.references(field))]
    named = dict.fromkeys(chain.from_iterable(lists))
    if any(version for _, _, version in named):
        named = {}
        for found in lists:
            versioned = {reference[:2] for reference in found if reference[2]}
            named.update((each, None) for each in found if each[2] or each[:2] not in versioned)
    types = include.target_types
    return {each: None for each in named if each[0] in types} if types else named


async def _referring(include: Include, scope: Scope, fresh: Sequence[Found], limit: Clause | None) -> Filter:
    """The filter of what refers to these documents; limit: what the caller may see of it, None for all."""
    targets = [each for each in fresh if not include.target_types or each.type in include.target_types]
    references = [terms.reference(field, *each.key) for field in include.fields for each in targets]
    canonicals = [term for field in include.fields for each in targets for term in each.named_by(field)]
    ways = any_of([one_of("reference", references), one_of("uri", canonicals)])
    types = (include.source,)
    also = [] if limit is None else [scope.filter(types, await resolve(limit, types, scope))]
    return all_of([one_of("type", types), ways, *also])


async def _stored(
    query: Query, wanted: Wanted, reads: ResourceReads, known: dict[Key, StoredVersion | None]
) -> list[StoredVersion]:
    """The current resources among them; where a version was named that one, if it is still there and may be seen.

    known: the newest versions that were read for this page before, to which those that are read now are added.
    """
    missing = list(dict.fromkeys((type, id) for type, id, _ in wanted if (type, id) not in known))
    if missing:
        known.update(zip(missing, await reads.read_many(missing), strict=True))
    newest = [known[type, id] for type, id, _ in wanted]
    found: list[StoredVersion] = []
    for (type, id, version), current in zip(wanted, newest, strict=True):
        if current is None or current.deleted:
            continue
        if version and str(current.version) != version and version.isdigit():
            named = await reads.read_version(type, id, int(version))
            if named is not None and not named.deleted:
                current = (named if query.older is None else query.older(named)) or current
        found.append(current)
    return found


async def _shown(query: Query, scope: Scope, wanted: Wanted, elsewhere: Filter | None) -> Wanted:
    """Those that the caller may see and that are no matches on another page; what is hidden does not count as many."""
    if query.restriction is None and elsewhere is None:
        if len(wanted) > LIMIT:
            raise _too_many()
        return wanted
    shown: Wanted = {}
    each = iter(wanted)
    while some := list(islice(each, BATCH)):
        keys = await _visible(query, scope, {key[:2] for key in some})
        if elsewhere is not None and keys:
            keys -= {other.key for other in await scope.with_keys(keys, also=elsewhere)}
        shown.update((key, None) for key in some if key[:2] in keys)
        if len(shown) > LIMIT:
            raise _too_many()
    return shown


async def _visible(query: Query, scope: Scope, keys: set[Key]) -> set[Key]:
    """Those that the caller may see."""
    if query.restriction is None:
        return keys
    by_type: dict[str, set[Key]] = defaultdict(set)
    for key in keys:
        by_type[key[0]].add(key)
    allowed: set[Key] = set()
    limited: list[Documents] = []
    for type, named in by_type.items():
        limit = query.restriction(type)
        if limit is None:
            allowed |= named
            continue
        also = scope.filter((type,), await resolve(limit, (type,), scope))
        limited.append(Documents(scope.named(sorted(named), also)))
    for found in await scope.each(limited) if limited else ():
        allowed.update([each.key for each in found])
    return allowed


def _too_many() -> FhirError:
    return error(
        "too-costly",
        f"More than {LIMIT} resources would be included with one page; ask for fewer matches (_count) or includes.",
    )
