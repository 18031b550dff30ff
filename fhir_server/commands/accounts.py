"""hms user, hms client, hms token, hms launch: who may use a server that is not open."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.security.client_keys import ClientKeys
    from fhir_server.security.service import Security

user = typer.Typer(help="People who sign in.", no_args_is_help=True)
client = typer.Typer(help="Applications that ask for access.", no_args_is_help=True)

T = TypeVar("T")
DEFAULT_SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter online_access offline_access patient/*.cruds user/*.cruds"
)


def with_security(
    data: Path | None,
    config: Path | None,
    work: Callable[[Security, Settings], Awaitable[T]],
    *,
    existing: bool = False,
) -> T:
    """What work returns with the users and clients of the settings, beside running servers if there are some.

    existing: FhirError "not-found" where there are none yet, so that a wrong folder is not taken for an empty one.
    """
    settings = load({"data": data}, config=config)

    async def run() -> T:
        from fhir_server import bootstrap
        from fhir_server.security.store.sqlite.accounts import FILE_NAME

        if existing and not settings.mongodb_url and not (settings.data / FILE_NAME).exists():
            raise error(
                "not-found",
                f"There are no users or clients in {settings.data.resolve()}: name the folder of a server "
                "with `security = smart` that has been started, or add one by `hms user add` or `hms client add`.",
            )

        async with bootstrap.opened_security(settings) as found:
            return await work(found, settings)

    return asyncio.run(run())


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="What the person signs in with.")],
    fhir_user: Annotated[
        str, typer.Option(metavar="REFERENCE", help="The person's record, such as Practitioner/1 or Patient/2.")
    ] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role that policies speak of; repeatable.")] = None,
    password: Annotated[
        str, typer.Option(help="Asked for where it is not given; - reads it from standard input.", show_default=False)
    ] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Add a person who can sign in."""
    if password == "-":
        password = sys.stdin.readline().rstrip("\n")
    password = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if fhir_user and fhir_user.count("/") != 1:
        raise error("value", f"--fhir-user must be a reference such as Practitioner/1, not {fhir_user!r}.")

    async def work(found: Security, _: Settings) -> None:
        await found.add_user(name, password, fhir_user, tuple(role or ()))

    with_security(data, config, work)
    print(f"{name} can sign in.")


@user.command("list")
def list_users(data: Data = None, config: Config = None) -> None:
    """List the people who can sign in."""

    async def work(found: Security, _: Settings) -> None:
        for each in await found.store.users():
            state = "" if each.active else " (closed)"
            print("\t".join([each.name + state, each.fhir_user, " ".join(each.roles)]))

    with_security(data, config, work, existing=True)


@user.command("remove")
def remove_user(name: str, data: Data = None, config: Config = None) -> None:
    """Remove a person; sign-ins and tokens end at once."""

    async def work(found: Security, _: Settings) -> None:
        each = await found.store.user_named(name)
        await _remove(found.store.remove_user, each.id if each else "", f"user {name}")

    with_security(data, config, work, existing=True)


