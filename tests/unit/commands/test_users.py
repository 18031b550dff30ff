"""hms user: what is changed of a person, and what is kept of that."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from fhir_server.bootstrap import opened_audit
from fhir_server.commands.accounts import with_security
from fhir_server.commands.users import user
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security import passwords
from fhir_server.security.model import User

PASSWORD = "correct horse battery"
OTHER = "a quite different one"


def run(data: Path, *arguments: str, stdin: str = "") -> str:
    result = CliRunner().invoke(user, [*arguments, "--data", str(data)], input=stdin)
    if isinstance(result.exception, FhirError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def kept(data: Path) -> User:
    async def work(found, _) -> User:
        return await found.store.user_named("doc")

    return with_security(data, None, work)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    run(tmp_path, "add", "doc", "--fhir-user", "Practitioner/1", "--role", "nurse", "--password", PASSWORD)
    return tmp_path


@pytest.mark.parametrize("name", ["", " ", " ada", "ada\n", "a\nb", "ada\u202e"])
def test_a_name_that_nobody_could_type_is_refused(data: Path, name: str):
    with pytest.raises(FhirError, match="A name has"):
        run(data, "add", name, "--password", PASSWORD)


def test_what_is_said_is_changed_and_the_rest_stays(data: Path):
    run(data, "change", "doc", "--role", "physician", "--role", "psychiatrist")
    changed = kept(data)
    assert (changed.roles, changed.fhir_user) == (("physician", "psychiatrist"), "Practitioner/1")
    run(data, "change", "doc", "--fhir-user", "", "--role", "")
    assert kept(data) == msgspec.structs.replace(changed, roles=(), fhir_user="")


def test_a_password_is_replaced_from_standard_input_or_a_prompt(data: Path):
    run(data, "change", "doc", "--password", "-", stdin=f"{OTHER}\n")
    assert passwords.matches(OTHER, kept(data).password) and not passwords.matches(PASSWORD, kept(data).password)
    run(data, "change", "doc", "--new-password", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert passwords.matches(PASSWORD, kept(data).password)


def test_an_account_is_closed_and_opened(data: Path):
    run(data, "change", "doc", "--close")
    assert not kept(data).active and "doc (closed)" in run(data, "list")
    run(data, "change", "doc", "--open")
    assert kept(data).active


def test_factors_that_are_lost_are_forgotten(data: Path):
    async def lose(found, _) -> None:
        has = {"totp": "A" * 32, "recovery": ("x",), "passkeys": ({"id": "k"},)}
        await found.store.put_user(msgspec.structs.replace(await found.store.user_named("doc"), **has))

    with_security(data, None, lose)
    run(data, "change", "doc", "--forget-factors")
    changed = kept(data)
    assert (changed.totp, changed.recovery, changed.passkeys) == ("", (), ())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["doc"], "Say what to change"),
        (["nobody", "--close"], "no user nobody"),
        (["doc", "--password", "short"], "at least 12 characters"),
        (["doc", "--fhir-user", "Practitioner"], "must be a reference"),
        (["doc", "--fhir-user", "patient/2"], "must be a reference"),
        (["doc", "--fhir-user", "Patients/2"], "must be a reference"),
        (["doc", "--fhir-user", "Patient/"], "must be a reference"),
    ],
)
def test_what_can_not_be_changed_is_refused_with_the_reason(data: Path, arguments: list[str], reason: str):
    before = kept(data)
    with pytest.raises(FhirError, match=reason):
        run(data, "change", *arguments)
    assert kept(data) == before


def test_the_password_of_an_outside_account_is_changed_where_it_is(data: Path):
    async def move(found, _) -> None:
        moved = msgspec.structs.replace(await found.store.user_named("doc"), provider="https://idp.test")
        await found.store.put_user(moved)

    with_security(data, None, move)
    with pytest.raises(FhirError, match="change it there"):
        run(data, "change", "doc", "--password", OTHER)


def test_each_change_is_in_the_audit_log(data: Path):
    run(data, "change", "doc", "--close")
    run(data, "remove", "doc")
    with opened_audit(Settings(data=data)) as log:
        events = [event for _, event in log.oldest_first()]
        assert log.verify().problem == ""
    assert [(each.kind, each.path, each.client) for each in events] == [("account", "user/doc", "hms")] * 3
