"""The contract of an algorithm."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor

from moopt.api import minimize, resume
from moopt.core.algorithm import Algorithm, Asking, misfit
from moopt.core.budget import Budget, Generations
from moopt.core.problem import Problem
from moopt.core.status import Status
from moopt.run.monitor import Snapshot
from moopt.run.result import Result
from moopt.selection import nondominated_mask
from moopt.testing.contract import ContractError, equal, global_draws_untouched, require
from moopt.testing.samples import Bowls


def check_algorithm(
    algorithm: Algorithm, problem: Problem | None = None, *, budget: Budget | None = None, hypervolume: float = 0.0
) -> None:
    """Checks that an algorithm keeps its contract.

    It is a frozen dataclass. The same seed gives the same bits; runs in a batch equal runs alone; global draws
    untouched; points inside the space; dtype kept; interrupted and resumed equals uninterrupted; and, for algorithms
    that need no particular problem, defined results for mixed variables, constraints, constant objectives, duplicates,
    NaN, infinity and nothing feasible. `problem`: one it can search (needed for sequential and generative algorithms);
    `budget`: a few steps (default: six generations); `hypervolume`: what its front must attain with it.
    Raises ContractError.
    """
    who, budget = type(algorithm).__name__, budget or Generations(6)
    parameters = getattr(type(algorithm), "__dataclass_params__", None)
    require(parameters is not None and parameters.frozen, f"{who}: is no frozen dataclass, so its options may change")
    problem = problem or Bowls()
    reason = misfit(problem, algorithm)
    if reason:
        raise ContractError(f"{who}: {reason}; pass a problem that it can search")
    with global_draws_untouched(who):
        result = minimize(problem, algorithm, budget, seed=3, runs=3, progress=False)
    _check_result(who, problem, result)
    reached = result.runs[0].hypervolume
    require(reached >= hypervolume, f"{who}: expected hypervolume {hypervolume}, got {reached}")
    again = minimize(problem, algorithm, budget, seed=3, runs=3, progress=False)
    require(_same_result(result, again), f"{who}: the same seed gives another result")
    alone = minimize(problem, algorithm, budget, seed=4, progress=False)
    require(_same_result(result.runs[1], alone), f"{who}: a run alone differs from the same run in a batch")
    require(not _same_result(result.runs[1], result.runs[2]), f"{who}: two seeds give the same result")
    single = minimize(problem, algorithm, budget, seed=3, dtype="float32", progress=False)
    require(single.population.x.dtype == torch.float32, f"{who}: loses float32")
    _check_resume(who, algorithm, problem, budget, result)
    if algorithm.needs is Problem:
        _check_troubles(who, algorithm, budget)


def _same_result(a: Result, b: Result) -> bool:
    def tensors(result: Result) -> list[Tensor]:
        return [leaf for p in (result.population, result.front) for leaf in (p.x, p.f, p.g)]

    return all(map(equal, tensors(a), tensors(b))) and a.spent == b.spent


def _check_result(who: str, problem: Problem, result: Result) -> None:
    for part in result.runs:
        for what, points in (("population", part.population), ("front", part.front)):
            require(problem.space.contains(points.x).all(), f"{who}: its {what} leaves the space")
            usable = torch.isfinite(points.f).all(-1)
            require((usable | points.failed).all(), f"{who}: a point of its {what} looks good without a usable value")
        front = part.front
        require(bool(len(front)) or part.status is Status.FAILED, f"{who}: no front, and no status that says why")
        if len(front) and part.status is not Status.INFEASIBLE:
            require(front.feasible.all(), f"{who}: its front holds infeasible points")
            require(nondominated_mask(front.f).all(), f"{who}: its front holds dominated points")


def _check_resume(who: str, algorithm: Algorithm, problem: Problem, budget: Budget, whole: Result) -> None:
    steps = 0

    def cut(snapshot: Snapshot) -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        part = minimize(problem, algorithm, budget, seed=3, runs=3, monitors=[cut], out=out, progress=False)
        require(part.status is Status.INTERRUPTED, f"{who}: an interrupted run does not say so")
        rest = resume(out, problem=problem, algorithm=algorithm, progress=False)
        require(_same_result(whole, rest), f"{who}: interrupted and resumed, it ends in another result")


def _check_troubles(who: str, algorithm: Algorithm, budget: Budget) -> None:
    for trouble in ("", "constant", "nan", "infinite", "infeasible"):
        for mixed in (False, True):
            problem = Bowls(mixed=mixed, constrained=trouble != "infeasible", trouble=trouble)
            if misfit(problem, algorithm):
                continue
            result = minimize(problem, algorithm, budget, seed=5, progress=False)
            _check_result(f"{who} on {'mixed ' if mixed else ''}{trouble or 'constrained'} bowls", problem, result)
            if trouble == "infeasible":
                require(result.status is Status.INFEASIBLE, f"{who}: nothing is feasible, and its status hides it")
    if isinstance(algorithm, Asking) and misfit(Bowls(), algorithm) is None:
        same = torch.zeros(20, 3, dtype=torch.float64) + 0.3
        twins = minimize(Bowls(), algorithm, budget, seed=5, initial=same, progress=False)
        _check_result(f"{who} from 20 equal points", Bowls(), twins)
