"""Who may see and do what over the web: the same tokens and scopes as FHIR's, asked of the study's ImagingStudy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fhir_server.api import FhirServer
from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Caller
from fhir_server.security.policies import WAY
from interfaces.dicom.web.writing import Writing

TYPE = "ImagingStudy"
# method -> interaction that the caller's scopes must allow on ImagingStudy
INTERACTIONS = {"GET": "r", "HEAD": "r", "POST": "c", "DELETE": "d"}


def _nothing(type: str) -> None:
    """The restriction of who sees everything."""


class Access:
    """Asks the server of this process."""

    def __init__(self, server: FhirServer) -> None:
        self._server = server

    async def caller(self, method: str, headers: dict[str, str], base: str) -> Caller:
        """Who asks; base: of FHIR, which tokens are for. FhirError "login" for nobody where one is needed."""
        return await self._server.caller_of(method, headers, base)

    def require(self, caller: Caller, interaction: str, type: str = TYPE) -> None:
        """FhirError "forbidden" where the caller's scopes allow no such thing with studies, or with Tasks."""
        if caller.masks is not None and not {type, "Patient"}.isdisjoint(caller.masks.types()):
            raise error(
                "forbidden",
                f"Fields of Patient or {type} are hidden from you by a policy, and what is asked for shows them.",
            )
        if caller.may is not None and not caller.may(interaction, type):
            raise error("forbidden", f"The token's scopes do not allow '{interaction}' of {type}.")

    def require_everything(self, caller: Caller, method: str, *others: str) -> None:
        """FhirError "forbidden" for whoever sees a part of the studies only, unless their role has this interface: what
        the page shows is of all; others: more types that it shows."""
        wanted = "rs" if method in ("GET", "HEAD") else "cruds"
        if caller.administers is not None and caller.administers("dicom", wanted):
            return
        if caller.masks is not None:
            raise error("forbidden", f"This page needs a token from which no policy hides fields. {WAY}")
        for type in (TYPE, "Patient", "ServiceRequest", *others):
            if caller.restriction is not None and caller.restriction(type) is not None:
                raise error("forbidden", f"This page needs a token that may see every {type}. {WAY}")
            if caller.may is not None and not caller.may("u", type):
                raise error("forbidden", f"This page needs a token that may write every {type}.")

    async def sees(self, caller: Caller, study: str) -> bool:
        """Whether the caller may read the ImagingStudy of that reference; nobody but the unrestricted sees none yet."""
        if caller.restriction is None and caller.reading is None:
            return True
        if not study:
            return False
        try:
            type, _, id = study.partition("/")
            await self._server.read(type, id, caller)
        except FhirError:
            return False
        return True

    def writing(self, caller: Caller, interaction: str, type: str) -> Writing | None:
        """What tells what the caller may write of a type; None where that is everything."""
        limits = caller.writing
        limit = limits(interaction, type, False) if limits is not None else (caller.restriction or _nothing)(type)
        return Writing(self._server, type, limit) if limit is not None else None

    def filter(self, caller: Caller) -> Callable[[str], bool] | None:
        """What a search in another thread asks of each study's reference; None where everything is seen."""
        if caller.restriction is None and caller.reading is None:
            return None
        loop = asyncio.get_running_loop()
        known: dict[str, bool] = {}

        def seen(study: str) -> bool:
            if study not in known:
                known[study] = asyncio.run_coroutine_threadsafe(self.sees(caller, study), loop).result(60)
            return known[study]

        return seen
