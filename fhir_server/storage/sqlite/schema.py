"""The tables of the embedded store.

Every index row names its resource by `rid`, a small integer, so that each table is narrow and every join is one integer
comparison. Repeated strings (types, fields, code systems, codes, units) live once, in dictionaries that only grow. A
resource that is only referred to has a row in `resource` with version 0, so that a reference is an integer too; an
address outside this server is a term. Index tables are clustered by value (to find) and have one index by resource (to
sort, to test, to replace); only the values of live resources are in them. Ranges are found by their lower end, as most
are points or a day at most; the few wider ones also by their upper end (the indexes _wide).

    resource   type, id -> rid; seq and version of its newest version; live: it exists and is not deleted; digests: of
               its rows in each index table (encode.py), NULL where they are not known
    version    every version of every resource, keyed by seq: this table, in order of seq, is the change feed
    string_value  STRING and (as field "<field>:text") TEXT: text is folded, exact is "" where it equals text
    token      TOKEN, and URI and CANONICAL as terms: a URI is the term (code=uri, system=0), a canonical's version is
               the term's system
    composite  the parts one after the other in a..e: a token, reference target or URI takes one column, a string one
               (folded), a number or date two (low, high), a quantity three (unit, low, high); the term of a URI is
               negative, as a reference may stand in the same column; unused columns are 0
    note       what is committed with versions for whoever takes it elsewhere (notes.py); mostly next to empty
"""

VERSION = 4
STRINGS_FOLDED_ANEW = """
CREATE TEMP TABLE refolded AS SELECT * FROM (
    SELECT s.*, substr(f.name, -5) = ':text' AS coded, iif(s.exact = '', s.text, s.exact) AS written
    FROM string_value s CROSS JOIN field f ON f.field = s.field WHERE f.name <> 'phonetic'
) WHERE text <> substr(fold(written), 1, 1000);
UPDATE resource SET digests = NULL WHERE rid IN (SELECT rid FROM refolded);
DELETE FROM string_value WHERE (field, text, exact, rid) IN (SELECT field, text, exact, rid FROM refolded);
INSERT OR IGNORE INTO string_value SELECT field, substr(fold(written), 1, 1000),
    iif(coded OR written = substr(fold(written), 1, 1000), '', written), rid FROM refolded;
DROP TABLE refolded;
UPDATE resource SET digests = NULL WHERE rid IN (SELECT rid FROM composite WHERE 'text' IN
    (typeof(a), typeof(b), typeof(c), typeof(d), typeof(e)));
UPDATE OR REPLACE composite SET a = iif(typeof(a) = 'text', fold(a), a), b = iif(typeof(b) = 'text', fold(b), b),
    c = iif(typeof(c) = 'text', fold(c), c), d = iif(typeof(d) = 'text', fold(d), d),
    e = iif(typeof(e) = 'text', fold(e), e)
    WHERE 'text' IN (typeof(a), typeof(b), typeof(c), typeof(d), typeof(e))"""
NOTE = """CREATE TABLE note (origin INTEGER NOT NULL, place INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (origin, place)) WITHOUT ROWID"""
STEPS = {  # the version of a file -> what makes it the next
    1: "ALTER TABLE resource ADD COLUMN digests BLOB",
    2: STRINGS_FOLDED_ANEW,  # fold (core.folding) passes over punctuation now
    3: NOTE,
}

METHODS = ("", "POST", "PUT", "PATCH", "DELETE", "ERASE")  # version.method is the position in this tuple
METHOD_NUMBER = {name: number for number, name in enumerate(METHODS)}
PUT, DELETE, ERASE = (METHOD_NUMBER[name] for name in ("PUT", "DELETE", "ERASE"))

TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE type (type INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, live INTEGER NOT NULL DEFAULT 0);
CREATE TABLE field (field INTEGER PRIMARY KEY, type INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (type, name));
CREATE TABLE system (system INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE);
CREATE TABLE term (term INTEGER PRIMARY KEY, code TEXT NOT NULL, system INTEGER NOT NULL, UNIQUE (code, system));
CREATE TABLE unit (unit INTEGER PRIMARY KEY, system TEXT NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (system, code, name));

CREATE TABLE resource (rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, digests BLOB);
CREATE UNIQUE INDEX resource_key ON resource (type, id);
CREATE INDEX resource_live ON resource (type, rid) WHERE live = 1;

CREATE TABLE version (seq INTEGER PRIMARY KEY, rid INTEGER NOT NULL, version INTEGER NOT NULL, type INTEGER NOT NULL,
    updated INTEGER NOT NULL, method INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX version_key ON version (rid, version);
CREATE INDEX version_type ON version (type, seq);

CREATE TABLE string_value (field INTEGER, text TEXT, exact TEXT, rid INTEGER,
    PRIMARY KEY (field, text, exact, rid)) WITHOUT ROWID;
CREATE INDEX string_rid ON string_value (rid, field);
CREATE TABLE token (field INTEGER, term INTEGER, rid INTEGER, PRIMARY KEY (field, term, rid)) WITHOUT ROWID;
CREATE INDEX token_rid ON token (rid, field);
CREATE TABLE reference (field INTEGER, target INTEGER, rid INTEGER, version TEXT,
    PRIMARY KEY (field, target, rid, version)) WITHOUT ROWID;
CREATE INDEX reference_rid ON reference (rid, field);
CREATE TABLE date (field INTEGER, low INTEGER, high INTEGER, rid INTEGER,
    PRIMARY KEY (field, low, high, rid)) WITHOUT ROWID;
CREATE INDEX date_rid ON date (rid, field);
CREATE INDEX date_wide ON date (field, high) WHERE high - low > 86400000000;
CREATE TABLE number (field INTEGER, low REAL, high REAL, rid INTEGER,
    PRIMARY KEY (field, low, high, rid)) WITHOUT ROWID;
CREATE INDEX number_rid ON number (rid, field);
CREATE INDEX number_wide ON number (field, high) WHERE high > low;
CREATE TABLE quantity (field INTEGER, unit INTEGER, low REAL, high REAL, rid INTEGER,
    PRIMARY KEY (field, unit, low, high, rid)) WITHOUT ROWID;
CREATE INDEX quantity_rid ON quantity (rid, field);
CREATE INDEX quantity_wide ON quantity (field, unit, high) WHERE high > low;
CREATE TABLE position (field INTEGER, latitude REAL, longitude REAL, rid INTEGER,
    PRIMARY KEY (field, latitude, longitude, rid)) WITHOUT ROWID;
CREATE INDEX position_rid ON position (rid, field);
CREATE TABLE composite (field INTEGER, a, b, c, d, e, rid INTEGER,
    PRIMARY KEY (field, a, b, c, d, e, rid)) WITHOUT ROWID;
CREATE INDEX composite_rid ON composite (rid, field);
CREATE VIRTUAL TABLE narrative USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE consumer (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
{NOTE};
"""

INDEX_TABLES = ("string_value", "token", "reference", "date", "number", "quantity", "position", "composite")