@client.command("add")
def add_client(
    id: Annotated[str, typer.Argument(help="The client_id.")],
    name: Annotated[str, typer.Option(help="What people see.")] = "",
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where codes go, letter for letter; repeatable.")
    ] = None,
    launch_uri: Annotated[str, typer.Option(help="Where an EHR launch begins.")] = "",
    scope: Annotated[str, typer.Option(help="The most that it can get.")] = "",
    confidential: Annotated[bool, typer.Option("--confidential", help="Give it a secret.")] = False,
    jwks: Annotated[Path | None, typer.Option(help="A file with its public keys, a JWK Set.")] = None,
    jwks_uri: Annotated[str, typer.Option(help="The URL of its public keys.")] = "",
    new_key: Annotated[
        Path | None, typer.Option(help="Make it a key: the private half goes to this new file, a JWK.")
    ] = None,
    backend: Annotated[
        bool, typer.Option("--backend", help="It works by itself: client_credentials, system scopes.")
    ] = False,
    resource_server: Annotated[
        bool, typer.Option("--resource-server", help="It may introspect tokens of all clients, not its own alone.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add an application. A secret is shown once."""
    from fhir_server.security.model import Client

    if new_key and (jwks or jwks_uri):
        raise error("value", "Give --new-key, or the keys that it has by --jwks or --jwks-uri.")
    keys = _key_set(jwks) if jwks else None
    _require_scopes(scope)
    for uri in (*(redirect_uri or ()), *([launch_uri] if launch_uri else [])):
        _require_uri(uri)
    if (backend or resource_server) and not (keys or jwks_uri or new_key or confidential):
        raise error(
            "required",
            "A backend service or resource server proves itself: give --new-key, --jwks, --jwks-uri or --confidential.",
        )
    if not (backend or resource_server or redirect_uri):
        raise error("required", "An application for people needs at least one --redirect-uri.")
    for_people = ("authorization_code", "refresh_token") if redirect_uri else ()  # else it only introspects
    wanted = Client(
        id=id, name=name or id, jwks=keys, jwks_uri=jwks_uri, redirect_uris=tuple(redirect_uri or ()),
        launch_uri=launch_uri, scopes=scope or ("system/*.rs" if backend else DEFAULT_SCOPES if for_people else ""),
        grants=("client_credentials",) if backend else for_people, resource_server=resource_server,
    )  # fmt: skip

    async def work(found: Security, _: Settings) -> str:
        if jwks_uri:
            await _tell_whether_fetched(found.client_keys, jwks_uri)
        if not new_key:
            return (await found.add_client(wanted, confidential))[1]
        if await found.store.client(id):
            raise error("conflict", f"There is a client {id} already.")
        import msgspec

        with_key = msgspec.structs.replace(wanted, jwks={"keys": [_made(new_key)]})
        return (await found.add_client(with_key, confidential))[1]

    secret = with_security(data, config, work)
    print(f"client_id     {id}")
    if secret:
        print(f"client_secret {secret}")


def _key_set(file: Path) -> dict[str, Any]:
    """The JWK Set in a file; FhirError "value" where it has none."""
    import json

    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as problem:
        raise error("value", f"{file} is no JSON: {problem}.") from problem
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise error("value", f'{file} is no JWK Set: it must be {{"keys": [...]}} with public keys.')
    return found


def _require_scopes(scopes: str) -> None:
    """FhirError "value" for a scope that nothing understands: a token with it would open nothing."""
    from fhir_server.security.scopes import known

    for each in scopes.split():
        if not known(each):
            raise error(
                "value", f"There is no scope {each!r}; write it such as patient/Observation.rs or user/*.cruds."
            )


def _require_uri(uri: str) -> None:
    """FhirError "value" where nothing could be sent there: no scheme, no host, or a fragment."""
    from urllib.parse import urlsplit

    parts = urlsplit(uri)
    whole = bool(parts.netloc) or (
        parts.scheme not in ("http", "https") and "." in parts.scheme
    )  # com.example.app:/done
    if not parts.scheme or not whole or "#" in uri or re.search(r"\s", uri):
        raise error(
            "value", f"{uri!r} is no whole URI without a fragment; write it such as https://app.example.org/done."
        )


async def _tell_whether_fetched(keys: ClientKeys, url: str) -> None:
    from fhir_server.security.outgoing.addresses import RefusedAddressError
    from fhir_server.security.outgoing.urls import RefusedUrlError

    try:
        await keys.require(url)
    except (RefusedUrlError, RefusedAddressError) as problem:
        print(f"As things are now no keys are fetched from {url}: {problem}", file=sys.stderr)


def _made(file: Path) -> dict[str, Any]:
    """A new key; its private half goes to the file, its public half is given."""
    import json
    import os

    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, private=True, auto_kid=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            json.dump(key.as_dict(private=True), made)
    except OSError as problem:
        raise error("value", f"No key can be put into {file}: {problem.strerror}.") from problem
    return dict(key.as_dict(private=False))


@client.command("list")
def list_clients(data: Data = None, config: Config = None) -> None:
    """List the applications."""

    async def work(found: Security, _: Settings) -> None:
        for each in await found.store.clients():
            kind = "public" if each.public else "confidential"
            print("\t".join([each.id, each.name, kind, " ".join(each.grants), each.scopes]))

    with_security(data, config, work, existing=True)


@client.command("remove")
def remove_client(id: str, data: Data = None, config: Config = None) -> None:
    """Remove an application; its tokens end at once."""

    async def work(found: Security, _: Settings) -> None:
        await _remove(found.store.remove_client, id if await found.store.client(id) else "", f"client {id}")

    with_security(data, config, work, existing=True)


async def _remove(remove: Callable[[str], Awaitable[None]], id: str, what: str) -> None:
    """Removes a user or client by id and says so; FhirError "not-found" where the id is ""."""
    if not id:
        raise error("not-found", f"There is no {what}.")
    await remove(id)
    print(f"The {what} is removed.")


def token(
    scope: Annotated[str, typer.Option(help="What it is for.")] = "system/*.cruds",
    patient: Annotated[str, typer.Option(help="The patient in context, for patient scopes.")] = "",
    as_user: Annotated[str, typer.Option("--user", help="In the name of this user, for user scopes.")] = "",
    base_url: Annotated[str, typer.Option(help="The FHIR base URL; else that of the settings.")] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Print an access token for trying things out."""
    import secrets

    from fhir_server.security.model import Grant
    from fhir_server.security.service import TRYING

    _require_scopes(scope)

    async def work(found: Security, settings: Settings) -> str:
        person = await found.store.user_named(as_user) if as_user else None
        if as_user and person is None:
            raise error("not-found", f"There is no user {as_user}; `hms user list` shows them.")
        family = secrets.token_urlsafe(16)
        owner = person.id if person else ""
        await found.store.begin_family(family, owner, TRYING, scope)
        grant = Grant(
            family=family, client=TRYING, scope=scope, user=owner, fhir_user=person.fhir_user if person else "",
            context={"patient": patient} if patient else {},
        )  # fmt: skip
        base = base_url or settings.base_url or f"{settings.origin}/fhir"
        roles = person.roles if person else ()
        seconds = settings.token_seconds
        return await found.tokens.access_token(grant, base.removesuffix("/fhir"), base, roles, seconds)

    print(with_security(data, config, work, existing=True))


def launch(
    id: Annotated[str, typer.Argument(help="The application's client_id.")],
    patient: Annotated[str, typer.Option(help="Id of the patient in context.")] = "",
    encounter: Annotated[str, typer.Option(help="Id of the encounter in context.")] = "",
    intent: Annotated[str, typer.Option(help="What it is launched for, such as order-review.")] = "",
    base_url: Annotated[str, typer.Option(help="The FHIR base URL; else that of the settings.")] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Print the URL that launches an application from an EHR, good for five minutes."""
    from urllib.parse import urlencode

    async def work(found: Security, settings: Settings) -> str:
        app = await found.store.client(id)
        if app is None or not app.launch_uri:
            raise error("not-found", f"There is no client {id} with a --launch-uri.")
        given = {"patient": patient, "encounter": encounter, "intent": intent}
        context = {"client": id, "need_patient_banner": True, **{k: v for k, v in given.items() if v}}
        base = base_url or settings.base_url or f"{settings.origin}/fhir"
        separator = "&" if "?" in app.launch_uri else "?"
        return app.launch_uri + separator + urlencode({"iss": base, "launch": await found.launch(context)})

    print(with_security(data, config, work, existing=True))
