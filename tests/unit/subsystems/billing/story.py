"""A small hospital with a payer and a fee schedule, and a visit to bill."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_server.codec.json import serialize
from fhir_server.subsystems.billing import actions, sending
from fhir_server.subsystems.billing.fees import definitions
from fhir_server.subsystems.billing.models import CPT, NPI, PAYER_ID
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.subsystem import settle
from interfaces.x12.reader import read
from interfaces.x12.remittances import write_remittance
from interfaces.x12.shapes import Adjustment, ClaimAnswer, Envelope, LineAnswer, Party, Remittance
from tests.conftest import Fhir

NOW = 1_795_770_000_000_000  # 27 November 2026
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
FEES = "code,price,from\n99213,125.50,2026-01-01\n80053,49.99,2026-01-01\n36415,8.00,2026-01-01\n"
ADDRESS = [{"line": ["1 Main St"], "city": "Albany", "state": "NY", "postalCode": "122071234"}]
PAYER = Party("Blue Payer", id="60054", qualifier="PI")
PAYEE = Party("General Hospital", id="1234567893")


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def payer(id: str = "blue", number: str = "60054", name: str = "Blue Payer") -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "id": id,
        "name": name,
        "identifier": [{"system": PAYER_ID, "value": number}],
    }


def coverage(id: str = "cov", organization: str = "blue", order: int = 1) -> dict[str, Any]:
    return {
        "resourceType": "Coverage",
        "id": id,
        "status": "active",
        "beneficiary": {"reference": "Patient/anna"},
        "subscriberId": f"M-{id}",
        "payor": [{"reference": f"Organization/{organization}"}],
        "order": order,
    }


def encounter(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "subject": {"reference": "Patient/anna"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [coded(CPT, "99213")],
        "period": {"start": "2026-11-02T09:00:00Z", "end": "2026-11-02T09:30:00Z"},
        "serviceProvider": {"reference": "Organization/hospital"},
        "participant": [{"individual": {"reference": "Practitioner/jane"}}],
        "diagnosis": [{"condition": {"reference": "Condition/dm"}, "rank": 1}],
    }
    return made | changes


def procedure(id: str = "lab", code: str = "80053", **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": id,
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "encounter": {"reference": "Encounter/visit"},
        "code": coded(CPT, code),
        "performedDateTime": "2026-11-02",
    } | changes


def hospital() -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Organization",
            "id": "hospital",
            "name": "General Hospital",
            "address": ADDRESS,
            "telecom": [{"system": "phone", "value": "(518) 555-0100"}],
            "identifier": [
                {"system": NPI, "value": "1234567893"},
                {"system": "urn:oid:2.16.840.1.113883.4.4", "value": "12-3456789"},
            ],
        },
        payer(),
        {
            "resourceType": "Practitioner",
            "id": "jane",
            "name": [{"family": "Jones", "given": ["Jane"]}],
            "identifier": [{"system": NPI, "value": "1003000126"}],
        },
        {
            "resourceType": "Patient",
            "id": "anna",
            "name": [{"family": "Müller", "given": ["Anna"]}],
            "gender": "female",
            "birthDate": "1980-01-02",
            "address": ADDRESS,
        },
        {
            "resourceType": "Condition",
            "id": "dm",
            "subject": {"reference": "Patient/anna"},
            "code": coded(ICD10, "E11.9"),
        },
        coverage(),
        *definitions(FEES),
        encounter(),
        procedure(),
    ]


@dataclass
class Story:
    """The server and the subsystem on it."""

    fhir: Fhir
    billing: Billing
    control: int = 100

    async def settle(self) -> None:
        await settle(self.fhir.server, self.billing, NOW)

    async def store(self, *resources: dict[str, Any]) -> None:
        for each in resources:
            stored = await self.fhir("PUT", f"{each['resourceType']}/{each['id']}", serialize(each))
            assert stored.status_code in (200, 201), stored.text
        await self.settle()

    async def delete(self, reference: str) -> None:
        assert (await self.fhir("DELETE", reference)).status_code == 204
        await self.settle()

    async def claim(self) -> str:
        made = await actions.claim_encounter(self.billing, self.fhir.server, "Encounter/visit", NOW, "Berta")
        await self.settle()
        return made["id"]

    async def bill(self) -> str:
        """Bills the visit to the patient; gives the Invoice's id."""
        made = await actions.bill_patient(self.billing, self.fhir.server, "Encounter/visit", NOW, "Berta")
        await self.settle()
        return made["id"]

    async def follow(self, id: str, how: str) -> str:
        made = await actions.follow_up(self.billing, self.fhir.server, id, how, NOW, "Berta")
        await self.settle()
        return made["id"]

    async def send(self) -> list[dict[str, Any]]:
        made = await sending.send(self.billing, self.fhir.server, "CLEAR1", "P", NOW, "Berta")
        await self.settle()
        return made

    async def load(self, text: str, later: int = 0) -> dict[str, Any]:
        said = await actions.load(self.billing, self.fhir.server, text.encode(), NOW + later, "Berta")
        await self.settle()
        return said

    def remittance(self, *claims: ClaimAnswer, **changes: Any) -> str:
        self.control += 1
        made = Remittance(PAYER, PAYEE, sum(each.paid for each in claims), f"CHK{self.control}", "20261120", claims)
        for name, value in changes.items():
            made = replace_field(made, name, value)
        return write_remittance(made, Envelope("BLUE", "HOSP1", self.control, "20261120", "0900"))

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        return [tuple(row) for row in self.billing.store.rows(sql, values)]

    def accounts(self) -> dict[str, int]:
        return dict(self.rows("SELECT account, sum(cents) FROM journal_line GROUP BY 1 HAVING sum(cents) <> 0"))

    def work(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT kind FROM item WHERE closed = '' ORDER BY kind")]

    def state(self) -> dict[str, list[tuple]]:
        """All that the tables say, whatever the order in which it came about."""
        wanted = {
            "journal": "SELECT e.key, e.text, e.source, account, patient, payer, claim, cents FROM journal_line "
            "JOIN journal_entry e ON e.id = entry",
            "charge": "SELECT * FROM charge",
            "claim": "SELECT * FROM claim",
            "file": "SELECT * FROM file",
            "item": "SELECT id, kind, subject, patient, claim, cents, reasons, cause, text, closed FROM item",
            "answer": "SELECT * FROM answer",
            "acknowledged": "SELECT * FROM acknowledged",
            "payment": "SELECT * FROM payment",
        }
        return {name: sorted(self.rows(sql)) for name, sql in wanted.items()}


def replace_field(made: Any, name: str, value: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(made, **{name: value})


def answer(text: str, *, contractual: int = 500, patient: int = 2000, **changes: Any) -> ClaimAnswer:
    """What a payer says of the first claim of an 837: of its first line a part is written off, a part the patient's."""
    loop = next(next(read(text).transactions()).root.all("2300"))
    from interfaces.x12.values import cents

    lines = []
    for number, line in enumerate(loop.loops("2400")):
        sv = line.segment("SV1")
        charged = cents(sv[2])
        taken = (Adjustment("CO", "45", contractual), Adjustment("PR", "2", patient)) if number == 0 else ()
        taken = tuple(each for each in taken if each.cents)
        lines.append(
            LineAnswer(
                sv[1].split(":")[1],
                charged,
                charged - sum(each.cents for each in taken),
                taken,
                line.segment("REF", "6R")[2],
                (),
                sv[4],
            )
        )
    charged = sum(each.charged for each in lines)
    made = ClaimAnswer(
        loop.segment("CLM")[1],
        "1",
        charged,
        sum(each.paid for each in lines),
        patient,
        "ICN77",
        (),
        tuple(lines),
        Party("Muller", "Anna"),
    )
    for name, value in changes.items():
        made = replace_field(made, name, value)
    return made


def denied(text: str, reason: str = "29") -> ClaimAnswer:
    """A denial of the whole first claim of an 837."""
    made = answer(text, contractual=0, patient=0)
    lines = tuple(
        replace_field(replace_field(each, "paid", 0), "adjustments", (Adjustment("CO", reason, each.charged),))
        for each in made.lines
    )
    return replace_field(replace_field(replace_field(made, "lines", lines), "paid", 0), "status", "4")


def folder(path: Path) -> Path:
    return path / "subsystems"
