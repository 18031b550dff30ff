import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.bootstrap import start
from fhir_server.commands.dicom import bind
from fhir_server.commands.hl7 import announced
from fhir_server.commands.serve import banner, require_safe
from fhir_server.commands.sockets import listen
from fhir_server.core.configuration import FILES, FOLDERS, description, require_places, require_whole
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from tests.system.process import hms


@pytest.mark.parametrize("security", ["open", "smart"])
def test_the_banner_shouts_where_a_server_is_open(security):
    assert ("OPEN" in banner(Settings(security=security), samples=False)) is (security == "open")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::"])
def test_an_open_server_listens_to_this_machine_only(host):
    with pytest.raises(FhirError, match="--security smart"):
        require_safe(Settings(host=host))
    require_safe(Settings(host=host, security="smart"))
    require_safe(Settings(host="localhost"))


def test_the_banner_gives_the_base_url_and_how_to_load_samples():
    text = banner(Settings(port=81), samples=False)
    assert "http://127.0.0.1:81/fhir" in text and "load --samples" in text


def test_the_banner_of_a_secured_server_loads_samples_without_a_login():
    text = banner(Settings(port=81, security="smart", data=Path("here")), samples=False)
    assert "load --samples --data here" in text and "--server" not in text


def test_the_banner_gives_the_base_url_that_is_set():
    assert "https://fhir.example.org/fhir" in banner(Settings(base_url="https://fhir.example.org/fhir"), samples=True)


def test_a_port_in_use_is_refused_with_its_number():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FhirError, match=f"port {port} can't be listened on.*Try another --port"):
            listen("127.0.0.1", port)
        for elsewhere in ("192.0.2.1", "nowhere.invalid"):
            with pytest.raises(FhirError, match=r"can't be listened on.*Name an address of this machine by --host"):
                listen(elsewhere, 0)
        with pytest.raises(FhirError, match="Try another --dicom-port"):
            bind(Settings(dicom_port=port))


@pytest.mark.parametrize("taken", ["by another server", "by another that shares it", "by the other listener"])
def test_a_port_of_hl7_in_use_is_refused_before_the_banner(taken: str, tmp_path: Path):
    file = tmp_path / "hl7.toml"
    with socket.socket() as other:
        if taken == "by another that shares it":
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if taken == "by the other listener":
            other.close()
        else:
            other.listen()
        second = f"[listener.ward]\nport = {port}\n" if taken == "by the other listener" else ""
        file.write_text(f"[listener.lab]\nport = {port}\n{second}")
        named = "ward" if second else "lab"
        with pytest.raises(FhirError, match=f"port {port} can't be listened on for HL7 v2.*Give listener {named}"):
            announced(Settings(hl7=str(file)))


def test_a_server_whose_ports_are_taken_ends_without_its_banner(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options in (("--hl7-port", port), ("--dicom", "true", "--dicom-port", port)):
            told = hms("serve", "--port", 0, "--data", tmp_path, *options, code=1)
            assert "FHIR R4" not in told and f"port {port} can't be listened on" in told, told


def test_a_required_profile_that_is_not_known_is_told_once_before_the_banner(tmp_path: Path):
    told = hms("serve", "--port", 0, "--data", tmp_path, "--required-profiles", "http://ward.test/none", code=1)
    assert told.count("http://ward.test/none") == 1 and "hms packages install" in told and "FHIR R4" not in told, told


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        (Settings(mongodb_url="mongodb://db"), "HMS_ELASTICSEARCH_URL"),
        (Settings(elasticsearch_url="http://es:9200"), "HMS_MONGODB_URL"),
    ],
    ids=["mongodb", "elasticsearch"],
)
def test_one_service_of_two_is_refused(settings: Settings, lacking: str):
    with pytest.raises(FhirError, match=f"set {lacking}"):
        require_whole(settings)
    asyncio.run(_refused(settings, lacking))


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_what_a_setting_names_must_be_there(name: str, tmp_path: Path):
    place = tmp_path / "place"
    settings = replace(Settings(), **{name: str(place)})
    with pytest.raises(FhirError, match=f"{name} names .*place, which can't be read: No such file or directory"):
        require_places(settings)
    (place.mkdir if name in FILES else place.touch)()
    with pytest.raises(FhirError, match="Is a directory" if name in FILES else "Not a directory"):
        require_places(settings)
    place.rmdir() if name in FILES else place.unlink()
    (place.touch if name in FILES else place.mkdir)()
    require_places(settings)


def test_every_setting_of_a_file_or_folder_is_one_that_must_be_there_or_has_a_reader_of_its_own():
    own = {"data", "hl7", "dicom_peers", "dicom_storage", "job_files"} | {
        name for name in Settings.__struct_fields__ if "tls" in name
    }
    named = {name for name in Settings.__struct_fields__ if re.match(r"(\w+ )?(File|file|Folder)\b", description(name))}
    assert named - own <= {*FILES, *FOLDERS}


async def _refused(settings: Settings, lacking: str) -> None:
    with pytest.raises(FhirError, match=f"set {lacking}"):
        await start(settings)


def test_a_host_that_is_none_is_refused():
    with pytest.raises(FhirError, match=r"no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "base_url": "https://fhir.example.org/fhir"}, False),
        ({"host": "0.0.0.0", "trust_proxy": True}, False),
        ({}, False),
    ],
)
def test_a_secured_server_that_does_not_know_its_name_says_so(more: dict[str, Any], told: bool) -> None:
    assert ("set base_url" in banner(Settings(security="smart", **more), samples=True)) is told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('subscribe = ["Pateint"]', "'Pateint', of which no message is made; there are Patient, Encounter"),
        ('subscribe = ["Patient?active=true"]\nmessage = "ORU^R01"', "becomes ADT"),
        ('version = "3.0"', "2.8.2 and 2.9"),
        ('charset = "KLINGON"', "UNICODE UTF-8"),
        ('charset = "UNICODE UTF-16"', "UNICODE UTF-8"),
        ('tls = { authorities = "/nowhere.pem" }', "/nowhere.pem"),
        ('[folder.in]\npath = "/nowhere"', "/nowhere, which is no folder"),
        ('[sender.LAB]\ntables = "/nowhere"', "of LAB are in /nowhere"),
    ],
)
def test_what_of_an_interfaces_file_can_not_be_used_is_told_before_the_banner(tmp_path: Path, written: str, told: str):
    file = tmp_path / "hl7.toml"
    file.write_text(f'[destination.adt]\nhost = "h"\nport = 1\n{written}\n')
    with pytest.raises(FhirError, match=f"hl7.toml: .*{told}"):
        announced(Settings(hl7=str(file)))
