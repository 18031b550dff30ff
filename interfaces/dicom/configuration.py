"""Peers and forward rules: a TOML file that is read again when it changes (docs/reference/dicom.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import FOLDER

FILE_NAME = "peers.toml"
Service = Literal["store", "query", "retrieve", "worklist", "procedure-step", "commitment", "workitem"]
SERVICES: tuple[Service, ...] = get_args(Service)
Title = Annotated[str, Meta(min_length=1, max_length=16)]


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another application entity: where it is, what it may ask for, who issues the patient ids that it sends."""

    ae_title: Title
    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 104
    issuer: str = ""
    may: tuple[Service, ...] = SERVICES
    tls: bool = False


class Forward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sends on what arrives: to a peer, from these senders and of these modalities; () is all of them."""

    to: Title
    senders: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()


class Peers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    peer: tuple[Peer, ...] = ()
    forward: tuple[Forward, ...] = ()

    def named(self, ae_title: str) -> Peer | None:
        """The peer of an AE title."""
        return next((peer for peer in self.peer if peer.ae_title == ae_title.strip()), None)


class Configuration:
    """The file of the settings, read again whenever it has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path = Path(settings.dicom_peers) if settings.dicom_peers else settings.data / FOLDER / FILE_NAME
        self._stamp: tuple[int, int] | None = None
        self._peers = Peers()

    def peers(self) -> Peers:
        """What the file says now; FhirError "value" where it can't be read as peers."""
        try:
            found = self.path.stat()
        except OSError as problem:
            if self._settings.dicom_peers:
                raise error(
                    "value", f"The DICOM peers file {self.path} can't be read: {problem.strerror}."
                ) from problem
            return Peers()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._peers = read(self.path)
            self._stamp = stamp
        return self._peers

    def issuer(self, peers: Peers, ae_title: str) -> str:
        """Who issues the patient ids that this sender sends without an issuer."""
        peer = peers.named(ae_title)
        return peer.issuer if peer and peer.issuer else self._settings.dicom_issuer


def peers_alone(settings: Settings) -> bool:
    """Whether only known peers may associate."""
    given = settings.dicom_known_peers_only
    return settings.security != "open" if given == "auto" else given


def read(path: Path) -> Peers:
    """A file of peers; FhirError "value" that says what is wrong in it."""
    try:
        peers = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Peers)
    except OSError as problem:
        raise error("value", f"The DICOM peers file {path} can't be read: {problem.strerror}.") from problem
    except (ValueError, msgspec.ValidationError) as problem:
        raise error("value", f"The DICOM peers file {path} is wrong: {problem}.") from problem
    titles = [peer.ae_title for peer in peers.peer]
    if doubled := sorted({title for title in titles if titles.count(title) > 1}):
        raise error(
            "value", f"The DICOM peers file {path} has several peers {doubled[0]}; give each an AE title of its own."
        )
    for rule in peers.forward:
        if peers.named(rule.to) is None:
            raise error("value", f"The DICOM peers file {path} forwards to {rule.to}, which is none of its peers.")
    return peers
