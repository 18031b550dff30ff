"""Solving a rota: the same facts give the same rota, on every machine, so that what was lost can be made again."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.subsystems.workforce.rota.model import KINDS, Model
from fhir_server.subsystems.workforce.rota.problem import Problem

SEED = 1
# of CP-SAT's own deterministic time, about seconds of one core
FAIR, FIRST, BETTER, EXPLAIN = 4.0, 60.0, 1.0, 4.0


class Conflict(NamedTuple):
    """Why there is no rota. rules: kinds that collide, each needed for it; missing: shift id -> how many people."""

    rules: list[str]
    missing: dict[str, int]


class Solved(NamedTuple):
    """Pairs of shift id and role id; or the conflict. Where there is one, the pairs cover as much as can be."""

    assigned: list[tuple[str, str]]
    conflict: Conflict | None


def solve(problem: Problem) -> Solved:
    """The best rota that is found in the time; with a conflict where the rules leave none."""
    from ortools.sat.python import cp_model

    for fair in (True, False):
        plain = Model(problem, fair=fair)
        first = _solver(FAIR if fair else FIRST)
        status = first.solve(plain.model)
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            break
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        plain.wish({key for key, works in plain.works.items() if first.value(works)})
        better = _solver(BETTER)
        better.parameters.linearization_level = 0  # what it would gain in bounds it loses in rotas that are tried
        found = better.solve(plain.model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        return Solved(_pairs(plain, better if found else first), None)
    return _relaxed(problem, [] if status == cp_model.UNKNOWN else colliding(problem))


def colliding(problem: Problem) -> list[str]:
    """The kinds of rules that can't hold together, none of which could be left out."""
    from ortools.sat.python import cp_model

    model = Model(problem, literals=True)

    def impossible(kinds: list[str]) -> list[str] | None:
        """Of these kinds those that were found to collide; None where they can hold together, or it is not known."""
        model.model.clear_assumptions()
        model.model.add_assumptions([model.literals[kind] for kind in kinds])
        solver = _solver(EXPLAIN)
        if solver.solve(model.model) != cp_model.INFEASIBLE:
            return None
        core = {abs(index) for index in solver.sufficient_assumptions_for_infeasibility()}
        named = [kind for kind in kinds if model.literals[kind].index in core]
        return named or kinds

    left = impossible(list(KINDS)) or list(KINDS)
    for kind in list(left):
        without = impossible([each for each in left if each != kind])
        if without is not None:
            left = without
    return left


def _relaxed(problem: Problem, rules: list[str]) -> Solved:
    from ortools.sat.python import cp_model

    model = Model(problem, relaxed=True)
    model.model.minimize(sum(model.missing.values()))
    solver = _solver(FIRST)
    if solver.solve(model.model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Solved([], Conflict(rules, {}))
    missing = {
        problem.shifts[s].id: int(solver.value(number)) for s, number in model.missing.items() if solver.value(number)
    }
    return Solved(_pairs(model, solver), Conflict(rules, missing))


def _pairs(model: Model, solver: Any) -> list[tuple[str, str]]:
    problem = model.problem
    return [
        (problem.shifts[s].id, problem.members[m].id)
        for (m, s), works in sorted(model.works.items(), key=lambda item: (item[0][1], item[0][0]))
        if solver.value(works)
    ]


def _solver(seconds: float) -> Any:
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.max_deterministic_time = seconds
    return solver
