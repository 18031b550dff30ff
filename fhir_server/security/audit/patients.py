"""Which patients a request is about: found once for each stored version, as the same ones are given again and again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter

from fhir_server.core.keys import StoredVersion

KEPT = 10_000  # versions whose patients are kept in mind
LONGEST = 256  # bytes of a reference before Patient/
HOLDING = ("Bundle", "Parameters")  # types whose resources have others of the server's inside
_KEY = attrgetter("seq", "id")
_ID = re.compile(rb'([A-Za-z0-9\-.]{1,64})["/]')
_OWN = b'"resourceType":"Patient","id":"'
_PATIENT = b"Patient/"
_MENTION = re.compile(rb"(?<![A-Za-z])Patient/([A-Za-z0-9\-.]{1,64})")
_REFERENCE, _OTHER = b'"reference":"', b'"other":{'


class Patients:
    """For one server."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], tuple[str, ...]] = {}

    def of(
        self, path: tuple[str, ...], given: bytes, shown: Sequence[StoredVersion] | None, asked: bytes, whole: bool
    ) -> tuple[str, ...]:
        """Ids of those that a path is about, whose data was given or changed, or that a Bundle that came refers to.

        given: the body that went out; shown: all the versions that it was made of, None where these are not known;
        whole: nothing was hidden in them; asked: a Bundle that was performed, b"" for anything else.
        """
        found = dict.fromkeys([path[1]]) if len(path) > 1 and path[0] == "Patient" and path[1][:1] not in "$_" else {}
        if shown is None:
            found |= dict.fromkeys(_named(given, True))
        elif whole:
            try:
                known = [*map(self._kept.__getitem__, map(_KEY, shown))]
            except KeyError:
                known = [*map(self.of_version, shown)]
            found |= dict.fromkeys(chain.from_iterable(known))
        else:
            for version in shown:
                found |= dict.fromkeys(patients_of(version))
        for body in (asked, given if shown is None else b"") if asked else ():  # and where its entries are now
            for at, id in _mentioned(body):
                if body[at - 1 : at] in (b"/", b'"'):
                    found[id] = None
        return tuple(found)

    def of_version(self, version: StoredVersion) -> tuple[str, ...]:
        """Ids of the patients that a version is of, or refers to; nothing was hidden in it."""
        key = _KEY(version)
        ids = self._kept.get(key)
        if ids is None:
            ids = patients_of(version)
            if version.seq:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[key] = ids
        return ids


def patients_of(version: StoredVersion) -> tuple[str, ...]:
    """Ids of the patients that a version is of, or refers to."""
    found = [version.id] if version.type == "Patient" else []
    if version.type in HOLDING or _PATIENT in version.body:
        found += _named(version.body, version.type in HOLDING)
    return tuple(found)


def mentioned(text: bytes) -> tuple[str, ...]:
    """Ids of the patients that a text of any kind names as Patient/id."""
    return tuple(dict.fromkeys(id.decode() for id in _MENTION.findall(text)))


def _named(body: bytes, inner: bool) -> list[str]:
    """The patients that canonical JSON refers to; inner: and those that it holds."""
    found = []
    at = body.find(_OWN) if inner else -1
    while at >= 0:
        own = _ID.match(body, at + len(_OWN))
        if own is not None:
            found.append(own[1].decode())
        at = body.find(_OWN, at + len(_OWN))
    at = body.find(_PATIENT)
    while at >= 0:
        if _refers(body, at) and (named := _ID.match(body, at + len(_PATIENT))) is not None:
            found.append(named[1].decode())
        at = body.find(_PATIENT, at + len(_PATIENT))
    return found


def _mentioned(body: bytes) -> Iterable[tuple[int, str]]:
    """Where Patient/ is with an id behind it, and that id."""
    at = body.find(_PATIENT)
    while at >= 0:
        named = _ID.match(body, at + len(_PATIENT))
        if named is not None:
            yield at, named[1].decode()
        at = body.find(_PATIENT, at + len(_PATIENT))


def _refers(body: bytes, at: int) -> bool:
    """Whether what begins at or before a place is a reference of canonical JSON, but for Patient.link.other's."""
    begins = at - len(_REFERENCE)
    if body[at - 1 : at] == b"/":  # after a base URL
        begins = body.rfind(b'"', max(0, at - LONGEST), at) + 1 - len(_REFERENCE)
    return begins >= 0 and body.startswith(_REFERENCE, begins) and not body.startswith(_OTHER, begins - len(_OTHER))
