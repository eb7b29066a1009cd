"""Where good points may be: offspring of what is known."""

from __future__ import annotations

from torch import Tensor

from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.operators import Variation
from moopt.selection import survivors, tournament


def offspring(
    problem: Problem, data: Points, rng: Rng, n: int = 512, parents: int = 50, variation: Variation | None = None
) -> Tensor:
    """n children [n, d] in search coordinates of the best `parents` of data[1, k, ...], chosen as NSGA-II does.

    A. K. Y. Low et al. (2024), "Evolution-guided Bayesian optimization for constrained multi-objective optimization in
    self-driving labs", npj Computational Materials 10, 104.
    """
    index, rank, crowding = survivors(data.f, data.violation, min(parents, len(data)))
    chosen = tournament(rng.fold(0).uniform(n, 2), rank, -crowding)
    return (variation or Variation()).mate(problem.space, data.select(index).x, chosen, rng.fold(1))[0]
