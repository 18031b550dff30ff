"""What of an interfaces file could be told by nobody but its first message: told before the start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import FhirError, error
from interfaces.hl7v2.configuration import Destination, Interfaces
from interfaces.hl7v2.er7.charsets import codec_of
from interfaces.hl7v2.er7.structures import VERSIONS
from interfaces.hl7v2.mllp.tls import connecting
from mappings.hl7v2.outgoing import kinds_of
from mappings.hl7v2.tables import SiteTables

NEWEST = "2.9"  # has no structure tables of its own
NOT_FRAMED = ("utf-16", "utf-32")  # their bytes would end a frame


def require_usable(interfaces: Interfaces, file: str) -> None:
    """FhirError "value" that names the file and what of it can't be used."""
    for text in _mistakes(interfaces):
        raise error("value", f"{file}: {text} docs/reference/hl7v2-interfaces.md lists what may stand in it.")


def _mistakes(interfaces: Interfaces) -> Iterator[str]:
    for name, folder in interfaces.folder.items():
        if not folder.path.is_dir():
            yield f"folder {name!r} is {folder.path}, which is no folder."
    for name, tables in [("the site", interfaces.tables), *((n, one.tables) for n, one in interfaces.sender.items())]:
        if tables and not Path(tables).is_dir():
            yield f"the mapping tables of {name} are in {tables}, which is no folder."
        try:
            SiteTables(interfaces.tables, tables).current()
        except FhirError as problem:
            yield str(problem)
    for name, destination in interfaces.destination.items():
        for text in _of_destination(destination):
            yield f"destination {name!r} {text}"


def _of_destination(destination: Destination) -> Iterator[str]:
    wanted = destination.message.partition("^")[0]
    for search in destination.subscribe:
        kinds = kinds_of(search.partition("?")[0])
        if not kinds:
            yield f"subscribes to {search!r}, of which no message is made; there are {', '.join(kinds_of())}."
        elif wanted and wanted not in kinds:
            yield f"wants {destination.message} of {search!r}, which becomes {' or '.join(kinds)}."
    if destination.version not in (*VERSIONS, NEWEST):
        yield f"has the version {destination.version!r}; there are {', '.join(VERSIONS)} and {NEWEST}."
    codec = codec_of([destination.charset])
    if codec is None or codec in NOT_FRAMED:
        yield f"has the character set {destination.charset!r}; use one that MLLP can carry, such as UNICODE UTF-8."
    try:
        connecting(destination.tls)
    except FhirError as problem:
        yield f"has no TLS: {problem}"
