"""hms client: which applications ask for access."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.accounts import removed, with_security
from fhir_server.commands.options import Config, Data
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.security.client_keys import ClientKeys
    from fhir_server.security.service import Security

ID = re.compile(r"[!-~]{1,200}\Z")  # https://www.rfc-editor.org/rfc/rfc6749#appendix-A.1

client = typer.Typer(help="Applications that ask for access.", no_args_is_help=True)

DEFAULT_SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter online_access offline_access patient/*.cruds user/*.cruds"
)


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
    if not ID.match(id):
        raise error("value", f"A client_id has 1 to 200 characters of ASCII, and no blanks; {id!r} is none.")
    keys = _key_set(jwks) if jwks else None
    require_scopes(scope)
    if backend and scope and not any(each.startswith("system/") for each in scope.split()):
        raise error(
            "value", f"A backend service works with scopes of the system, such as system/*.rs; {scope!r} has none."
        )
    for uri in (*(redirect_uri or ()), *([launch_uri] if launch_uri else [])):
        _require_redirect(uri)
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

    secret = with_security(data, config, work, changes=f"client/{id}")
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
    if any(isinstance(key, dict) and ("d" in key or "k" in key) for key in found["keys"]):
        raise error("value", f"{file} has a private key: give the public halves, without d and what follows it.")
    if not any(map(_signs, found["keys"])):
        raise error("value", f"{file} has no key that can be used: RSA, or EC with the curve P-384 (RS384, ES384).")
    return found


def _signs(key: Any) -> bool:
    """Whether an assertion could be checked by it."""
    from fhir_server.security.keys import key_of

    try:
        return key_of(key).get("crv") in (None, "P-384")
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def require_scopes(scopes: str) -> None:
    """FhirError "value" for a scope that nothing understands: a token with it would open nothing."""
    from fhir_server.security.scopes import known

    for each in scopes.split():
        if not known(each):
            raise error(
                "value", f"There is no scope {each!r}; write it such as patient/Observation.rs or user/*.cruds."
            )


def _require_redirect(uri: str) -> None:
    """FhirError "value" for what is no URI that an application can be sent to, by http or https."""
    from fhir_server.security.outgoing.urls import RefusedUrlError
    from fhir_server.security.redirects import require_redirect

    try:
        require_redirect(uri, vouched=True)
    except RefusedUrlError as problem:
        raise error("value", f"{uri!r} {problem}; write it such as https://app.example.org/done.") from None


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
        await removed(found.store.remove_client, id if await found.store.client(id) else "", f"client {id}")

    with_security(data, config, work, existing=True, changes=f"client/{id}")
