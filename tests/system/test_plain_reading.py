"""Made-up resources with awkward values, searched, chained, sorted and paged: as a plain reading of their JSON says."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import Fhir
from tests.system.plain_reading import PREFIXES, UCUM, Json, fold, matches, values

pytestmark = pytest.mark.anyio

PARAMETERS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Patient": {
        "family": ("string", ("name.family",)),
        "given": ("string", ("name.given",)),
        "name": ("string", ("name.family", "name.given", "name.text")),
        "birthdate": ("date", ("birthDate",)),
        "active": ("token", ("active",)),
        "gender": ("gender", ("gender",)),
        "identifier": ("token", ("identifier",)),
        "organization": ("reference", ("managingOrganization",)),
    },
    "Observation": {
        "code": ("token", ("code",)),
        "combo-code": ("token", ("code", "component.code")),
        "status": ("status", ("status",)),
        "date": ("date", ("effectiveDateTime", "effectivePeriod", "effectiveTiming")),
        "value-quantity": ("quantity", ("valueQuantity",)),
        "combo-value-quantity": ("quantity", ("valueQuantity", "component.valueQuantity")),
        "subject": ("reference", ("subject",)),
    },
}
MODIFIERS = {
    "string": ("", "", "exact", "contains", "missing"),
    "token": ("", "", "not", "missing"),
    "gender": ("", "not", "missing"),
    "status": ("", "not"),
}
TEXTS = ("Smith", "smith", "O'Brien", "Ünal", "Straße", "Smith-Jones", "de la  Cruz", "ÅSA", "李", "x", "Ana María")
NUMBERS = ("0", "1", "1.0", "0.5", "5.40", "99.6", "100", "100.5", "-3", "1000")
UNITS = ("", f"|{UCUM}|g", f"|{UCUM}|mg", f"|{UCUM}|kg", "||mg", "|http://x|g")
QUERIES = 120


class Making:
    """Resources and searches of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.pick = self.random.choice

    def date(self, longest: int = 5) -> str:
        day = f"{self.pick(('1999', '2000', '2020'))}-{self.pick(('01', '02', '12'))}-{self.pick(('01', '28'))}"
        time = f"{day}T{self.pick(('00:00:00', '12:30:59', '23:59:59'))}{self.pick(('', '.5', '.999999'))}"
        zoned = time + self.pick(("Z", "+00:30", "-00:30", "+14:00"))
        return (day[:4], day[:7], day, zoned, zoned)[self.random.randrange(longest)]

    def period(self) -> Json:
        both = {"start": f"20{self.pick(('00', '19'))}-0{self.pick('19')}", "end": "2020-02-28T12:00:00-05:00"}
        return self.pick((both, {"start": self.date()}, {"end": self.date()}))

    def concept(self) -> Json:
        codings = [{"code": self.pick("xXyz"), **self.system("http://a", "http://b")} for _ in range(self.pick((1, 2)))]
        return self.pick(({"coding": codings}, {"coding": codings}, {"text": "words alone"}))

    def system(self, *systems: str) -> Json:
        return {"system": self.pick(systems)} if self.random.random() < 0.7 else {}

    def identifiers(self) -> list[Json]:
        masked = {"system": "http://mrn", "_value": {"extension": [{"url": "http://masked", "valueBoolean": True}]}}
        known = {"value": self.pick(("1", "001")), **self.system("http://mrn")}
        return self.pick(([known], [known], [masked], [known, masked]))

    def quantity(self) -> Json:
        unit = self.pick(("g", "mg", "kg", ""))
        coded = {"system": self.pick((UCUM, UCUM, "http://x")), "code": unit, "unit": unit} if unit else {}
        compared = {"comparator": self.pick(("<", ">="))} if self.random.random() < 0.2 else {}
        return {"value": float(self.pick(NUMBERS)), **coded, **compared}

    def reference(self, type: str) -> Json:
        local = f"{type}/{self.pick('abcd')}"
        far = {"reference": f"http://far.test/fhir/{local}"}
        return self.pick(({"reference": local}, {"reference": f"{local}/_history/1"}, far, {"display": "somebody"}))

    def resource(self, type: str, id: str) -> Json:
        made = self.patient() if type == "Patient" else self.observation()
        return {"resourceType": type, "id": id, **{name: value for name, value in made.items() if value is not None}}

    def patient(self) -> Json:
        names = [
            {"family": self.pick(TEXTS), "given": [self.pick(TEXTS)]},
            {"text": f"{self.pick(TEXTS)} {self.pick(TEXTS)}"},
        ]
        return {
            "name": self.pick((names, names[:1], names[1:], None)),
            "birthDate": self.pick((self.date(3), None)),
            "active": self.pick((True, False, None)),
            "gender": self.pick(("male", "other", None)),
            "identifier": self.pick((self.identifiers(), None)),
            "managingOrganization": self.pick((self.reference("Organization"), None)),
        }

    def observation(self) -> Json:
        when = self.pick(("effectiveDateTime", "effectivePeriod", "effectiveTiming", "_none"))
        component = {"code": {"coding": [{"code": "part"}]}, "valueQuantity": self.quantity()}
        made = {
            "effectiveDateTime": self.date(),
            "effectivePeriod": self.period(),
            "effectiveTiming": {"event": [self.date(), self.date()]},
        }
        return {
            "status": self.pick(("final", "amended")),
            "code": self.concept(),
            "subject": self.pick((self.reference("Patient"), None)),
            "valueQuantity": self.pick((self.quantity(), None)),
            "component": self.pick(([component], None)),
            when: made.get(when),
        }

    def asked(self, kind: str, modifier: str) -> str:
        if modifier == "missing":
            return self.pick(("true", "false"))
        if kind == "string":
            text = self.pick(TEXTS)
            return text[: self.random.randint(1, len(text))].strip()
        if kind == "date":
            return self.pick(("", *PREFIXES)) + self.date()
        if kind == "quantity":
            return self.pick(("", *PREFIXES)) + self.pick(NUMBERS) + self.pick(UNITS)
        if kind == "reference":
            return self.pick(("Patient/a", "Organization/b", "b", "http://far.test/fhir/Patient/c"))
        return self.pick(
            ("x", "X", "http://a|x", "|y", "http://b|", "http://mrn|", "001", "true", "male", "final", "amended")
        )

    def criterion(self, type: str, code: str) -> tuple[str, str, Callable[[Json], bool]]:
        """A parameter with its modifier, what it asks, and whether a resource meets it."""
        kind, paths = PARAMETERS[type][code]
        modifier = self.pick(MODIFIERS.get(kind, ("", "", "missing")))
        asked = [self.asked(kind, modifier) for _ in range(1 if modifier == "missing" else self.pick((1, 2)))]
        name = f"{code}{modifier and ':' + modifier}"
        return name, ",".join(asked), lambda resource: matches(resource, kind, paths, modifier, asked)

    def linked(self, type: str, stored: dict[tuple[str, str], Json]) -> tuple[str, str, Callable[[Json], bool]]:
        """The same along Observation.subject: a chain, or from a Patient back."""
        other = "Patient" if type == "Observation" else "Observation"
        name, asked, meets = self.criterion(other, self.pick(list(PARAMETERS[other])))
        if type == "Observation":
            met = {f"Patient/{id}" for (its, id), each in stored.items() if its == "Patient" and meets(each)}
            return f"subject:Patient.{name}", asked, lambda resource: subject(resource) in met
        named = {subject(each) for (its, _), each in stored.items() if its == "Observation" and meets(each)}
        return f"_has:Observation:subject:{name}", asked, lambda resource: f"Patient/{resource['id']}" in named


