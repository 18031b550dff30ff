"""837 files of the claims that wait: each claim goes once, and one that can't be written is an item of work."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing.claim_data import data_of
from fhir_server.subsystems.billing.days import local
from fhir_server.subsystems.billing.facts import Json, known, rows
from fhir_server.subsystems.billing.interchanges import envelope, keep_sent, next_control
from fhir_server.subsystems.billing.items import open_item
from fhir_server.subsystems.billing.scrub import TRIAL, TRIALISTS
from fhir_server.subsystems.billing.service import Billing
from interfaces.x12.claims import write_claims
from interfaces.x12.shapes import ClaimData, Party

MOST = 5000  # claims of a file


async def send(billing: Billing, client: FhirClient, receiver: str, usage: str, now: int, who: str) -> list[Json]:
    """Writes the claims that were not sent yet into 837 files, one for each kind; gives each file with its text. A
    claim that can't be written is an item of work, and the others go."""
    if usage not in ("P", "T"):
        raise error("value", "usage must be P (production) or T (test).", location="usage")
    async with billing.desk:
        waiting = rows(
            billing.store,
            "SELECT * FROM claim WHERE status = 'made' AND file = '' AND NOT (frequency = '8' "
            "AND payer_control = '') AND replaced = '' ORDER BY created, id LIMIT ?",
            (MOST,),
        )
        made = []
        for kind in ("P", "I"):
            of_kind = [row for row in waiting if row["kind"] == kind]
            control = next_control(billing.store)
            ready, text = await asyncio.to_thread(_written, billing, of_kind, receiver, usage, control, now)
            if not ready:
                continue
            sources = [f"Claim/{each.control}" for each in ready]
            file = await keep_sent(billing, client, text, f"837{kind}", str(control), now, who, sources=sources)
            made.append(
                {
                    "file": file,
                    "kind": f"837{kind}",
                    "control": f"{control:09}",
                    "claims": len(ready),
                    "text": text,
                }
            )
        return made


def _written(
    billing: Billing, claims: list[Any], receiver: str, usage: str, control: int, now: int
) -> tuple[list[ClaimData], str]:
    """The claims of a file, and the file; each is tried alone only where one of them can't be written."""
    at = local(now, billing.zone)
    ready = _ready(billing, claims, now, alone=False)
    try:
        return ready, _file(ready, receiver, usage, control, at) if ready else ""
    except FhirError:
        ready = _ready(billing, claims, now, alone=True)
        return ready, _file(ready, receiver, usage, control, at) if ready else ""


def _ready(billing: Billing, claims: list[Any], now: int, *, alone: bool) -> list[ClaimData]:
    """What an 837 says of claims that can be written, each tried alone where that is wanted; the others become items of
    work."""
    ready, held = [], []
    for row in claims:
        try:
            body = known(billing.store, f"Claim/{row['id']}")
            if body is None:
                raise error("not-found", f"Claim/{row['id']} is deleted.")
            data = data_of(billing.store, body, billing.zone)
            if alone:
                write_claims([data], TRIAL, *TRIALISTS)
            ready.append(data)
        except FhirError as problem:
            held.append((row, str(problem)))
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError):
            held.append((row, "a part of it, or of what it refers to, is missing or can't be read."))
    if held:
        with billing.store.writing() as connection:
            for row, why in held:
                id = row["id"]
                text = f"Claim/{id} could not be sent: {why}"
                open_item(
                    connection, "unsent", f"Claim/{id}", instant(now), text[:2000], patient=row["patient"], claim=id
                )
    return ready


def _file(data: list[ClaimData], receiver: str, usage: str, control: int, at: datetime.datetime) -> str:
    first = data[0].billing
    around = envelope(first, receiver, control, at, usage)
    submitter = Party(first.name, id=around.sender, phone=first.phone)
    return write_claims(data, around, submitter, Party(receiver, id=receiver))
