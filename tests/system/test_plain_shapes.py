"""Made-up ranges, samples, money, composites, addresses and places, searched: as a plain reading of their JSON says."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.conftest import Fhir
from tests.system.plain_reading import CURRENCIES, PREFIXES, UCUM, Json, Parts, matches, matches_together
from tests.system.test_plain_reading import NUMBERS, TEXTS, UNITS, Making

pytestmark = pytest.mark.anyio

CODE = ("token", ("code",))
ALONE: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Observation": {
        "date": ("date", ("effectiveDateTime", "effectiveTiming")),
        "value-quantity": ("quantity", ("valueQuantity", "valueSampledData")),
        "value-date": ("date", ("valueDateTime", "valuePeriod")),
    },
    "Condition": {"onset-age": ("quantity", ("onsetAge", "onsetRange"))},
    "Invoice": {"totalnet": ("quantity", ("totalNet",))},
    "ValueSet": {
        "url": ("uri", ("url",)),
        "context-quantity": ("quantity", ("useContext.valueQuantity", "useContext.valueRange")),
    },
    "Location": {"near": ("place", ("position",))},
    "Patient": {
        "identifier:of-type": ("typed", ("identifier",)),
        "organization:identifier": ("referenced", ("managingOrganization",)),
    },
}
TOGETHER: dict[str, dict[str, tuple[tuple[str, ...], Parts]]] = {
    "Observation": {
        "code-value-quantity": (("",), (CODE, ("quantity", ("valueQuantity",)))),
        "code-value-concept": (("",), (CODE, ("token", ("valueCodeableConcept",)))),
        "code-value-string": (("",), (CODE, ("string", ("valueString",)))),
        "code-value-date": (("",), (CODE, ("date", ("valueDateTime", "valuePeriod")))),
        "component-code-value-quantity": (("component",), (CODE, ("quantity", ("valueQuantity",)))),
        "combo-code-value-quantity": (("", "component"), (CODE, ("quantity", ("valueQuantity",)))),
        "combo-code-value-concept": (("", "component"), (CODE, ("token", ("valueCodeableConcept",)))),
    },
    "ValueSet": {
        "context-type-quantity": (("useContext",), (CODE, ("quantity", ("valueQuantity", "valueRange")))),
        "context-type-value": (("useContext",), (CODE, ("token", ("valueCodeableConcept",)))),
    },
}
SIZES = ("1", "12", "5", "60", "99.6", "100", "600")
AGES = ("", f"|{UCUM}|a", f"|{UCUM}|mo", f"|{UCUM}|g")
SUMS = ("", "||USD", f"|{CURRENCIES}|EUR", "||JPY")
ADDRESSES = ("urn:oid:1.2", "urn:oid:1.2.3", "http://a.test", *(f"http://a.test/{path}" for path in (
    "x", "x/y", "x/y/z", "xy", "X")))  # fmt: skip
TYPED = ("http://t|MR|1", "http://t|MR|2", "http://t|SS|1", "http://u|MR|1")
QUERIES = 600


class Shaping(Making):
    """Resources and searches of one seed."""

    def resource(self, type: str, id: str) -> Json:
        made = getattr(self, type.lower())()
        return {"resourceType": type, "id": id, **{name: value for name, value in made.items() if value is not None}}

    def amount(self, *units: str) -> Json:
        unit = self.pick(units)
        return {"value": float(self.pick(SIZES)), "system": UCUM, "code": unit, "unit": unit}

    def range(self, unit: str) -> Json:
        low, high = sorted((self.amount(unit), self.amount(unit)), key=lambda each: each["value"])
        return self.pick(({"low": low, "high": high}, {"low": low}, {"high": high}))

    def samples(self) -> Json:
        data = " ".join(self.pick((*NUMBERS, "E", "U")) for _ in range(3)) + " 1"
        origin = {"value": float(self.pick(NUMBERS)), "system": UCUM, "code": "g", "unit": "g"}
        return {"origin": origin, "period": 10, "dimensions": 1, "data": data, "factor": self.pick((1, 0.5))}

    def observation(self) -> Json:
        value = self.pick(
            (
                {"valueQuantity": self.quantity()},
                {"valueCodeableConcept": self.concept()},
                {"valueString": self.pick(TEXTS)},
                {"valueDateTime": self.date()},
                {"valuePeriod": self.period()},
                {"valueSampledData": self.samples()},
                {},
            )
        )
        bounds = {"repeat": {"boundsPeriod": self.period()}}
        when = self.pick(({"effectiveDateTime": self.date()}, {"effectiveTiming": bounds}, {}))
        parts = [
            {"code": self.concept(), "valueQuantity": self.quantity()},
            {"code": self.concept(), "valueCodeableConcept": self.concept()},
            {"code": self.concept()},
        ]
        components = {"component": self.random.sample(parts, self.pick((1, 2, 3)))}
        return {"status": "final", "code": self.concept(), **when, **self.pick((value, components))}

    def condition(self) -> Json:
        onset = self.pick(({"onsetAge": self.amount("a", "mo")}, {"onsetRange": self.range("a")}, {"onsetString": "x"}))
        return {"subject": {"reference": "Patient/x"}, **onset}

    def invoice(self) -> Json:
        currency = self.pick(("USD", "EUR"))
        return {"status": "issued", "totalNet": {"value": float(self.pick(SIZES)), "currency": currency}}

    def valueset(self) -> Json:
        contexts = [
            {"code": {"code": self.pick("xy")}, **value}
            for value in (
                {"valueQuantity": self.amount("g", "kg")},
                {"valueRange": self.range("g")},
                {"valueCodeableConcept": self.concept()},
            )
        ]
        return {"status": "active", "url": self.pick((*ADDRESSES, None)), "useContext": self.random.sample(contexts, 2)}

    def location(self) -> Json:
        place = {"latitude": self.pick((-89, -30.5, 0, 42, 89.5)), "longitude": self.pick((-179.5, -71, 0, 71.25, 179))}
        return {"position": self.pick((place, place, None))}

    def patient(self) -> Json:
        system, code, value = self.pick(TYPED).split("|")
        kind = {"coding": [{"system": system, "code": code}, {"system": "http://v", "code": "MR"}]}
        identifiers = [{"value": value, "type": kind}, {"system": "http://mrn", "value": "2"}]
        organization = {"identifier": {"value": self.pick(("1", "001")), **self.system("http://mrn", "http://b")}}
        return {
            "identifier": self.random.sample(identifiers, self.pick((1, 2))),
            "managingOrganization": self.pick((organization, self.reference("Organization"), None)),
        }

    def asked(self, kind: str, modifier: str) -> str:
        if modifier == "missing":
            return super().asked(kind, modifier)
        if kind == "uri":
            address = self.pick(ADDRESSES)
            return address + (self.pick(("", "", "/")) if address.startswith("http") else "")
        if kind == "place":
            return (
                f"{self.pick((-89, -30, 0, 42.5, 90))}|{self.pick((-180, -70, 0, 180))}|{self.pick((1, 120, 2000))}|km"
            )
        if kind == "typed":
            return self.pick(TYPED)
        if kind == "referenced":
            return self.pick(("1", "001", "http://mrn|1", "|001", "http://b|"))
        if kind == "quantity":
            unit = self.pick((*UNITS, *AGES, *SUMS))
            return self.pick(("", *PREFIXES, "ap")) + self.pick((*NUMBERS, *SIZES)) + unit
        return super().asked(kind, modifier)

    def criterion(self, type: str, code: str) -> tuple[str, str, Callable[[Json], bool]]:
        missing = self.random.random() < 0.1 and ":" not in code
        number = 1 if missing else self.pick((1, 2))
        if code not in TOGETHER.get(type, {}):
            kind, paths = ALONE[type][code]
            modifier = "missing" if missing else self.pick(("", "below", "above")) if kind == "uri" else ""
            asked = [self.asked(kind, modifier) for _ in range(number)]
            name = f"{code}{modifier and ':' + modifier}"
            return name, ",".join(asked), lambda each: matches(each, kind, paths, modifier, asked)
        bases, parts = TOGETHER[type][code]
        if missing:
            wanted = self.pick(("true", "false"))
            return (
                f"{code}:missing",
                wanted,
                lambda each: matches_together(each, bases, parts, []) == (wanted == "false"),
            )
        asked = ["$".join(self.asked(kind, "") for kind, _ in parts) for _ in range(number)]
        return code, ",".join(asked), lambda each: matches_together(each, bases, parts, asked)


@pytest.mark.parametrize("seed", range(2))
async def test_searches_find_what_a_plain_reading_finds(fhir: Fhir, seed: int) -> None:
    making, stored = Shaping(seed), dict[str, list[Json]]()
    for type, number in {"Observation": 120, "Condition": 20, "Invoice": 12, "ValueSet": 30, "Location": 20,
                         "Patient": 20}.items():  # fmt: skip
        stored[type] = [making.resource(type, f"r{each}") for each in range(number)]
        for resource in stored[type]:
            await fhir.create(resource)
    asked: list[tuple[str, str]] = [
        (type, code) for table in (ALONE, TOGETHER) for type in table for code in table[type]
    ]
    found = set[tuple[str, str]]()
    for turn in range(QUERIES):
        type, code = asked[turn % len(asked)]
        name, text, meets = making.criterion(type, code)
        url = f"{type}?{name}={quote(text, safe='')}&_count={making.pick((3, 50))}"
        ids = await fhir.ids(url)
        assert sorted(ids) == sorted(each["id"] for each in stored[type] if meets(each)), url
        if ids:
            found.add((type, code))
    assert found == set(asked), "what never finds anything tells nothing"
