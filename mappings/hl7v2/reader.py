"""What the engine asks of the store: the resources that a message changes, as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Reader(Protocol):
    """Reads FHIR resources; a FhirClient behind a few searches fulfils it."""

    async def find(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """The resources that have any of the identifiers (system, value) wanted of their type; others may be among
        them, that have what is wanted of another type."""
        ...

    async def read(self, reference: str) -> dict[str, Any] | None:
        """The resource of a reference such as Patient/7; None where there is none."""
        ...

    async def referring(self, reference: str) -> list[dict[str, Any]]:
        """The resources that refer to a patient such as Patient/7."""
        ...

    async def about(self, type_name: str, reference: str) -> list[dict[str, Any]]:
        """The resources of a type that are about a patient such as Patient/7."""
        ...


class Nothing:
    """The reader of an empty store."""

    async def find(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """None."""
        return []

    async def read(self, reference: str) -> dict[str, Any] | None:
        """None."""
        return None

    async def referring(self, reference: str) -> list[dict[str, Any]]:
        """None."""
        return []

    async def about(self, type_name: str, reference: str) -> list[dict[str, Any]]:
        """None."""
        return []
