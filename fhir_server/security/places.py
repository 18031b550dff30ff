"""Where users have signed in, so that whoever guesses at a name elsewhere does not keep its user out.

A browser is known by a cookie that it gets when somebody signs in
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
"""

from __future__ import annotations

import ipaddress
import re
import secrets

from fhir_server.security.model import User
from fhir_server.security.store import AccountStore
from fhir_server.security.store.port import typed
from fhir_server.security.throttle import ADDRESS, NAME

LIFE = 180 * 24 * 3600  # seconds since the last sign-in there, after which a place is new again
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def browser_of(cookie: str) -> str:
    """What a browser is known by: what its cookie says, or something new. Several users may share a browser."""
    return cookie if _BROWSER.match(cookie) else secrets.token_urlsafe(32)


def network_of(address: str) -> str:
    """What the requests of one caller are counted by: the address, of IPv6 the /64 that one caller may have whole."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False).network_address)


class Places:
    """What a try to sign in is counted by."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    async def subjects(self, name: str, user: User | None, address: str, browser: str) -> tuple[str, ...]:
        """For the throttle. user: whose name it is, None for nobody's.

        A browser where the user signed in before waits for its own failures only. At an address where that was, others'
        failures there hold up too, at a new place those at any new place.
        """
        name, address = typed(name), network_of(address)
        id = user.id if user is not None else ""  # looked for all the same, so that no time tells who has an account
        if browser and await self._store.knows_place(id, _browser(browser)):
            return (f"user:{name}@{browser}",)
        there = (f"user:{name}@{address}", f"{ADDRESS}{address}")
        if await self._store.knows_place(id, there[1]):
            return there
        return (*there, f"{NAME}{name}")

    async def signed_in(self, user: User, address: str, browser: str) -> None:
        """Keeps that the user has signed in there."""
        until = self._store.clock() + LIFE * 1_000_000
        for place in (f"{ADDRESS}{network_of(address)}", *((_browser(browser),) if browser else ())):
            await self._store.put_place(user.id, place, until)


def _browser(secret: str) -> str:
    return f"browser:{secret}"
