"""Whether a MeasureReport reports on its Measure (https://hl7.org/fhir/R4/measurereport-definitions.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems, listed, shown, under

Json = dict[str, Any]

WITHOUT_GROUPS = "data-collection"  # a report that carries data only, by mrp-1
POPULATION_BASIS = "/cqfm-populationBasis"  # how the URL of the extension ends, in whichever guide of measures
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


def count_problems(report: Json, measure: Json | None, context: Context) -> Problems:
    """Counts of populations that are not those of their subjects, where the List that names these is at hand.

    measure: None where it is not known. What is counted may be more than the subjects, as an Encounter each, unless the
    measure counts subjects: https://hl7.org/fhir/us/cqfmeasures/STU2/StructureDefinition-cqfm-populationBasis.html
    """
    by_subject = measure is not None and not any(_other_basis(each) for each in (measure, *measure.get("group", ())))
    found: Problems = []
    for path, population in _populations(report):
        count, listed_in = population.get("count"), population.get("subjectResults")
        target = context.target(listed_in)[0] if isinstance(listed_in, dict) else None
        if count is None or target is None or target.get("resourceType") != "List":
            continue
        subjects = sum(not each.get("deleted") for each in target.get("entry", ()))
        if count < subjects or (by_subject and count > subjects):
            text = f"{count} are counted, and subjectResults lists {subjects}: make them agree"
            found.append(Problem("measure-count", "business-rule", text, f"{path}.count"))
    return found


def _other_basis(defined: Json) -> bool:
    """Whether a measure, or a group of it, says that it counts something else than subjects."""
    return any(
        str(each.get("url")).endswith(POPULATION_BASIS) and each.get("valueCode") != "boolean"
        for each in defined.get("extension", ())
    )


def _populations(report: Json) -> Iterator[tuple[str, Json]]:
    """(path, population) of each group, and of each stratum of it."""
    for at, group in enumerate(report.get("group", ())):
        holders = [(f".group[{at}]", group)]
        for number, stratifier in enumerate(group.get("stratifier", ())):
            for position, stratum in enumerate(stratifier.get("stratum", ())):
                holders.append((f".group[{at}].stratifier[{number}].stratum[{position}]", stratum))
        for path, holder in holders:
            for position, population in enumerate(holder.get("population", ())):
                yield f"{path}.population[{position}]", population


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
