"""hms user: who signs in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.accounts import removed, with_security
from fhir_server.commands.options import Config, Data
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.security.service import Security

user = typer.Typer(help="People who sign in.", no_args_is_help=True)


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
    password = _given(password) or _asked()
    _require_reference(fhir_user)

    async def work(found: Security, _: Settings) -> None:
        await found.add_user(name, password, fhir_user, tuple(role or ()))

    with_security(data, config, work, changes=f"user/{name}")
    print(f"{name} can sign in.")


@user.command("change")
def change_user(
    name: Annotated[str, typer.Argument(help="What the person signs in with.")],
    fhir_user: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="The person's record; empty for none.", show_default=False)
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="In place of the roles until now; repeatable, empty for none.")
    ] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="Ask for a new password.")] = False,
    password: Annotated[
        str, typer.Option(help="The new password; - reads it from standard input.", show_default=False)
    ] = "",
    forget_factors: Annotated[
        bool,
        typer.Option("--forget-factors", help="End the authenticator app, recovery codes and passkeys: they are lost."),
    ] = False,
    close: Annotated[
        bool | None, typer.Option("--close/--open", help="Whether the person can't sign in any more.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Change a person's password, roles, record or second factors, or close the account.

    Sign-ins and tokens of before end at once, as tokens say what their user was when they were issued.
    """
    changes: dict[str, Any] = {}
    if fhir_user is not None:
        _require_reference(fhir_user)
        changes["fhir_user"] = fhir_user
    if role is not None:
        changes["roles"] = tuple(filter(None, role))
    if close is not None:
        changes["active"] = not close
    if forget_factors:
        changes |= {"totp": "", "recovery": (), "passkeys": ()}
    new = _given(password) or (_asked() if new_password else "")
    if not changes and not new:
        raise error("required", "Say what to change, such as --role nurse; `hms user change --help` lists it.")

    async def work(found: Security, _: Settings) -> None:
        each = await found.store.user_named(name)
        if each is None:
            raise error("not-found", f"There is no user {name}; `hms user list` shows them.")
        await found.change_user(each, changes, new)

    with_security(data, config, work, existing=True, changes=f"user/{name}")
    print(f"{name} is changed; sign-ins and tokens of before have ended.")


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
        await removed(found.store.remove_user, each.id if each else "", f"user {name}")

    with_security(data, config, work, existing=True, changes=f"user/{name}")


def _given(password: str) -> str:
    return sys.stdin.readline().rstrip("\n") if password == "-" else password


def _asked() -> str:
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", getpass.GetPassWarning)  # without a terminal it is read as it comes
        try:
            return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
        except typer.Abort:
            if sys.stdin.isatty():
                raise
            raise error("required", "No password came; --password - reads it from standard input.") from None


def _require_reference(fhir_user: str) -> None:
    """FhirError "value" for what is nobody's record: a patient by a mistyped one would not stay within theirs."""
    from fhir_server.security.model import FHIR_USER

    if fhir_user and not FHIR_USER.match(fhir_user):
        raise error("value", f"--fhir-user must be a reference such as Practitioner/1 or Patient/2, not {fhir_user!r}.")
