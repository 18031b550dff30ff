"""How fast claims become 837 files and 835 files are posted: python -m tests.bench.billing."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

from fhir_server.codec.json import serialize
from fhir_server.subsystems.billing import ledger, written
from fhir_server.subsystems.billing.models import PAYER_ID, SYSTEM
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.subsystem import Change, Portion
from interfaces.x12.claims import write_claims
from interfaces.x12.reader import read
from interfaces.x12.remittances import write_remittance
from interfaces.x12.shapes import ClaimAnswer, LineAnswer, Party, Remittance
from tests.unit.interfaces.x12 import samples

CLAIMS = 2000


def main() -> None:
    """Prints claims a second and a CPU second."""
    claims = [samples.claim(f"C{number}") for number in range(CLAIMS)]
    took("837 written and checked", lambda: write_claims(claims, samples.ENVELOPE, samples.SENDER, samples.CLEARING))
    text = remittance()
    took("835 read", lambda: read(text).problems())
    with tempfile.TemporaryDirectory() as folder:
        billing = Billing(Path(folder))
        billing.take(Portion([change(1, payer()), *(change(2 + at, claim(at)) for at in range(CLAIMS))], 9_000, 9_000))
        document = written.document(text.encode(), "incoming", "835", "2026-11-27T00:00:00Z", "1")
        took("835 posted", lambda: billing.take(Portion([change(9_001, document)], 9_001, 9_001)))
        assert ledger.trial_balance(billing.store)["sum"] == 0
        [row] = billing.store.rows("SELECT sum(cents) FROM journal_line WHERE account = 'cash'")
        assert row[0] == CLAIMS * 14999, row[0]
        billing.close()


def took(what: str, call) -> None:
    """Prints how fast a call was for all claims."""
    began, cpu = time.perf_counter(), time.process_time()
    call()
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    print(f"{what:<26} {CLAIMS / wall:>8.0f} claims/s   {CLAIMS / used:>8.0f} a CPU second")


def remittance() -> str:
    """An 835 that answers every claim."""
    lines = (
        LineAnswer("99213", 12550, 10000, samples.OFFICE, "L1", (), "1", ("25",)),
        LineAnswer("80053", 4999, 4999, (), "L2", (), "2"),
    )
    answers = tuple(
        ClaimAnswer(f"C{number}", "1", 17549, 14999, 2000, f"ICN{number}", (), lines, Party("Muller", "Anna"))
        for number in range(CLAIMS)
    )
    made = Remittance(samples.PAYER, samples.HOSPITAL, CLAIMS * 14999, "CHK1", "20261120", answers)
    return write_remittance(made, samples.ENVELOPE)


def change(position: int, resource: dict) -> Change:
    """A change of the feed that brings a resource."""
    resource.setdefault("meta", {})["versionId"] = "1"
    return Change(position, resource["resourceType"], resource["id"], 1, "PUT", "2026-11-27T00:00:00Z",
                  msgspec.Raw(serialize(resource)))  # fmt: skip


def payer() -> dict:
    """The payer of every claim."""
    identifier = [{"system": PAYER_ID, "value": samples.PAYER.id}]
    return {"resourceType": "Organization", "id": "blue", "name": "Blue", "identifier": identifier}


def claim(number: int) -> dict:
    """A Claim as billing makes it."""
    return {
        "resourceType": "Claim", "id": f"C{number}", "meta": {"tag": [{"system": SYSTEM, "code": "claim"}]},
        "type": {"coding": [{"code": "professional"}]}, "patient": {"reference": f"Patient/p{number}"},
        "insurer": {"reference": "Organization/blue"}, "created": "2026-11-02",
        "insurance": [{"coverage": {"reference": f"Coverage/c{number}"}}],
        "total": {"value": 175.49, "currency": "USD"},
        "item": [{"encounter": [{"reference": f"Encounter/e{number}"}]}],
    }  # fmt: skip


if __name__ == "__main__":
    main()
