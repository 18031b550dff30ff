"""$closure: a table of subsumption that a client keeps and the server adds to.

https://hl7.org/fhir/R4/conceptmap-operation-closure.html and https://hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

import sqlite3
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from terminology.catalog import Catalog
from terminology.operations.arguments import Arguments
from terminology.operations.view import code_system, view
from terminology.service import Terminology

Json = dict[str, Any]
Pair = tuple[str, str, str]  # system, narrower code, broader code


def closure(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """A ConceptMap of what is new: each code with the codes of the table that subsume it.

    With only a name, the table is made, or emptied. With version, all that came after that version is told again.
    """
    name, since = arguments.text("name"), arguments.text("version")
    if not name:
        raise error("required", "Give the name of the closure table.", location="name")
    if since and not (since.isascii() and since.isdecimal() and len(since) < 19):
        raise error("value", f"version is a version that $closure has given, not '{since[:40]}'.", location="version")
    concepts = arguments.codings("concept")
    catalog = view(service, arguments)
    with service.store.transaction() as connection:
        if not concepts and not since:
            _empty(connection, name)
            return _map(service, name, 0, [])
        row = connection.execute("SELECT version FROM closures WHERE name = ?", (name,)).fetchone()
        if row is None:
            message = f"There is no closure table '{name}'; call $closure with the name alone to make it."
            raise error("not-found", message, location="name")
        version = row[0]
        if concepts:
            version += 1
            connection.execute("UPDATE closures SET version = ? WHERE name = ?", (version, name))
            for concept in concepts:
                _add(connection, catalog, name, version, concept)
        after = int(since) if since else version - 1
        pairs = connection.execute(
            "SELECT system, narrower, broader FROM closure_pairs WHERE name = ? AND version > ? ORDER BY 1, 2, 3",
            (name, after),
        ).fetchall()
    return _map(service, name, version, pairs)


def _empty(connection: sqlite3.Connection, name: str) -> None:
    for table in ("closure_pairs", "closure_concepts"):
        connection.execute(f"DELETE FROM {table} WHERE name = ?", (name,))
    connection.execute("INSERT OR REPLACE INTO closures VALUES (?, 0)", (name,))


def _add(connection: sqlite3.Connection, catalog: Catalog, name: str, version: int, coding: Json) -> None:
    if not coding.get("code"):
        raise error("value", "Each concept is a Coding with system and code.", location="concept")
    url = coding.get("system", "")
    system = code_system(catalog, url, coding.get("version", ""))
    concept = system.find(coding["code"])
    if concept is None:
        raise error("not-found", f"The code '{coding['code']}' is not in {url}.", location="concept")
    added = connection.execute(
        "INSERT OR IGNORE INTO closure_concepts VALUES (?, ?, ?, ?)", (name, url, concept.code, version)
    )
    if not added.rowcount:
        return
    others = connection.execute(
        "SELECT code FROM closure_concepts WHERE name = ? AND system = ? AND code <> ?", (name, url, concept.code)
    ).fetchall()
    above, below = set(system.above(concept)), set(system.below(concept))
    pairs = [(name, url, concept.code, other, version) for (other,) in others if other in above]
    pairs += [(name, url, other, concept.code, version) for (other,) in others if other in below]
    connection.executemany("INSERT OR IGNORE INTO closure_pairs VALUES (?, ?, ?, ?, ?)", pairs)


def _map(service: Terminology, name: str, version: int, pairs: list[Pair]) -> Json:
    groups: dict[str, dict[str, list[Json]]] = {}
    for system, narrower, broader in pairs:
        target = {"code": broader, "equivalence": "subsumes"}
        groups.setdefault(system, {}).setdefault(narrower, []).append(target)
    found: Json = {
        "resourceType": "ConceptMap",
        "version": str(version),
        "name": f"Updates for closure table {name}",
        "status": "active",
        "experimental": True,
        "date": instant(service.clock()),
    }
    if groups:
        found["group"] = [
            {
                "source": system,
                "target": system,
                "element": [{"code": code, "target": targets} for code, targets in elements.items()],
            }
            for system, elements in groups.items()
        ]
    return found
