"""What is included with a page (https://hl7.org/fhir/R4/search.html#revinclude)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ResourceReads
from fhir_server.core.query import Include, Query
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.search.clauses import Filter, all_of, any_of, one_of
from fhir_server.storage.elastic.search.found import BUSINESS_VERSION, URL, Found, Key
from fhir_server.storage.elastic.search.links import resolve
from fhir_server.storage.elastic.search.scope import Scope

LIMIT = 10_000  # resources included with one page
EDGES = ("reference", "uri", BUSINESS_VERSION)

Wanted = dict[tuple[str, str, str], None]  # type, id and version, "" for the newest, in the order they were met


async def included(
    query: Query, scope: Scope, reads: ResourceReads, found: Sequence[Found], matches: Sequence[StoredVersion]
) -> list[StoredVersion]:
    """What the includes of a query bring for the documents of a page, each version once and none of the matches.

    FhirError "too-costly" where it is more than LIMIT.
    """
    seen = {version.seq for version in matches}
    brought: list[StoredVersion] = []
    reached = {each.key for each in found}
    fresh: Sequence[Found] = found
    includes: Iterable[Include] = query.includes
    while fresh and includes:
        wanted: Wanted = {}
        for include in includes:
            wanted.update(await (_referring if include.reverse else _named)(include, scope, fresh))
            if len(wanted) > LIMIT:
                raise _too_many()
        keys: dict[Key, None] = {}
        for version in await _visible(query, scope, await _stored(wanted, reads)):
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


async def _named(include: Include, scope: Scope, fresh: Sequence[Found]) -> Wanted:
    """What the references of these documents name."""
    wanted: Wanted = {}
    urls: dict[str, list[str]] = defaultdict(list)
    for source in fresh:
        if source.type != include.source:
            continue
        for field in include.fields:
            references = source.references(field)
            versioned = {reference[:2] for reference in references if reference[2]}
            for type, id, version in references:
                if include.target_types and type not in include.target_types:
                    continue
                if version or (type, id) not in versioned:
                    wanted[type, id, version] = None
            for url, version in source.addresses(field):
                urls[version].append(terms.uri(URL, url))
    ways: list[Filter] = []
    for version, found in urls.items():
        named = one_of("uri", found)
        ways.append(all_of([named, one_of("token", [terms.token("version", "", version)])]) if version else named)
    if ways:
        types = [one_of("type", include.target_types)] if include.target_types else []
        for found in await scope.all(all_of([any_of(ways), *types]), limit=LIMIT + 1):
            wanted[found.type, found.id, ""] = None
    return wanted


async def _referring(include: Include, scope: Scope, fresh: Sequence[Found]) -> Wanted:
    """What refers to these documents."""
    targets = [each for each in fresh if not include.target_types or each.type in include.target_types]
    references = [terms.reference(field, *each.key) for field in include.fields for each in targets]
    canonicals = [term for field in include.fields for each in targets for term in each.named_by(field)]
    ways = any_of([one_of("reference", references), one_of("uri", canonicals)])
    sources = all_of([one_of("type", [include.source]), ways])
    return {(found.type, found.id, ""): None for found in await scope.all(sources, limit=LIMIT + 1)}


async def _stored(wanted: Wanted, reads: ResourceReads) -> list[StoredVersion]:
    """The current resources among them; where a version was named that one, if it is still there."""
    newest = await reads.read_many([(type, id) for type, id, _ in wanted])
    found: list[StoredVersion] = []
    for (type, id, version), current in zip(wanted, newest, strict=True):
        if current is None or current.deleted:
            continue
        if version and str(current.version) != version and version.isdigit():
            named = await reads.read_version(type, id, int(version))
            current = named if named is not None and not named.deleted else current
        found.append(current)
    return found


async def _visible(query: Query, scope: Scope, versions: list[StoredVersion]) -> list[StoredVersion]:
    """Those that the caller may see."""
    if query.restriction is None:
        return versions
    by_type: dict[str, set[Key]] = defaultdict(set)
    for version in versions:
        by_type[version.type].add((version.type, version.id))
    allowed: set[Key] = set()
    for type, keys in by_type.items():
        limit = query.restriction(type)
        if limit is None:
            allowed |= keys
            continue
        also = scope.filter((type,), await resolve(limit, (type,), scope))
        allowed.update([found.key for found in await scope.with_keys(sorted(keys), also=also)])
    return [version for version in versions if (version.type, version.id) in allowed]


def _too_many() -> FhirError:
    return error(
        "too-costly",
        f"More than {LIMIT} resources would be included with one page; ask for fewer matches (_count) or includes.",
    )
