"""ParEGO: Bayesian optimization of weighted Chebyshev functions, with other weights for every point.

J. Knowles (2006), "ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation for Expensive Multiobjective
Optimization Problems", IEEE Transactions on Evolutionary Computation 10(1), 50-66; in the form of S. Daulton, M.
Balandat, E. Bakshy (2020), "Differentiable Expected Hypervolume Improvement for Parallel Multi-Objective Bayesian
Optimization", NeurIPS 33, appendix (qParEGO), with the logarithm of S. Ament et al. (2023), NeurIPS 36.

Paper                          here
lambda, the weights            drawn for each point, uniform on the simplex
rho = 0.05, the augmentation   moopt.surrogate.acquisitions.AUGMENTATION
f_lambda (equation 2)          moopt.surrogate.acquisitions.Scalarised.scalar

Differences from Knowles: objectives are modelled, not their scalarised values; the weights come from no grid;
objectives are scaled by the range of the front. Takes any number of objectives.
"""

from __future__ import annotations

from dataclasses import dataclass

from moopt.algorithms.bayesian._base import Bayesian
from moopt.core.problem import Problem
from moopt.surrogate.acquisition import Goal


@dataclass(frozen=True, kw_only=True)
class ParEGO(Bayesian):
    """Log expected improvement of random scalarising functions. Options and errors: those of `Bayesian`."""

    objectives = (2, None)

    def goal(self, problem: Problem) -> Goal:
        return "scalarised"
