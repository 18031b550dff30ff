"""Options that commands share; those of settings are made from the settings themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from fhir_server.core.configuration import FILE_VARIABLE, PREFIX, choices, description, kind, load
from fhir_server.core.settings import Settings

Config = Annotated[Path | None, typer.Option(envvar=FILE_VARIABLE, help="TOML file of settings.", show_default=False)]
Data = Annotated[
    Path | None,
    typer.Option(help=f"Folder of the store. Default: {Settings().data}.", show_default=False, envvar=f"{PREFIX}DATA"),
]


def require_url(server: str) -> str:
    """The value of --server as it is, "" for none; FhirError "value" for what is no URL, before anything is done."""
    if server:
        from fhir_server.client import base_url

        base_url(server)
    return server


Server = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="FHIR base URL of a running server; else the store in --data.",
        show_default=False,
        callback=require_url,
    ),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command of the form f(settings, **others) one option for each setting.

    The texts go to settings.load as they are, so an option and a variable of the environment take the same values and
    are refused with the same words.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, default))
        for name, default in msgspec.structs.asdict(Settings()).items()
    ]
    config = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Config)

    def run(**given: Any) -> None:
        others = {parameter.name: given.pop(parameter.name) for parameter in own}
        command(load(given, config=given.pop("config")), **others)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *made, config])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *made, config]}
    return run


def environment(settings: Settings) -> Mapping[str, str]:
    """The variables that give a worker process these settings."""
    return {f"{PREFIX}{name.upper()}": text(value) for name, value in msgspec.structs.asdict(settings).items()}


def text(value: Any) -> str:
    """A setting's value as it is written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _option(name: str, default: Any) -> Any:
    help = f"{description(name)} Default: {text(default) or 'empty'}."
    return Annotated[str | None, typer.Option(help=help, show_default=False, metavar=_metavar(name))]


def _metavar(name: str) -> str:
    """Choices as they are; else what kind of value it is."""
    if choices(name):
        return "|".join(choices(name))
    return {"integer": "NUMBER", "array": "A,B,…"}.get(kind(name), "TEXT")
