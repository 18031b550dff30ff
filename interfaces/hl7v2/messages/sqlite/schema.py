"""The tables of the embedded message store.

message   one row a message; the bytes are elsewhere, so that a change of state does not write them again
body      the bytes: key = message id * REVISIONS + revision, 0 as it came, then its corrections
patient   patient number -> messages, for people who search
queue     lane -> messages that are not settled: the first of a lane may be applied
waiting   patient number -> messages that wait for its patient
worker    who applies messages, and until when it is surely alive
connection  how many connections a worker has open
counter   how many messages of a sender were new, duplicate, other, or came to a state, since the store was made
lease     work that one worker at a time does
letter    messages to destinations; position: where their making has got to in the change feed
"""

VERSION = 1
LATER = """
CREATE TABLE IF NOT EXISTS connection (
    owner TEXT, listener TEXT, open INTEGER NOT NULL, PRIMARY KEY (owner, listener)
) WITHOUT ROWID
"""  # added to files that are there; a program that does not know it leaves it alone
REVISIONS = 1000

TABLES = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender TEXT NOT NULL, control TEXT NOT NULL, digest BLOB NOT NULL,
    source TEXT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL, batch TEXT NOT NULL,
    patients TEXT NOT NULL, size INTEGER NOT NULL, received INTEGER NOT NULL,
    state TEXT NOT NULL, changed INTEGER NOT NULL, reason TEXT NOT NULL, owner TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, revision INTEGER NOT NULL DEFAULT 0, alarm INTEGER NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '', links TEXT NOT NULL DEFAULT '', steps TEXT NOT NULL DEFAULT '',
    answer BLOB NOT NULL DEFAULT x''
);
CREATE UNIQUE INDEX message_identity ON message(sender, control, digest);
CREATE INDEX message_state ON message(state, sender, id);
CREATE TABLE body (key INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE patient (number TEXT, message INTEGER, PRIMARY KEY (number, message)) WITHOUT ROWID;
CREATE TABLE queue (lane INTEGER, message INTEGER, PRIMARY KEY (lane, message)) WITHOUT ROWID;
CREATE TABLE waiting (number TEXT, message INTEGER, PRIMARY KEY (number, message)) WITHOUT ROWID;
CREATE TABLE worker (name TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (sender TEXT, what TEXT, count INTEGER NOT NULL, PRIMARY KEY (sender, what)) WITHOUT ROWID;
CREATE TABLE lease (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, control TEXT NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL, made INTEGER NOT NULL, changed INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', answer BLOB NOT NULL DEFAULT x''
);
CREATE UNIQUE INDEX letter_key ON letter(destination, key);
CREATE INDEX letter_state ON letter(destination, state, id);
CREATE TABLE position (consumer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID
"""
