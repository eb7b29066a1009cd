"""HypE, the hypervolume estimation algorithm.

J. Bader, E. Zitzler (2011), "HypE: An Algorithm for Fast Hypervolume-Based Many-Objective Optimization", Evolutionary
Computation 19(1), 45-76.

Paper                               here
P, N                                State.population, pop_size
R = {r}                             State.reference
I_h^k(a, P, R) (definition 4)       expected_contribution(...)
alpha_i (section 3.2)               removal_weights(...) of moopt.kernels.contribution
M samples (section 4.2)             n_samples
mating selection (algorithm 4)      tournament(rank, -fitness)
environmental selection (alg. 5)    truncate(...) of the front that does not fit

Differences from the paper: a surplus of more than 64 points goes in at most 64 equal rounds, not one by one; points
with equal contributions, as outside of the reference point, are told apart by crowding distance; in mating, only the
first front has a fitness, of which all points might go (k is its size). Contributions are exact for two objectives and
sampled for others, by the same samples in all rounds of a generation. But environmental selection by three objectives
is exact with k = 1, what is lost if only that point goes, since I_h^k takes more than n^2 steps. On DTLZ2, 100
individuals then have the hypervolume 0.755 after 100 generations, against 0.754 with exact I_h^k, 0.747 with 10,000
samples and 0.756 when points go one by one (medians of nine runs). SBX has the probability 1 and index 15 that did best
on ZDT1. Integers, choices and permutations have operators of their own (`moopt.operators.Variation`).
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
from moopt.core.reference import reference_point
from moopt.kernels.contribution import MOST_SAMPLES, expected_contribution, truncate
from moopt.operators import Variation
from moopt.selection import best, crowding_distance, nondominated_rank, tournament


@dataclass(frozen=True)
class State:
    """`rank`, `fitness` [r, n] of the population; `reference` [r, m], infinite until something was evaluated."""

    population: Points
    rank: Tensor
    fitness: Tensor
    reference: Tensor


@dataclass(frozen=True, kw_only=True)
class HypE(Generational[Problem, State]):
    """Keeps the points with which the most hypervolume would be lost.

    The reference point is that of the problem; where it has none, the greatest values among the points told first,
    and a tenth of their range beyond. `n_samples`: of the hypervolume in each generation, where contributions are not
    exact (time grows with it). `variation`: SBX with probability 1 and index 15, polynomial mutation with
    probability 1/d and index 20. Raises ValueError for fewer than two individuals or no sample.
    """

    pop_size: int = 100
    n_samples: int = 10_000
    variation: Variation = field(default_factory=lambda: Variation(crossover_probability=1.0, crossover_eta=15.0))

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size, low=2)
        checks.whole("n_samples", self.n_samples, high=MOST_SAMPLES)

    def init(self, problem: Problem, rng: Rng) -> State:
        empty = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        reference = empty.f.new_full((rng.runs, problem.n_obj), torch.inf)
        if problem.reference_point is not None:
            reference = problem.reference_point.to(reference).expand_as(reference).clone()
        none = empty.f.new_zeros(rng.runs, 0)
        return State(empty, none.long(), none.double(), reference)

    def mate(self, problem: Problem, state: State, turn: Turn) -> Tensor:
        parents = tournament(turn.rng.fold(0).uniform(self.pop_size, 2), state.rank, -state.fitness)
        return self.variation.mate(problem.space, state.population.x, parents, turn.rng.fold(1))

    def survive(self, problem: Problem, state: State, born: Points, turn: Turn) -> State:
        reference = torch.where(torch.isfinite(state.reference), state.reference, beyond(born))
        corner = torch.where(torch.isfinite(reference), reference, 0.0)
        merged = born.join(state.population)
        n = min(self.pop_size, len(merged))
        rank = nondominated_rank(merged.f, merged.violation, n_keep=n)
        last = rank.kthvalue(n, dim=-1, keepdim=True).values
        f = merged.f.nan_to_num(torch.inf)
        u = turn.rng.uniform(0 if problem.n_obj == 2 else self.n_samples, problem.n_obj)
        surplus = (rank <= last).sum(-1) - n
        crowding = crowding_distance(merged.f, rank)
        stay = truncate(f, rank == last, surplus, len(merged) - n, corner, u, crowding)
        survivors = best(n, ~((rank < last) | stay), rank)
        population, rank = merged.select(survivors), rank.gather(-1, survivors)
        first = (rank == 0) & ~population.failed
        fitness = expected_contribution(population.f.nan_to_num(torch.inf), first, corner, first.sum(-1), u)
        return State(population, rank, fitness, reference)


def beyond(points: Points) -> Tensor:
    """A tenth of the range beyond the greatest values of what was evaluated: [r, m], infinite where all failed."""
    failed = points.failed[..., None]
    high = points.f.masked_fill(failed, -torch.inf).amax(-2)
    low = points.f.masked_fill(failed, torch.inf).amin(-2)
    return reference_point(low, high).masked_fill(failed.all(-2), torch.inf)
