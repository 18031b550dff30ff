"""Canonical references as joins: a canonical names the resources whose `url` is its address.

Both are terms: the address as code, and as system the canonical's version, 0 where it has none. A canonical with a
version names only resources with that business version, which is a token without system of their field `version`.
Specification: https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member

URL, VERSION = "url", "version"

# f: the row that names; c: its term, a canonical; u: that address as a URI; g: the row of field url of what is named
SAME_VERSION = """(c.system = 0 OR EXISTS (SELECT 1 FROM token w INDEXED BY token_rid
CROSS JOIN term b ON b.term = w.term WHERE w.rid = g.rid AND {versions} AND b.system = 0
AND b.code = (SELECT uri FROM system WHERE system = c.system)))"""


def named(reader: Reader, fields: Sequence[int], targets: Scope, chosen: str) -> Sql | None:
    """(rid, version "") of what the canonicals in these fields of some resources name; None where there are none.

    targets: the types that count, none for any; chosen: the resources, a JSON array of rids.
    """
    along = member("f.field", fields)
    canonicals = reader.rows(
        Sql(
            "SELECT DISTINCT f.term FROM json_each(?) j CROSS JOIN token f INDEXED BY token_rid "
            f"ON f.rid = j.value AND {along.text}",
            (chosen, *along.bound),
        )
    )
    urls = _fields(reader, targets, URL) if canonicals else []
    if not urls:
        return None
    terms, at = member("c.term", [row[0] for row in canonicals]), member("g.field", urls)
    same = member("w.field", _fields(reader, targets, VERSION))
    return Sql(
        "SELECT DISTINCT g.rid AS rid, '' AS version FROM term c NOT INDEXED "
        "CROSS JOIN term u ON u.code = c.code AND u.system = 0 "
        f"CROSS JOIN token g ON {at.text} AND g.term = u.term "
        f"WHERE {terms.text} AND {SAME_VERSION.format(versions=same.text)}",
        (*at.bound, *terms.bound, *same.bound),
    )


def naming(reader: Reader, fields: Sequence[int], targets: Scope, chosen: str) -> Sql | None:
    """(rid, version "") of what names some resources by canonicals in these fields; None where there can't be any.

    targets: the types of those resources that count, none for any; chosen: the resources, a JSON array of rids.
    """
    along = member("f.field", fields)
    if not reader.rows(Sql(f"SELECT 1 FROM token f WHERE {along.text} LIMIT 1", along.bound)):
        return None
    urls = _fields(reader, targets, URL)
    if not urls:
        return None
    at = member("g.field", urls)
    same = member("w.field", _fields(reader, targets, VERSION))
    return Sql(
        "SELECT DISTINCT f.rid AS rid, '' AS version FROM json_each(?) j "
        f"CROSS JOIN token g INDEXED BY token_rid ON g.rid = j.value AND {at.text} "
        "CROSS JOIN term u ON u.term = g.term CROSS JOIN term c ON c.code = u.code "
        f"CROSS JOIN token f ON {along.text} AND f.term = c.term WHERE {SAME_VERSION.format(versions=same.text)}",
        (chosen, *at.bound, *along.bound, *same.bound),
    )


def _fields(reader: Reader, types: Scope, name: str) -> list[int]:
    """The fields of this name of the types, none for any."""
    if types.types:
        return types.fields((name,))
    found = reader.rows(Sql("SELECT f.field FROM type t CROSS JOIN field f ON f.type = t.type AND f.name = ?", (name,)))
    return [row[0] for row in found]
