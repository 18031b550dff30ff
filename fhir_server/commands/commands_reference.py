"""docs/reference/commands.md, made from the commands of `hms`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from fhir_server.commands.program import program
from fhir_server.core.settings import Settings

HEAD = """# Commands

<!-- Made from fhir_server/commands by `make docs`. -->

`hms COMMAND --help` says the same. A command that could not do what it was asked says why and ends with another code
than 0, with 2 where its arguments were wrong.

Most commands open the store of a data folder: `--data FOLDER` names it (`data` where nothing does), `--config FILE` a
TOML file of [settings](settings.md). Both are left out below.
"""
SETTINGS = "Besides, each [setting](settings.md) is an option: `default_page_size` is `--default-page-size`."
EVERYWHERE = ("data", "config")
MANY = 50  # options: those of all settings


def commands_page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(map(_section, _commands("hms", typer.main.get_command(program()))))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    groups: dict[str, Any] | None = getattr(command, "commands", None)
    if groups is None:
        yield name, command
        return
    for each, below in groups.items():
        yield from _commands(f"{name} {each}", below)


def _section(named: tuple[str, Any]) -> str:
    name, command = named
    of_settings = frozenset(Settings.__struct_fields__) if len(command.params) > MANY else frozenset(EVERYWHERE)
    shown = [each for each in command.params if each.name not in of_settings]
    arguments = [each.name.upper() for each in shown if _is_argument(each)]
    parts = [f"\n## {name}\n\n{inspect.cleandoc(command.help or '')}\n"]
    usage = [name, *arguments, *(["[OPTIONS]"] if len(shown) > len(arguments) else [])]
    parts.append(f"\n    {' '.join(usage)}\n")
    if shown:
        parts.append("\n| | default | meaning |\n| --- | --- | --- |\n")
        parts += [_row(each) for each in shown]
    if len(command.params) > MANY:
        parts.append(f"\n{SETTINGS}\n")
    return "".join(parts)


def _is_argument(given: Any) -> bool:
    return given.param_type_name == "argument"


def _row(given: Any) -> str:
    name = given.name.upper() if _is_argument(given) else ", ".join(given.opts)
    default = "needed" if given.required else ""
    if not given.required and given.default not in (None, "", False, (), []):
        default = f"`{given.default}`"
    meaning = " ".join(str(getattr(given, "help", "") or "").split()).replace("|", "\\|")
    return f"| `{name}` | {default} | {meaning} |\n"
