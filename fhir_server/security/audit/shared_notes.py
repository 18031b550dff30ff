"""The notes of a store that machines share: sealed by the key of the accounts, removed once MongoDB has the events.

Until then they stay where the store has them: a machine that is lost after it took them in takes no event along.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Note, Notes
from fhir_server.security.encryption.sealing import Sealing

ABOUT = "note"
OPEN = slice(4, 5)  # where a note that nobody sealed has the bracket of its first event, behind a checksum (log.py)


class SharedNotes:
    """The `Notes` port; sealing: None where nothing is sealed."""

    def __init__(self, notes: Notes, sealing: Sealing | None) -> None:
        self._notes = notes
        self.complete = notes.complete
        self._sealing = sealing
        self._turn = threading.Lock()
        self._taken: dict[int, int] = {}  # by origin: up to which place they are in this machine's log

    def sealed(self, data: bytes) -> bytes:
        """A note as the store is to keep it."""
        return self._sealing.seal(data, ABOUT) if self._sealing else data

    def kept(self) -> list[Note]:
        """See the port; one that was changed is empty. FhirError "unavailable" where a key is missing, too."""
        return [note._replace(data=self._opened(note.data)) for note in self._notes.kept()]

    def _opened(self, data: bytes) -> bytes:
        if data[OPEN] == b"[":
            return data
        if self._sealing is None:
            raise error("unavailable", "The audit log is sealed; name the file of its key by account_keys.")
        try:
            return self._sealing.open(data, ABOUT)
        except FhirError:
            if self._sealing.knows(data):
                return b""
            raise

    def remove(self, places: Mapping[int, int]) -> None:
        """They are in this machine's log."""
        with self._turn:
            for origin, place in places.items():
                self._taken[origin] = max(place, self._taken.get(origin, 0))

    def taken(self) -> dict[int, int]:
        """Up to which places they are in this machine's log, and not removed yet."""
        with self._turn:
            return dict(self._taken)

    def copied(self, places: Mapping[int, int]) -> None:
        """Those up to there are in MongoDB's copy of the log; FhirError "unavailable" where they can't be removed."""
        if not places:
            return
        self._notes.remove(places)
        with self._turn:
            self._taken = {origin: place for origin, place in self._taken.items() if place > places.get(origin, 0)}
