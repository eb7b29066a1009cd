"""qNEHVI: Bayesian optimization by noisy expected hypervolume improvement, in its logarithmic form.

S. Daulton, M. Balandat, E. Bakshy (2021), "Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected
Hypervolume Improvement", NeurIPS 34; S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy (2023), "Unexpected
Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 36.

Paper                          here
D, the observed data           State.data, in the order in which it was told
X_pending (section 4)          pending
r, the reference point         State.reference_point, frozen after the initial design
sequential greedy batches      moopt.surrogate.suggest
f_t, samples at known points   moopt.surrogate.acquisitions.Score.known

Differences from the papers: given a sample at the known points, the expectation is exact; failed evaluations are data
of a model of their own, whose probability of success multiplies the acquisition; before anything feasible is known, the
probability of feasibility is searched first.
"""

from __future__ import annotations

from dataclasses import dataclass

from moopt.algorithms.bayesian._base import Bayesian
from moopt.core.problem import Problem
from moopt.surrogate.acquisition import Goal


@dataclass(frozen=True, kw_only=True)
class QNEHVI(Bayesian):
    """Log noisy expected hypervolume improvement on Gaussian processes. Options and errors: those of `Bayesian`."""

    objectives = (1, 5)  # the boxes of the dominated region grow as n^(m/2)

    def goal(self, problem: Problem) -> Goal:
        return "hypervolume"
