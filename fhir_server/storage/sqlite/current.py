"""The newest versions that were read lately, given again without asking SQLite while nothing newer is stored.

Whether anything was committed since, by whichever process, is told by the log's index. If so, the feed names what
changed, and that is forgotten: every change of a newest version, an erasure too, has a position in the feed past all
before it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from fhir_server.core.keys import StoredVersion

BESIDE = 500  # bytes that a version takes beside its body, about
PART = 64  # a version that takes more than this part of the room is not kept
MOST = 1000  # changes at once, from which on everything is forgotten
CHANGED = """SELECT t.name, r.id, v.seq FROM version v CROSS JOIN resource r ON r.rid = v.rid
CROSS JOIN type t ON t.type = v.type WHERE v.seq > ? ORDER BY v.seq LIMIT ?"""
HEAD = "SELECT coalesce(max(seq), 0) FROM version"


class Current:
    """Of one connection, whose execute this is; room: bytes.

    state: the header of the log's index (log_index.log_state). Each version that is kept was the newest one at a moment
    when the feed had come to the position, or later.
    """

    def __init__(self, execute: Callable[..., Any], state: Callable[[], bytes], room: int) -> None:
        self._execute = execute
        self._state = state
        self._seen = b""  # the state before the feed was read up to the position
        (self._position,) = execute(HEAD).fetchone()
        self._versions: OrderedDict[tuple[str, str], StoredVersion] = OrderedDict()
        self._room = room
        self._left = room

    def get(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, None where it is not kept."""
        key = (type, id)
        if key not in self._versions:
            return None
        state = self._state()
        if state != self._seen:
            self._follow(state)
            if key not in self._versions:
                return None
        self._versions.move_to_end(key)
        return self._versions[key]

    def keep(self, version: StoredVersion) -> None:
        """Keeps what was just read as the newest version, and forgets those that were not asked for lately."""
        size = len(version.body) + BESIDE
        if size * PART > self._room:
            return
        self._forget((version.type, version.id))
        self._versions[version.type, version.id] = version
        self._left -= size
        while self._left < 0:
            self._forget(next(iter(self._versions)))

    def _follow(self, state: bytes) -> None:
        """Forgets what has changed past the position, up to this state at least."""
        changed = self._execute(CHANGED, (self._position, MOST)).fetchall()
        if len(changed) < MOST:
            for type, id, seq in changed:
                self._forget((type, id))
                self._position = seq
        else:
            self._versions.clear()
            self._left = self._room
            (self._position,) = self._execute(HEAD).fetchone()
        self._seen = state

    def _forget(self, key: tuple[str, str]) -> None:
        version = self._versions.pop(key, None)
        if version is not None:
            self._left += len(version.body) + BESIDE
