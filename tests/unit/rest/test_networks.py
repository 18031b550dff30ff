import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.rest.networks import Networks


@pytest.mark.parametrize(
    ("address", "let"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("x", False),
        ("", False),
    ],
)
def test_addresses_of_the_networks_are_let_in(address: str, let: bool):
    networks = Networks(Settings(allowed_networks=("10.0.0.0/8", "2001:db8::/32")))
    assert networks.lets({"client": (address, 1), "headers": []}) is let
    forwarded = [(b"x-forwarded-for", b"10.0.0.1")]
    assert not networks.lets({"client": ("11.0.0.1", 1), "headers": forwarded})
    trusting = Networks(Settings(allowed_networks=("10.0.0.0/8",), trust_proxy=True))
    assert trusting.lets({"client": ("11.0.0.1", 1), "headers": forwarded})


def test_what_is_no_network_is_told():
    with pytest.raises(FhirError, match="allowed_networks"):
        Networks(Settings(allowed_networks=("10.0.0.1/8",)))
