"""qNEHVI: Bayesian optimization by noisy expected hypervolume improvement, in its logarithmic form.

S. Daulton, M. Balandat, E. Bakshy (2021), "Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected
Hypervolume Improvement", NeurIPS 34; S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy (2023), "Unexpected
Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 36.

Paper                          here
D, the observed data           State.data, in the order in which it was told
X_pending (section 4)          pending
r, the reference point         State.reference_point, frozen after the initial design
sequential greedy batches      moopt.surrogate.suggest

Differences from the papers: failed evaluations are data of a model of their own, whose probability of success
multiplies the acquisition; before anything feasible is known, the probability of feasibility is searched first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from moopt import _checks
from moopt.algorithm import AskTell
from moopt.population import Population
from moopt.problem import Evaluation, Problem
from moopt.random import Rng
from moopt.space import Kind, Space
from moopt.surrogate import fit, fit_failure, infer_reference_point, suggest


@dataclass(frozen=True)
class State:
    """`design` [1, k, d]: the initial points; `hyperparameters`: of the last model, from which the next fit starts."""

    data: Population
    design: Tensor
    reference_point: Tensor
    hyperparameters: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QNEHVI(AskTell):
    """Log noisy expected hypervolume improvement on Gaussian processes; for few, expensive evaluations.

    Constraints, integers, choices, failures and pending points are modelled. `n_initial`: scrambled Sobol points
    first (default 2 (d + 1), as in the papers). `n_samples`: of the acquisition (default 64, fewer from three
    objectives on); `n_raw`, `n_restarts`: quasi-random starts of its optimiser, and how many it improves. Raises
    ValueError for counts that are not positive.
    """

    n_initial: int | None = None
    n_samples: int | None = None
    n_raw: int = 256
    n_restarts: int = 4

    told = "any"
    batched_runs = False
    kinds = frozenset({Kind.REAL, Kind.INTEGER, Kind.CATEGORY})
    objectives = (1, 5)  # the boxes of the dominated region grow as n^(m/2)

    def __post_init__(self) -> None:
        for name in ("n_initial", "n_samples", "n_raw", "n_restarts"):
            if getattr(self, name) is not None:
                _checks.whole(name, getattr(self, name))

    def init(self, problem: Problem, rng: Rng) -> State:
        k = self.n_initial or 2 * (problem.n_var + 1)
        sobol = torch.quasirandom.SobolEngine(problem.n_var, scramble=True, seed=rng.seed() % 2**31)
        design = sobol.draw(k, dtype=torch.float64).to(rng.device, rng.dtype)
        empty = Population.empty(problem, 1, device=rng.device, dtype=rng.dtype)
        known = problem.reference_point
        unknown = torch.full((problem.n_obj,), torch.nan, dtype=torch.float64)
        return State(empty, problem.space.from_cube(design)[None], (unknown if known is None else known)[None])

    def ask(
        self, problem: Problem, state: State, rng: Rng, n: int | None = None, pending: Tensor | None = None
    ) -> tuple[Tensor, Any, State]:
        n_open = 0 if pending is None else pending.shape[1]
        begun = len(state.data) + n_open
        if begun < state.design.shape[1]:
            return state.design[:, begun : begun + (n or 1)], None, state
        return self._suggest(problem, state, rng, n or 1, pending if n_open else None)

    def _suggest(
        self, problem: Problem, state: State, rng: Rng, n: int, pending: Tensor | None
    ) -> tuple[Tensor, Any, State]:
        space, data = problem.space, state.data
        z = space.to_cube(data.x[0].double())
        usable = ~data.failed[0] & torch.isfinite(data.g[0]).all(-1)
        f, g = data.f[0][usable].double(), data.g[0][usable].double()
        surrogate, failure, reference = None, None, state.reference_point
        sizes = category_sizes(space)
        if usable.any():
            warm = {name: value[0] for name, value in state.hyperparameters.items()} or None
            surrogate = fit(z[usable], f, g if problem.n_con else None, category_sizes=sizes, warm=warm)
            hyperparameters = {name: value[None] for name, value in surrogate.hyperparameters.items()}
            reference = infer_reference_point(f, g if problem.n_con else None, reference[0])[None]
            state = replace(state, reference_point=reference, hyperparameters=hyperparameters)
        if not usable.all():
            failure = fit_failure(z, ~usable, category_sizes=sizes)
        found = suggest(
            surrogate, failure, baseline_x=z, n=n, seed=rng.seed(),
            pending_x=None if pending is None else space.to_cube(pending[0].double()),
            reference_point=reference[0], round_=lambda cube: space.to_cube(space.from_cube(cube)),
            n_samples=self.n_samples, n_raw=self.n_raw, n_restarts=self.n_restarts,
        )  # fmt: skip
        return space.from_cube(found).to(data.x.dtype)[None], None, state

    def tell(
        self, problem: Problem, state: State, rng: Rng, x: Tensor, tag: Any, evaluation: Evaluation
    ) -> State:
        return replace(state, data=state.data.join(Population.of(problem, x, evaluation)))

    def population(self, problem: Problem, state: State) -> Population:
        return state.data


def category_sizes(space: Space) -> dict[int, int]:
    """Number of options of each category column."""
    columns = (space.column_kinds == int(Kind.CATEGORY)).nonzero()[:, 0].tolist()
    return {column: int(space.high[column]) + 1 for column in columns}
