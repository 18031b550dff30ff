import re
from pathlib import Path

import pytest

from fhir_server.core.configuration import description, limits, load
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings

ROOT = Path(__file__).parents[3]
PACKAGES = ("fhir_server", "interfaces", "mappings", "profiles", "terminology")


def test_defaults_hold_where_nothing_is_given():
    assert load(environ={}) == Settings()


def test_the_call_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "hms.toml"
    file.write_text('port = 1\nworkers = 2\nserver_name = "Clinic"\n')
    settings = load({"port": 3, "workers": None}, config=file, environ={"HMS_PORT": "2", "HMS_WORKERS": "4"})
    assert (settings.port, settings.workers, settings.server_name) == (3, 4, "Clinic")


def test_the_environment_names_the_file(tmp_path):
    file = tmp_path / "hms.toml"
    file.write_text("update_as_create = false\n")
    assert load(environ={"HMS_CONFIG": str(file)}).update_as_create is False


def test_texts_of_the_environment_become_values():
    settings = load(environ={"HMS_CORS_ORIGINS": "https://a.example, https://b.example", "HMS_TRUST_PROXY": "true"})
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.trust_proxy is True


def test_an_empty_list_of_origins_is_none():
    assert load(environ={"HMS_CORS_ORIGINS": ""}).cors_origins == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", "70000", "a whole number from 0 to 65535"),
        ("port", "http", "a whole number from 0 to 65535"),
        ("synchronous", "full", "FULL, NORMAL or OFF"),
        ("trust_proxy", "maybe", "true or false"),
        ("dicom_known_peers_only", "maybe", "true, false or auto"),
        ("base_url", "https://fhir.example.org/fhir/", "no slash at its end"),
        ("timezone", "Europe/Nowhere", "no such zone"),
        ("cors_origins", "app.example.org", "each must be * or an origin"),
        ("cors_origins", "https://app.example.org/", "no slash at its end"),
        ("cors_origins", "https://App.example.org", "in lower case"),
        ("cors_origins", "https://app.example.org:443", "no port that is the usual one"),
        ("allowed_networks", "10.0.0.0/8, prometheus", "each must be a network"),
        ("metrics_networks", "10.0.0.1/8", "each must be a network"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_may_be(name, value, said):
    with pytest.raises(FhirError) as refused:
        load(environ={f"HMS_{name.upper()}": value})
    assert name in str(refused.value) and said in str(refused.value) and "environment" in str(refused.value)


@pytest.mark.parametrize(
    "origin", ["*", "null", "http://localhost:3000", "https://[2001:db8::1]:8443", "capacitor://localhost"]
)
def test_an_origin_of_a_browser_or_of_an_app_is_one(origin):
    assert load(environ={"HMS_CORS_ORIGINS": origin}).cors_origins == (origin,)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(FhirError, match="Did you mean workers"):
        load(environ={"HMS_WORKER": "2"})


@pytest.mark.parametrize(("text", "said"), [("port = ", "not TOML"), ("prot = 1", "Did you mean port")])
def test_a_broken_file_is_refused(tmp_path, text, said):
    file = tmp_path / "hms.toml"
    file.write_text(text)
    with pytest.raises(FhirError, match=said):
        load(config=file, environ={})


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FhirError, match="can't be read"):
        load(config=tmp_path / "none.toml", environ={})


def test_every_setting_says_what_it_means_and_may_be():
    for name in Settings.__struct_fields__:
        assert description(name).endswith(".") and limits(name)


def test_every_setting_takes_effect_somewhere():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    sources = [path for path in files if path.name != "settings.py"]
    read = set(re.findall(r"settings\.(\w+)", "\n".join(path.read_text("utf-8") for path in sources)))
    assert set(Settings.__struct_fields__) <= read


def test_a_text_of_the_wrong_form_is_not_told_to_be_text():
    with pytest.raises(FhirError, match=r"of another form\. The FHIR base URL that clients see"):
        load({"base_url": "not a url"}, environ={})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("mongodb_url", "mongo://hms:geheim@db1,db2/?replicaSet=rs0", "'mongo://…@db1,db2/?replicaSet=rs0'"),
        ("elasticsearch_url", "hms:geheim@es1:9200", "'hms:…@es1:9200'"),
        ("elasticsearch_url", "geheim@es1:9200", "'…@es1:9200'"),
        ("elasticsearch_url", "htps://hms:geheim@es1,hms:ge'heim/@es2", "…@es2"),
    ],
)
def test_what_is_refused_is_told_without_its_login(name: str, value: str, told: str) -> None:
    with pytest.raises(FhirError) as refused:
        load({name: value}, environ={})
    assert told in str(refused.value) and "heim" not in str(refused.value)
