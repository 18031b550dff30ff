"""What can go wrong at MongoDB, as answers that say what to do; nothing of the deployment leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from pymongo.errors import ConnectionFailure, ExecutionTimeout, NetworkTimeout, OperationFailure, PyMongoError

from fhir_server.core.errors import FhirError, error
from fhir_server.core.repeats import Repeats

FULL = {14031}  # OutOfDiskSpace
LOGIN = {13, 18}  # Unauthorized, AuthenticationFailed

log = structlog.get_logger("mongodb")
told_already = Repeats()


def storage_error(problem: PyMongoError, store: str = "The store") -> FhirError:
    """The answer; the problem itself goes to the log. store: what the answer calls it."""
    what = type(problem).__name__, getattr(problem, "code", None)
    times = told_already.due(what)
    if times:
        log.warning("mongodb", problem=what[0], code=what[1], times=times)
    if isinstance(problem, OperationFailure):
        if problem.code in FULL:
            return error("no-store", f"{store} is full; nothing was stored. Try again when there is room.")
        if problem.code in LOGIN:
            if times:
                reason = str((problem.details or {}).get("errmsg", ""))[:300]
                log.error("MongoDB refuses what this server asks", reason=reason)
            return error("unavailable", f"{store} refuses this server's credentials; see the server's log.")
    if isinstance(problem, (ConnectionFailure, NetworkTimeout, ExecutionTimeout)):
        return error("unavailable", f"{store} does not answer now; try again.", headers={"Retry-After": "5"})
    return error("unavailable", f"{store} can't do this now; try again.", headers={"Retry-After": "30"})


@contextmanager
def answering(store: str = "The store") -> Iterator[None]:
    """Turns what PyMongo raises inside into answers; store: what they call it."""
    try:
        yield
    except PyMongoError as problem:
        raise storage_error(problem, store) from problem
