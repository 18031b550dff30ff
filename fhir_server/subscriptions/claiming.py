"""What the CapabilityStatement says of Subscriptions."""

from __future__ import annotations

from typing import Any

from fhir_server.subscriptions.channels.sockets import PATH

WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"


def claim(statement: dict[str, Any], base: str) -> None:
    """Adds where the WebSocket is. base: the FHIR base URL, http or https."""
    url = f"ws{base.removesuffix('/fhir').removeprefix('http')}{PATH}"
    rest = statement["rest"][0]
    rest["extension"] = [*rest.get("extension", []), {"url": WEBSOCKET, "valueUri": url}]
