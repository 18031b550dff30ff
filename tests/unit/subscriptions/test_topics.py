"""Topics from files: what is understood, and what is refused with the file's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server import definitions as r4
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.subscriptions.topics import load
from tests.conftest import running

pytestmark = pytest.mark.anyio

DEFINITIONS = r4.load()
TRIGGER = {"resource": "http://hl7.org/fhir/StructureDefinition/Encounter"}
TOPIC = {"resourceType": "SubscriptionTopic", "url": "http://example.org/t", "resourceTrigger": [TRIGGER]}


def loaded(folder: Path, **more: Any) -> Any:
    (folder / "mine.json").write_text(json.dumps({**TOPIC, **more}))
    return load(str(folder), DEFINITIONS)["http://example.org/t"]


def test_those_that_come_with_the_server_are_there() -> None:
    assert {"urn:hms:topic:stored", "urn:hms:topic:encounter-start"} <= load("", DEFINITIONS).keys()


def test_a_filter_is_by_what_the_topic_names(tmp_path: Path) -> None:
    listed = [{"filterParameter": "date", "modifier": ["missing"]}, {"filterParameter": "patient"}]
    topic = loaded(tmp_path, canFilterBy=listed, title="Mine", description="for people")
    names = ("date", "date:missing", "date:not", "patient", "patient.name", "status")
    assert [name for name in names if topic.filters("Encounter", name)] == [
        "date", "date:missing", "patient", "patient.name",
    ]  # fmt: skip


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FhirError, match="no folder"):
        load(str(tmp_path / "nowhere"), DEFINITIONS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resourceTrigger": [{**TRIGGER, "fhirPathCriteria": "true"}]},
        {"resourceTrigger": [{"resource": "http://hl7.org/fhir/StructureDefinition/Encountre"}]},
        {"resourceTrigger": [{**TRIGGER, "supportedInteraction": ["read"]}]},
        {"eventTrigger": [{"description": "x"}]},
        {"resourceType": "Topic"},
    ],
)
def test_what_can_not_be_done_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(FhirError, match=r"mine\.json"):
        loaded(tmp_path, **wrong)


CRITERIA = {"current": "status=finished", "requireBoth": True}
SHAPE = {"resource": "Encounter", "include": ["Encounter:patient"], "revInclude": ["Condition:encounter"]}


@pytest.mark.parametrize(
    "more",
    [
        {"resourceTrigger": [{**TRIGGER, "queryCriteria": {**CRITERIA, "current": "statuss=finished"}}]},
        {"resourceTrigger": [{**TRIGGER, "queryCriteria": {**CRITERIA, "previous": "date=yesterday"}}]},
        {"resourceTrigger": [{**TRIGGER, "queryCriteria": {**CRITERIA, "current": "status=finished&_sort=date"}}]},
        {"resourceTrigger": [{**TRIGGER, "queryCriteria": {**CRITERIA, "current": "finished"}}]},
        {"resourceTrigger": [{"resource": "Resource", "queryCriteria": {"current": "nothing-has-it=1"}}]},
        {"notificationShape": [{**SHAPE, "include": ["Encounter:patients"]}]},
        {"notificationShape": [{**SHAPE, "revInclude": ["Condition"]}]},
        {"canFilterBy": [{"resource": "Encounter", "filterParameter": "colour"}]},
    ],
)
async def test_a_search_that_can_not_be_made_stops_the_start(
    settings: Settings, tmp_path: Path, more: dict[str, Any]
) -> None:
    folder = tmp_path / "topics"
    folder.mkdir()
    good = {
        "resourceTrigger": [{**TRIGGER, "queryCriteria": CRITERIA}], "notificationShape": [SHAPE],
        "canFilterBy": [{"filterParameter": "_tag"}, {"resource": "Encounter", "filterParameter": "date"}],
    }  # fmt: skip
    named = msgspec.structs.replace(settings, subscription_topics=str(folder))
    loaded(folder, **good)
    async with running(named):
        pass
    loaded(folder, **good | more)
    with pytest.raises(FhirError, match=r"subscription_topics: .* of http://example\.org/t"):
        async with running(named):
            pass
