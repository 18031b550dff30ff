"""What a caller whose writes are limited, by scopes, policies or Consents, may change in the archive.

The limit is that of the ImagingStudy, or of the Task, that FHIR has of it. A study that is new to FHIR is judged by the
ImagingStudy that it will become: of the patient, and the order, that its Patient ID and accession number lead to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fhir_server.api import FhirServer
from fhir_server.client import NamedClient
from fhir_server.core.errors import FhirError
from fhir_server.core.query import All, Clause, IdIn
from fhir_server.search.holding import Version, holds
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.archive.levels import LEVELS
from interfaces.dicom.archive.query import attributes_of
from interfaces.dicom.archive.record import Record, accession_issuer
from interfaces.dicom.dataset.model import Model, text
from interfaces.dicom.fhir import reference
from interfaces.dicom.work.patients import Held, subject
from mappings.dicom.imaging_study import SeriesModel, imaging_study

T = TypeVar("T")
SECONDS = 60.0


class Writing:
    """limit: what holds for the resources of a type that the caller may write; asked in another thread than made in."""

    def __init__(self, server: FhirServer, type: str, limit: Clause) -> None:
        self._server = server
        self._type = type
        self._limit = limit
        self._loop = asyncio.get_running_loop()

    def changes(self, name: str) -> bool:
        """Whether the caller may write the resource of that reference; not what FHIR has none of yet."""
        type, _, id = name.partition("/")
        where = All((IdIn((id,)), self._limit))
        return type == self._type and self._told(self._server.environment.index.count((type,), where)) == 1

    def stores(self, archive: Archive, record: Record) -> bool:
        """Whether the caller may add an instance: to a study that it may write, or to a new one of a known patient."""
        study = archive.reading.one("study", {"uid": record.study_uid})
        there = instances(archive.reading, {"00080018": record.uid}, held=True)
        if any(row["study_uid"] != record.study_uid for row in there):
            return False
        if study is None:
            return self._told(self._begins(record))
        if study["fhir_study"]:
            return self.changes(study["fhir_study"])
        known = instances(archive.reading, {"0020000D": record.study_uid}, held=True)
        own = all(_named(attributes_of(row, LEVELS[:1])) == _named(record.patient) for row in known)
        return own and self._told(self._begins(record))

    async def _begins(self, record: Record) -> bool:
        """Whether the caller might write the ImagingStudy of a study that begins with this instance."""
        accession = text(record.study, "00080050")
        client = NamedClient(self._server, "DICOM")
        try:
            whose = await subject(client, record.patient, accession, accession_issuer(record.study), {})
        except (Held, FhirError):
            return False
        if whose.patient is None:
            return False
        made = imaging_study(
            record.study,
            [SeriesModel(record.series, [record.instance])],
            subject=reference(whose.patient),
            endpoint="",
            based_on=[reference(whose.order)] if whose.order else [],
            issuer=accession_issuer(record.study),
        )
        values = self._server.environment.searching.extract(made)
        return holds(self._limit, Version(self._type, "new", values)) is True

    def _told(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(SECONDS)


def _named(patient: Model) -> tuple[str, str]:
    return text(patient, "00100020"), text(patient, "00100021")
