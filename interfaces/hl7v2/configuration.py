"""The interfaces file: listeners, folders, senders with their policies, destinations, in TOML.

`docs/reference/hl7v2-interfaces.md` is made from the descriptions here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fhir_server.core.errors import error
from mappings.hl7v2.primitives import is_zone

MIB = 2**20


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Tls(Part, frozen=True):
    """Certificates in PEM files."""

    certificate: Annotated[Path, Meta(description="This side's certificate, with the chain.")] = Path()
    key: Annotated[Path, Meta(description="Its key.")] = Path()
    authorities: Annotated[
        Path | None,
        Meta(description="Authorities of the other side's certificates: a listener then asks each client for one."),
    ] = None
    check_name: Annotated[bool, Meta(description="Whether a destination's certificate must name its host.")] = True


class Listener(Part, frozen=True):
    """A port that MLLP connections come to."""

    port: Annotated[int, Meta(description="TCP port; 0 takes a free one.", ge=0, le=65535)]
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    tls: Annotated[Tls | None, Meta(description="Certificates; without them the port is plain TCP.")] = None
    release: Annotated[
        Literal[1, 2], Meta(description="MLLP release; 2 answers each frame with a commit byte once it is kept.")
    ] = 1
    max_bytes: Annotated[
        int, Meta(description="Longest frame; a longer one is skipped and answered with an error.", ge=1024)
    ] = 64 * MIB
    frame_seconds: Annotated[
        float, Meta(description="A frame that began must end within this time, else its connection is closed.", gt=0)
    ] = 60
    idle_seconds: Annotated[float, Meta(description="A connection that is silent is closed after this time.", gt=0)] = (
        3600
    )
    answer_seconds: Annotated[
        float,
        Meta(
            description="How long a sender waits for what its message came to; then its connection is closed without "
            "an answer, and the message, sent again, is answered as soon as it is applied.",
            gt=0,
        ),
    ] = 60
    connections: Annotated[int, Meta(description="Most connections at once; one more is closed.", ge=1)] = 1000
    pipelined: Annotated[
        int, Meta(description="Messages of a connection that are under way before more is read.", ge=1)
    ] = 32
    strict: Annotated[
        bool, Meta(description="Whether messages that break the structure tables of their version are refused.")
    ] = False


class Folder(Part, frozen=True):
    """A folder that files are taken from: messages, batches, files of batches."""

    path: Annotated[Path, Meta(description="What is put here is taken, then moved to done/ or failed/ below it.")]
    pattern: Annotated[str, Meta(description="Names of the files.")] = "*.hl7"
    seconds: Annotated[float, Meta(description="Time between two looks.", gt=0)] = 2


class Sender(Part, frozen=True):
    """What holds for a sender; [sender.default] for those that have no table of their own."""

    same_id: Annotated[
        Literal["refuse", "apply"],
        Meta(description="A message with the MSH-10 of another, but other bytes: kept as failed, or applied. Both are "
             "an alarm."),
    ] = "apply"  # fmt: skip
    unknown_patient: Annotated[
        Literal["create", "wait", "fail"],
        Meta(description="A message about a patient that the server does not know: make the patient, wait for a "
             "message that does (ADT), or fail."),
    ] = "create"  # fmt: skip
    wait_hours: Annotated[float, Meta(description="How long it waits; then it is failed.", gt=0)] = 72
    answer: Annotated[
        Literal["applied", "stored"],
        Meta(description="When original mode is answered: once what the message says is committed, or once it is "
             "kept."),
    ] = "applied"  # fmt: skip
    batch_count: Annotated[
        Literal["refuse", "apply"],
        Meta(description="A batch or file whose count is wrong or whose trailer is missing: refused whole, or applied "
             "with a warning."),
    ] = "refuse"  # fmt: skip
    processing: Annotated[
        tuple[str, ...], Meta(description="Processing ids (MSH-11) that are taken; others are rejected.")
    ] = ("P", "T", "D")
    ignore: Annotated[
        tuple[str, ...],
        Meta(description="Messages, such as ADT^A20 or ORM, that are kept, acknowledged and not applied."),
    ] = ()
    reply: Annotated[
        str, Meta(description="The destination that later acknowledgements of enhanced mode go to; else the connection "
                  "that the message came by.")
    ] = ""  # fmt: skip
    zone: Annotated[
        str, Meta(description="The zone of times that state none where MSH-7 states none either: Z, +hh:mm, or a name "
                  "such as Europe/Berlin.")
    ] = "Z"  # fmt: skip
    tables: Annotated[str, Meta(description="Folder of this sender's own mapping tables, over those of the site.")] = ""

    def __post_init__(self) -> None:
        if not is_zone(self.zone):
            raise ValueError(f"zone {self.zone!r} is no zone; use Z, +hh:mm or a name such as Europe/Berlin")


class Destination(Part, frozen=True):
    """A system that changes are sent to as messages, one after the other."""

    host: Annotated[str, Meta(description="Where it listens.")]
    port: Annotated[int, Meta(description="Its TCP port.", ge=1, le=65535)]
    subscribe: Annotated[
        tuple[str, ...],
        Meta(description="What is sent: searches such as Patient or DiagnosticReport?status=final,corrected."),
    ] = ()
    message: Annotated[
        str, Meta(description="The message to make, such as ORU^R01; empty: the one of the resource's type.")
    ] = ""
    application: Annotated[str, Meta(description="MSH-5.")] = ""
    facility: Annotated[str, Meta(description="MSH-6.")] = ""
    version: Annotated[str, Meta(description="MSH-12.")] = "2.5.1"
    charset: Annotated[str, Meta(description="MSH-18.")] = "UNICODE UTF-8"
    tls: Annotated[Tls | None, Meta(description="Certificates; without them the connection is plain TCP.")] = None
    release: Annotated[Literal[1, 2], Meta(description="MLLP release.")] = 1
    answer_seconds: Annotated[
        float,
        Meta(description="Wait for an acknowledgement; then the connection is closed, the message sent again.", gt=0),
    ] = 30
    connect_seconds: Annotated[float, Meta(description="Wait for a connection.", gt=0)] = 10
    back_off_seconds: Annotated[
        float, Meta(description="First pause after a failure; doubled up to the longest.", gt=0)
    ] = 1
    longest_pause_seconds: Annotated[float, Meta(description="Longest pause between two tries.", gt=0)] = 60
    failures: Annotated[
        int, Meta(description="Failures in a row after which the circuit opens: one try a longest pause.", ge=1)
    ] = 5
    refused: Annotated[
        Literal["hold", "skip"],
        Meta(description="What follows an AE, AR, CE or CR: hold the queue until a person sends it again or drops it, "
             "or set it aside as failed and go on."),
    ] = "skip"  # fmt: skip


class Interfaces(Part, frozen=True):
    """The whole file."""

    application: Annotated[str, Meta(description="How this side names itself: MSH-3 of what it sends.")] = "UltimateHMS"
    facility: Annotated[str, Meta(description="MSH-4 of what it sends.")] = ""
    store: Annotated[
        str, Meta(description="Where messages are kept: empty for hl7.sqlite in the data folder, or a mongodb:// URL.")
    ] = ""
    parallel: Annotated[int, Meta(description="Messages that a worker applies at once.", ge=1, le=256)] = 16
    done_days: Annotated[
        float, Meta(description="How long messages that are done or ignored are kept; 0 is for ever.", ge=0)
    ] = 90
    failed_days: Annotated[float, Meta(description="How long failed messages are kept; 0 is for ever.", ge=0)] = 0
    tables: Annotated[str, Meta(description="Folder of the site's own mapping tables.")] = ""
    listener: Annotated[dict[str, Listener], Meta(description="[listener.NAME] tables.")] = {}
    folder: Annotated[dict[str, Folder], Meta(description="[folder.NAME] tables.")] = {}
    sender: Annotated[
        dict[str, Sender], Meta(description='[sender."APPLICATION|FACILITY"] tables, of MSH-3 and MSH-4.')
    ] = {}
    destination: Annotated[dict[str, Destination], Meta(description="[destination.NAME] tables.")] = {}

    def policies(self, origin: str) -> Sender:
        """What holds for a sender: its own table, its application's, or the default."""
        found = self.sender.get(origin) or self.sender.get(origin.split("|")[0]) or self.sender.get("default")
        return found or Sender()

    def named(self, origin: str) -> str:
        """A sender as the file names it, by application and facility or by its application; else "other"."""
        known = (name for name in (origin, origin.split("|")[0]) if name in self.sender and name != "default")
        return next(known, "other")


def read_interfaces(path: Path | None, port: int = 0, host: str = "127.0.0.1") -> Interfaces:
    """The interfaces of a file, None for none, and a listener `mllp` at the port, 0 for none.

    FhirError "value" that names the file, the place in it and what it may be.
    """
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(path.read_text("utf-8"))
        except OSError as problem:
            raise error("value", f"The interfaces file {path} can't be read: {problem.strerror}.") from problem
        except ValueError as problem:
            raise error("value", f"The interfaces file {path} is not TOML: {problem}.") from problem
    try:
        found = msgspec.convert(given, Interfaces, strict=False, dec_hook=_path)
    except msgspec.ValidationError as problem:
        raise error(
            "value", f"{path}: {problem}. docs/reference/hl7v2-interfaces.md lists what may stand in it."
        ) from problem
    for name, sender in found.sender.items():
        if sender.reply and sender.reply not in found.destination:
            raise error("value", f"{path}: sender {name!r} replies to {sender.reply!r}, which is no destination.")
    if port:
        named = {**found.listener, "mllp": Listener(port=port, host=host)}
        found = msgspec.structs.replace(found, listener=named)
    return found


def _path(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError("Expected a path")
