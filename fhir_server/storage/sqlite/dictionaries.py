"""The small integers that stand for repeated strings, with caches of those that exist.

Dictionaries only grow, so a cached integer stays right; only an erasure renames entries, and then moves the `epoch`, at
which every worker empties its caches. What is not there is never cached. Only fields, of which there are a thousand or
two, are known whole, as far as the transaction sees them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

CACHE_LIMIT = 100_000
STATE = """SELECT coalesce((SELECT value FROM meta WHERE name = 'epoch'), 0),
coalesce((SELECT max(field) FROM field), 0)"""
STATE_TO_WRITE = f"""{STATE}, coalesce((SELECT max(rid) FROM resource), 0), coalesce((SELECT max(term) FROM term), 0)"""
NEW_FIELDS = """SELECT t.name, f.name, f.field FROM field f CROSS JOIN type t ON t.type = f.type
WHERE f.field > ? ORDER BY f.field"""
# a work that was undone can have left it there
KEEP_FIELD = """INSERT INTO field (type, name) VALUES (?, ?)
ON CONFLICT (type, name) DO UPDATE SET name = excluded.name RETURNING field"""


class Dictionaries:
    """Look-ups over one connection. `find_*` never write and give None or []; `keep_*` add what is missing.

    terms, rids, new_rids: what is known of them by now, for those who ask very often.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._types: dict[str, int] = {}
        self._fields: dict[tuple[str, str], int] = {}  # all of them
        self._named: dict[str, list[int]] = {}  # the same by the field's name
        self._newest_field = 0
        self._systems: dict[str, int] = {"": 0}
        self.terms: dict[tuple[str, str], int] = {}
        self._units: dict[tuple[str, str, str], int] = {}
        self._absent: set[tuple[str, str]] = set()  # terms that were looked for in vain in this write transaction
        self._unwritten: dict[tuple[str, str], tuple[int, str, int]] = {}  # rows of term for the caller to write
        self._last_term = 0
        self.rids: dict[tuple[str, str], int] = {}
        self.new_rids: dict[tuple[str, str], int] = {}  # of this group, whether they are in the table by now or not
        self._last_rid = 0
        self._of_type: dict[str, _Fields] = {}
        self._added: list[tuple[dict, object]] = []
        self._epoch = 0
        self._writing = False

    # ------------------------------------------------------------------ reading
    def find_type(self, name: str) -> int | None:
        """The integer of a resource type that the store has seen."""
        return self._find(self._types, name, "SELECT type FROM type WHERE name = ?", (name,))

    def find_field(self, type: str, name: str) -> int | None:
        """The integer of an index field of a resource type."""
        return self._fields.get((type, name))

    def find_fields(self, name: str) -> list[int]:
        """The integers of all fields with this name."""
        return self._named.get(name, [])

    def find_system(self, uri: str) -> int | None:
        """The integer of a code system; 0 for ""."""
        return self._find(self._systems, uri, "SELECT system FROM system WHERE uri = ?", (uri,))

    def find_term(self, system: str, code: str) -> int | None:
        """The integer of a code in a system ("" for none)."""
        key = (system, code)
        found = self.terms.get(key)
        if found is not None:
            return found
        if key in self._unwritten:  # and the cache was emptied since
            return self._unwritten[key][0]
        if key in self._absent:
            return None
        system_id = self.find_system(system)
        if system_id is None:
            return None
        found = self._find(self.terms, key, "SELECT term FROM term WHERE code = ? AND system = ?", (code, system_id))
        if found is None and self._writing:
            self._absent.add(key)
        return found

    def look_up_terms(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Looks for many (system, code) by one statement; find_term knows of those that are there, and in a write
        transaction of each."""
        unknown = {key for key in wanted if key not in self.terms and key not in self._absent}
        if not unknown:
            return
        if len(self.terms) >= CACHE_LIMIT:
            self.terms.clear()
        by_rows = {(self.find_system(system), code): (system, code) for system, code in unknown}
        found = self._execute(
            "SELECT t.system, t.code, t.term FROM json_each(?) j CROSS JOIN term t ON t.code = j.value",
            (json.dumps([code for _, code in unknown]),),
        )
        for system_id, code, term in found:
            if key := by_rows.get((system_id, code)):
                self.terms[key] = term
                unknown.discard(key)
        if self._writing:
            self._absent |= unknown

    def known_terms(self, wanted: Iterable[tuple[str, str]]) -> list[int]:
        """The integers of those (system, code) that there are, by one statement."""
        keys = list(wanted)
        self.look_up_terms(keys)
        return [term for key in keys if (term := self.terms.get(key)) is not None]

    def find_terms(self, code: str) -> list[int]:
        """The integers of a code in whatever system."""
        return [row[0] for row in self._execute("SELECT term FROM term WHERE code = ?", (code,))]

    def find_rid(self, type: str, id: str) -> int | None:
        """The integer of a resource, be it stored, deleted or only referred to."""
        found = self.rids.get((type, id)) or self.new_rids.get((type, id))
        if found is not None:
            return found
        type_id = self.find_type(type)
        if type_id is None:
            return None
        return self._find(self.rids, (type, id), "SELECT rid FROM resource WHERE type = ? AND id = ?", (type_id, id))

    def has_place(self, type: str, id: str) -> bool:
        """Whether this group has made a place for a resource."""
        return (type, id) in self.new_rids

    def _find(self, cache: dict, key: object, sql: str, parameters: tuple) -> int | None:
        found = cache.get(key)
        if found is None:
            row = self._execute(sql, parameters).fetchone()
            if row is None:
                return None
            found = row[0]
            if len(cache) >= CACHE_LIMIT:
                cache.clear()
                self._systems.setdefault("", 0)
            cache[key] = found
        return found

    # ------------------------------------------------------------------ adding, inside a write transaction
    def keep_type(self, name: str) -> int:
        """The integer of a resource type, made where it is new."""
        found = self._types.get(name) or self.find_type(name)
        return found or self._add(self._types, name, "INSERT INTO type (name) VALUES (?)", (name,))

    def fields_of(self, type: str) -> _Fields:
        """name -> integer of a resource type's index fields; a look-up of a new name adds it."""
        found = self._of_type.get(type)
        if found is None:
            found = self._of_type[type] = _Fields(self, type)
        return found

    def keep_field(self, type: str, name: str) -> int:
        """The integer of an index field, made where it is new."""
        found = self._fields.get((type, name))
        if found is None:
            (found,) = self._execute(KEEP_FIELD, (self.keep_type(type), name)).fetchone()
            self._keep(self._fields, (type, name), found)
        return found

    def keep_term(self, system: str, code: str) -> int:
        """The integer of a code in a system; of a new one the row is for the caller to write: see `unwritten_terms`."""
        found = self.find_term(system, code)
        if found:
            return found
        system_id = self.find_system(system)
        if system_id is None:
            system_id = self._add(self._systems, system, "INSERT INTO system (uri) VALUES (?)", (system,))
        key = (system, code)
        self._absent.discard(key)
        self._last_term += 1
        self._unwritten[key] = (self._last_term, code, system_id)
        return self._keep(self.terms, key, self._last_term)

    def unwritten_terms(self) -> list[tuple[int, str, int]]:
        """The rows of term (term, code, system) that are to be written before anything looks there; given once."""
        rows = list(self._unwritten.values())
        self._unwritten.clear()
        return rows

    def keep_unit(self, system: str, code: str, name: str) -> int:
        """The integer of a unit, made where it is new."""
        key = (system, code, name)
        found = self._units.get(key) or self._find(
            self._units, key, "SELECT unit FROM unit WHERE system = ? AND code = ? AND name = ?", key
        )
        return found or self._add(self._units, key, "INSERT INTO unit (system, code, name) VALUES (?, ?, ?)", key)

    def keep_rid(self, type: str, id: str) -> int:
        """The integer of a resource; where it isn't stored yet, of a place kept for it."""
        found = self.find_rid(type, id)
        if found:
            return found
        rid = self.new_rid(type, id)
        self._execute("INSERT INTO resource (rid, type, id) VALUES (?, ?, ?)", (rid, self.keep_type(type), id))
        return rid

    def new_rid(self, type: str, id: str) -> int:
        """The integer of a resource that has none; its row is for the caller to write, before the group ends."""
        self._last_rid += 1
        self.new_rids[(type, id)] = self._last_rid
        self._added.append((self.new_rids, (type, id)))
        return self._last_rid

    def _add(self, cache: dict, key: object, sql: str, parameters: tuple) -> int:
        added = self._execute(sql, parameters).lastrowid
        assert added is not None
        return self._keep(cache, key, added)

    def _keep(self, cache: dict, key: object, added: int) -> int:
        if len(cache) >= CACHE_LIMIT:
            cache.clear()
            self._systems.setdefault("", 0)
        cache[key] = added
        self._added.append((cache, key))
        return added

    # ------------------------------------------------------------------ transactions
    def begin(self) -> None:
        """After BEGIN: what other processes may have changed."""
        epoch, newest, self._last_rid, self._last_term = self._execute(STATE_TO_WRITE).fetchone()
        self._follow(epoch, newest)
        self._absent.clear()
        self._unwritten.clear()
        self._writing = True

    def mark(self) -> int:
        """A point to go back to."""
        return len(self._added)

    def back_to(self, mark: int) -> None:
        """Forgets what was added since the mark: it has been rolled back."""
        for cache, key in self._added[mark:]:
            cache.pop(key, None)
            if cache is self.terms:
                self._unwritten.pop(key, None)  # type: ignore[arg-type]
        if mark < len(self._added):
            self._of_type.clear()
        del self._added[mark:]

    def settle(self) -> None:
        """What was added is committed."""
        self._added.clear()
        if len(self.rids) + len(self.new_rids) > CACHE_LIMIT:
            self.rids.clear()
        self.rids.update(self.new_rids)
        self.new_rids.clear()

    def follow(self) -> None:
        """Empties the caches if an erasure has renamed entries since the last look; takes in what fields are new."""
        self._follow(*self._execute(STATE).fetchone())

    def _follow(self, epoch: int, newest: int) -> None:
        if epoch != self._epoch:
            self.clear()
            self._epoch = epoch
        if newest != self._newest_field:
            for type, name, field in self._execute(NEW_FIELDS, (self._newest_field,)):
                self._fields[type, name] = field
                self._named.setdefault(name, []).append(field)
            self._newest_field = newest

    def forget_terms(self) -> None:
        """Looks every term up again: some have been renamed in this transaction."""
        self.terms.clear()
        self._absent.clear()

    def clear(self) -> None:
        """Empties the caches."""
        for cache in (self._types, self._fields, self._systems, self.terms, self._units, self.rids, self.new_rids):
            cache.clear()
        self._named.clear()
        self._newest_field = 0
        self._systems[""] = 0
        self._of_type.clear()
        self._added.clear()
        self._absent.clear()
        self._unwritten.clear()


class _Fields(dict[str, int]):
    """The fields of one type, found or added as they are asked for."""

    def __init__(self, known: Dictionaries, type: str) -> None:
        self._known = known
        self._type = type

    def __missing__(self, name: str) -> int:
        found = self[name] = self._known.keep_field(self._type, name)
        return found
