"""What the CapabilityStatement says of Subscriptions."""

from __future__ import annotations

from typing import Any

from fhir_server.subscriptions.backport import DEFINITION, GUIDE, PROFILE
from fhir_server.subscriptions.channels.sockets import socket_url
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.topics import Topics

WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
SERVER = f"{GUIDE}/CapabilityStatement/backport-subscription-server-r4"
TOPIC = f"{DEFINITION}capabilitystatement-subscriptiontopic-canonical"


class Claims:
    """Adds to a statement where the WebSocket is, and the topics."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def __call__(self, statement: dict[str, Any], base: str) -> None:
        """base: the FHIR base URL."""
        statement["instantiates"] = [*statement.get("instantiates", ()), SERVER]
        rest = statement["rest"][0]
        rest["extension"] = [*rest.get("extension", ()), {"url": WEBSOCKET, "valueUri": socket_url(base)}]
        for resource in rest["resource"]:
            if resource["type"] == TYPE:
                resource["extension"] = [{"url": TOPIC, "valueCanonical": url} for url in sorted(self._topics)]
                resource["supportedProfile"] = [*resource.get("supportedProfile", ()), PROFILE]
