"""The commands of `hms` by name."""

from __future__ import annotations

from typing import Annotated

import typer

from fhir_server.commands.access import launch, token
from fhir_server.commands.analytics import kpi, sql
from fhir_server.commands.anonymity import k_anonymity
from fhir_server.commands.audit import audit
from fhir_server.commands.backup import backup, restore
from fhir_server.commands.billing import billing
from fhir_server.commands.check import check
from fhir_server.commands.clients import client
from fhir_server.commands.dicom import dicom
from fhir_server.commands.export import export
from fhir_server.commands.hl7 import hl7
from fhir_server.commands.info import info, product
from fhir_server.commands.keys import keys
from fhir_server.commands.load import load
from fhir_server.commands.packages import packages
from fhir_server.commands.project import project
from fhir_server.commands.reindex import reindex
from fhir_server.commands.report import report
from fhir_server.commands.score import score
from fhir_server.commands.serve import serve
from fhir_server.commands.story import story
from fhir_server.commands.subsystem import subsystem
from fhir_server.commands.tables import tables
from fhir_server.commands.terminology import terminology
from fhir_server.commands.trace import trace
from fhir_server.commands.users import user
from fhir_server.commands.validate import validate

app = typer.Typer(
    name="hms",
    help="Ultimate HMS: a FHIR R4 server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(product())
        raise typer.Exit


@app.callback()
def hms(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """What holds for every command."""


for command in (
    serve,
    load,
    export,
    validate,
    check,
    reindex,
    project,
    info,
    backup,
    restore,
    token,
    launch,
    sql,
    kpi,
    tables,
    score,
    trace,
    story,
):
    app.command()(command)
app.add_typer(packages, name="packages")
app.add_typer(billing, name="billing")
app.add_typer(report, name="report")
app.add_typer(subsystem, name="subsystem")
app.add_typer(user, name="user")
app.command("k-anonymity")(k_anonymity)
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
app.add_typer(client, name="client")
app.add_typer(terminology, name="terminology")
app.add_typer(dicom, name="dicom")
app.add_typer(hl7, name="hl7")
