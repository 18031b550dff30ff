"""What PyMongo raises, as answers."""

import pytest
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure, PyMongoError

from fhir_server.core.errors import PASSING, FhirError
from fhir_server.core.mongodb import answering


@pytest.mark.parametrize(
    ("problem", "category", "says"),
    [
        (AutoReconnect("secret-host:27017"), "unavailable", "The accounts does not answer now"),
        (ExecutionTimeout("secret-host", 50), "unavailable", "does not answer now"),
        (OperationFailure("secret-host", 14031), "no-store", "The accounts is full"),
        (OperationFailure("secret-host", 13, {"errmsg": "secret-host"}), "unavailable", "refuses this server's"),
        (OperationFailure("secret-host", 189), "unavailable", "can't do this now"),
    ],
)
def test_each_says_what_to_do_and_nothing_of_the_deployment(problem: PyMongoError, category: str, says: str) -> None:
    with pytest.raises(FhirError) as raised, answering("The accounts"):
        raise problem
    text = str(raised.value)
    assert (raised.value.category, says in text, "secret" in text) == (category, True, False)
    assert category in PASSING
