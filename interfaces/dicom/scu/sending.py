"""Sends instances that are kept over an association, as they are kept wherever the peer takes that."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pynetdicom import build_context

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import encoded_as
from interfaces.dicom.archive.lost import is_whole, torn
from interfaces.dicom.association.sub_operations import Originator, store
from interfaces.dicom.dataset.syntaxes import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE

PIECE = 2**20  # bytes of a file that are read and sent at a time
MOST_CONTEXTS = 126
# what `Sending.send` raises of one instance alone
UNSENT = (OSError, FhirError, ValueError, RuntimeError, AttributeError, NotImplementedError)
CONVERTED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED)  # what an instance can be written in


class Sending:
    """One association's C-STORE requests; by: who asked for a move."""

    def __init__(self, archive: Archive, association: Any, by: Originator | None = None, message: int = 0) -> None:
        """message: the Message ID of the request that these belong to; theirs are the ones after it."""
        self._archive = archive
        self._association = association
        self._by = by
        self._message = message
        self._contexts: dict[str, dict[str, int]] = {}
        for each in association.accepted_contexts:
            if each.as_scu:
                of_class = self._contexts.setdefault(str(each.abstract_syntax), {})
                of_class.setdefault(str(each.transfer_syntax[0]), each.context_id)

    def send(self, row: Row) -> int:
        """Sends an instance and gives the status of the answer.

        NoAnswer where the association is of no use any more; another one of UNSENT where this instance can't be read,
        or not be written as the peer takes it.
        """
        taken = self._contexts.get(row["sop_class"])
        if not taken:
            raise ValueError("its SOP class is not taken")
        kept = row["transfer_syntax"]
        syntax = next((each for each in (kept, *CONVERTED) if each in taken), None)
        if syntax is None:
            raise ValueError(f"it is kept in {kept}, and taken in none that it can be written in")
        if not is_whole(self._archive, row):  # found amid its data set it would cost the association
            raise torn(self._archive, row)
        if syntax == kept and not row["coercion"]:
            parts: Iterable[bytes] = self._pieces(row)
        else:
            parts = (encoded_as(self._archive, row, syntax),)
        self._message = self._message % 0xFFFF + 1
        names = row["sop_class"], row["instance_uid"]
        return store(self._association, taken[syntax], self._message, names, parts, self._by)

    def _pieces(self, row: Row) -> Iterator[bytes]:
        """The data set of a file."""
        for at in range(row["start"], row["size"], PIECE):
            wanted = min(PIECE, row["size"] - at)
            piece = self._archive.files.read(row["digest"], at, wanted)
            if len(piece) != wanted:
                raise torn(self._archive, row)
            yield piece


@contextlib.contextmanager
def paused(association: Any) -> Iterator[None]:
    """Answers of an association that this server asked for are the caller's, not its own thread's."""
    association._reactor_checkpoint.clear()
    while not association._is_paused and association.is_alive():
        time.sleep(0.0001)
    try:
        yield
    finally:
        association._reactor_checkpoint.set()


def contexts_for(kinds: set[tuple[str, str]]) -> list[Any]:
    """Presentation contexts for SOP classes and the syntaxes that they are kept in, uncompressed ones beside."""
    made = [build_context(sop_class, syntax) for sop_class, syntax in sorted(kinds)]
    made += [
        build_context(sop_class, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]) for sop_class in sorted({k[0] for k in kinds})
    ]
    return made[:MOST_CONTEXTS] or [build_context("1.2.840.10008.1.1")]
