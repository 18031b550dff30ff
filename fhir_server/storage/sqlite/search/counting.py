"""How many match."""

from __future__ import annotations

from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.logic import is_always
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, member
from fhir_server.storage.sqlite.search.unsorted import driving


def count_free(scope: Scope, condition: Condition) -> int | None:
    """The number where it is known without counting."""
    if isinstance(condition, Never):
        return 0
    if not is_always(condition):
        return None
    types = member("type", scope.type_ids)
    return scope.reader.rows(Sql(f"SELECT coalesce(sum(live), 0) FROM type WHERE {types.text}", types.bound))[0][0]


def count(scope: Scope, condition: Condition) -> int:
    """The number, exactly."""
    free = count_free(scope, condition)
    return scope.reader.rows(_counting(scope, condition))[0][0] if free is None else free


def _counting(scope: Scope, condition: Condition) -> Sql:
    driver, others = driving(condition)
    if isinstance(driver, Row) and driver.ordered and not driver.repeats:
        where = conjunction([driver.test, *[other.probe(f"{driver.alias}.rid") for other in others]])
        return Sql(f"SELECT count(*) FROM {driver.table} {driver.alias} WHERE {where.text}", where.bound)
    tests = [other.probe("r.rid") for other in others]
    if driver.scans:
        live = [Sql("r.live = 1"), member("r.type", scope.type_ids), driver.probe("r.rid")]
        where = conjunction([*live, *tests])
        return Sql(f"SELECT count(*) FROM resource r INDEXED BY resource_live WHERE {where.text}", where.bound)
    found = driver.driver()
    where = conjunction([Sql(f"r.rid IN ({found.text})", found.bound), *tests])
    return Sql(f"SELECT count(*) FROM resource r NOT INDEXED WHERE {where.text}", where.bound)
