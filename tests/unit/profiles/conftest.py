import decimal
import functools
import gzip
import json
from pathlib import Path

import msgspec
import pytest
import zstandard

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


PACKAGES = Path(__file__).parents[2] / "data/packages"


@functools.cache
def package(name):
    """The .tgz of a package in tests/data/packages, without its ending."""
    return gzip.compress(
        zstandard.ZstdDecompressor().stream_reader((PACKAGES / f"{name}.tar.zst").read_bytes()).read(), 1
    )


class Known:
    """A source of profiles that are written down in a test."""

    def __init__(self, *resources):
        self.resources = {(r["resourceType"], r["url"]): r for r in resources}

    def find(self, type, canonical):
        return self.resources.get((type, canonical.partition("|")[0]))


class Codes:
    """A terminology that knows the value sets it is given: url -> {(system, code)}."""

    def __init__(self, **value_sets):
        self.value_sets = {f"http://example.org/{name}": codes for name, codes in value_sets.items()}

    def member_of(self, value_set, system, code):
        codes = self.value_sets.get(value_set)
        if codes is None:
            return None
        return (system, code) in codes if system else any(code == known for _, known in codes)

    def subsumes(self, system, code, other):
        return None


def profile(type_name, *elements, name="p", base=None):
    """A StructureDefinition with a differential; each element (path, constraints)."""
    return as_parsed(
        {
            "resourceType": "StructureDefinition",
            "url": f"http://example.org/{name}",
            "name": name,
            "status": "active",
            "kind": "resource" if type_name[0].isupper() else "primitive-type",
            "abstract": False,
            "type": type_name,
            "baseDefinition": base or f"http://hl7.org/fhir/StructureDefinition/{type_name}",
            "derivation": "constraint",
            "differential": {"element": [{"path": path, **constraints} for path, constraints in elements]},
        }
    )


def issues_by(resource, *profiles, terminology=None):
    """(path, rule) of each issue of a resource by the first of some profiles."""
    validator = Validator(load(), sources=[Known(*profiles)], terminology=terminology)
    issues = validator.validate(as_parsed(resource), [profiles[0]["url"]])
    return [(issue.expression, issue.rule) for issue in issues]
