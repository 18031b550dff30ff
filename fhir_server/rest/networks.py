"""Which addresses are answered at all, where a setting names them."""

from __future__ import annotations

import ipaddress
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.rest.decode import address_of, headers_of
from fhir_server.rest.http1.refusal import Refusal

REFUSED = Refusal(403, "forbidden", "This server does not answer your address.")


class Networks:
    """By the setting allowed_networks; FhirError "value" for one that is no network."""

    def __init__(self, settings: Settings) -> None:
        self._trust = settings.trust_proxy
        try:
            self._networks = [ipaddress.ip_network(each) for each in settings.allowed_networks]
        except ValueError as problem:
            raise error("value", f"allowed_networks: {problem}; name such as 10.0.0.0/8 or 2001:db8::/32.") from None

    def lets(self, scope: dict[str, Any]) -> bool:
        """Whether the request's address is in one of the networks."""
        headers = headers_of(scope) if self._trust else {}
        try:
            address = ipaddress.ip_address(address_of(scope, headers, self._trust))
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)
