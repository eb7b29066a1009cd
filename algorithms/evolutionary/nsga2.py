"""NSGA-II.

K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002), "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
IEEE Transactions on Evolutionary Computation 6(2), 182-197.

Paper                        here
P_t, |P_t| = N               State.population, pop_size
Q_t                          the children that `mate` returns, `born`
R_t = P_t + Q_t              f, violation: children first
i_rank, i_distance           State.rank, State.crowding
crowded comparison (III-B)   survivors, tournament(rank, -crowding)
constrained-domination (VI)  the violation given to survivors

Differences from the paper: contestants of a tournament are drawn with replacement; integers, choices and
permutations have operators of their own (`moopt.operators.Variation`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Generational, Turn
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.operators import Variation
from moopt.selection import survivors, tournament


@dataclass(frozen=True)
class State:
    """`rank` and `crowding` [r, n] of the population when it was selected."""

    population: Points
    rank: Tensor
    crowding: Tensor


@dataclass(frozen=True, kw_only=True)
class NSGA2(Generational[Problem, State]):
    """Nondominated sorting genetic algorithm II. Raises ValueError for fewer than two individuals.

    `variation` defaults to section V of the paper: SBX with probability 0.9 and index 20, polynomial mutation with
    probability 1/d and index 20.
    """

    pop_size: int = 100
    variation: Variation = field(default_factory=Variation)

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size, low=2)

    def init(self, problem: Problem, rng: Rng) -> State:
        empty = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        return State(empty, empty.f.new_zeros(rng.runs, 0, dtype=torch.int64), empty.f.new_zeros(rng.runs, 0))

    def mate(self, problem: Problem, state: State, turn: Turn) -> Tensor:
        parents = tournament(turn.rng.fold(0).uniform(self.pop_size, 2), state.rank, -state.crowding)
        return self.variation.mate(problem.space, state.population.x, parents, turn.rng.fold(1))

    def survive(self, problem: Problem, state: State, born: Points, turn: Turn) -> State:
        old = state.population
        f = torch.cat((born.f, old.f), -2)  # the children first: they win a tie, a neutral drift
        violation = torch.cat((born.violation, old.violation), -1)
        index, rank, crowding = survivors(f, violation, min(self.pop_size, f.shape[-2]))
        return State(born.select(index, old), rank, crowding)
