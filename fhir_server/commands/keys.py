"""hms keys: make and rotate the master keys of encryption at rest, beside a running server if there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.errors import error
from fhir_server.core.settings import load

keys = typer.Typer(help="The keys of encryption at rest.", no_args_is_help=True)


@keys.command()
def init(file: Annotated[Path, typer.Argument(help="Where the master key goes; keep a copy of it elsewhere.")]) -> None:
    """Make a file with a new master key."""
    from fhir_server.security.encryption.master_keys import add_key

    if file.exists():
        raise error("conflict", f"{file} exists already; `hms keys rotate` puts a new key into it.")
    print(f"{file} has the master key {add_key(file)}. Nothing can be read without it.")


@keys.command()
def rotate(data: Data = None, config: Config = None) -> None:
    """Make a new master key, wrap all data keys by it, and remove the old ones."""
    from fhir_server.security.encryption import FILE_NAME, DataKeys, MasterKeys
    from fhir_server.security.encryption.master_keys import add_key, keep_newest

    settings = load({"data": data}, config=config)
    if not settings.encryption_keys:
        raise error("required", "Nothing is encrypted: the setting encryption_keys names no file.")
    file = Path(settings.encryption_keys)
    MasterKeys(file)
    id = add_key(file)
    opened = DataKeys(settings.data / FILE_NAME, MasterKeys(file))
    try:
        wrapped = opened.rotate()
    finally:
        opened.close()
    keep_newest(file)
    print(f"The master key is {id} now; {wrapped} data keys are wrapped by it, and older master keys are gone.")
