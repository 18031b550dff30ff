"""hms keys: make and rotate the master keys of encryption at rest, beside a running server if there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

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
    """Make a new master key, wrap all data keys by it, and remove the old ones.

    Where several machines share accounts in MongoDB (account_keys), a step of that: the next key has to be on every
    machine before it seals anything, and the old one until nothing is sealed by it.
    """
    settings = load({"data": data}, config=config)
    shared = settings.mongodb_url and settings.account_keys
    if not (settings.encryption_keys or shared):
        raise error("required", "Nothing is encrypted: the settings encryption_keys and account_keys name no file.")
    if settings.encryption_keys:
        _rotate_data_keys(settings)
    if shared:
        print(_rotate_accounts(settings))


def _rotate_data_keys(settings: Settings) -> None:
    from fhir_server.security.encryption import FILE_NAME, DataKeys, MasterKeys
    from fhir_server.security.encryption.master_keys import add_key, keep_newest

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


def _rotate_accounts(settings: Settings) -> str:
    """The next of three steps, and what has to be done then."""
    from fhir_server.security.encryption.master_keys import add_following, following, keep_newest, put_in_front
    from fhir_server.security.encryption.sealing import Sealing
    from fhir_server.security.store.resealing import reseal
    from fhir_server.storage.mongo.database import connect_in_threads

    file = Path(settings.account_keys)
    sealing = Sealing(file)
    if sealing.alone:
        return f"{file} has the next key, {add_following(file)}. Copy it to every machine, then run this again."
    fresh = put_in_front(file) if following(file) else ""
    with connect_in_threads(settings.mongodb_url) as client:
        sealed = reseal(client[settings.mongodb_database], Sealing(file))
    if fresh:
        return (
            f"Accounts are sealed by the key {fresh} now: {sealed} of them anew. Copy {file} to every machine, then "
            "run this again: it seals what they have sealed by the old key meanwhile, and removes that."
        )
    return f"{keep_newest(file)} older keys are gone, {sealed} accounts were sealed anew. Copy {file} to every machine."
