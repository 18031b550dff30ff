"""MongoDB's failures as errors that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from pymongo.errors import ConnectionFailure, PyMongoError

from fhir_server.core.errors import error


@contextlib.asynccontextmanager
async def told() -> AsyncIterator[None]:
    """What goes wrong in MongoDB as an error that says what to do."""
    try:
        yield
    except ConnectionFailure as problem:
        raise error("unavailable", "The message store does not answer; nothing was kept. Send again.") from problem
    except PyMongoError as problem:
        name = type(problem).__name__
        raise error("unavailable", f"The message store refused: {name}; nothing was kept.") from problem
