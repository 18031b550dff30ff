"""X12 interchanges that go out: each has a control number of its own, and is kept before anybody sends it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from fhir_server.client import FhirClient
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import written
from fhir_server.subsystems.billing.acknowledging import take_sent
from fhir_server.subsystems.billing.facts import Connection, Json, rows
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.writing import put_all
from interfaces.x12.shapes import Envelope, Party


def next_control(store: Connection) -> int:
    """The number that no interchange of ours has had; to be asked at the desk, so that two do not take the same."""
    numbers = rows(store, "SELECT control FROM file WHERE outgoing = 1")
    return max((int(row[0]) for row in numbers if row[0].isdigit()), default=0) + 1


def envelope(provider: Party, receiver: str, control: int, at: datetime.datetime, usage: str = "P") -> Envelope:
    """From a provider, by its tax number where it has one. at: by the clocks of the hospital; usage: P or T."""
    sender = provider.tax.replace("-", "") or provider.id
    return Envelope(sender, receiver, control, f"{at:%Y%m%d}", f"{at:%H%M}", usage)


async def keep_sent(
    billing: Billing, client: FhirClient, text: str, kind: str, number: str, now: int, who: str, *,
    resources: Sequence[Json] = (), sources: Sequence[str] = (),
) -> str:  # fmt: skip
    """Stores an interchange with what goes with it, and takes it in before the feed brings it: its control number is
    used. Gives the reference of the file. number: tells two files of the same content apart.
    """
    document = written.document(text.encode(), "outgoing", kind, instant(now), number)
    await put_all(client, [document, *resources], subsystem="billing", rule=kind, now=now, sources=sources, who=who)
    with billing.store.writing() as connection:
        take_sent(connection, document["id"], text.encode(), document["date"])
    return f"DocumentReference/{document['id']}"
