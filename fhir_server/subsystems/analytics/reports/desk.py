"""Writes the reports whose time has come, once a period, and sends them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.subsystems.analytics.indicators import indicators
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.analytics.reports import periods
from fhir_server.subsystems.analytics.reports.archive import FAILED, SENT, WAITING, Archive, Delivery, Written
from fhir_server.subsystems.analytics.reports.content import content
from fhir_server.subsystems.analytics.reports.definition import Found, Report, reports
from fhir_server.subsystems.analytics.reports.files import File, file, names
from fhir_server.subsystems.analytics.reports.mail import Mailer, Unsent, message

MINUTE = 60_000_000
HELD = 10 * MINUTE  # that whoever sends a report has for it
FIRST_PAUSE, LONGEST_PAUSE = MINUTE, 60 * MINUTE
ATTEMPTS = 30  # more than a day
RETRY = 10 * MINUTE  # after a report that could not be written

log = structlog.get_logger("reports")


class Due(NamedTuple):
    """A report that is to be written now."""

    report: Report
    period: periods.Period


class Desk:
    """folder: of the site's reports; mailer: None where nothing is sent; font: the TrueType file of PDFs, "" for one
    that comes with the server."""

    def __init__(
        self,
        archive: Archive,
        asked: LakeQuery,
        position: Callable[[], int],
        zone: ZoneInfo,
        *,
        folder: Path | None = None,
        indicator_folder: Path | None = None,
        mailer: Mailer | None = None,
        font: str = "",
    ) -> None:
        self.archive = archive
        self.zone = zone
        self.problems: dict[str, str] = {}  # why a report could not be written, by its name
        self._asked = asked
        self._position = position
        self._folder = folder
        self._indicators = indicator_folder
        self._mailer = mailer
        self._font = font
        self._tried: dict[tuple[str, str], int] = {}

    def reports(self) -> Found:
        """All that there are now."""
        return reports(self._folder)

    def ended(self, report: Report, name: str, now: int) -> periods.Period:
        """The report's period of this name; FhirError "value" for one that is none, or is not over yet."""
        period = periods.parsed(report.every, name)
        if period.bounds(self.zone)[1].replace(tzinfo=datetime.UTC).timestamp() * 1_000_000 > now:
            raise error("value", f"{period.name} is not over yet; a report is written once, so it waits for that.")
        return period

    def due(self, now: int) -> list[Due]:
        """Those of the last period that has ended, where they are not written and were not tried a moment ago."""
        found = []
        for report in self.reports().reports.values():
            period = periods.ended(report.every, report.at, now, self.zone)
            tried = self._tried.get((report.name, period.name), 0)
            if now >= tried + RETRY and not self.archive.has(report.name, period.name):
                found.append(Due(report, period))
        return found

    def write_due(self, now: int) -> list[Due]:
        """Writes what is due; one that can't be written stops no other, its problem is kept."""
        made = []
        for each in self.due(now):
            try:
                if self.write(each.report, each.period, now):
                    made.append(each)
                self.problems.pop(each.report.name, None)
            except FhirError as problem:
                self._tried[each.report.name, each.period.name] = now
                self.problems[each.report.name] = f"{each.period.name}: {problem}"
                log.warning("report can't be written", report=each.report.name, period=each.period.name)
        return made

    def write(self, report: Report, period: periods.Period, now: int) -> bool:
        """Works a report out and keeps it; False where it has been written, by whomever."""
        if self.archive.has(report.name, period.name):
            return False
        made = datetime.datetime.fromtimestamp(now / 1_000_000, self.zone)
        said = content(
            self._asked, report, period, all=indicators(self._indicators), zone=self.zone,
            made=f"{made:%Y-%m-%d %H:%M %Z}", position=self._position(),
        )  # fmt: skip
        for name in names(said, report.formats):
            file(said, name, self._font)  # what can't be made is told now, not when it is sent
        if not self.archive.add(said, report.formats, report.recipients, now):
            return False
        log.info("report written", report=report.name, period=period.name)
        return True

    def send(self, now: int) -> tuple[int, int]:
        """Sends what waits; how many were taken by the mail server, and how many were not."""
        if self._mailer is None:
            return 0, 0
        taken = failed = 0
        while (delivery := self.archive.claim(now, now + HELD)) is not None:
            try:
                self._mailer.send(self._message(self._mailer, delivery, now))
            except (Unsent, FhirError) as problem:
                failed += 1
                self._put_off(delivery, problem, now)
            else:
                taken += 1
                self.archive.settle(delivery, SENT, 0, "", now)
                log.info("report sent", report=delivery.name, period=delivery.period)
        return taken, failed

    def files(self, written: Written) -> list[str]:
        """The names of its files."""
        return [] if written.content is None else names(written.content, written.formats)

    def file(self, name: str, period: str, wanted: str) -> File:
        """One file of a report; FhirError "not-found", "deleted"."""
        written = self.archive.written(name, period)
        if written.content is None or wanted not in self.files(written):
            raise error("not-found", f"The report {name} of {period} has no file {wanted[:100]}.")
        return file(written.content, wanted, self._font)

    def _message(self, mailer: Mailer, delivery: Delivery, now: int):
        written = self.archive.written(delivery.name, delivery.period)
        assert written.content is not None
        files = [file(written.content, name, self._font) for name in self.files(written)]
        return message(written.content, files, mailer.sender, delivery.recipient, now)

    def _put_off(self, delivery: Delivery, problem: Exception, now: int) -> None:
        lasting = isinstance(problem, FhirError) or (isinstance(problem, Unsent) and problem.lasting)
        state = FAILED if lasting or delivery.attempts >= ATTEMPTS else WAITING
        pause = min(FIRST_PAUSE * 2 ** (delivery.attempts - 1), LONGEST_PAUSE)
        self.archive.settle(delivery, state, now + pause, str(problem), now)
        log.warning("report not sent", report=delivery.name, period=delivery.period, problem=str(problem), state=state)
