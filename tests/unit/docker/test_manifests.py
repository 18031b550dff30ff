"""What can't be started where the tests run is held to its schema, and to what it names: settings, metrics, files."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from fhir_server.core.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
BASE = DOCKER / "kubernetes/base"
ISTIO = DOCKER / "kubernetes/overlays/istio"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
SCHEMA = json.loads((ROOT / "tests/data/compose/compose-spec.json").read_text("utf-8"))
KUBERNETES = "1.31"
METRIC = re.compile(r"(?<![-\w])hms_[a-z_]+\b")
ENDINGS = re.compile(r"_(total|bucket|sum|count)$")


def documents(folder: Path) -> dict[str, dict]:
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml"))}


@pytest.mark.parametrize("name", sorted(set(documents(BASE)) - {"kustomization.yaml"}))
def test_the_manifests_follow_kubernetes_schema(name):
    kubernetes_validate.validate(documents(BASE)[name], KUBERNETES, strict=True)


@pytest.mark.parametrize("folder", [BASE, ISTIO], ids=lambda folder: folder.name)
def test_a_kustomization_names_every_manifest_beside_it(folder):
    named = {name for name in documents(folder)["kustomization.yaml"]["resources"] if not name.startswith("..")}
    assert named == set(documents(folder)) - {"kustomization.yaml"}


def test_the_compose_file_follows_its_schema():
    older = {key: value for key, value in COMPOSE.items() if key != "name"}  # the schema is from before it had a name
    jsonschema.Draft201909Validator(SCHEMA).validate(older)


def test_compose_names_volumes_networks_services_and_files_that_exist():
    for name, service in COMPOSE["services"].items():
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).exists(), volume
            elif not source.startswith("/"):
                assert source in COMPOSE["volumes"], volume


def test_every_image_has_a_version():
    assert all(re.search(r":v?\d|:local$", service["image"]) for service in COMPOSE["services"].values())


def test_the_middlewares_that_routers_name_are_defined():
    defined = yaml.safe_load((DOCKER / "compose/traefik/dynamic.yaml").read_text("utf-8"))["http"]["middlewares"]
    named = COMPOSE["services"]["server"]["labels"]["traefik.http.routers.hms.middlewares"].split(",")
    assert {name.removesuffix("@file") for name in named} == set(defined)


@pytest.mark.parametrize("path", sorted(p for p in DOCKER.rglob("*") if p.is_file()), ids=lambda path: path.name)
def test_settings_and_metrics_that_are_named_exist(path):
    text = path.read_text("utf-8")
    named = {name.lower() for name in re.findall(r"\bHMS_([A-Z_]+)\b", text)} - {"name", "cors_origins"}
    assert named <= set(Settings.__struct_fields__)
    sources = [*(ROOT / "fhir_server").rglob("*.py"), *(ROOT / "interfaces").rglob("*.py")]
    made = set(METRIC.findall("\n".join(source.read_text("utf-8") for source in sources)))
    metrics = {ENDINGS.sub("", name) for name in METRIC.findall(text)} if path.suffix in (".json", ".yaml") else set()
    assert metrics <= {ENDINGS.sub("", name) for name in made}


def test_the_image_copies_what_is_there_and_is_not_root():
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    assert re.search(r"^USER 10001", text, re.MULTILINE) and re.search(r"^HEALTHCHECK", text, re.MULTILINE)
    packages = re.search(r"include = \[(.*?)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.DOTALL)
    assert packages
    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}" in text
        assert f"!{package}" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's package prometheus) is not installed")
def test_prometheus_takes_the_rules_and_the_configuration(tmp_path):
    for name in ("alerts.yaml", "prometheus.yaml"):
        text = (DOCKER / "compose/prometheus" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/etc/prometheus/", f"{tmp_path}/"), "utf-8")
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yaml"], check=True, capture_output=True)


def test_the_alerts_cover_what_is_asked_of_them():
    rules = yaml.safe_load((DOCKER / "compose/prometheus/alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    found = {rule["alert"]: (rule["expr"], rule["for"]) for rule in rules}
    assert found["ServiceDown"] == ('up{job="hms"} == 0', "5m")
    assert found["SlowAnswers"][0].endswith("> 2") and "0.95" in found["SlowAnswers"][0]
    assert {"IndexLag", "DiskNearlyFull"} <= set(found)
    assert all(rule["annotations"]["action"] for rule in rules)


def test_the_autoscaler_goes_from_3_to_50():
    spec = documents(BASE)["horizontalpodautoscaler.yaml"]["spec"]
    targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]}
    assert (spec["minReplicas"], spec["maxReplicas"], targets) == (3, 50, {"cpu": 70, "memory": 80})
