"""EGBO: Bayesian optimization among the offspring of what is known.

A. K. Y. Low, F. Mekki-Berrada, A. Gupta, A. Ostudin, J. Xie, E. Vissol-Gaudin, Y.-F. Lim, Q. Li, Y. S. Ong, S. A. Khan,
K. Hippalgaonkar (2024), "Evolution-guided Bayesian optimization for constrained multi-objective optimization in
self-driving labs", npj Computational Materials 10, 104.

Paper                          here
the evolutionary algorithm     moopt.surrogate.offspring: sorting, tournaments and `Variation` of all data
pool of offspring              offspring
ranking by the acquisition     moopt.surrogate.suggest, one point after the other
candidates of qNEHVI           the best of the pool, improved by gradients

Differences from the paper: there the pool comes from U-NSGA-III or MOEA/D, and the q best of its scores and of q points
optimised apart are taken together; here each point of a batch is chosen knowing those before it, and gradients start
from the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from moopt.algorithms.bayesian._base import Bayesian
from moopt.core import checks
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.operators import Variation
from moopt.surrogate.acquisition import Goal
from moopt.surrogate.offspring import offspring


@dataclass(frozen=True, kw_only=True)
class EGBO(Bayesian):
    """Log expected hypervolume improvement (from five objectives on: of random scalarising functions) of offspring.

    `offspring`: how many are scored for a suggestion; `parents`: how many of the best points they come from. Other
    options and errors: those of `Bayesian`.
    """

    n_raw: int = 16
    offspring: int = 512
    parents: int = 50
    variation: Variation = field(default_factory=Variation)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("offspring", self.offspring, low=2)
        checks.whole("parents", self.parents, low=2)

    def goal(self, problem: Problem) -> Goal:
        return "hypervolume" if problem.n_obj < 5 else "scalarised"

    def candidates(self, problem: Problem, data: Points, rng: Rng) -> Tensor:
        return offspring(problem, data, rng, self.offspring, self.parents, self.variation)
