"""What a TestScript has sent and got so far, by the ids that it gives them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import httpx
from lxml import etree

from fhir_server import definitions as r4
from fhir_server.codec import json, xml
from fhir_server.fhirpath import compile_path

Json = dict[str, Any]
DEFINITIONS = r4.load()
NAMESPACES = {"fhir": "http://hl7.org/fhir"}
VARIABLE = re.compile(r"\$\{([^}]+)\}")


class Exchange(NamedTuple):
    """A request and its answer."""

    request: httpx.Request
    response: httpx.Response

    @property
    def resource(self) -> Json | None:
        """What the answer holds."""
        return resource_of(self.response)


def resource_of(message: httpx.Request | httpx.Response) -> Json | None:
    """The resource in a message, None for none."""
    body = message.content
    if not body:
        return None
    is_xml = "xml" in message.headers.get("content-type", "")
    return xml.parse(body, DEFINITIONS) if is_xml else json.decode(body)


def by_fhirpath(expression: str, resource: Json) -> list[str]:
    """The results of an expression as texts."""
    return [text(value) for _, value in compile_path(expression, DEFINITIONS).values(resource)]


def by_xpath(path: str, resource: Json) -> list[str]:
    """The first text that an XPath over the XML form finds; of a path without attributes the element's value."""
    if "fhir:" not in path:
        path = "/".join(f"fhir:{step}" for step in path.split("/")) + "/@value"
    root = etree.fromstring(xml.serialize(resource, DEFINITIONS))
    found = root.xpath(f"string(/{path.lstrip('/')})", namespaces=NAMESPACES)
    return [str(found)] if found else []


def text(value: Any) -> str:
    """A value as a TestScript writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Past:
    """Fixtures, exchanges and variables of one run; given: the values of variables that a tester enters."""

    def __init__(self, script: Json, fixtures: dict[str, Json], given: dict[str, str]) -> None:
        self.fixtures = dict(fixtures)
        self.exchanges: dict[str, Exchange] = {}
        self.last: Exchange | None = None
        self._variables = {each["name"]: each for each in script.get("variable", ())}
        self._given = given

    def note(self, operation: Json, exchange: Exchange) -> None:
        """Keeps an exchange under the ids that the operation gives it."""
        self.last = exchange
        for name in ("requestId", "responseId"):
            if name in operation:
                self.exchanges[operation[name]] = exchange

    def resource(self, id: str | None) -> Json:
        """The resource of a fixture or an earlier answer; without an id of the last answer."""
        if id is not None and id in self.fixtures:
            return self.fixtures[id]
        exchange = self.exchanges[id] if id else self.last
        found = exchange.resource if exchange else None
        assert found is not None, f"{id or 'the last answer'} has no resource"
        return found

    def filled(self, pattern: str) -> str:
        """A text with its ${variables} replaced."""
        return VARIABLE.sub(lambda found: self._value(found[1]), pattern)

    def _value(self, name: str) -> str:
        variable = self._variables[name]
        source = variable.get("sourceId")
        found: list[str] = []
        if name in self._given:
            found = [self._given[name]]
        elif "headerField" in variable:
            found = [self.exchanges[source].response.headers[variable["headerField"]]]
        elif "expression" in variable:
            found = by_fhirpath(variable["expression"], self.resource(source))
        elif "path" in variable:
            found = by_xpath(variable["path"], self.resource(source))
        return found[0] if found else variable["defaultValue"]
