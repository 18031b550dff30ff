"""What is included with a page (https://hl7.org/fhir/R4/search.html#revinclude)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Include, Query
from fhir_server.storage.sqlite.schema import METHODS
from fhir_server.storage.sqlite.search.canonicals import edge
from fhir_server.storage.sqlite.search.condition import Condition
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sorted import ROW
from fhir_server.storage.sqlite.search.sql import TRUE, Sql, conjunction, disjunction, member

LIMIT = 10_000  # resources included with one page

# a reference to one version brings that version, if it is still there, and otherwise the newest
RESOURCES = """SELECT t.name, r.id, v.version, v.seq, v.updated, v.method, v.body, r.rid, r.seq FROM ({edges}) e
CROSS JOIN resource r NOT INDEXED ON r.rid = e.rid CROSS JOIN version v NOT INDEXED ON v.seq = CASE e.version
WHEN '' THEN r.seq ELSE coalesce((SELECT o.seq FROM version o INDEXED BY version_key
WHERE o.rid = r.rid AND o.version = CAST(e.version AS INTEGER) AND o.body <> x''), r.seq) END
CROSS JOIN type t ON t.type = r.type WHERE r.live = 1 AND {test} LIMIT ?"""
TYPES = """SELECT DISTINCT t.name FROM ({edges}) e CROSS JOIN resource r NOT INDEXED ON r.rid = e.rid
CROSS JOIN type t ON t.type = r.type WHERE r.live = 1"""


def included(
    query: Query, scope: Scope, matches: Iterable[tuple], elsewhere: Condition | None = None
) -> list[StoredVersion]:
    """What the includes of a query bring for these matches, each version once and none of the matches.

    elsewhere: what it holds for matches on another page and is not brought with this one. FhirError "too-costly" where
    it is more than LIMIT.
    """
    rows = list(matches)
    seen = {row[3] for row in rows}
    found: list[StoredVersion] = []
    names = {type_id: name for name, type_id in scope.types.items()}
    reached = {row[ROW - 1]: names[row[0]] for row in rows}
    fresh = reached
    apart = TRUE if elsewhere is None else _no_match(scope, elsewhere)
    includes: Iterable[Include] = query.includes
    while fresh and includes:
        brought: dict[int, str] = {}
        by_type: dict[str, list[int]] = {}
        for rid, type in fresh.items():
            by_type.setdefault(type, []).append(rid)
        for include in includes:
            sources = fresh if include.reverse else by_type.get(include.source)
            for row in _as_shown(query, scope, _bring(query, include, scope, sources, apart)) if sources else ():
                if row[3] not in seen:
                    seen.add(row[3])
                    found.append(_version(row))
                    brought[row[7]] = row[0]
        if len(found) > LIMIT:
            raise _too_many()
        fresh = {rid: type for rid, type in brought.items() if rid not in reached}
        reached = reached | fresh
        includes = [include for include in query.includes if include.iterate]
    return found


def _no_match(scope: Scope, condition: Condition) -> Sql:
    test = conjunction([member("r.type", scope.type_ids), condition.probe("r.rid")])
    return Sql(f"NOT ({test.text})", test.bound)


def _bring(query: Query, include: Include, scope: Scope, rids: Collection[int], apart: Sql) -> list[tuple]:
    """The resources that one include brings for some resources, of those that the caller may see."""
    sources = scope.of((include.source,))
    fields = sources.fields(include.fields)
    if not fields:
        return []
    chosen = json.dumps(sorted(rids))
    targets = scope.of(include.target_types)
    if include.target_types and not targets.types:
        return []
    types = member("r.type", targets.type_ids) if include.target_types else TRUE
    if include.reverse:
        ways = [_references_to(fields, types, chosen)]
        types, ends = TRUE, tuple(sources.types)
    else:
        ways, ends = [_references_from(fields, chosen)], tuple(targets.types)
    canonical = edge(scope.reader, "k", fields, targets)
    if canonical is not None:
        follow, end = (canonical.backward, "f") if include.reverse else (canonical.forward, "g")
        join = follow("j.value", "json_each(?) j CROSS JOIN ")
        ways.append(Sql(f"SELECT DISTINCT k{end}.rid AS rid, '' AS version {join.text}", (chosen, *join.bound)))
    rows: list[tuple] = []
    for way in ways:
        test = conjunction([types, apart, _visible(query, scope, ends, way)])
        select = RESOURCES.format(edges=way.text, test=test.text)
        rows += scope.reader.rows(Sql(select, (*way.bound, *test.bound, LIMIT + 1)))
        if len(rows) > LIMIT:
            raise _too_many()
    return rows


def _references_from(fields: list[int], chosen: str) -> Sql:
    along = member("f.field", fields)
    return Sql(
        "SELECT DISTINCT f.target AS rid, f.version AS version FROM json_each(?) j "
        f"CROSS JOIN reference f INDEXED BY reference_rid ON f.rid = j.value AND {along.text}",
        (chosen, *along.bound),
    )


def _references_to(fields: list[int], types: Sql, chosen: str) -> Sql:
    along = member("f.field", fields)
    typed = "" if types is TRUE else f" CROSS JOIN resource r NOT INDEXED ON r.rid = j.value AND {types.text}"
    return Sql(
        f"SELECT DISTINCT f.rid AS rid, '' AS version FROM json_each(?) j{typed} "
        f"CROSS JOIN reference f ON {along.text} AND f.target = j.value",
        (chosen, *types.bound, *along.bound),
    )


def _as_shown(query: Query, scope: Scope, rows: list[tuple]) -> list[tuple]:
    """As the caller may see them: an older version, or the newest in its place."""
    shown: list[tuple] = []
    hidden: list[int] = []
    for row in rows:
        if query.older is None or row[3] == row[8]:
            shown.append(row)
        elif (older := query.older(_version(row))) is not None:
            shown.append((*row[:6], older.body, *row[7:]))
        else:
            hidden.append(row[7])
    if hidden:
        select = RESOURCES.format(edges="SELECT value AS rid, '' AS version FROM json_each(?)", test=TRUE.text)
        shown += scope.reader.rows(Sql(select, (json.dumps(hidden), LIMIT + 1)))
    return shown


def _version(row: tuple) -> StoredVersion:
    return StoredVersion(row[0], row[1], row[2], row[3], row[4], METHODS[row[5]], row[6])


def _visible(query: Query, scope: Scope, types: Sequence[str], way: Sql) -> Sql:
    """The test that the caller may see a resource r; types: that a way leads to, () for whichever those are."""
    if query.restriction is None:
        return TRUE
    if not types:
        types = [name for (name,) in scope.reader.rows(Sql(TYPES.format(edges=way.text), way.bound))]
    limits = {name: query.restriction(name) for name in types}
    if all(limit is None for limit in limits.values()):
        return TRUE
    tests: list[Sql] = []
    for name, limit in limits.items():
        typed = scope.of((name,))
        parts = [member("r.type", typed.type_ids)]
        if limit is not None:
            parts.append(typed.compile(limit).probe("r.rid"))
        tests.append(conjunction(parts))
    return disjunction(tests)


def _too_many() -> FhirError:
    return error(
        "too-costly",
        f"More than {LIMIT} resources would be included with one page; ask for fewer matches (_count) or includes.",
    )
