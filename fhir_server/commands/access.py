"""hms token, hms launch: access for trying things out, without an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.accounts import with_security
from fhir_server.commands.clients import require_scopes
from fhir_server.commands.options import Config, Data
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.security.service import Security


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

    require_scopes(scope)

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

    print(with_security(data, config, work, existing=True, changes=f"token/{as_user or 'hms-token'}"))


def launch(
    id: Annotated[str, typer.Argument(help="The application's client_id.")],
    patient: Annotated[str, typer.Option(help="Id of the patient in context.")] = "",
    encounter: Annotated[str, typer.Option(help="Id of the encounter in context.")] = "",
    intent: Annotated[str, typer.Option(help="What it is launched for, such as order-review.")] = "",
    fhir_context: Annotated[
        list[str] | None, typer.Option(help="What else is at hand, such as DiagnosticReport/1; repeatable.")
    ] = None,
    style_url: Annotated[str, typer.Option(help="URL of the style of the EHR, for smart_style_url.")] = "",
    banner: Annotated[bool, typer.Option(help="Whether the app shows who the patient is.")] = True,
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
        given = {
            "patient": patient, "encounter": encounter, "intent": intent, "smart_style_url": style_url,
            "fhirContext": [{"reference": _at_hand(each)} for each in fhir_context or ()],
        }  # fmt: skip
        context = {"client": id, "need_patient_banner": banner, **{k: v for k, v in given.items() if v}}
        base = base_url or settings.base_url or f"{settings.origin}/fhir"
        separator = "&" if "?" in app.launch_uri else "?"
        return app.launch_uri + separator + urlencode({"iss": base, "launch": await found.launch(context)})

    print(with_security(data, config, work, existing=True))


def _at_hand(reference: str) -> str:
    """A reference for fhirContext; FhirError "value" for what can't stand there
    (https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#fhircontext-)."""
    from fhir_server.codec.references import parse_reference
    from fhir_server.definitions import load

    found = parse_reference(reference)
    if found is None or not load().is_resource(found.type):
        raise error("value", f"--fhir-context is a reference such as DiagnosticReport/1, and {reference!r} is none.")
    if found.type in ("Patient", "Encounter"):
        raise error("value", f"{reference} is given by --{found.type.lower()}, not by --fhir-context.")
    return reference
