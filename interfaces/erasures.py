"""An interface in a process apart works off the erasures that its server keeps for it ($erasures)."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from fhir_server.client import FhirClient
from fhir_server.core.erasing import Erase, Erased
from fhir_server.core.errors import FhirError
from fhir_server.interactions.request import Request

LOOK_EVERY = 30.0  # seconds

log = structlog.get_logger("erasures")


class _Pending(msgspec.Struct):
    id: str
    reference: str
    identifiers: list[tuple[str, str]]
    record: list[str]


class _Listed(msgspec.Struct):
    erasures: list[_Pending]


async def work_off(client: FhirClient, name: str, erase: Erase) -> int:
    """Erases what is pending here and tells the server; how many erasures were done. FhirError of the server.

    One that fails here is logged and stays pending, and holds up no other.
    """
    asked = await client.perform(Request("GET", ("$erasures",), [("interface", name)]))
    done = 0
    for each in msgspec.json.decode(asked.body, type=_Listed).erasures:
        try:
            erased = await erase(Erased(each.reference, frozenset(each.identifiers), frozenset(each.record)))
        except Exception:
            log.exception("an erasure failed", erasure=each.id)
            continue
        counts = [
            {
                "name": "count",
                "part": [{"name": "what", "valueString": what}, {"name": "number", "valueInteger": number}],
            }
            for what, number in sorted(erased.items())
        ]
        named = [{"name": "interface", "valueString": name}, {"name": "done", "valueString": each.id}]
        told = {"resourceType": "Parameters", "parameter": [*named, *counts]}
        await client.perform(Request("POST", ("$erasures",), resource=told))
        done += 1
    return done


async def keep_working_off(client: FhirClient, name: str, erase: Erase) -> None:
    """Does that from time to time until it is cancelled."""
    away = False
    while True:
        try:
            await work_off(client, name, erase)
            away = False
        except (FhirError, msgspec.MsgspecError) as problem:
            if not away:
                log.warning("erasures wait", problem=str(problem))
            away = True
        except Exception as problem:  # whatever fails here must not end the erasing for good
            log.exception("an erasure failed", problem=repr(problem))
        await asyncio.sleep(LOOK_EVERY)
