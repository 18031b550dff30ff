"""The tables of billing, and what the desk posts into them.

Money is whole cents; a journal entry that does not balance can't be stored.

The lines of an entry come first and the entry last: a trigger refuses it unless they add up to nothing, a deferred
foreign key refuses lines without an entry, and nothing of the journal is ever changed or deleted.
"""

from __future__ import annotations

from typing import NamedTuple

LAYOUT = 9
STANDS = "replaced = '' AND frequency <> '8'"  # of a claim: it is the last of its row, and takes none back
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, updated TEXT NOT NULL, link TEXT NOT NULL,
    patient TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fact_link ON fact (link, type);
CREATE INDEX IF NOT EXISTS fact_patient ON fact (patient, type);
CREATE TABLE IF NOT EXISTS merged (patient TEXT PRIMARY KEY, survivor TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (reference TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payer (
    value TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (value, reference)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dirty (kind TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS price (
    system TEXT NOT NULL, code TEXT NOT NULL, payer TEXT NOT NULL, start TEXT NOT NULL, until TEXT NOT NULL,
    cents INTEGER NOT NULL, hcpcs TEXT NOT NULL, revenue TEXT NOT NULL, definition TEXT NOT NULL,
    PRIMARY KEY (code, system, payer, start, definition)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS price_definition ON price (definition);
CREATE TABLE IF NOT EXISTS charge (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, version INTEGER NOT NULL, rule TEXT NOT NULL, patient TEXT NOT NULL,
    encounter TEXT NOT NULL, system TEXT NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, hcpcs TEXT NOT NULL,
    modifiers TEXT NOT NULL, revenue TEXT NOT NULL, units TEXT NOT NULL, date TEXT NOT NULL, cents INTEGER,
    definition TEXT NOT NULL, problem TEXT NOT NULL, same TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS charge_source ON charge (source);
CREATE INDEX IF NOT EXISTS charge_encounter ON charge (encounter);
CREATE INDEX IF NOT EXISTS charge_code ON charge (code);
CREATE INDEX IF NOT EXISTS charge_same ON charge (same) WHERE same <> '';
CREATE TABLE IF NOT EXISTS claim (
    id TEXT PRIMARY KEY, root TEXT NOT NULL, prior TEXT NOT NULL, kind TEXT NOT NULL, frequency TEXT NOT NULL,
    patient TEXT NOT NULL, encounter TEXT NOT NULL, payer TEXT NOT NULL, coverage TEXT NOT NULL,
    responsibility TEXT NOT NULL, cents INTEGER NOT NULL, created TEXT NOT NULL, sources TEXT NOT NULL,
    status TEXT NOT NULL, reasons TEXT NOT NULL, payer_control TEXT NOT NULL, file TEXT NOT NULL, replaced TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claim_encounter ON claim (encounter);
CREATE INDEX IF NOT EXISTS claim_root ON claim (root);
CREATE TABLE IF NOT EXISTS claimed (
    source TEXT NOT NULL, claim TEXT NOT NULL, PRIMARY KEY (source, claim)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (
    file TEXT NOT NULL, number INTEGER NOT NULL, claim TEXT NOT NULL, payer TEXT NOT NULL, date TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (file, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_claim ON answer (claim);
CREATE TABLE IF NOT EXISTS acknowledged (
    file TEXT NOT NULL, about TEXT NOT NULL, kind TEXT NOT NULL, said TEXT NOT NULL, PRIMARY KEY (file, about)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS acknowledged_about ON acknowledged (about);
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, outgoing INTEGER NOT NULL, kind TEXT NOT NULL, control TEXT NOT NULL,
    sender TEXT NOT NULL, trace TEXT NOT NULL, payer TEXT NOT NULL, cents INTEGER NOT NULL, date TEXT NOT NULL,
    loaded TEXT NOT NULL, state TEXT NOT NULL, problem TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_digest ON file (digest);
CREATE TABLE IF NOT EXISTS interchange (
    sender TEXT NOT NULL, control INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (sender, control)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remitted (
    payer TEXT NOT NULL, trace TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (payer, trace)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, patient TEXT NOT NULL, claim TEXT NOT NULL,
    cents INTEGER NOT NULL, reasons TEXT NOT NULL, cause TEXT NOT NULL, opened TEXT NOT NULL, deadline TEXT NOT NULL,
    text TEXT NOT NULL, closed TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_subject ON item (subject);
CREATE INDEX IF NOT EXISTS item_claim ON item (claim);

CREATE TABLE IF NOT EXISTS payment (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, patient TEXT NOT NULL, receipt TEXT NOT NULL, cents INTEGER NOT NULL,
    written_off INTEGER NOT NULL, date TEXT NOT NULL, created TEXT NOT NULL, text TEXT NOT NULL, reverses TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payment_patient ON payment (patient);
CREATE INDEX IF NOT EXISTS payment_reverses ON payment (reverses);
CREATE TABLE IF NOT EXISTS notice (
    reference TEXT NOT NULL, payment TEXT NOT NULL, posted INTEGER NOT NULL, updated TEXT NOT NULL,
    PRIMARY KEY (reference, payment)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notice_payment ON notice (payment);

CREATE TABLE IF NOT EXISTS journal_entry (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, date TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL,
    reverses TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal_line (
    entry INTEGER NOT NULL REFERENCES journal_entry (id) DEFERRABLE INITIALLY DEFERRED, number INTEGER NOT NULL,
    account TEXT NOT NULL, patient TEXT NOT NULL, payer TEXT NOT NULL, claim TEXT NOT NULL,
    cents INTEGER NOT NULL CHECK (typeof(cents) = 'integer' AND cents <> 0), PRIMARY KEY (entry, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS journal_line_claim ON journal_line (claim, account);
CREATE INDEX IF NOT EXISTS journal_line_patient ON journal_line (patient, account);
CREATE TRIGGER IF NOT EXISTS entry_balances BEFORE INSERT ON journal_entry
WHEN (SELECT coalesce(sum(cents), 1) FROM journal_line WHERE entry = NEW.id) <> 0
BEGIN SELECT RAISE(ABORT, 'a journal entry must balance'); END;
CREATE TRIGGER IF NOT EXISTS line_before_entry BEFORE INSERT ON journal_line
WHEN EXISTS (SELECT 1 FROM journal_entry WHERE id = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'a journal entry can not be added to'); END;
CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE UPDATE ON journal_entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only: reverse the entry'); END;
CREATE TRIGGER IF NOT EXISTS entry_is_kept BEFORE DELETE ON journal_entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only: reverse the entry'); END;
CREATE TRIGGER IF NOT EXISTS line_stays BEFORE UPDATE ON journal_line
BEGIN SELECT RAISE(ABORT, 'the journal is append-only: reverse the entry'); END;
CREATE TRIGGER IF NOT EXISTS line_is_kept BEFORE DELETE ON journal_line
BEGIN SELECT RAISE(ABORT, 'the journal is append-only: reverse the entry'); END;
"""

SELF_PAY = "S"  # claim.kind of an Invoice to the patient; P and I are professional and institutional claims
SYSTEM = "urn:ultimate-hms:billing"  # of tags, identifiers and codes of our own
SOURCE = f"{SYSTEM}:source"  # extension: what a charge is made of, with its version
FREQUENCY = f"{SYSTEM}:frequency"  # extension of a Claim: 1 original, 7 replacement, 8 void
REVENUE = f"{SYSTEM}:revenue-code"  # extension of a price of a ChargeItemDefinition
MODIFIER = "urn:x-hl7v2:procedure-code-modifier"  # extension of what is charged: FT1-26 and PR1-16 of HL7 v2, and ours
X12_TYPE = "application/edi-x12"
CPT, HCPCS = "http://www.ama-assn.org/go/cpt", "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CODES = frozenset(
    {CPT, HCPCS, "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "urn:oid:2.16.840.1.113883.6.285"}
)
NPI, TAX = "http://hl7.org/fhir/sid/us-npi", ("urn:oid:2.16.840.1.113883.4.4", "http://hl7.org/fhir/sid/us-ein")
PAYER_ID = f"{SYSTEM}:payer-id"


class Detail(NamedTuple):
    """What a payment of the desk does, by its type (payments.py).

    root: the claim whose patient's share it is about, or that was denied, "" for an advance.
    """

    type: str
    cents: int
    root: str = ""


class Payment(NamedTuple):
    """What a PaymentReconciliation of the desk says (payments.py).

    kind: payment, refund, write-off, credit, cancellation, denial, transfer or reversal.
    """

    id: str
    kind: str
    patient: str
    receipt: str
    cents: int
    date: str
    created: str
    text: str
    reverses: str
    details: tuple[Detail, ...]
