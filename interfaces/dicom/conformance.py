"""The DICOM conformance statement (PS3.2), made from the services that are registered and from the settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interfaces.dicom.dataset.part10 import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from interfaces.dicom.dataset.syntaxes import FRAME_TYPES
from interfaces.dicom.services.registry import SERVICES
from interfaces.dicom.services.service import NATIVE, Service
from interfaces.dicom.web.application import DELETABLE, PREFIX, ROUTES, STORES
from interfaces.dicom.web.rendered import TYPES
from interfaces.dicom.web.workitem_routes import WORKITEMS
from interfaces.dicom.workitems import attributes, events, states

# what this archive asks of peers: SOP class -> what for
AS_USER = {
    "1.2.840.10008.1.1": "C-ECHO, from the page",
    "1.2.840.10008.5.1.4.1.2.2.1": "C-FIND at a peer",
    "1.2.840.10008.5.1.4.1.2.2.2": "C-MOVE from a peer to this archive",
    "1.2.840.10008.1.20.1": "N-EVENT-REPORT of storage commitment, as its provider",
    events.SOP_CLASS: "N-EVENT-REPORT of procedure steps to subscribers, as its provider",
}
HEAD = f"""# DICOM conformance statement

<!-- Made from interfaces/dicom by `make docs`. -->

## Overview

An archive that stores and retrieves instances, provides worklists from FHIR orders, takes performed procedure steps and
storage commitment requests, manages unified procedure steps, and serves DICOMweb. How it is set up:
[how-to](../how-to/dicom.md).

| | |
| --- | --- |
| Application context | 1.2.840.10008.3.1.1.1 |
| Implementation class UID | {IMPLEMENTATION_UID} |
| Implementation version name | {IMPLEMENTATION_NAME} |
| AE title | setting `dicom_ae_title`; associations that call another are rejected (permanent, 7) |
| Calling AE titles | all, or only peers at their addresses (rejected: permanent, 3): setting `dicom_known_peers_only` |
| Associations at a time | setting `dicom_max_associations`, over all processes (rejected: transient, local limit) |
| Asynchronous operations | not negotiated: one operation at a time |
| Largest PDU received | setting `dicom_max_pdu` |
| TLS | settings `dicom_tls_*`: TLS 1.2 and 1.3, client certificates |
| Character sets | all of PS3.3 C.12.1.1.2 are read; answers: ISO 646, else that of the query, else ISO_IR 192 |

"""


def conformance_page() -> str:
    """The page as Markdown."""
    return "".join((HEAD, *map(_service, SERVICES), _steps(), _user(), _web()))


def _service(service: Service) -> str:
    lines = [f"## {service.name}\n\n"]
    if service.both_roles:
        lines.append(
            "Every storage SOP class, private ones too, in the first transfer syntax that is proposed for it; kept as "
            "received. The standard ones:\n\n"
        )
    else:
        lines.append(f"Provider (SCP). Transfer syntaxes: {', '.join(_named(NATIVE))}.\n\n")
    lines.append("| SOP class | UID |\n| --- | --- |\n")
    lines += [f"| {name} | {uid} |\n" for name, uid in sorted(service.sop_classes.items())]
    if service.permission:
        lines.append(f"\nA peer needs `{service.permission}` in its `may`.\n")
    if service.statuses:
        lines.append("\n| status | when |\n| --- | --- |\n")
        lines += [f"| {code} | {when} |\n" for code, when in service.statuses]
    return "".join(lines) + "\n"


def _steps() -> str:
    """What a unified procedure step needs, and how its state changes."""
    lines = ["### States of a unified procedure step\n\n"]
    lines.append("With the correct Transaction UID; another one or none is answered with C301.\n\n")
    lines.append(f"| state asked for | {' | '.join(f'in {state}' for state in states.STATES)} |\n")
    lines.append(f"| --- |{' --- |' * len(states.STATES)}\n")
    for wanted, answers in states.CHANGES.items():
        shown = [f"{answers[state]:04X}" if answers[state] else "changes" for state in states.STATES]
        lines.append(f"| {wanted} | {' | '.join(shown)} |\n")
    lines.append(f"\nTo be created it needs {_attributes((attributes.STATE, *attributes.REQUIRED))}")
    lines.append("; attributes of type 2 that do not come are there empty.\n")
    for state, needed in attributes.NEEDED.items():
        plain = [each for each in needed if isinstance(each, str)]
        inner = [f"{_attributes(tags)} in {_attributes((tag,))}" for tag, tags in set(needed) - set(plain)]
        lines.append(f"To be {state} it needs {_attributes(plain)}, and {' and '.join(inner)}.\n")
    lines.append(f"{_attributes((attributes.OUTPUT,))} must be there for COMPLETED and may be empty.\n\n")
    return "".join(lines)


def _attributes(tags: Iterable[str]) -> str:
    from pydicom.datadict import dictionary_description

    return ", ".join(f"{dictionary_description(int(tag, 16))} ({tag[:4]},{tag[4:]})" for tag in tags)


def _named(uids: Iterable[str]) -> list[str]:
    from pydicom.uid import UID

    return [UID(uid).name for uid in uids]


def _user() -> str:
    lines = ["## As a user (SCU)\n\n| SOP class | for |\n| --- | --- |\n"]
    lines += [f"| {name} | {what} |\n" for name, what in zip(_named(AS_USER), AS_USER.values(), strict=True)]
    lines.append("| every storage SOP class that is kept | C-STORE of C-MOVE, of forward rules and of the page |\n\n")
    return "".join(lines)


def _web() -> str:
    lines = [f"## DICOMweb\n\nBelow `{PREFIX}` (PS3.18).\n\n| method | path | what |\n| --- | --- | --- |\n"]
    for shape, handler in ROUTES:
        lines.append(f"| GET | `{_path(shape)}` | {_first(handler)} |\n")
    lines += [
        f"| POST | `{_path(shape)}` | Stores instances: files, or metadata with bulk data |\n" for shape in STORES
    ]
    lines += [
        f"| DELETE | `{_path(shape)}` | Where the setting `dicom_web_delete` allows it |\n" for shape in DELETABLE
    ]
    lines += [f"| {route.method} | `{_path(route.shape)}` | {_first(route.handler)} |\n" for route in WORKITEMS]
    kept = sorted(set(FRAME_TYPES.values()))
    lines.append(
        f"\nFrames: `application/octet-stream` (decoded), or as kept: {', '.join(f'`{each}`' for each in kept)}."
    )
    lines.append(
        f" Rendered: {', '.join(f'`{each}`' for each in TYPES)}; of an instance of "
        "many frames an animated `image/gif`, or each frame as a part of `multipart/related`.\n"
    )
    lines.append(
        "\nProcedure steps: `application/dicom+json` and `application/dicom+xml`. Events go to peers by "
        "N-EVENT-REPORT, to other subscribers over the WebSocket `/subscribers/{AE title}`, as text messages of JSON.\n"
    )
    return "".join(lines)


def _first(handler: Any) -> str:
    """The first thing that a handler's docstring says."""
    return (handler.__doc__ or "").split(";")[0].split(":")[0].strip().rstrip(".").splitlines()[0]


def _path(shape: tuple[str, ...]) -> str:
    names = {"studies": "{study}", "series": "{series}", "instances": "{instance}", "frames": "{frames}",
             "workitems": "{workitem}", "subscribers": "{AE title}"}  # fmt: skip
    shown = []
    for at, part in enumerate(shape):
        shown.append(names.get(shape[at - 1], "{}") if part == "*" else "{path}" if part == "+" else part)
    return "/" + "/".join(shown)
