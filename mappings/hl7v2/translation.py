"""What became of a message."""

from __future__ import annotations

from typing import Any, NamedTuple

from mappings.hl7v2.moving import Named
from mappings.hl7v2.putting import Traced


class Translation(NamedTuple):
    """What became of a message.

    bundle: the transaction, None where there is nothing to commit; issues: warnings in sentences; errors: what keeps it
    from being applied; traced: each element with the rule that made it, where that was asked for; structure: the table
    by which it was read; brings: whether such a message introduces its patients; unknown: the identifiers of patients
    that the store did not have; named: the patients, visits and accounts of the store that others may merge away, move
    or refer to before the transaction is committed (see moving.left_behind).
    """

    bundle: dict[str, Any] | None
    issues: list[str]
    errors: list[str]
    traced: list[Traced]
    structure: str
    brings: bool
    unknown: list[tuple[str, str]]
    named: list[Named]
