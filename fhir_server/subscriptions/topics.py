"""Topics: what one can subscribe to by a canonical URL, as R4B's SubscriptionTopic says it.

R4 has no such resource, so that topics are files (https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html):
those that come with the server, and those of the folder that a setting names. https://hl7.org/fhir/R4B/subscriptiontopic.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fhir_server.core.errors import error
from fhir_server.definitions import Definitions

ANY = "Resource"  # the type of a trigger that is about resources of every type
PREFIX = "http://hl7.org/fhir/StructureDefinition/"
Interaction = Literal["create", "update", "delete"]
Result = Literal["test-passes", "test-fails"]


class QueryCriteria(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Searches that a version, and the one before it, must match; where one of them is not there, what it counts as."""

    previous: str = ""
    result_for_create: Result = "test-fails"
    current: str = ""
    result_for_delete: Result = "test-fails"
    require_both: bool = False


class Trigger(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Interactions with resources of a type that make an event."""

    resource: str
    description: str = ""
    supported_interaction: tuple[Interaction, ...] = get_args(Interaction)
    query_criteria: QueryCriteria | None = None


class CanFilterBy(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """A search parameter that filters may use; resource: of which type; modifier: with which.

    Where nothing is said it is any.
    """

    resource: str = ""
    filter_parameter: str = ""
    description: str = ""
    modifier: tuple[str, ...] = ()


class Shape(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What is sent along with a resource of a type, as _include and _revinclude say it."""

    resource: str
    include: tuple[str, ...] = ()
    rev_include: tuple[str, ...] = ()


class Topic(msgspec.Struct, rename="camel", tag_field="resourceType", tag="SubscriptionTopic", frozen=True):
    """One topic; what else SubscriptionTopic has tells people about it."""

    url: str
    resource_trigger: tuple[Trigger, ...]
    title: str = ""
    status: str = "active"
    can_filter_by: tuple[CanFilterBy, ...] = ()
    notification_shape: tuple[Shape, ...] = ()
    event_trigger: tuple[Any, ...] = ()

    def triggers(self, type: str) -> Iterator[Trigger]:
        """Those that are about a type."""
        return (each for each in self.resource_trigger if type_of(each.resource) in (type, ANY))

    def filters(self, type: str, name: str) -> bool:
        """Whether a filter may use a parameter, which may have a modifier, on a type."""
        code, _, modifier = name.partition(":")
        return any(
            type_of(each.resource) in (type, ANY)
            and each.filter_parameter in ("", code.partition(".")[0])
            and (not modifier or not each.modifier or modifier in each.modifier)
            for each in self.can_filter_by
        )

    @property
    def types(self) -> frozenset[str]:
        """The types that it is about; {ANY} for every one."""
        return frozenset(type_of(each.resource) for each in self.resource_trigger)


Topics = Mapping[str, Topic]


def type_of(resource: str) -> str:
    """The type that a reference to a definition names; ANY for none."""
    return resource.removeprefix(PREFIX) or ANY


def load(folder: str, definitions: Definitions) -> dict[str, Topic]:
    """The topics by URL; FhirError "value" for a file that is none, or speaks of what R4 does not have."""
    shipped = resources.files("fhir_server.subscriptions") / "shipped"
    files = [(each.name, each.read_bytes()) for each in sorted(shipped.iterdir(), key=lambda each: each.name)]
    if folder and not Path(folder).is_dir():
        raise error("value", f"subscription_topics: there is no folder {folder}.")
    if folder:
        try:
            files += [(str(each), each.read_bytes()) for each in sorted(Path(folder).glob("*.json"))]
        except OSError as problem:
            raise error("value", f"subscription_topics: {folder} can't be read: {problem}.") from None
    found = {}
    for name, content in files:
        try:
            topic = msgspec.json.decode(content, type=Topic)
        except msgspec.MsgspecError as problem:
            raise error("value", f"subscription_topics: {name} is no SubscriptionTopic of R4B that can be used here: "
                        f"{problem}.") from None  # fmt: skip
        if topic.event_trigger:
            raise error("value", f"subscription_topics: {name} has an eventTrigger, which is not known here.")
        for type in topic.types - {ANY}:
            if not definitions.is_resource(type):
                raise error("value", f"subscription_topics: {name} is about {type!r}, which R4 does not have.")
        found[topic.url] = topic
    return found