def subject(observation: Json) -> str:
    """What an Observation is about, whatever version it names."""
    return next(iter(values(observation, "reference", ("subject",))), "")


def order(resource: Json, kind: str, paths: tuple[str, ...], descending: bool) -> Any:
    """The value to sort by, None for none."""
    found = values(resource, kind, paths)
    keys: list[Any] = [fold(each) if kind == "string" else each[0] if kind == "date" else each[1] for each in found]
    return (max if descending else min)(keys, default=None)


@pytest.mark.parametrize("seed", range(3))
async def test_searches_find_sort_and_page_what_a_plain_reading_finds(fhir: Fhir, seed: int) -> None:
    making, stored = Making(seed), dict[tuple[str, str], Json]()
    for number in range(90):  # some of them again, under an id that is taken
        type = making.pick(("Patient", "Observation"))
        key = type, making.pick("abcd") if type == "Patient" and number % 3 == 0 else f"r{number % 50}"
        stored[key] = making.resource(*key)
        await fhir.create(stored[key])
    found = 0
    for _ in range(QUERIES):
        type = making.pick(list(PARAMETERS))
        alike = [resource for (its, _), resource in stored.items() if its == type]
        search = []
        criteria = [
            making.criterion(type, code)
            for code in making.random.sample(list(PARAMETERS[type]), making.pick((0, 1, 2)))
        ]
        if not criteria or making.random.random() < 0.2:
            criteria.append(making.linked(type, stored))
        for name, asked, meets in criteria:
            alike = [resource for resource in alike if meets(resource)]
            search.append(f"{name}={quote(asked, safe='')}")
        sortable = [code for code, (kind, _) in PARAMETERS[type].items() if kind in ("string", "date", "token")]
        sort, descending = making.pick(sortable), making.pick((True, False))
        url = f"{type}?{'&'.join(search)}&_sort={'-' if descending else ''}{sort}&_count={making.pick((2, 7, 50))}"
        ids = await fhir.ids(url)
        assert sorted(ids) == sorted(resource["id"] for resource in alike), url
        keys = [order(stored[type, id], *PARAMETERS[type][sort], descending) for id in ids]
        having = [key for key in keys if key is not None]
        assert [*sorted(having, reverse=descending), *[None] * (len(keys) - len(having))] == keys, url
        found += bool(ids)
    assert found > QUERIES // 6, "most searches find nothing, which tells little"
