"""hms audit: verify, export, forward and prune the audit log, beside a running server if there is one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.codec.json import serialize
from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.security.audit.chain import require_head

if TYPE_CHECKING:
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.audit.shared import SharedAuditLog

audit = typer.Typer(help="The audit log: who did what with whose record.", no_args_is_help=True)

DAY = 24 * 3600 * 1_000_000
FORWARDED_AT_ONCE = 1000


def settings_of(data: Path | None, config: Path | None) -> Settings:
    """Those of a data folder that has an audit log; FhirError "not-found" where it has none."""
    from fhir_server.security.audit import FILE_NAME

    settings = load({"data": data}, config=config)
    if not (settings.data / FILE_NAME).exists():
        raise error("not-found", f"There is no audit log in {settings.data}.")
    return settings


@contextmanager
def opened(data: Path | None, config: Path | None) -> Iterator[tuple[AuditLog, Settings]]:
    """The audit log of a data folder."""
    from fhir_server.bootstrap import opened_audit

    settings = settings_of(data, config)
    with opened_audit(settings) as log:
        yield log, settings


@contextmanager
def opened_of_all(data: Path | None, config: Path | None) -> Iterator[tuple[AuditLog | SharedAuditLog, Settings]]:
    """The same, with MongoDB beside the logs of all machines."""
    from fhir_server.bootstrap import opened_audit_of_all

    settings = settings_of(data, config)
    with opened_audit_of_all(settings) as log:
        yield log, settings


@audit.command()
def verify(
    head: Annotated[str, typer.Option(help="A head that an earlier run printed, which must be in the log.")] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Check that the log is as it was written; exit code 1 where it is not."""
    with opened_of_all(data, config) as (log, _):
        verdict = log.verify(require_head(head))
    print(f"{verdict.events} events, head {verdict.head}")
    if verdict.problem:
        raise error("conflict", verdict.problem)
    print("The log is as it was written.")


@audit.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; else standard output.", show_default=False)] = None,
    patient: Annotated[str, typer.Option(help="Only events about this patient's id.")] = "",
    after: Annotated[int, typer.Option(help="Only events with a number above this.", min=0)] = 0,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write events as AuditEvents, one a line, oldest first."""
    from fhir_server.security.audit.resource import as_resource

    with opened(data, config) as (log, settings):
        out = file.open("wb") if file else sys.stdout.buffer
        count = 0
        for number, event in log.oldest_first(after):
            if not patient or patient in event.patients:
                out.write(serialize(as_resource(str(number), event, settings.server_name)) + b"\n")
                count += 1
        out.flush()
        if file:
            out.close()
    print(f"{count} events", file=sys.stderr)


@audit.command()
def forward(
    host: Annotated[str, typer.Argument(help="The audit record repository.")],
    port: Annotated[int, typer.Option(help="Its port for syslog over TLS.", min=1, max=65535)] = 6514,
    authorities: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the authorities to trust; else those of the system.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a client certificate with its key.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Send what a repository has not got yet: DICOM audit messages by syslog over TLS (IHE ITI-20, RFC 5425)."""
    from fhir_server.security.audit.syslog import connect, finish, send

    with opened(data, config) as (log, settings):
        receiver = f"{host}:{port}"
        position, sent = log.sent(receiver), 0
        with connect(host, port, authorities, certificate) as channel:
            for number, event in log.oldest_first(position):
                send(channel, event, settings.server_name)
                position, sent = number, sent + 1
                if sent % FORWARDED_AT_ONCE == 0:
                    log.keep_sent(receiver, position)
            finish(channel)
        log.keep_sent(receiver, position)
    print(f"{sent} events sent to {receiver}")


@audit.command()
def prune(
    days: Annotated[
        int | None,
        typer.Option(help="Keep so many days; else the setting audit_days.", min=1, max=36_500, show_default=False),
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove what is older than retention asks for; the rest can still be verified."""
    with opened_of_all(data, config) as (log, settings):
        kept = days or settings.audit_days
        if not kept:
            raise error("required", "The log is kept for ever (audit_days = 0); give --days to remove something.")
        gone = log.prune(time.time_ns() // 1000 - kept * DAY)
    print(f"{gone} events older than {kept} days removed.")
