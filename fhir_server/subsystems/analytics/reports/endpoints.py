"""Reports by REST: what there is, each file, and having one written or sent again."""

from __future__ import annotations

import datetime
from typing import Any

from fhir_server.subsystems.analytics.reports import periods
from fhir_server.subsystems.analytics.reports.archive import Delivery, Written
from fhir_server.subsystems.analytics.reports.definition import Report
from fhir_server.subsystems.analytics.reports.desk import Desk
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint

MOST = 400


async def all_reports(analytics: Any, call: Call) -> Answer:
    """Every report with the newest that were written."""
    desk: Desk = analytics.desk
    found = desk.reports()
    most = call.whole("most", 12, MOST)
    return Answer(
        {
            "reports": [_report(desk, report, call.now, most) for report in found.reports.values()],
            "problems": found.problems,
        }
    )


async def one_file(analytics: Any, call: Call) -> Answer:
    """A file as it was attached."""
    path = call.path
    found = analytics.desk.file(path["name"], path["period"], path["file"])
    type = f"{found.type}; charset=utf-8" if found.type.startswith("text/") else found.type
    return Answer(found.content, type, filename=found.name)


async def write(analytics: Any, call: Call) -> Answer:
    """Writes a report of a period that has none, and sends it; 201, or 200 where it was there."""
    new = await analytics.report_now(call.path["name"], call.path["period"], call.now)
    return Answer({"written": new}, status=201 if new else 200)


async def send_again(analytics: Any, call: Call) -> Answer:
    """What failed is tried again."""
    name, period = call.path["name"], call.path["period"]
    analytics.desk.archive.written(name, period)
    return Answer({"waiting": analytics.desk.archive.again(name, period, call.now)})


def _report(desk: Desk, report: Report, now: int, most: int) -> dict[str, Any]:
    return {
        "name": report.name,
        "title": report.title,
        "every": report.every,
        "at": report.at,
        "formats": report.formats,
        "recipients": report.recipients,
        "next": periods.next_due(report.every, report.at, now, desk.zone).isoformat(),
        "problem": desk.problems.get(report.name, ""),
        "written": [_written(desk, each) for each in desk.archive.all(report.name, most)],
    }


def _written(desk: Desk, written: Written) -> dict[str, Any]:
    return {
        "period": written.period,
        "made": _moment(written.made),
        "files": desk.files(written),
        "withdrawn": written.content is None,
        "deliveries": [_delivery(each) for each in desk.archive.deliveries(written.name, written.period)],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "recipient": delivery.recipient,
        "state": delivery.state,
        "problem": delivery.problem,
        "changed": _moment(delivery.changed),
    }


def _moment(microseconds: int) -> str:
    return datetime.datetime.fromtimestamp(microseconds / 1_000_000, datetime.UTC).isoformat(timespec="seconds")


ENDPOINTS = (
    Endpoint("GET", "/reports", "Scheduled reports, what was written and to whom it went", all_reports, ("most",)),
    Endpoint(
        "GET",
        "/reports/{name}/{period}/{file}",
        "A file of a report, CSV or PDF",
        one_file,
        gives="application/octet-stream",
    ),
    Endpoint("POST", "/reports/{name}/{period}", "Write the report of a period that has none yet", write),
    Endpoint("POST", "/reports/{name}/{period}/send", "Try again to send what failed", send_again),
)
