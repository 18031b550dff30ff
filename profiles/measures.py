"""Whether a MeasureReport reports on its Measure (https://hl7.org/fhir/R4/measurereport-definitions.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.structure.problems import Problem, Problems, listed, shown, under

Json = dict[str, Any]

WITHOUT_GROUPS = "data-collection"  # a report that carries data only, by mrp-1
WITHOUT_SCORE = "cohort"  # the scoring of a measure that only counts


def report_problems(report: Json, measure: Json) -> Problems:
    """What in a MeasureReport does not fit its Measure."""
    defined = measure.get("group", [])
    if not defined:
        return []
    found: Problems = []
    reported: list[int] = []
    for position, group in enumerate(report.get("group", ())):
        place = f".group[{position}]"
        fitting = _fitting(group.get("code"), defined)
        at = next((each for each in fitting if each not in reported), None)
        if not fitting:
            found.append(_stranger("group", "measure", group.get("code"), defined, place))
        elif at is None:
            text = "another group reports this group of the measure already: report it once"
            found.append(Problem("measure-group", "duplicate", text, place))
        else:
            reported.append(at)
            found.extend(under(None, place, list(_group(group, defined[at], measure))) or ())
    missing = [_named(group, at) for at, group in enumerate(defined) if at not in reported]
    complete = report.get("status") == "complete" and report.get("type") != WITHOUT_GROUPS
    if missing and complete and not found:
        text = f"a complete report has a group for each of the measure: there is none for {listed(missing)}"
        found.append(Problem("measure-group", "required", text, ".group"))
    return found


def _group(group: Json, defined: Json, measure: Json) -> Iterator[Problem]:
    for name in ("population", "stratifier"):
        known = defined.get(name, [])
        for position, each in enumerate(group.get(name, ())):
            codes = each.get("code") if name == "stratifier" else [each.get("code")]
            if known and not any(_fitting(code, known) for code in codes or [None]):
                yield _stranger(name, "measure's group", (codes or [None])[0], known, f".{name}[{position}]")
    scoring = [coding.get("code") for coding in measure.get("scoring", {}).get("coding", ())]
    if "measureScore" in group and WITHOUT_SCORE in scoring:
        text = f"a measure whose scoring is {WITHOUT_SCORE} has no score: leave it out"
        yield Problem("measure-score", "business-rule", text, ".measureScore")


def _fitting(code: Any, defined: list[Json]) -> list[int]:
    """The positions of what may have a code; what stands alone, or is defined without one, may go without."""
    if not isinstance(code, dict):
        return [at for at, each in enumerate(defined) if "code" not in each or len(defined) == 1]
    return [at for at, each in enumerate(defined) if "code" not in each or _same(code, each["code"])]


def _same(one: Json, other: Json) -> bool:
    """Whether two concepts mean the same: by a coding, by their text where one has none."""
    ours, theirs = ({(c.get("system"), c.get("code")) for c in each.get("coding", ())} for each in (one, other))
    return bool(ours & theirs) if ours and theirs else "text" in one and one.get("text") == other.get("text")


def _stranger(name: str, holder: str, code: Any, defined: list[Json], place: str) -> Problem:
    given = f"{shown(_words(code))} is the code of no {name}" if isinstance(code, dict) else f"this {name} has no code"
    text = (
        f"{given} of the {holder}: write that of one of them, {listed(_named(e, at) for at, e in enumerate(defined))}"
    )
    return Problem(f"measure-{name}", "not-found", text, place)


def _named(defined: Json, at: int) -> str:
    return _words(defined["code"]) if "code" in defined else f"the one at position {at}"


def _words(code: Json) -> str:
    return next((str(c["code"]) for c in code.get("coding", ()) if "code" in c), str(code.get("text", "")))
