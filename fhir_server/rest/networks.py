"""Which addresses are answered, where a setting names them: at all, or with the metrics."""

from __future__ import annotations

import ipaddress
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.rest.decode import address_of, headers_of
from fhir_server.rest.http1.refusal import Refusal

REFUSED = Refusal(403, "forbidden", "This server does not answer your address.")
FORWARDED = {"forwarded", "x-forwarded-for"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    """By the setting allowed_networks; FhirError "value" for one that is no network."""

    def __init__(self, settings: Settings) -> None:
        self._trust = settings.trust_proxy
        self._networks = self._read(settings)

    def _read(self, settings: Settings) -> list[Network]:
        return _networks(settings.allowed_networks, "allowed_networks")

    def lets(self, scope: dict[str, Any]) -> bool:
        """Whether the request's address is in one of the networks."""
        headers = headers_of(scope) if self._trust else {}
        try:
            address = ipaddress.ip_address(address_of(scope, headers, self._trust))
        except ValueError:
            return False
        return self._has(getattr(address, "ipv4_mapped", None) or address)

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


class MetricsReaders(Networks):
    """Who reads the metrics of a secured server: its own machine, and by the setting metrics_networks."""

    def _read(self, settings: Settings) -> list[Network]:
        return _networks(settings.metrics_networks, "metrics_networks")

    def lets(self, scope: dict[str, Any]) -> bool:
        """Whether the request is from one of them, and not passed on by a proxy that is not trusted to say for whom."""
        return (self._trust or not FORWARDED & headers_of(scope).keys()) and super().lets(scope)

    def _has(self, address: Address) -> bool:
        return address.is_loopback or super()._has(address)


def _networks(named: tuple[str, ...], setting: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(each) for each in named]
    except ValueError as problem:
        raise error("value", f"{setting}: {problem}; name such as 10.0.0.0/8 or 2001:db8::/32.") from None
