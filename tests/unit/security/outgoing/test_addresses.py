"""Which addresses are called for others."""

from __future__ import annotations

import ipaddress

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.outgoing.addresses import Outgoing, RefusedAddressError, public

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
     "2002:7f00:1::", "2002:a00:1::", "fec0::1", "::7f00:1", "::ffff:0:a00:1", "64:ff9b:1::a00:1"],
)  # fmt: skip
def test_no_address_of_a_network_of_ones_own_is_public(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_others_are(address: str) -> None:
    assert public(ipaddress.ip_address(address))


async def test_a_name_is_called_where_all_that_it_resolves_to_may_be() -> None:
    with pytest.raises(RefusedAddressError):
        await Outgoing(()).addresses("localhost", 443)
    assert "127.0.0.1" in await Outgoing(("127.0.0.0/8", "::1/128")).addresses("localhost", 443)
    assert await Outgoing(("LocalHost",)).addresses("LOCALHOST", 443)
    assert await Outgoing((), everything=True).addresses("localhost", 443)


def test_a_setting_that_names_neither_a_network_nor_a_host_is_refused() -> None:
    with pytest.raises(FhirError, match="neither a network"):
        Outgoing(("10.0.0.0/99",))
