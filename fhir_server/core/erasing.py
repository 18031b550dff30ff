"""What is erased with a patient beside the FHIR store: told to whoever keeps something of patients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Erased(NamedTuple):
    """A patient whose record is being erased.

    reference: Patient/ID. identifiers: (system, value) of every version; system "" where the value alone tells the
    patient from all others here. record: the references of what is erased with the patient, the patient's own too.
    """

    reference: str
    identifiers: frozenset[tuple[str, str]]
    record: frozenset[str]


# Erases what it keeps of a patient; how many there were of what. It may be asked again where it failed before.
Erase = Callable[[Erased], Awaitable[dict[str, int]]]
