"""The commands of `hms` by name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

# name -> the module here in which it stands under its name: a command, or a group of them. Those are 30 modules and
# some thousand options, of which a program that runs needs one command's.
COMMANDS = {
    "serve": "serve",
    "load": "load",
    "export": "export",
    "validate": "validate",
    "check": "check",
    "reindex": "reindex",
    "project": "project",
    "info": "info",
    "backup": "backup",
    "restore": "backup",
    "token": "access",
    "launch": "access",
    "sql": "analytics",
    "kpi": "analytics",
    "tables": "tables",
    "score": "score",
    "trace": "trace",
    "story": "story",
    "k-anonymity": "anonymity",
    "packages": "packages",
    "billing": "billing",
    "report": "report",
    "subsystem": "subsystem",
    "user": "users",
    "audit": "audit",
    "keys": "keys",
    "client": "clients",
    "terminology": "terminology",
    "dicom": "dicom",
    "hl7": "hl7",
}


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """`hms` with these commands."""
    made = typer.Typer(
        name="hms",
        help="Ultimate HMS: a FHIR R4 server.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(hms)
    for name in names:
        found = getattr(import_module(f"fhir_server.commands.{COMMANDS[name]}"), name.replace("-", "_"))
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name)(found)
    return made


def asked(arguments: list[str]) -> Iterable[str]:
    """The command that arguments begin with; all where that is none, for what is said then."""
    return arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS


def _version(wanted: bool) -> None:
    if wanted:
        from fhir_server.commands.info import product

        print(product())
        raise typer.Exit


def hms(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """What holds for every command."""
