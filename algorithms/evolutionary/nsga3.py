"""NSGA-III.

K. Deb, H. Jain (2014), "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based
Nondominated Sorting Approach, Part I: Solving Problems With Box Constraints"; H. Jain, K. Deb (2014), the same,
"Part II: Handling Constraints"; IEEE Transactions on Evolutionary Computation 18(4), 577-601 and 602-622.

Paper                            here
P_t, N                           State.population, pop_size
Z^r, H                           directions(n_directions, m)
S_t                              among, its feasible points
z^min                            State.ideal, of the feasible points
z^(i,max), extreme points        State.extremes, row i
f_i^n(x), normalised (alg. 2)    normalise(...)
pi(s), d(s) (algorithm 3)        associate(...)
niching (algorithm 4)            niching(...)
constraint domination (Part II)  the violation given to nondominated_rank
tournament (Part II)             tournament(violation), random among feasible parents

Differences from the paper: niching takes all points at once, with the same distribution as one by one; extreme
points are kept from generation to generation, so that the intercepts do not waver; where the extreme points span no
hyperplane, the greatest values of the first front serve; the number of directions is the population size unless
given, and any number is possible (the papers' 92 individuals with 91 directions: `pop_size=92, n_directions=91`);
integers, choices and permutations have operators of their own (`moopt.operators.Variation`).
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
from moopt.kernels.niching import niching
from moopt.kernels.normalisation import normalise
from moopt.operators import Variation
from moopt.operators.directions import directions_on
from moopt.selection import nondominated_rank, tournament
from moopt.selection.niching import associate


@dataclass(frozen=True)
class State:
    """`ideal` [r, m] and `extremes` [r, m, m] over the run; infinite as long as nothing was feasible."""

    population: Points
    ideal: Tensor
    extremes: Tensor


@dataclass(frozen=True, kw_only=True)
class NSGA3(Generational[Problem, State]):
    """Nondominated sorting genetic algorithm III, for three and more objectives.

    `n_directions`: number of reference directions, by default one for each individual. `variation` defaults to
    section V of the paper: SBX with probability 1 and index 30, polynomial mutation with probability 1/d and index
    20. Raises ValueError for fewer than two individuals or no direction.
    """

    pop_size: int = 100
    n_directions: int | None = None
    variation: Variation = field(default_factory=lambda: Variation(crossover_probability=1.0, crossover_eta=30.0))

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size, low=2)
        if self.n_directions is not None:
            checks.whole("n_directions", self.n_directions)

    def init(self, problem: Problem, rng: Rng) -> State:
        empty = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        ideal = empty.f.new_full((rng.runs, problem.n_obj), torch.inf)
        return State(empty, ideal, ideal[:, None].repeat(1, problem.n_obj, 1))

    def mate(self, problem: Problem, state: State, turn: Turn) -> Tensor:
        parents = tournament(turn.rng.fold(0).uniform(self.pop_size, 2), state.population.violation)
        return self.variation.mate(problem.space, state.population.x, parents, turn.rng.fold(1))

    def survive(self, problem: Problem, state: State, born: Points, turn: Turn) -> State:
        old = state.population
        f, violation = torch.cat((born.f, old.f), -2), torch.cat((born.violation, old.violation), -1)
        n = min(self.pop_size, f.shape[-2])
        rank = nondominated_rank(f, violation, n_keep=n)
        among = (violation <= 0) & (rank <= rank.kthvalue(n, dim=-1, keepdim=True).values)
        normalised, ideal, extremes = normalise(f, among, among & (rank == 0), state.ideal, state.extremes)
        zones = directions_on(self.n_directions or self.pop_size, problem.n_obj, f.dtype, f.device)
        niche, _, distance = associate(normalised, zones)
        survivors = niching(n, rank, niche, distance, len(zones), turn.rng.uniform(f.shape[-2], 2))
        return State(born.select(survivors, old), ideal, extremes)
