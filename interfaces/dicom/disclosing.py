"""What goes out by associations, in the audit log before it goes: to whom, by what, whose data it is; and refusals.

A listener that reaches its FHIR server over HTTP has an audit log of its own, in its data folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import structlog

from fhir_server.client import ApartClient, FhirClient, NamedClient
from fhir_server.core.errors import FhirError
from fhir_server.security.audit.kept import audited

if TYPE_CHECKING:
    from interfaces.dicom.services.service import Context

TOGETHER = 1000  # matches whose patients are kept in one event
READ, SEARCHED, REFUSED = ("read", "R"), ("search-type", "E"), ("operation", "E")  # interaction and action
T = TypeVar("T")

log = structlog.get_logger("dicom")


def disclose(context: Context, to: tuple[str, str], told: tuple[str, str], what: str, patients: Iterable[str]) -> None:
    """Keeps that data of patients goes to an application entity, by its title and address; patients: references, ""
    for one that FHIR does not know yet.

    FhirError "unavailable" or TimeoutError where it can't be kept: then nothing must go.
    """
    if audited(context.settings):
        _keep(context, to, told, what, patients, 200)


def refused(context: Context, to: tuple[str, str], what: str) -> None:
    """Keeps that something was refused to an application entity; it is all the same where that can't be kept."""
    if audited(context.settings):
        try:
            _keep(context, to, REFUSED, what, (), 403)
        except (FhirError, TimeoutError) as problem:
            log.error("a refusal can't be kept in the audit log", problem=str(problem))


def _keep(
    context: Context, to: tuple[str, str], told: tuple[str, str], what: str, patients: Iterable[str], status: int
) -> None:
    ids = tuple(sorted({each.removeprefix("Patient/") for each in patients} - {""}))

    async def keep(client: FhirClient) -> None:
        if isinstance(client, NamedClient | ApartClient):
            await client.disclosed(*to, told, f"dicom/{what}", ids, status)

    context.fhir.call(keep)


def disclosed(
    context: Context, to: tuple[str, str], what: str, found: Iterator[T], patients: Callable[[T], Iterable[str]]
) -> Iterator[T]:
    """What a query finds, each once it is kept whose it is; as it is found where no log is kept."""
    if not audited(context.settings):
        yield from found
        return
    some = list(islice(found, TOGETHER))
    disclose(context, to, SEARCHED, what, (each for match in some for each in patients(match)))
    yield from some
    while some := list(islice(found, TOGETHER)):
        disclose(context, to, SEARCHED, what, (each for match in some for each in patients(match)))
        yield from some
