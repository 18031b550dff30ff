"""What goes out by associations, in the audit log before it goes: to whom, by what, whose data it is.

A listener that reaches its FHIR server over HTTP has no audit log beside it, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from fhir_server.client import FhirClient, NamedClient
from fhir_server.security.audit.kept import audited
from interfaces.dicom.services.service import Context

TOGETHER = 1000  # matches whose patients are kept in one event
READ, SEARCHED = ("read", "R"), ("search-type", "E")  # interaction and action
T = TypeVar("T")


def disclose(context: Context, to: tuple[str, str], told: tuple[str, str], what: str, patients: Iterable[str]) -> None:
    """Keeps that data of patients goes to an application entity, by its title and address; patients: references, ""
    for one that FHIR does not know yet.

    FhirError "unavailable" or TimeoutError where it can't be kept: then nothing must go.
    """
    if not audited(context.settings):
        return
    ids = tuple(sorted({each.removeprefix("Patient/") for each in patients} - {""}))

    async def keep(client: FhirClient) -> None:
        if isinstance(client, NamedClient):
            await client.disclosed(*to, told, f"dicom/{what}", ids)

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
