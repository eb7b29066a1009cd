"""The contracts as checks, for your own problems and algorithms; the catalogues are held to the same.

`check_problem(problem)` and `check_algorithm(algorithm)` raise ContractError, which names the broken promise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moopt.api import minimize, resume
from moopt.catalogue.describe import Undescribable, describe, rebuild
from moopt.core.algorithm import Algorithm, Asking, misfit
from moopt.core.budget import Budget, Generations
from moopt.core.points import Points
from moopt.core.problem import Answer, Problem
from moopt.core.random import Rng
from moopt.core.space import Box, Choice, Flag, Integer, Permutation, Real, Space, Variable
from moopt.core.status import Status
from moopt.run import search
from moopt.run.monitor import Snapshot
from moopt.run.result import Result
from moopt.selection import nondominated_mask


class ContractError(AssertionError):
    """A promise that a problem or an algorithm does not keep."""


def _require(kept: bool | Tensor, promise: str) -> None:
    if not bool(kept):
        raise ContractError(promise)


@contextmanager
def _global_draws_untouched(who: str) -> Iterator[None]:
    import random

    import numpy as np

    def state() -> tuple[Any, ...]:
        numpy_state = np.random.get_state(legacy=False)
        return torch.random.get_rng_state().tolist(), repr(numpy_state), random.getstate()

    before = state()
    yield
    _require(state() == before, f"{who}: draws from a global random generator instead of its Rng")


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    """The same bits, NaN included."""
    return (a is None and b is None) or (
        a is not None and b is not None and a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    )


def _same(a: Points, b: Points) -> bool:
    names = set(a.columns) | set(b.columns)
    return all(_equal(getattr(a, leaf), getattr(b, leaf)) for leaf in ("x", "f", "g", "failed")) and all(
        _equal(a.columns.get(name), b.columns.get(name)) for name in names
    )


def check_problem(problem: Problem, *, n: int = 64, seed: int = 1) -> None:
    """Checks that a problem keeps its contract, on `n` sampled points.

    Shapes, dtypes and leading dimensions; inputs unmodified; one point alone gives the bits it gives among others;
    determinism and no global draws; ideal, nadir and Pareto front agree with each other and with the samples;
    values survive the maps of the space; the description makes an equal problem. Raises ContractError.
    """
    who = problem.name
    search.check_problem(problem)
    rng = Rng([seed], dtype=torch.float64)
    x = problem.space.sample(rng.uniform(n, problem.n_var))[0]
    _require(problem.space.contains(x).all(), f"{who}: its space samples points that it does not contain")
    draws = rng.fold(1) if problem.stochastic else None
    with _global_draws_untouched(who):
        before = x.clone()
        whole = problem.evaluate(x[None], draws)
    _require(torch.equal(x, before), f"{who}: changes the points it is given")
    _require(whole.f.dtype == torch.float64, f"{who}: expected f of the dtype of x, float64, got {whole.f.dtype}")
    _require(_same(whole, problem.evaluate(x[None], draws)), f"{who}: gives other values for the same points")
    _require(not whole.failed.all(), f"{who}: fails at every one of {n} sampled points")
    single = problem.evaluate(x[None].float(), draws)
    _require(single.f.dtype == torch.float32, f"{who}: expected f of the dtype of x, float32, got {single.f.dtype}")
    if not problem.stochastic:
        _check_batches(problem, x, whole)
    _check_known(problem, whole)
    values = problem.space.decode(x)
    again = torch.stack([problem.space.encode(point) for point in values])
    _require(torch.allclose(again, x, rtol=1e-12, atol=1e-12), f"{who}: values change on the way to dicts and back")
    try:
        twin = rebuild(describe(problem))
    except Undescribable:
        return
    _require(_same(whole, twin.evaluate(x[None], draws)), f"{who}: made again from its description, it is another")


def _check_batches(problem: Problem, x: Tensor, whole: Points) -> None:
    who = problem.name
    for i in (0, len(x) // 2, len(x) - 1):
        alone = problem.evaluate(x[i : i + 1])
        same = _equal(alone.f[0], whole.f[0, i]) and _equal(alone.g[0], whole.g[0, i])
        _require(same, f"{who}: point {i} alone gives other values than among {len(x)}")
    half = len(x) // 2
    folded = problem.evaluate(x[: 2 * half].reshape(2, half, -1))
    same = _equal(folded.f.reshape(2 * half, -1), whole.f[0, : 2 * half])
    _require(same, f"{who}: a leading batch dimension changes the values")
    empty = problem.evaluate(x[:0])
    _require(empty.f.shape == (0, problem.n_obj), f"{who}: expected f of shape [0, {problem.n_obj}] for no points")


def _check_known(problem: Problem, whole: Points) -> None:
    who, tolerance = problem.name, 1e-6
    ideal, nadir, front = problem.ideal, problem.nadir, problem.pareto_front(50)
    if ideal is not None and nadir is not None:
        _require((ideal <= nadir).all(), f"{who}: its ideal point is worse than its nadir")
        scale = (nadir - ideal).abs().clamp(min=1e-12)
        good = ~whole.failed & (whole.g <= 0).all(-1)
        below = (ideal - whole.f[good]) / scale
        _require(problem.stochastic or not (below > tolerance).any(), f"{who}: sampled points beat its ideal point")
        if front is not None:
            inside = ((front - ideal) / scale >= -tolerance) & ((nadir - front) / scale >= -tolerance)
            _require(inside.all(), f"{who}: its Pareto front leaves the box of ideal and nadir")
    if front is not None:
        _require(front.ndim == 2 and front.shape[1] == problem.n_obj, f"{who}: pareto_front has a wrong shape")
        _require(nondominated_mask(front).all(), f"{who}: its Pareto front holds dominated points")


@dataclass(frozen=True, kw_only=True)
class Bowls(Problem):
    """A small problem of every kind: distances to two points, with what may go wrong on request.

    `trouble`: "" none, "constant" objectives, "nan" in half of the space, "infinite" there, "infeasible" all.
    `mixed` adds an integer, a choice, a flag and a permutation. The front of the plain form joins two points.
    """

    n_real: int = 3
    n_obj: int = 2
    mixed: bool = False
    constrained: bool = False
    trouble: str = ""

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        if not self.mixed:
            return Box([-1.0] * self.n_real, [2.0] * self.n_real)
        reals: dict[str, Variable] = {f"r{i}": Real(-1.0, 2.0) for i in range(self.n_real)}
        return Space(
            {**reals, "n": Integer(0, 5), "c": Choice(["a", "b", "c"]), "s": Flag(), "p": Permutation(4)}
        )

    @property
    def n_con(self) -> int:  # type: ignore[override]
        return int(self.constrained or self.trouble == "infeasible")

    @property
    def ideal(self) -> Tensor | None:
        return torch.zeros(self.n_obj, dtype=torch.float64)

    @property
    def nadir(self) -> Tensor | None:
        return torch.ones(self.n_obj, dtype=torch.float64)

    def _evaluate(self, x: Tensor) -> Answer:
        reals = x[..., : self.n_real]
        corners = torch.zeros(self.n_obj, self.n_real, dtype=x.dtype, device=x.device)
        for i in range(self.n_obj):
            corners[i, i % self.n_real] = 0.75 * (i + 1) / self.n_obj
        f = ((reals[..., None, :] - corners) ** 2).sum(-1)
        if self.mixed:
            f = f + 0.05 * x[..., self.n_real :].mean(-1, keepdim=True)
        wild = (reals[..., 0] > 0.5)[..., None]
        if self.trouble == "constant":
            f = torch.zeros_like(f)
        elif self.trouble in ("nan", "infinite"):
            f = torch.where(wild, torch.nan if self.trouble == "nan" else torch.inf, f)
        g = reals[..., :1] - 0.6 if self.constrained else reals[..., :0]
        if self.trouble == "infeasible":
            g = 1.0 + reals[..., :1] ** 2
        return f, g


def check_algorithm(
    algorithm: Algorithm, problem: Problem | None = None, *, budget: Budget | None = None, hypervolume: float = 0.0
) -> None:
    """Checks that an algorithm keeps its contract.

    The same seed gives the same bits; runs in a batch equal runs alone; global draws untouched; points inside the
    space; dtype kept; interrupted and resumed equals uninterrupted; and, for algorithms that need no particular
    problem, defined results for mixed variables, constraints, constant objectives, duplicates, NaN, infinity and
    nothing feasible. `problem`: one it can search (needed for sequential and generative algorithms); `budget`: a
    few steps (default: six generations); `hypervolume`: what its front must attain with it. Raises ContractError.
    """
    who, budget = type(algorithm).__name__, budget or Generations(6)
    problem = problem or Bowls()
    reason = misfit(problem, algorithm)
    if reason:
        raise ContractError(f"{who}: {reason}; pass a problem that it can search")
    with _global_draws_untouched(who):
        result = minimize(problem, algorithm, budget, seed=3, runs=3, progress=False)
    _check_result(who, problem, result)
    reached = result.runs[0].hypervolume
    _require(reached >= hypervolume, f"{who}: expected hypervolume {hypervolume}, got {reached}")
    again = minimize(problem, algorithm, budget, seed=3, runs=3, progress=False)
    _require(_same_result(result, again), f"{who}: the same seed gives another result")
    alone = minimize(problem, algorithm, budget, seed=4, progress=False)
    _require(_same_result(result.runs[1], alone), f"{who}: a run alone differs from the same run in a batch")
    _require(not _same_result(result.runs[1], result.runs[2]), f"{who}: two seeds give the same result")
    single = minimize(problem, algorithm, budget, seed=3, dtype="float32", progress=False)
    _require(single.population.x.dtype == torch.float32, f"{who}: loses float32")
    _check_resume(who, algorithm, problem, budget, result)
    if algorithm.needs is Problem:
        _check_troubles(who, algorithm, budget)


def _same_result(a: Result, b: Result) -> bool:
    def tensors(result: Result) -> list[Tensor]:
        return [leaf for p in (result.population, result.front) for leaf in (p.x, p.f, p.g)]

    return all(map(_equal, tensors(a), tensors(b))) and a.spent == b.spent


def _check_result(who: str, problem: Problem, result: Result) -> None:
    for part in result.runs:
        for what, points in (("population", part.population), ("front", part.front)):
            _require(problem.space.contains(points.x).all(), f"{who}: its {what} leaves the space")
            usable = torch.isfinite(points.f).all(-1)
            _require((usable | points.failed).all(), f"{who}: a point of its {what} looks good without a usable value")
        front = part.front
        _require(bool(len(front)) or part.status is Status.FAILED, f"{who}: no front, and no status that says why")
        if len(front) and part.status is not Status.INFEASIBLE:
            _require(front.feasible.all(), f"{who}: its front holds infeasible points")
            _require(nondominated_mask(front.f).all(), f"{who}: its front holds dominated points")


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
        _require(part.status is Status.INTERRUPTED, f"{who}: an interrupted run does not say so")
        rest = resume(out, problem=problem, algorithm=algorithm, progress=False)
        _require(_same_result(whole, rest), f"{who}: interrupted and resumed, it ends in another result")


def _check_troubles(who: str, algorithm: Algorithm, budget: Budget) -> None:
    for trouble in ("", "constant", "nan", "infinite", "infeasible"):
        for mixed in (False, True):
            problem = Bowls(mixed=mixed, constrained=trouble != "infeasible", trouble=trouble)
            if misfit(problem, algorithm):
                continue
            result = minimize(problem, algorithm, budget, seed=5, progress=False)
            _check_result(f"{who} on {'mixed ' if mixed else ''}{trouble or 'constrained'} bowls", problem, result)
            if trouble == "infeasible":
                _require(result.status is Status.INFEASIBLE, f"{who}: nothing is feasible, and its status hides it")
    if isinstance(algorithm, Asking) and misfit(Bowls(), algorithm) is None:
        same = torch.zeros(20, 3, dtype=torch.float64) + 0.3
        twins = minimize(Bowls(), algorithm, budget, seed=5, initial=same, progress=False)
        _check_result(f"{who} from 20 equal points", Bowls(), twins)
