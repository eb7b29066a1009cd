"""The default for expensive evaluations: Bayesian optimization that picks its parts by the problem, and says why.

What is picked                 by
log EI, log NEHVI, log ParEGO  the number of objectives: one; two to four; more, for boxes grow as n^(m/2)
offspring among the starts     always: Low et al. 2024, "Evolution-guided Bayesian optimization for constrained
                               multi-objective optimization in self-driving labs", npj Computational Materials 10, 104
sparse length scales           more variables than `MANY`
probability of feasibility     as long as nothing feasible is known

S. Daulton, M. Balandat, E. Bakshy (2021), "Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected
Hypervolume Improvement", NeurIPS 34; S. Ament et al. (2023), "Unexpected Improvements to Expected Improvement for
Bayesian Optimization", NeurIPS 36; J. Knowles (2006), "ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation
for Expensive Multiobjective Optimization Problems", IEEE Transactions on Evolutionary Computation 10(1), 50-66.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from moopt.algorithms.bayesian._base import Bayesian, State
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.surrogate.acquisition import Goal
from moopt.surrogate.offspring import offspring

MANY = 24


@dataclass(frozen=True, kw_only=True)
class Bayes(Bayesian):
    """Log expected improvement of one objective, of hypervolume for two to four, of random scalarising functions above,
    from quasi-random points and offspring of the data. Options and errors: those of `Bayesian`."""

    n_raw: int = 128

    def is_sparse(self, problem: Problem) -> bool:
        return problem.n_var > MANY if self.sparse is None else self.sparse

    def goal(self, problem: Problem) -> Goal:
        return "hypervolume" if problem.n_obj < 5 else "scalarised"

    def candidates(self, problem: Problem, data: Points, rng: Rng) -> Tensor:
        return offspring(problem, data, rng, 256)

    def notes(self, problem: Problem, state: State) -> list[str]:
        m = problem.n_obj
        goal, because = {
            "hypervolume": ("hypervolume", f"for {m} objectives") if m > 1 else ("the objective", "for there is one"),
            "scalarised": ("random scalarising functions", f"for hypervolume of {m} objectives takes long"),
        }[self.goal(problem)]
        found = [f"bayes improved {goal}, {because}"]
        if self.is_sparse(problem):
            found.append(f"few of {problem.n_var} variables were expected to matter")
        return [*found, *super().notes(problem, state)]
