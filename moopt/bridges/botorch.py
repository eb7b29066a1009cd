"""Bayesian optimization as BoTorch's tutorials do it, and the Sobol points that they compare with.

M. Balandat, B. Karrer, D. R. Jiang, S. Daulton, B. Letham, A. G. Wilson, E. Bakshy (2020), "BoTorch: A Framework for
Efficient Monte-Carlo Bayesian Optimization", NeurIPS 33. One batched model of objectives and constraints with default
priors, qLogNEHVI with 128 samples and a pruned baseline, ten restarts from 512 raw points, sequential batches; for
integers and categories its mixed model and its alternating search, with the same numbers.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from moopt.bridges.recorded import Recorded
from moopt.core import checks
from moopt.core.space import Kind, Space


def bridge(library: str, name: str) -> Callable[..., None]:
    """`qLogNEHVI` or `Sobol` as a contender.

    Options: `n_initial` Sobol points first (2 (d + 1)), `batch` points a suggestion, `num_restarts`, `raw_samples`,
    `mc_samples`, `maxiter`; `Sobol` has none. The reference point is the problem's, else inferred from the first
    points by BoTorch's rule. Failed points are left out. Raises ValueError for another name; the contender does for
    permutations.
    """
    known: dict[str, Callable[..., None]] = {"qLogNEHVI": _search, "Sobol": _sobol}
    if name not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {name!r}{checks.nearest(name, known)}")
    return known[name]


def sobol(space: Space, n: int, seed: int) -> Tensor:
    """The first n scrambled Sobol points [n, d] in search coordinates."""
    if Kind.PERMUTATION in space.kinds:
        raise ValueError("it searches no permutations")
    if Kind.WEIGHTS in space.kinds:
        raise ValueError("it searches no blocks of weights")
    engine = torch.quasirandom.SobolEngine(space.n_var, scramble=True, seed=seed)
    return space.from_cube(engine.draw(n, dtype=torch.float64))


def _sobol(problem: Recorded, budget: int, seed: int) -> None:
    problem.evaluate(sobol(problem.space, budget, seed))


def suggestion(
    space: Space, x: Tensor, f: Tensor, g: Tensor, reference_point: Tensor, batch: int, num_restarts: int,
    raw_samples: int, mc_samples: int, maxiter: int,
) -> Tensor:  # fmt: skip
    """The next points [batch, d] after x[n, d] with objectives f[n, m] and constraints g[n, c]; all minimised."""
    codes = _Codes(space)
    z, y = codes.encode(x), torch.cat((-f, g), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        acquisition = _acquisition(_model(codes, z, y), z, f.shape[1], y.shape[1], -reference_point, mc_samples)
        return codes.decode(codes.maximise(acquisition, batch, num_restarts, raw_samples, maxiter))


def _search(
    problem: Recorded, budget: int, seed: int, n_initial: int | None = None, batch: int = 1, num_restarts: int = 10,
    raw_samples: int = 512, mc_samples: int = 128, maxiter: int = 200,
) -> None:  # fmt: skip
    """Suggests until the budget is spent."""
    from botorch.utils.multi_objective.hypervolume import infer_reference_point
    from botorch.utils.multi_objective.pareto import is_non_dominated

    problem.evaluate(sobol(problem.space, min(budget, n_initial or 2 * (problem.n_var + 1)), seed))
    reference = problem.reference_point
    while problem.spent < budget:
        data = problem.population
        data = data.select(~data.failed)
        if reference is None:
            good = -data.f[data.feasible] if bool(data.feasible.any()) else -data.f
            reference = -infer_reference_point(good[is_non_dominated(good)])
        found = suggestion(
            problem.space, data.x, data.f, data.g, reference, min(batch, budget - problem.spent), num_restarts,
            raw_samples, mc_samples, maxiter,
        )  # fmt: skip
        problem.evaluate(found)


def _model(codes: _Codes, z: Tensor, y: Tensor) -> Any:
    from botorch import fit_gpytorch_mll
    from botorch.models import MixedSingleTaskGP, SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = MixedSingleTaskGP(z, y, cat_dims=codes.categories) if codes.categories else SingleTaskGP(z, y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def _acquisition(model: Any, z: Tensor, m: int, outputs: int, reference: Tensor, mc_samples: int) -> Any:
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
    from botorch.sampling.normal import SobolQMCNormalSampler

    return qLogNoisyExpectedHypervolumeImprovement(
        model, reference.tolist(), z, prune_baseline=True,
        sampler=SobolQMCNormalSampler(torch.Size([mc_samples]), seed=int(torch.randint(2**31, ()))),
        objective=IdentityMCMultiOutputObjective(outcomes=list(range(m))) if outputs > m else None,
        constraints=[functools.partial(_column, j) for j in range(m, outputs)] or None,
    )  # fmt: skip


def _column(j: int, values: Tensor) -> Tensor:
    return values[..., j]


class _Codes:
    """Search coordinates as BoTorch's models want them: numbers in [0, 1], categories as their codes."""

    def __init__(self, space: Space) -> None:
        self.space, self.low, self.high = space, space.low, space.high
        self.categories = space.column_mask(Kind.CATEGORY, torch.device("cpu")).nonzero()[:, 0].tolist()
        integers = space.column_mask(Kind.INTEGER, torch.device("cpu")).nonzero()[:, 0].tolist()
        self.shift, self.width = self.low.clone(), torch.where(self.high > self.low, self.high - self.low, 1.0)
        self.shift[self.categories], self.width[self.categories] = 0.0, 1.0
        self.choices = {j: list(map(float, range(int(self.high[j]) + 1))) for j in self.categories}
        self.steps = {j: torch.linspace(0, 1, int(self.width[j]) + 1).double().tolist() for j in integers}

    def encode(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.width

    def decode(self, z: Tensor) -> Tensor:
        return self.space.repair((z * self.width + self.shift).clamp(self.low, self.high))

    def maximise(self, acquisition: Any, q: int, num_restarts: int, raw_samples: int, maxiter: int) -> Tensor:
        """The next points [q, d]."""
        from botorch.optim import optimize_acqf, optimize_acqf_mixed_alternating

        bounds = torch.stack((self.encode(self.low), self.encode(self.high)))
        common: dict[str, Any] = {"q": q, "num_restarts": num_restarts, "raw_samples": raw_samples, "sequential": True}
        if self.steps or self.choices:
            found, _ = optimize_acqf_mixed_alternating(
                acquisition, bounds, discrete_dims=self.steps, cat_dims=self.choices, **common
            )
        else:
            found, _ = optimize_acqf(acquisition, bounds, options={"batch_limit": 5, "maxiter": maxiter}, **common)
        return found.detach()
