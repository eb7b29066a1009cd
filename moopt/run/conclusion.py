"""Results from what the loop holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Asking, spent_on
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.run import trials
from moopt.run.archives.pareto import merged_front
from moopt.run.group import MEASURE, Group
from moopt.run.history import History
from moopt.run.monitor import Snapshot
from moopt.run.result import Result, Status
from moopt.selection import thin

if TYPE_CHECKING:
    from moopt.run.run import Run

Evaluate = Callable[[Tensor, Rng, Any], Points]  # points x[1, n, d] of one run, and the problem's memory
MEASURED_POINTS = 100  # of a noisy front, evaluated again


def results(run: Run) -> Result:
    """One Result for each run, and the one that merges them."""
    parts: list[Result] = []
    with _measuring(run) as evaluate:
        for group in run.groups:
            populations, fronts, looked, ended = _solutions(run, group, evaluate)
            for history in run.monitors:
                if isinstance(history, History):
                    history.end(Snapshot(run, ended))
            for i, number in enumerate(group.runs.tolist()):
                booked = {unit: int(amount[i]) for unit, amount in group.spent.items()}
                spent = {u: booked.get(u, 0) + looked[i].get(u, 0) for u in sorted({*booked, *looked[i]})}
                part = _result(run, populations[i], fronts[i], spent, int(group.failures[i]), run.seed + number)
                memory = tree.to_device(tree.take(group.memory, i), "cpu")
                parts.append(replace(part, memory=memory, notes=_notes(run, group)))
    parts.sort(key=lambda part: part.seed)
    table = run.history.copy()
    parts = [replace(part, _history=table, _run=part.seed - run.seed) for part in parts]
    if run.ledger is not None:
        by_run = {part.seed: [t for t in run.ledger.trials if run.seed + t.run == part.seed] for part in parts}
        parts = [replace(part, trials=by_run[part.seed]) for part in parts]
    if len(parts) == 1:
        return parts[0]
    population = parts[0].population.join(*(part.population for part in parts[1:]))
    front = merged_front([part.front for part in parts])
    spent = {unit: sum(part.spent.get(unit, 0) for part in parts) for unit in parts[0].spent}
    merged = _result(run, population, front, spent, run.failures(), run.seed, run.n_runs)
    return replace(merged, parts=parts, _history=table, trials=[trial for part in parts for trial in part.trials])


@contextmanager
def _measuring(run: Run) -> Iterator[Evaluate | None]:
    """How noisy fronts are evaluated again, at once or as trials; `None` where none are."""
    if not run.problem.stochastic or run.status is Status.INTERRUPTED or not isinstance(run.algorithm, Asking):
        yield None
    elif run.problem.vectorized:
        yield run.problem.measure
    else:
        with run.executor as executor:
            executor.start(run.problem.trial_function(), timeout=run.problem.timeout, retries=run.problem.retries)
            yield lambda x, rng, memory: trials.evaluate(run.problem, executor, x, rng.seed())


def _solutions(
    run: Run, group: Group, evaluate: Evaluate | None
) -> tuple[list[Points], list[Points], list[dict[str, int]], Group]:
    """Last solutions and front of each run of a group, on the CPU, what looking at them spent, and how it ended.

    The run's own group does not keep that: asked again, or resumed, a run measures the same on the same draws.
    """
    r, ended = len(group.runs), run.status is not Status.INTERRUPTED
    rng = group.rng.fold(MEASURE)
    if isinstance(run.algorithm, Asking):
        population = run.algorithm.population(run.problem, group.state)
        pairs = [(tree.to_device(front, "cpu"), dict[str, int]()) for front in group.fronts()]
        if evaluate is not None:
            device = group.rng.device
            pairs = [
                measured_again(
                    run.problem, front, evaluate, group.rng.take(torch.tensor([i], device=device)).fold(MEASURE),
                    tree.take(group.memory, i),
                )
                for i, (front, _) in enumerate(pairs)
            ]  # fmt: skip
        fronts, looked = [front for front, _ in pairs], [spent for _, spent in pairs]
        return [_row(population, i) for i in range(r)], fronts, looked, group
    if ended:
        population, spent = run.algorithm.measure(run.problem, group.state, rng)
        group = group.looked_at(population, spent)
    else:
        population = run.algorithm.population(run.problem, group.state)
    rows = [_row(population, i) for i in range(r)]
    looked = [{unit: int(amount[i]) for unit, amount in group.looked.items()} for i in range(r)]
    return rows, [merged_front([row]) for row in rows], looked, group


def measured_again(
    problem: Problem, front: Points, evaluate: Evaluate, rng: Rng, memory: Any = None
) -> tuple[Points, dict[str, int]]:
    """A noisy front on fresh draws, because its lucky values would be kept otherwise; and what that spent."""
    if not len(front):
        return front, {}
    if len(front) > MEASURED_POINTS:
        front = front.select(thin(front.f, torch.ones(len(front), dtype=torch.bool), MEASURED_POINTS))
    x = front.x.to(rng.device)[None]
    evaluation = evaluate(x, rng, memory)
    looked = {unit: int(amount[0]) for unit, amount in spent_on(problem, evaluation).items()}
    return merged_front([_row(evaluation, 0)]), looked


def _notes(run: Run, group: Group) -> list[str]:
    """What the algorithm says of a run that it had to itself."""
    ended = run.status is not Status.INTERRUPTED
    return run.algorithm.notes(run.problem, group.state) if ended and len(group.runs) == 1 else []


def _row(population: Points, i: int) -> Points:
    return tree.map_tensors(lambda leaf: leaf[i].detach().cpu(), population)


def _result(
    run: Run,
    population: Points,
    front: Points,
    spent: dict[str, int],
    failures: int,
    seed: int,
    n_runs: int = 1,
) -> Result:
    status = run.status
    if status is not Status.INTERRUPTED:
        status = Status.FAILED if not len(front) else status if bool(front.feasible.any()) else Status.INFEASIBLE
    return Result(
        problem=run.problem, algorithm=run.algorithm_name, population=population, front=front, status=status,
        message=_message(run, status, spent, failures, n_runs), spent=spent, seconds=run.seconds, seed=seed,
        hypervolume=float(run.scorer("hypervolume", [front])[0]), convention=run.scorer.convention,
        reference_point=run.scorer.reference_point, failures=failures,
        folder=run.folder,
    )  # fmt: skip


def _message(run: Run, status: Status, spent: dict[str, int], failures: int, n_runs: int) -> str:
    """What a person wants to know of how it ended."""
    limits = {unit: n for unit, n in run.budget.limits().items() if unit in spent}
    used = ", ".join(f"{spent[unit]:,} {unit.replace('_', ' ')}" for unit in spent if spent[unit])
    text = {
        Status.FINISHED: f"finished after {used}",
        Status.STOPPED: f"stopped by a monitor after {used}",
        Status.INTERRUPTED: f"interrupted after {used}" + ("; resume it from its folder" if run.folder else ""),
        Status.INFEASIBLE: f"nothing feasible in {used}: the front holds the least violating points",
        Status.FAILED: f"no evaluation succeeded in {used}",
    }[status]
    over = {unit: spent[unit] - int(n) * n_runs for unit, n in limits.items() if spent[unit] > n * n_runs}
    for unit, n in over.items():
        text += f"; {n:,} {unit.replace('_', ' ')} over the budget, because a step is never cut and looking is counted"
    if failures:
        text += f"; {failures:,} evaluations failed"
    return run.picked + text


__all__ = ["results"]
