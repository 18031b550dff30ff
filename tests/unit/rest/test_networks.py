import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.rest.networks import MetricsReaders, Networks


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


@pytest.mark.parametrize(
    ("address", "let"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", True), ("11.1.2.3", False)],
)
def test_metrics_are_for_the_machine_itself_and_the_networks_named(address: str, let: bool):
    readers = MetricsReaders(Settings(metrics_networks=("10.0.0.0/8",)))
    assert readers.lets({"client": (address, 1), "headers": []}) is let
    trusting = MetricsReaders(Settings(metrics_networks=("10.0.0.0/8",), trust_proxy=True))
    forwarded = [(b"x-forwarded-for", address.encode())]
    assert trusting.lets({"client": ("127.0.0.1", 1), "headers": forwarded}) is let


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"forwarded"])
def test_a_proxy_that_is_not_trusted_passes_on_no_metrics(header: bytes):
    readers = MetricsReaders(Settings())
    assert not readers.lets({"client": ("127.0.0.1", 1), "headers": [(header, b"for=127.0.0.1")]})


def test_what_is_no_network_of_the_metrics_is_told():
    with pytest.raises(FhirError, match="metrics_networks"):
        MetricsReaders(Settings(metrics_networks=("prometheus",)))
