"""Which addresses this server calls because somebody asks it to: public ones, and those that a setting names.

A stranger who has the server call an address of its own network would see or do what only the server may there. A name
is resolved once, and what it was resolved to is checked and called, so that it can't be another one a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from fhir_server.core.errors import error

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 section 2.4: what is given out of the IPv6 Internet
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


class RefusedAddressError(Exception):
    """A host whose address is not called; the text says so and nothing of the address."""


def reached(address: Address) -> Address:
    """The address that is reached by one: of an IPv6 address that stands for an IPv4 one, that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        return inner or address
    return address


def public(address: Address) -> bool:
    """Whether an address is one of the public Internet."""
    found = reached(address)
    given_out = found.version == 4 or found in UNICAST
    return given_out and found.is_global and not found.is_multicast


async def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a host; [] where there are none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [ipaddress.ip_address(each[4][0]) for each in found]
    except (OSError, ValueError, UnicodeError):
        return []


class Outgoing:
    """allowed: networks such as 10.0.0.0/8, and names of hosts, that may be called though they are not public;
    everything: whether whatever may be. FhirError "value" for an entry that is neither."""

    def __init__(self, allowed: Sequence[str], *, everything: bool = False, setting: str = "allowed") -> None:
        self._everything = everything
        self._setting = setting
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for each in allowed:
            try:
                self._networks.append(ipaddress.ip_network(each))
            except ValueError:
                if "/" in each or not each or any(letter.isspace() for letter in each):
                    raise error("value", f"{setting}: {each!r} is neither a network, such as 10.0.0.0/8, nor the name "
                                "of a host.") from None  # fmt: skip
                self._hosts.add(each.lower().rstrip("."))

    def trusts(self, host: str) -> bool:
        """Whether the setting names a host, or a network that this address is in, or everything may be called."""
        if self._everything or host.lower().rstrip(".") in self._hosts:
            return True
        try:
            return self._named(ipaddress.ip_address(host))
        except ValueError:
            return False

    def _named(self, address: Address) -> bool:
        return any(reached(address) in network or address in network for network in self._networks)

    def require(self, host: str) -> None:
        """RefusedAddressError for an address that is not called; a name passes until it is resolved."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not (self.trusts(host) or public(address)):
            raise self._refused(host)

    async def addresses(self, host: str, port: int) -> list[str]:
        """What to connect to for a host; RefusedAddressError where any of it is not called, or there is nothing."""
        found = await resolved(host, port)
        if not found:
            raise RefusedAddressError(f"{host} has no address.")
        if not self.trusts(host) and not all(public(each) or self._named(each) for each in found):
            raise self._refused(host)
        return [str(each) for each in found]

    def _refused(self, host: str) -> RefusedAddressError:
        return RefusedAddressError(
            f"{host} is no public address, and this server calls no others; whoever runs it can name it in the setting "
            f"{self._setting}."
        )
