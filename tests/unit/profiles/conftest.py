import decimal
import json
from pathlib import Path

import msgspec
import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

BROKEN = Path(__file__).parents[2] / "data" / "broken"
_DECODER = msgspec.json.Decoder(float_hook=decimal.Decimal)


def decode(text):
    """A resource as the server parses it."""
    return _DECODER.decode(text)


def json_lines(name):
    """The lines of a file of the collection."""
    return [decode(line) for line in (BROKEN / name).read_text("utf-8").splitlines()]


def as_parsed(resource):
    """A resource written in Python, as the server would have parsed it."""
    return decode(json.dumps(resource))


@pytest.fixture(scope="session")
def validator():
    return Validator(load())
