"""What the commands about users and clients share: the accounts of a data folder, and what is kept of a change."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.security.service import Security

T = TypeVar("T")


def with_security(
    data: Path | None,
    config: Path | None,
    work: Callable[[Security, Settings], Awaitable[T]],
    *,
    existing: bool = False,
    changes: str = "",
) -> T:
    """What work returns with the users and clients of the settings, beside running servers if there are some.

    existing: FhirError "not-found" where there are none yet, so that a wrong folder is not taken for an empty one;
    changes: what work changes, such as user/NAME, for the audit log.
    """
    settings = load({"data": data}, config=config)

    async def run() -> T:
        from fhir_server import bootstrap
        from fhir_server.security.store.sqlite.accounts import FILE_NAME

        if existing and not settings.mongodb_url and not (settings.data / FILE_NAME).exists():
            raise error(
                "not-found",
                f"There are no users or clients in {settings.data.resolve()}: name the folder of a server "
                "with `security = smart` that has been started, or add one by `hms user add` or `hms client add`.",
            )

        async with bootstrap.opened_security(settings) as found:
            return await work(found, settings)

    done = asyncio.run(run())
    if changes and settings.audit != "off":
        _keep(settings, changes)
    return done


def _keep(settings: Settings, changed: str) -> None:
    """Has it in the audit log that whoever has this machine's shell changed what somebody may do."""
    from fhir_server.bootstrap import now, opened_audit
    from fhir_server.security.audit.event import of_signing

    person = ""
    with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
        person = getpass.getuser()
    with opened_audit(settings) as log:
        log.append([of_signing(now(), "account", 200, user=person, client="hms", path=changed)])


async def removed(remove: Callable[[str], Awaitable[None]], id: str, what: str) -> None:
    """Removes a user or client by id and says so; FhirError "not-found" where the id is ""."""
    if not id:
        raise error("not-found", f"There is no {what}.")
    await remove(id)
    print(f"The {what} is removed.")
