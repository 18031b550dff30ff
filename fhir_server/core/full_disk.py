"""A full disk, as an answer that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from fhir_server.core.errors import FhirError, error

FULL = (errno.ENOSPC, errno.EDQUOT)


def full_disk() -> FhirError:
    """The error of what there is no room for."""
    return error("no-store", "The server's disk is full; nothing was stored. Try again when there is room.")


def lacks_room(problem: Exception) -> bool:
    """Whether something failed for lack of room: a file's, or an SQLite database's."""
    if isinstance(problem, FhirError):
        return problem.category == "no-store"
    name = getattr(problem, "sqlite_errorname", "")
    return getattr(problem, "errno", None) in FULL or name.startswith("SQLITE_FULL")


@contextmanager
def telling_of_a_full_disk() -> Iterator[None]:
    """What fails inside for lack of room is FhirError "no-store"; other OSErrors stay."""
    try:
        yield
    except OSError as problem:
        if problem.errno in FULL:
            raise full_disk() from problem
        raise
