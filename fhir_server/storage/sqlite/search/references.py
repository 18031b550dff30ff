"""Reference clauses."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fhir_server.core.query import RefersTo, RefersWithin
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.logic import is_always
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import LISTED, TRUE, Sql, conjunction, member

# what lies below a resource, or above it, in the hierarchy that some fields of its type make
BELOW = """WITH RECURSIVE tree (rid) AS (VALUES (?) UNION
SELECT p.rid FROM tree CROSS JOIN reference p ON {fields} AND p.target = tree.rid {through}) SELECT rid FROM tree"""
ABOVE = """WITH RECURSIVE tree (rid) AS (VALUES (?) UNION SELECT p.target FROM tree
CROSS JOIN reference p INDEXED BY reference_rid ON {fields} AND p.rid = tree.rid {through}) SELECT rid FROM tree"""


def refers_to(clause: RefersTo, scope: Scope) -> Condition:
    """A row of reference that names one of the targets."""
    fields = scope.fields(clause.fields)
    targets = target_rids(clause, scope)
    if not fields or not targets:
        return Never()
    return _naming(scope, fields, targets, clause.version)


def _naming(scope: Scope, fields: Sequence[int], targets: Sequence[int], version: str) -> Condition:
    alias = scope.alias()
    versioned = Sql(f"{alias}.version = ?", (version,)) if version else TRUE
    if len(targets) > LISTED:
        chosen = Sql("SELECT value AS rid FROM json_each(?)", (json.dumps(targets),))
        return _ManyTargets(scope, alias, fields, chosen, versioned)
    test = conjunction([member(f"{alias}.target", targets), versioned])
    # a resource may name one target in two versions
    return Row(scope, "reference", alias, fields, test, keyed=len(targets) == 1, repeats=not version)


def target_rids(clause: RefersTo, scope: Scope) -> list[int]:
    """The rids of the targets that the store has heard of."""
    allowed = clause.target_types
    if len(clause.targets) > LISTED:
        return _many_rids(clause, scope)
    found: list[int] = []
    for type_name, id_ in clause.targets:
        if not type_name:
            found += _rids_of_id(scope, id_, allowed)
        elif not allowed or type_name in allowed:
            rid = scope.rid(type_name, id_)
            if rid is not None:
                found.append(rid)
    return sorted(set(found))


def _rids_of_id(scope: Scope, id_: str, allowed: tuple[str, ...]) -> list[int]:
    """The rids of the resources with this id of the allowed types, () for any."""
    types = member("t.name", allowed) if allowed else TRUE
    return [
        row[0]
        for row in scope.reader.rows(
            Sql(
                "SELECT r.rid FROM type t CROSS JOIN resource r INDEXED BY resource_key "
                f"ON r.type = t.type AND r.id = ? WHERE {types.text}",
                (id_, *types.bound),
            )
        )
    ]


def _many_rids(clause: RefersTo, scope: Scope) -> list[int]:
    allowed = clause.target_types
    named = [target for target in clause.targets if target[0] and (not allowed or target[0] in allowed)]
    found = [
        row[0]
        for row in scope.reader.rows(
            Sql(
                "SELECT r.rid FROM json_each(?) j CROSS JOIN type t ON t.name = j.value ->> 0 "
                "CROSS JOIN resource r INDEXED BY resource_key ON r.type = t.type AND r.id = j.value ->> 1",
                (json.dumps(named),),
            )
        )
    ]
    for type_name, id_ in clause.targets:
        if not type_name:
            found += _rids_of_id(scope, id_, allowed)
    return sorted(set(found))


def refers_within(clause: RefersWithin, scope: Scope) -> Condition:
    """A row of reference that names a resource of the hierarchy."""
    fields = scope.fields(clause.fields)
    start = scope.rid(clause.type, clause.id)
    if not fields or start is None:
        return Never()
    hierarchy = scope.of((clause.type,))
    parents = hierarchy.fields(clause.parents)
    if not parents:
        return _naming(scope, fields, [start], "")
    along = member("p.field", parents)
    walk = BELOW if clause.direction == "below" else ABOVE
    condition = hierarchy.compile(clause.through)
    through = TRUE if is_always(condition) else condition.probe("p.rid")
    tested = "" if through is TRUE else f"AND {through.text}"
    chosen = Sql(walk.format(fields=along.text, through=tested), (start, *along.bound, *through.bound))
    return _ManyTargets(scope, scope.alias(), fields, chosen, TRUE)


class _ManyTargets(Row):
    """A row of reference that names one of the resources that a SELECT of rids gives."""

    def __init__(self, scope: Scope, alias: str, fields: Sequence[int], chosen: Sql, version: Sql) -> None:
        among = Sql(f"{alias}.target IN ({chosen.text})", chosen.bound)
        super().__init__(scope, "reference", alias, fields, conjunction([among, version]))
        self._chosen = chosen
        self._rest = conjunction([member(f"{alias}.field", fields), version])

    def driver(self) -> Sql:
        """The rows of each target in turn."""
        return Sql(
            f"SELECT {self.alias}.rid AS rid FROM ({self._chosen.text}) c CROSS JOIN reference {self.alias} "
            f"ON {self.alias}.target = c.rid AND {self._rest.text}",
            (*self._chosen.bound, *self._rest.bound),
        )
