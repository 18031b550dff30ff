"""Data keys: one for each patient's record, and one for what is nobody's or several patients'; in a file of their own.

    sealed = 0x01 · number of the key (8 bytes) · nonce (12) · AES-256-GCM of the bytes, with its tag

The key of an owner is durable before anything is sealed with it. Destroying it makes all that was sealed with it
unreadable, wherever copies are. Workers share the file.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core.errors import error
from fhir_server.core.file_transaction import transaction
from fhir_server.security.encryption.master_keys import NONCE, SIZE, MasterKeys

FILE_NAME = "keys.sqlite"
MARK = b"\x01"
HEAD = len(MARK) + 8
MOST_KEPT = 100_000
TABLES = """
CREATE TABLE IF NOT EXISTS data_key (number INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, master TEXT NOT NULL,
    wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT OR IGNORE INTO about VALUES ('salt', hex(randomblob(16)));
INSERT OR IGNORE INTO about VALUES ('last', 0);
CREATE TABLE IF NOT EXISTS doomed (owner TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class DataKeys:
    """One file, over a file of master keys."""

    def __init__(self, path: Path, masters: MasterKeys) -> None:
        self._masters = masters
        self._ciphers: dict[int, AESGCM] = {}
        self._numbers: dict[str, int] = {}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            path.chmod(0o600)
            for pragma in ("journal_mode = TRUNCATE", "synchronous = FULL", "secure_delete = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(TABLES)
            (self._salt,) = self._connection.execute("SELECT value FROM about WHERE name = 'salt'").fetchone()
        except (OSError, sqlite3.Error) as problem:
            raise error("unavailable", f"{path} can't be used: {problem}.") from problem

    def _name(self, owner: str) -> str:
        return hashlib.sha256(f"{self._salt} {owner}".encode()).hexdigest()

    # ------------------------------------------------------------------ sealing
    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key, which is made where there is none."""
        number = self._number(owner)
        nonce = os.urandom(NONCE)
        head = MARK + number.to_bytes(8)
        return head + nonce + self._cipher(number).encrypt(nonce, plain, head)  # type: ignore[union-attr]

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None where its key is destroyed; bytes that were never sealed as they are.

        FhirError "unavailable" where the bytes are not as they were sealed.
        """
        if not sealed.startswith(MARK):
            return sealed
        cipher = self._cipher(int.from_bytes(sealed[len(MARK) : HEAD]))
        if cipher is None:
            return None
        try:
            return cipher.decrypt(sealed[HEAD : HEAD + NONCE], sealed[HEAD + NONCE :], sealed[:HEAD])
        except InvalidTag:
            raise error("unavailable", "What is stored is not as it was sealed; restore it from a backup.") from None

    def _number(self, owner: str) -> int:
        number = self._numbers.get(owner)
        if (
            number is None
            or not self._connection.execute("SELECT 1 FROM data_key WHERE number = ?", (number,)).fetchone()
        ):
            if len(self._numbers) > MOST_KEPT:
                self._numbers.clear()
            number = self._numbers[owner] = self._made(self._name(owner))
        return number

    def _made(self, name: str) -> int:
        """The number of an owner's key, made where there is none."""
        execute = self._connection.execute
        row = execute("SELECT number FROM data_key WHERE owner = ?", (name,)).fetchone()
        if row:
            return row[0]
        with transaction(self._connection):
            row = execute("SELECT number FROM data_key WHERE owner = ?", (name,)).fetchone()
            if row is None:
                current = execute("SELECT value FROM about WHERE name = 'master'").fetchone()
                if current and current[0] != self._masters.newest:
                    self._masters.read()  # they were rotated
                row = execute("UPDATE about SET value = value + 1 WHERE name = 'last' RETURNING value").fetchone()
                master, wrapped = self._masters.wrap(os.urandom(SIZE), _about(row[0]))
                execute("INSERT INTO data_key VALUES (?, ?, ?, ?)", (row[0], name, master, wrapped))
        return row[0]

    def _cipher(self, number: int) -> AESGCM | None:
        cipher = self._ciphers.get(number)
        if cipher is None:
            row = self._connection.execute(
                "SELECT master, wrapped FROM data_key WHERE number = ?", (number,)
            ).fetchone()
            if row is None:
                return None
            if len(self._ciphers) > MOST_KEPT:
                self._ciphers.clear()
            cipher = self._ciphers[number] = AESGCM(self._unwrapped(row[0], row[1], number))
        return cipher

    def _unwrapped(self, master: str, wrapped: bytes, number: int) -> bytes:
        try:
            return self._masters.unwrap(master, wrapped, _about(number))
        except Exception:
            self._masters.read()  # they were rotated
            return self._masters.unwrap(master, wrapped, _about(number))

    # ------------------------------------------------------------------ destroying, rotating
    def doom(self, owner: str) -> None:
        """Keeps that an owner's key is to be destroyed once what it sealed is erased."""
        self._connection.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (owner,))

    def doomed(self) -> list[str]:
        """Owners whose keys were to be destroyed and are there yet."""
        return [row[0] for row in self._connection.execute("SELECT owner FROM doomed ORDER BY owner")]

    def destroy(self, owner: str) -> bool:
        """Destroys an owner's key; whether there was one. Other workers forget it with their next look at it."""
        execute = self._connection.execute
        with transaction(self._connection):
            row = execute("DELETE FROM data_key WHERE owner = ? RETURNING number", (self._name(owner),)).fetchone()
            execute("DELETE FROM doomed WHERE owner = ?", (owner,))
        if row:
            self._ciphers.pop(row[0], None)
            self._numbers.pop(owner, None)
        return row is not None

    def rotate(self) -> int:
        """Wraps every data key by the newest master key; how many. What they sealed stays as it is."""
        execute = self._connection.execute
        newest = self._masters.newest
        with transaction(self._connection):
            execute("INSERT OR REPLACE INTO about VALUES ('master', ?)", (newest,))
            rows = execute("SELECT number, master, wrapped FROM data_key WHERE master <> ?", (newest,)).fetchall()
            for number, master, wrapped in rows:
                key = self._masters.unwrap(master, wrapped, _about(number))
                after, again = self._masters.wrap(key, _about(number))
                execute("UPDATE data_key SET master = ?, wrapped = ? WHERE number = ?", (after, again, number))
        return len(rows)

    def count(self) -> int:
        """How many keys there are."""
        return self._connection.execute("SELECT count(*) FROM data_key").fetchone()[0]

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def _about(number: int) -> bytes:
    return f"data key {number}".encode()
