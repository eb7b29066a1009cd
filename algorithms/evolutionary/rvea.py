"""RVEA, the reference vector guided evolutionary algorithm.

R. Cheng, Y. Jin, M. Olhofer, B. Sendhoff (2016), "A Reference Vector Guided Evolutionary Algorithm for Many-Objective
Optimization", IEEE Transactions on Evolutionary Computation 20(5), 773-791.

Paper                              here
P_t, N                             State.population, pop_size
V_0, V_t                           directions(pop_size, m), State.vectors
z_t^min, f'                        origin, translated
gamma_v                            State.spread
theta, P(theta), d (eq. 8-10)      angle, penalty, angle_penalised_distance(...)
t / t_max, alpha, f_r              share(...) of the budget, alpha, adaptation
elitism selection (algorithm 3)    position_within(niche, (violation, distance)) == 0
adaptation (algorithm 4)           _adapted

Differences from the paper: a vector without points leaves a gap in the paper's population; here the next best points
of the other vectors fill it (the second of each, then the third ...), so the population always has N rows, but only
the first `State.elite` of them, the paper's population, become parents and stretch the vectors. The ideal point is
that of the feasible points as soon as there are any. Integers, choices and permutations have operators of their own
(`moopt.operators.Variation`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Generational, Turn
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.kernels.niching import position_within
from moopt.kernels.shared.arithmetic import length
from moopt.operators import Variation
from moopt.operators.directions import directions, directions_on
from moopt.selection import best
from moopt.selection.niching import angle_penalised_distance, associate, spread_angles

GENERATIONS = 250  # where the budget does not tell how many there are: those of 25,000 evaluations
ROUNDING = 1e-9


@dataclass(frozen=True)
class State:
    """`vectors` [r, k, m] and their `spread` [r, k]; `elite` int64[r], how many of the first rows of the population
    were the best of their vector; `age`, generations so far; `adapted` int64[r], adaptations so far, on the CPU."""

    population: Points
    vectors: Tensor
    spread: Tensor
    elite: Tensor
    age: int
    adapted: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))


@dataclass(frozen=True, kw_only=True)
class RVEA(Generational[Problem, State]):
    """One individual for each of `pop_size` reference vectors, at first wherever it converges fast, later on its axis.

    `generations` is the paper's t_max, after which the penalty for the angle is greatest (default: at the end of the
    budget, or after 250 where that is not counted). `alpha`: how late the penalty grows; `adaptation`: share of the
    search between two adaptations of the vectors to the objectives' ranges. `variation` defaults to section
    IV-B of the paper: SBX with probability 1 and index 30, polynomial mutation with probability 1/d and index 20.
    Raises ValueError for fewer than two individuals, no generation, a negative alpha or an adaptation not in (0, 1].
    """

    pop_size: int = 100
    generations: int | None = None
    alpha: float = 2.0
    adaptation: float = 0.1
    variation: Variation = field(default_factory=lambda: Variation(crossover_probability=1.0, crossover_eta=30.0))

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size, low=2)
        if self.generations is not None:
            checks.whole("generations", self.generations)
        checks.number("alpha", self.alpha, low=0.0)
        if checks.number("adaptation", self.adaptation, 0.0, 1.0) == 0:
            raise InputError(f"adaptation: expected a share of the search above 0, got {self.adaptation!r}")

    def init(self, problem: Problem, rng: Rng) -> State:
        empty = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        vectors = directions(self.pop_size, problem.n_obj).to(empty.f).expand(rng.runs, -1, -1).clone()
        none = torch.zeros(rng.runs, dtype=torch.int64)
        return State(empty, vectors, spread_angles(vectors), none.to(rng.device), 0, none)

    def mate(self, problem: Problem, state: State, turn: Turn) -> Tensor:
        parents = turn.rng.fold(0).permutation(self.pop_size) % state.elite.clamp_min(1)[:, None]
        return self.variation.mate(problem.space, state.population.x, parents, turn.rng.fold(1))

    def survive(self, problem: Problem, state: State, born: Points, turn: Turn) -> State:
        old = state.population
        f, violation = torch.cat((born.f, old.f), -2), torch.cat((born.violation, old.violation), -1)
        failed, n = torch.cat((born.failed, old.failed), -1), min(self.pop_size, f.shape[-2])
        age = state.age + (len(old) == self.pop_size)
        origin = least(f, violation, ~failed)
        translated = torch.where(failed[..., None], 0.0, (f - origin[:, None]).clamp_min(0.0))
        niche, along, _ = associate(translated, state.vectors)
        size = length(translated)
        angle = torch.acos(torch.where(size > 0, along / size, 1.0).clamp(-1.0, 1.0))
        share = self.share(age, turn.fraction)
        penalty = _of_runs([problem.n_obj * part**self.alpha for part in share], size)
        distance = angle_penalised_distance(size, angle, state.spread.gather(-1, niche), penalty)
        place = position_within(niche.masked_fill(failed, self.pop_size), (violation, distance))
        place = place.masked_fill(failed, failed.shape[-1])
        population = born.select(best(n, place, violation, distance), old)
        elite = (place == 0).sum(-1)
        vectors, spread = state.vectors, state.spread
        adapted = torch.tensor([math.floor(part / self.adaptation + ROUNDING) for part in share])
        due = adapted > state.adapted
        if due.any():
            stretched = self._adapted(problem, population, elite)
            vectors = stretched if due.all() else torch.where(due.to(f.device)[:, None, None], stretched, vectors)
            spread = spread_angles(vectors)
        return State(population, vectors, spread, elite, age, adapted)

    def share(self, age: int, used: Tensor) -> list[float]:
        """t / t_max of each run, of which the `used`[r] share of the budget is spent."""
        by_age = min(1.0, age / (self.generations or GENERATIONS))
        return [by_age if self.generations or math.isnan(part) else part for part in used.tolist()]

    def _adapted(self, problem: Problem, population: Points, elite: Tensor) -> Tensor:
        """The first vectors, stretched by the ranges of the objectives (equation 12)."""
        among = torch.arange(len(population), device=elite.device) < elite[:, None]
        f, violation, usable = population.f, population.violation, among & ~population.failed
        width = -least(-f, violation, usable) - least(f, violation, usable)
        width = torch.where(width > 0, width, 1.0)
        stretched = directions_on(self.pop_size, problem.n_obj, width.dtype, width.device) * width[:, None]
        return stretched / length(stretched)[..., None]


def _of_runs(values: list[float], like: Tensor) -> float | Tensor:
    """One number where all runs have the same, which costs no copy to a GPU; else [r, 1]."""
    return values[0] if len(set(values)) == 1 else like.new_tensor(values)[:, None]


def least(f: Tensor, violation: Tensor, usable: Tensor) -> Tensor:
    """Least value of each objective among the feasible of the usable[r, n] points of f[r, n, m], among all usable ones
    where none is feasible, 0 where none is usable: [r, m]."""
    feasible = usable & (violation <= 0)
    among = torch.where(feasible.any(-1, keepdim=True), feasible, usable)
    low = f.masked_fill(~among[..., None], torch.inf).amin(-2)
    return low.masked_fill(low == torch.inf, 0.0)
