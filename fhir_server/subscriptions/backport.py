"""What the Subscriptions R5 Backport has a Subscription say by extensions.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.subscriptions.criteria import Search, refused, search_of
from fhir_server.subscriptions.topics import ANY, Topic, Topics

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport"
DEFINITION = f"{GUIDE}/StructureDefinition/"
PROFILE = f"{DEFINITION}backport-subscription"
EMPTY, ID_ONLY, FULL = CONTENTS = ("empty", "id-only", "full-resource")
LONGEST_TIMEOUT = 60  # seconds
TOGETHER = 20  # events of one notification where the Subscription does not say how many


def topic_of(resource: dict[str, Any], topics: Topics) -> Topic | None:
    """The topic that a Subscription is about, None for one as it stands in R4; FhirError for one that is not here."""
    criteria = str(resource.get("criteria", ""))
    declared = any(str(each).partition("|")[0] == PROFILE for each in resource.get("meta", {}).get("profile", ()))
    if not declared and ":" not in criteria.partition("?")[0]:
        return None
    topic = topics.get(criteria) or topics.get(criteria.partition("|")[0])
    if topic is None:
        raise refused("criteria", f"There is no topic {criteria[:100]!r} here; there are {', '.join(sorted(topics))}.")
    return topic


def told_by_topic(resource: dict[str, Any], topic: Topic, definitions: Definitions) -> dict[str, Any]:
    """What the extensions say, by the names of the fields of Subscription; FhirError for what can't be had."""
    channel = resource.get("channel", {})
    for each in _extensions(channel.get("_type"), "backport-channel-type"):
        code = each.get("valueCoding", {}).get("code", "")
        raise refused("channel.type", f"This server has no channel {code[:60]!r} beside those of R4; leave out the "
                      "extension.")  # fmt: skip
    if not channel.get("payload"):
        raise refused("channel.payload", "A Subscription to a topic has a payload: application/fhir+json or "
                      "application/fhir+xml.")  # fmt: skip
    contents = [each.get("valueCode") for each in _extensions(channel.get("_payload"), "backport-payload-content")]
    if len(contents) != 1 or contents[0] not in CONTENTS:
        raise refused("channel.payload", f"The extension {DEFINITION}backport-payload-content says how much is sent: "
                      f"one of {', '.join(CONTENTS)}.")  # fmt: skip
    return {
        "topic": topic,
        "content": contents[0],
        "criteria": tuple(_filters(resource, topic, definitions)),
        "heartbeat": _number(channel, "backport-heartbeat-period", "valueUnsignedInt", 2**31),
        "timeout": _number(channel, "backport-timeout", "valueUnsignedInt", LONGEST_TIMEOUT),
        "max_count": _number(channel, "backport-max-count", "valuePositiveInt", 2**31) or TOGETHER,
    }


def _filters(resource: dict[str, Any], topic: Topic, definitions: Definitions) -> Iterator[Search]:
    found = False
    for each in _extensions(resource.get("_criteria"), "backport-filter-criteria"):
        type, pairs = search_of(each.get("valueString", ""), definitions, "criteria.extension")
        if not any(topic.triggers(type)):
            raise refused("criteria.extension", f"{topic.url} is not about {type}: it is about {_named(topic)}.")
        for name, _ in pairs:
            if not topic.filters(type, name):
                possible = sorted({one.filter_parameter for one in topic.can_filter_by})
                raise refused("criteria.extension", f"{topic.url} can't be filtered by {name[:60]!r}; it can by "
                              f"{', '.join(possible)}.")  # fmt: skip
        found = True
        yield type, pairs
    if not found and ANY in topic.types:
        raise refused("criteria", f"{topic.url} is about everything: name a type by a filter, the extension "
                      f"{DEFINITION}backport-filter-criteria, with such as Observation?code=… or Patient")  # fmt: skip


def _named(topic: Topic) -> str:
    return ", ".join(sorted(topic.types))


def _number(channel: dict[str, Any], name: str, value: str, most: int) -> int:
    for each in _extensions(channel, name):
        number = each.get(value)
        if not isinstance(number, int) or not 0 < number <= most:
            raise refused("channel.extension", f"The extension {name} has a {value} from 1 to {most}.")
        return number
    return 0


def _extensions(element: Any, name: str) -> Iterator[dict[str, Any]]:
    listed = element.get("extension", ()) if isinstance(element, dict) else ()
    return (each for each in listed if isinstance(each, dict) and each.get("url") == DEFINITION + name)
