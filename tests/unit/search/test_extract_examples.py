"""Extraction over official examples: the generated functions against the fields one by one, and broken copies."""

import decimal
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.search.extract import Extractor
from fhir_server.search.named_types import NAMED
from tests.official_examples import official_examples

DECODER = msgspec.json.Decoder(float_hook=decimal.Decimal)


@pytest.fixture(scope="module")
def examples(definitions):
    """Up to three small examples of each resource type."""
    found = {}
    for _, content in official_examples():
        if len(content) < 20_000:
            resource = DECODER.decode(content)
            kept = found.setdefault(resource.get("resourceType"), [])
            if len(kept) < 3 and definitions.is_resource(resource.get("resourceType", "")):
                kept.append(resource)
    return list(itertools.chain.from_iterable(found.values()))


@pytest.fixture(scope="module")
def extractor(definitions, fields):
    return Extractor(definitions, fields)


def test_the_generated_function_finds_what_each_field_alone_finds(extractor, examples):
    for resource in examples:
        together = extractor.extract(resource)
        alone = []
        for extract in extractor._types[resource["resourceType"]].fields:
            extract(resource, alone.append)
        told = set(together) - set(alone)  # with what is contained: its values, and the type that references to it name
        assert all(value[1].startswith("#") or value[1].endswith(NAMED) for value in told), resource["resourceType"]
        assert set(alone) <= set(together), resource["resourceType"]


def test_most_examples_have_values_of_their_own(extractor, examples):
    without = [resource for resource in examples if not extractor.extract(resource)]
    assert len(without) < len(examples) // 20


SHAPES = st.sampled_from(
    [None, 1, decimal.Decimal("1.5"), True, "", "x", [], {}, [None], [[]], [{}], {"x": []}, [1, "a"]]
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_put_in_a_resource_extraction_goes_on(extractor, examples, data):
    resource = data.draw(st.sampled_from(examples))
    copy = msgspec.convert(msgspec.to_builtins(resource, builtin_types=(decimal.Decimal,)), dict)
    holder = copy
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [value for value in holder.values() if isinstance(value, (dict, list)) and value]
        if not inner:
            break
        chosen = data.draw(st.sampled_from(inner))
        holder = chosen[0] if isinstance(chosen, list) and isinstance(chosen[0], dict) else chosen
        if not isinstance(holder, dict):
            holder = copy
    keys = [key for key in holder if key != "resourceType"]
    if keys:
        holder[data.draw(st.sampled_from(keys))] = data.draw(SHAPES)
    for value in extractor.extract(copy):
        hash(value)
