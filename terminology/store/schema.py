"""The tables of the store.

A concept's id is its code system's id shifted by SYSTEM_BITS plus its place in the system, so that a range of ids is a
system, and their order is the order of the definition.
"""

from __future__ import annotations

import sqlite3

SYSTEM_BITS = 24
FORMAT = 1

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', 1), ('generation', 0);

CREATE TABLE code_systems (
    id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, version TEXT NOT NULL, name TEXT NOT NULL,
    content TEXT NOT NULL, case_sensitive INTEGER NOT NULL, supplements TEXT NOT NULL, ready INTEGER NOT NULL,
    preferred INTEGER NOT NULL DEFAULT 0, hierarchical INTEGER NOT NULL DEFAULT 0, count INTEGER NOT NULL DEFAULT 0,
    resource BLOB NOT NULL
);
CREATE INDEX code_systems_url ON code_systems (url, version);

CREATE TABLE concepts (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, display TEXT NOT NULL, definition TEXT NOT NULL, flags INTEGER NOT NULL
);
-- One index serves systems with and without case: exactness is checked after the few rows are found.
CREATE TABLE codes (
    system INTEGER NOT NULL, code TEXT NOT NULL COLLATE NOCASE, id INTEGER NOT NULL, PRIMARY KEY (system, code, id)
) WITHOUT ROWID;

CREATE TABLE designations (
    concept INTEGER NOT NULL, place INTEGER NOT NULL, language TEXT NOT NULL, use TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (concept, place)
) WITHOUT ROWID;

CREATE TABLE property_names (
    id INTEGER PRIMARY KEY, system INTEGER NOT NULL, code TEXT NOT NULL, type TEXT NOT NULL, UNIQUE (system, code, type)
);
CREATE TABLE properties (
    concept INTEGER NOT NULL, property INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (concept, property, value)
) WITHOUT ROWID;
CREATE INDEX properties_value ON properties (property, value, concept);

CREATE TABLE parents (child INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY (child, parent)) WITHOUT ROWID;
CREATE INDEX parents_parent ON parents (parent, child);
-- Parents by code, until all concepts of the system are there.
CREATE TABLE named_parents (
    child INTEGER NOT NULL, parent TEXT NOT NULL, PRIMARY KEY (child, parent)
) WITHOUT ROWID;
-- Subsumption, both ways, each concept its own ancestor; only of systems that have a hierarchy.
CREATE TABLE ancestors (
    concept INTEGER NOT NULL, ancestor INTEGER NOT NULL, PRIMARY KEY (concept, ancestor)
) WITHOUT ROWID;
CREATE TABLE descendants (
    concept INTEGER NOT NULL, descendant INTEGER NOT NULL, PRIMARY KEY (concept, descendant)
) WITHOUT ROWID;

-- The relationships of SNOMED CT other than is-a.
CREATE TABLE attributes (
    concept INTEGER NOT NULL, role_group INTEGER NOT NULL, type INTEGER NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (concept, role_group, type, value)
) WITHOUT ROWID;
CREATE INDEX attributes_value ON attributes (type, value, concept, role_group);

CREATE VIRTUAL TABLE texts USING fts5 (
    text, content = '', prefix = '1 2 3', tokenize = "unicode61 remove_diacritics 2", detail = 'full'
);

CREATE TABLE resources (
    type TEXT NOT NULL, url TEXT NOT NULL, version TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (type, url, version)
) WITHOUT ROWID;
CREATE TABLE map_ends (
    end TEXT NOT NULL, url TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (end, url, version)
) WITHOUT ROWID;

CREATE TABLE closures (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE closure_concepts (
    name TEXT NOT NULL, system TEXT NOT NULL, code TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (name, system, code)
) WITHOUT ROWID;
CREATE TABLE closure_pairs (
    name TEXT NOT NULL, system TEXT NOT NULL, narrower TEXT NOT NULL, broader TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (name, system, narrower, broader)
) WITHOUT ROWID;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, loader TEXT NOT NULL, source TEXT NOT NULL, options TEXT NOT NULL,
    state TEXT NOT NULL, stage TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0,
    position TEXT NOT NULL DEFAULT '', system INTEGER, message TEXT NOT NULL DEFAULT '', heartbeat INTEGER NOT NULL,
    started INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0
);
"""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables where there are none; RuntimeError where another format is there."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if not exists:
            for statement in _TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        found = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0]
        if found != FORMAT:
            raise RuntimeError(f"The terminology store has format {found}, this version reads format {FORMAT}.")
    finally:
        connection.execute("COMMIT")
