from pathlib import Path

import msgspec
import pytest
import typer.main

from fhir_server.commands.options import environment
from fhir_server.commands.program import program
from fhir_server.core.configuration import load
from fhir_server.core.settings import Settings

OTHERS = Settings(
    host="::1",
    port=1,
    data=Path("/srv/a b"),
    workers=3,
    base_url="https://fhir.example.org/fhir",
    trust_proxy=True,
    cors_origins=("https://a.example", "https://b.example"),
    update_as_create=False,
    synchronous="OFF",
)


@pytest.mark.parametrize("settings", [Settings(), OTHERS, msgspec.structs.replace(OTHERS, cors_origins=())])
def test_a_worker_gets_the_settings_of_its_server(settings):
    assert load(environ=environment(settings)) == settings


def test_serve_has_an_option_for_every_setting():
    serve = typer.main.get_command(program()).commands["serve"]
    options = {option for parameter in serve.params for option in parameter.opts}
    assert {f"--{name.replace('_', '-')}" for name in Settings.__struct_fields__} <= options
