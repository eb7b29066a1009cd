"""Results from where a search is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Asking, spent_on
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.status import Status
from moopt.executors import Executor
from moopt.run.archives.pareto import merged_front
from moopt.run.group import MEASURE, Group
from moopt.run.progress import Progress
from moopt.run.result import Result
from moopt.run.trial import Trial, evaluate
from moopt.selection import thin

Evaluate = Callable[[Tensor, Rng, Any], Points]  # points x[1, n, d] of one run, and the problem's memory
MEASURED_POINTS = 100  # of a noisy front, evaluated again


def results(progress: Progress, trials: Sequence[Trial], executor: Executor) -> Result:
    """One Result for each run, and the one that merges them; `trials`: all of them, where there are any."""
    parts: list[Result] = []
    with _measuring(progress, executor) as evaluate:
        for group in progress.groups:
            populations, fronts, looked, ended = _solutions(progress, group, evaluate)
            progress.rows = progress.rows.ended(ended, progress.scorer, progress.seconds)
            for i, number in enumerate(group.runs.tolist()):
                booked = {unit: int(amount[i]) for unit, amount in group.spent.items()}
                spent = {u: booked.get(u, 0) + looked[i].get(u, 0) for u in sorted({*booked, *looked[i]})}
                part = _result(progress, populations[i], fronts[i], spent, int(group.failures[i]), number)
                memory = tree.to_device(tree.take(group.memory, i), "cpu")
                own = [trial for trial in trials if trial.run == number]
                parts.append(replace(part, memory=memory, notes=_notes(progress, group), trials=own))
    parts = [replace(part, rows=progress.rows) for part in sorted(parts, key=lambda part: part.seed)]
    if len(parts) == 1:
        return parts[0]
    population = parts[0].population.join(*(part.population for part in parts[1:]))
    front = merged_front([part.front for part in parts])
    spent = {unit: sum(part.spent.get(unit, 0) for part in parts) for unit in parts[0].spent}
    merged = _result(progress, population, front, spent, sum(part.failures for part in parts), None)
    every = [trial for part in parts for trial in part.trials]
    return replace(merged, parts=parts, rows=progress.rows, trials=every)


@contextmanager
def _measuring(progress: Progress, executor: Executor) -> Iterator[Evaluate | None]:
    """How noisy fronts are evaluated again, at once or as trials; `None` where none are."""
    problem, algorithm = progress.search.problem, progress.search.algorithm
    if not problem.stochastic or progress.status is Status.INTERRUPTED or not isinstance(algorithm, Asking):
        yield None
    elif problem.vectorized:
        yield problem.measure
    else:
        with executor:
            executor.start(problem.trial_function(), timeout=problem.timeout, retries=problem.retries)
            yield lambda x, rng, memory: evaluate(problem, executor, x, rng.seed())


def _solutions(
    progress: Progress, group: Group, evaluate: Evaluate | None
) -> tuple[list[Points], list[Points], list[dict[str, int]], Group]:
    """Last solutions and front of each run of a group, on the CPU, what looking at them spent, and how it ended.

    The search's own group does not keep that: asked again, or resumed, a run measures the same on the same draws.
    """
    problem, algorithm = progress.search.problem, progress.search.algorithm
    r, ended = len(group.runs), progress.status is not Status.INTERRUPTED
    rng = group.rng.fold(MEASURE)
    if isinstance(algorithm, Asking):
        population = algorithm.population(problem, group.state)
        pairs = [(tree.to_device(front, "cpu"), dict[str, int]()) for front in group.fronts]
        if evaluate is not None:
            device = group.rng.device
            pairs = [
                measured_again(
                    problem, front, evaluate, group.rng.take(torch.tensor([i], device=device)).fold(MEASURE),
                    tree.take(group.memory, i),
                )
                for i, (front, _) in enumerate(pairs)
            ]  # fmt: skip
        fronts, looked = [front for front, _ in pairs], [spent for _, spent in pairs]
        return [_row(population, i) for i in range(r)], fronts, looked, group
    if ended:
        population, spent = algorithm.measure(problem, group.state, rng)
        group = group.seen(population, spent)
    else:
        population = algorithm.population(problem, group.state)
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


def _notes(progress: Progress, group: Group) -> list[str]:
    """What the algorithm says of a run that it had to itself."""
    ended, search = progress.status is not Status.INTERRUPTED, progress.search
    return search.algorithm.notes(search.problem, group.state) if ended and len(group.runs) == 1 else []


def _row(population: Points, i: int) -> Points:
    return tree.map_tensors(lambda leaf: leaf[i].detach().cpu(), population)


def _result(
    progress: Progress, population: Points, front: Points, spent: dict[str, int], failures: int, number: int | None
) -> Result:
    """What run `number` found, or all of them together."""
    search, scorer, status = progress.search, progress.scorer, progress.status
    if status is not Status.INTERRUPTED:
        status = Status.FAILED if not len(front) else status if bool(front.feasible.any()) else Status.INFEASIBLE
    return Result(
        problem=search.problem, algorithm=search.algorithm_name, population=population, front=front, status=status,
        message=_message(progress, status, spent, failures, 1 if number is not None else search.runs), spent=spent,
        seconds=progress.seconds, seed=search.seed + (number or 0),
        hypervolume=float(scorer("hypervolume", [front])[0]), convention=scorer.convention,
        reference_point=scorer.reference_point, failures=failures, folder=progress.folder, number=number,
    )  # fmt: skip


def _message(progress: Progress, status: Status, spent: dict[str, int], failures: int, n_runs: int) -> str:
    """What a person wants to know of how it ended."""
    limits = {unit: n for unit, n in progress.search.budget.limits().items() if unit in spent}
    used = ", ".join(f"{spent[unit]:,} {unit.replace('_', ' ')}" for unit in spent if spent[unit])
    text = {
        Status.FINISHED: f"finished after {used}",
        Status.STOPPED: f"stopped by a monitor after {used}",
        Status.INTERRUPTED: f"interrupted after {used}" + ("; resume it from its folder" if progress.folder else ""),
        Status.INFEASIBLE: f"nothing feasible in {used}: the front holds the least violating points",
        Status.FAILED: f"no evaluation succeeded in {used}",
    }[status]
    over = {unit: spent[unit] - int(n) * n_runs for unit, n in limits.items() if spent[unit] > n * n_runs}
    for unit, n in over.items():
        text += f"; {n:,} {unit.replace('_', ' ')} over the budget, because a step is never cut and looking is counted"
    if failures:
        text += f"; {failures:,} evaluations failed"
    return progress.search.picked + text
