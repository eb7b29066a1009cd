"""MOEA/D, the multiobjective evolutionary algorithm based on decomposition.

Q. Zhang, H. Li (2007), "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", IEEE Transactions on
Evolutionary Computation 11(6), 712-731.

Paper (section III-B)        here
N, lambda^i                  pop_size, weights [N, m]
T, B(i)                      neighbours, near [N, T]
x^i, FV^i                    row i of State.population
z                            State.ideal, of the feasible points
k, l from B(i) (step 2.1)    first, second, never the same
g(y' | lambda^j, z) <= ...   replacement(...)
EP                           the archive that the loop keeps

Differences from the paper: a generation is synchronous. All subproblems mate at once, and each then takes the best of
its own point and of the children born in the neighbourhoods it belongs to; in the paper a child can be a parent within
the generation that it was born in. Good points therefore spread more slowly at first: with 50 individuals DTLZ2 has
hypervolume 0.574 against 0.612 after 25 generations, and 0.667 against 0.663 after 80. A zero weight counts as 1e-6,
so that the ends of the front are Pareto optimal. Points that belong to no subproblem (random or given ones) are
offered to the neighbourhood of the weight vector whose direction is nearest. Less constraint violation comes before
the scalarised value. Integers, choices and permutations have operators of their own (`moopt.operators.Variation`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Generational, Turn
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.operators import Variation
from moopt.operators.directions import directions
from moopt.selection.neighbourhood import neighbours, replacement
from moopt.selection.niching import associate, running_ideal
from moopt.selection.scalarising import FUNCTIONS

LEAST = 1e-6  # weight, as is usual; the paper has none


@dataclass(frozen=True)
class State:
    """`population`: row i belongs to subproblem i, once there are pop_size rows; `ideal` [r, m] over the run."""

    population: Points
    ideal: Tensor


@dataclass(frozen=True, kw_only=True)
class MOEAD(Generational[Problem, State]):
    """One individual for each of `pop_size` weight vectors, which mates and competes among its `neighbours`.

    `scalarising`: "tchebycheff", "weighted_sum" (convex fronts only) or "pbi" with the penalty `theta`. `normalise`:
    objectives are divided by their range in the population, for objectives of different size (the paper's "a bit more
    effort on MOEA/D"). `variation` defaults to section V of the paper: SBX with probability 1 and index 20, polynomial
    mutation with probability 1/d and index 20. Raises ValueError for fewer than two individuals or neighbours, a
    negative theta, or an unknown scalarising function.
    """

    pop_size: int = 100
    neighbours: int = 20
    scalarising: str = "tchebycheff"
    theta: float = 5.0
    normalise: bool = False
    variation: Variation = field(default_factory=lambda: Variation(crossover_probability=1.0))

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size, low=2)
        checks.whole("neighbours", self.neighbours, low=2)
        checks.number("theta", self.theta, low=0.0)
        checks.truth("normalise", self.normalise)
        if self.scalarising not in FUNCTIONS:
            raise InputError(f"scalarising: expected one of {', '.join(FUNCTIONS)}, got {self.scalarising!r}")

    def init(self, problem: Problem, rng: Rng) -> State:
        empty = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        return State(empty, empty.f.new_full((rng.runs, problem.n_obj), torch.inf))

    def mate(self, problem: Problem, state: State, turn: Turn) -> tuple[Tensor, dict[str, Tensor]]:
        _, near = self._subproblems(problem, state.ideal)
        n, size = near.shape
        first = turn.rng.fold(0).integers(size, n)
        second = (first + 1 + turn.rng.fold(1).integers(size - 1, n)) % size
        own = torch.arange(n, device=near.device)
        parents = near.flatten().take(torch.cat((first + own * size, second + own * size), -1))
        children = self.variation.mate(problem.space, state.population.x, parents, turn.rng.fold(2), single=True)
        return children, {"home": own.repeat(len(first), 1)}

    def survive(self, problem: Problem, state: State, born: Points, turn: Turn) -> State:
        told, population, n = born.without("home"), state.population, self.pop_size
        violation = told.violation
        ideal = running_ideal(state.ideal, told.f, violation <= 0)
        if len(population) < n:  # the first n points take the subproblems, then all compete
            told = population.join(told)
            if len(told) < n:
                return State(told, ideal)
            row = torch.arange(n, device=ideal.device).expand(len(ideal), n)
            population, violation = told.select(row), told.violation
        weights, near = self._subproblems(problem, ideal)
        origin = torch.where(torch.isfinite(ideal), ideal, 0.0)[:, None]
        scale = self._scale(population, origin)
        f, held = ((points.f - origin) / scale for points in (told, population))
        given = "home" not in born.columns
        home = associate(f.nan_to_num(0.0), weights).niche if given else born.columns["home"]
        target = near.index_select(0, home.flatten()).view(*home.shape, -1)  # [r, k, T]
        chosen = replacement(f, violation, target, held, population.violation, weights, self.scalarising, self.theta)
        return State(told.select(chosen, population), ideal)

    def _subproblems(self, problem: Problem, like: Tensor) -> tuple[Tensor, Tensor]:
        return subproblems(self.pop_size, problem.n_obj, min(self.neighbours, self.pop_size), like.dtype, like.device)

    def _scale(self, population: Points, origin: Tensor) -> Tensor:
        """What objectives are divided by: [r, 1, m], like `origin`."""
        if not self.normalise:
            return torch.ones_like(origin)
        width = population.f.masked_fill(~population.feasible[..., None], -torch.inf).amax(-2, keepdim=True) - origin
        return torch.where(torch.isfinite(width) & (width > 0), width, 1.0)


@functools.lru_cache(maxsize=8)
def subproblems(n: int, n_obj: int, size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The weight vectors [n, m] and their neighbourhoods int64[n, size]."""
    weights = directions(n, n_obj)
    near = neighbours(weights, size)
    return weights.clamp_min(LEAST).to(device, dtype), near.to(device)
