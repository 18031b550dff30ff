"""Whether the searches in topics can be made here: looked at when the server starts, not at the first event."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.search.parse import is_result
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.subscriptions.topics import ANY, Topic, Topics, type_of

Pairs = list[tuple[str, str]]

log = structlog.get_logger("subscriptions")


async def require_usable(environment: Environment, topics: Topics) -> None:
    """FhirError "value" for a topic with a search that can't be made.

    environment: with the search parameters in force; by one that is still being indexed a search will be possible.
    """
    for topic in topics.values():
        _require_filters(environment, topic)
        for type, element, text, pairs in _searches(topic):
            problem = await _problem(environment, type, pairs)
            if problem is not None and problem.category == "unavailable":
                log.warning("a topic waits", topic=topic.url, problem=str(problem))
            elif problem is not None:
                raise error("value", f"subscription_topics: {element} {text[:200]!r} of {topic.url} can't be used: "
                            f"{problem}")  # fmt: skip


async def _problem(environment: Environment, type: str, pairs: Pairs) -> FhirError | None:
    """Why a search can't be made, of a type or, for ANY, of none."""
    found = None
    for each in environment.definitions.resource_types if type == ANY else (type,):
        try:
            await environment.searching.query(each, Request("GET", (each,), pairs))
        except FhirError as problem:
            found = found or problem
        else:
            return None
    return found


def _require_filters(environment: Environment, topic: Topic) -> None:
    for each in topic.can_filter_by:
        type, name = type_of(each.resource), each.filter_parameter
        types = environment.definitions.resource_types if type == ANY else (type,)
        known = name in ("", *BUILT_IN) or any(name in environment.searching.fields.of(one).parameters for one in types)
        if not known:
            raise error("value", f"subscription_topics: canFilterBy {name[:200]!r} of {topic.url} is no search "
                        f"parameter of {type}.")  # fmt: skip


def _searches(topic: Topic) -> Iterator[tuple[str, str, str, Pairs]]:
    """A type, the element that has a search of it, its text, and its parameters."""
    for trigger in topic.resource_trigger:
        asked = trigger.query_criteria
        for name, text in (("previous", asked.previous), ("current", asked.current)) if asked is not None else ():
            if text:
                yield type_of(trigger.resource), f"queryCriteria.{name}", text, _criteria(topic, text)
    for shape in topic.notification_shape:
        for name, listed in (("include", shape.include), ("revinclude", shape.rev_include)):
            for each in listed:
                yield type_of(shape.resource), f"notificationShape.{name}", each, [(f"_{name}", each)]


def _criteria(topic: Topic, text: str) -> Pairs:
    pairs = parse_qsl(text, keep_blank_values=True)
    wrong = next((name for name, _ in pairs if is_result(name)), "" if pairs else text)
    if wrong:
        raise error("value", f"subscription_topics: queryCriteria {text[:200]!r} of {topic.url} can't be used: it says "
                    "what to find by parameters and their values, such as status=finished.")  # fmt: skip
    return pairs
