"""Where to evaluate next: log noisy expected hypervolume improvement, and what stands in for it.

References:
    Daulton, Balandat, Bakshy. Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected Hypervolume
    Improvement. NeurIPS 2021 (qNEHVI, sequential greedy batches, pending points).
    Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected Improvements to Expected Improvement for Bayesian
    Optimization. NeurIPS 2023 (its logarithm).

Differences from the papers: the probability that an evaluation works multiplies the acquisition exactly (it adds its
logarithm), and with one objective noisy expected improvement takes the hypervolume's place.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from moopt.surrogate.model import FailureModel, Surrogate, numerical_errors, reproducible, snap
from moopt.surrogate.search import Search, column_levels, new_seed

_log = logging.getLogger("moopt")

# Most numbers in one intermediate tensor of an acquisition evaluation; about ten live at once, of 32 MiB each.
_MOST_NUMBERS = 2**22
# Least range of a front in BoTorch's rule for reference points.
_LEAST_RANGE = 1e-7


def infer_reference_point(f: Tensor, g: Tensor | None = None, reference_point: Tensor | None = None) -> Tensor:
    """A reference point one tenth of the front's range beyond its nadir (BoTorch's rule; Ishibuchi et al. 2011).

    The front is the nondominated set of the feasible points, or of all points where none is feasible. A range of zero
    is replaced by the objective's magnitude.

    Args:
        f: objectives ``[n, m]``, minimised; rows that are not finite are left out.
        g: constraints ``[n, c]``, ``g <= 0`` feasible.
        reference_point: ``[m]``; its entries are kept and only those that are NaN are inferred.

    Returns:
        ``[m]``, in the dtype of ``f``.

    Raises:
        ValueError: an entry must be inferred and no row of ``f`` is finite.
    """
    from botorch.utils.multi_objective.pareto import is_non_dominated

    if f.ndim != 2:
        raise ValueError(f"expected f[n, m], got shape {tuple(f.shape)}")
    if reference_point is not None:
        reference_point = torch.as_tensor(reference_point, dtype=f.dtype, device=f.device)
        if reference_point.shape != f.shape[1:]:
            raise ValueError(
                f"expected reference_point[m] with m = {f.shape[1]}, got shape {tuple(reference_point.shape)}"
            )
        if not bool(reference_point.isnan().any()):
            return reference_point
    use = f.isfinite().all(dim=-1)
    if not bool(use.any()):
        raise ValueError("expected at least one finite row of f to infer a reference point from, got none")
    feasible = use & (g <= 0).all(dim=-1) if g is not None else use
    front = f[feasible if bool(feasible.any()) else use]
    front = front[is_non_dominated(-front)]
    nadir, span = front.amax(dim=0), front.amax(dim=0) - front.amin(dim=0)
    span = torch.where(span > 0, span, nadir.abs().clamp_min(_LEAST_RANGE))
    inferred = nadir + 0.1 * span
    return inferred if reference_point is None else torch.where(reference_point.isnan(), inferred, reference_point)


def suggest(
    surrogate: Surrogate | None,
    failure: FailureModel | None = None,
    *,
    baseline_x: Tensor,
    pending_x: Tensor | None = None,
    reference_point: Tensor | None = None,
    n: int = 1,
    seed: int = 0,
    round_: Callable[[Tensor], Tensor] | None = None,
    n_samples: int | None = None,
    n_raw: int = 256,
    n_restarts: int = 4,
) -> Tensor:
    """The next ``n`` points to evaluate, chosen one after the other, each as if those before it were pending.

    Log noisy expected (feasible) hypervolume improvement, plus the log probability that the evaluation works; before
    anything feasible is known, the log probability of feasibility. No suggestion repeats an evaluated or pending point
    while another point exists. Where the acquisition function or its optimiser breaks down numerically, the best of
    the scored quasi-random points is taken, or the one farthest from all known points, and a warning says so.

    Equal arguments give equal bits on the same machine; global random state is not touched. Not for use in threads.

    Args:
        surrogate: the model of objectives and constraints; ``None`` while nothing is known or every evaluation has
            failed: points then fill the space, away from those known.
        failure: the model of failures; ``None`` while none has failed.
        baseline_x: all evaluated points ``[k, d]`` in the unit cube, failed ones included; never suggested again.
        pending_x: points ``[p, d]`` under evaluation.
        reference_point: ``[m]``, minimised, in the objectives' units; what is missing or NaN is inferred.
        n: number of points.
        seed: any integer.
        round_: maps points ``[..., d]`` of the cube to the nearest valid ones; by default all points are valid. It is
            asked on a grid which columns hold few values: those are searched by steps, the others by gradients.
        n_samples: quasi-Monte-Carlo samples of the acquisition function (a power of two). Time and memory grow with it
            and with the number of boxes, so the default halves with each objective: 64 for two, never below 16.
        n_raw: quasi-random points from which the optimiser starts.
        n_restarts: how many of them it improves.

    Returns:
        ``[n, d]`` valid points of the unit cube, in the dtype and on the device of ``baseline_x``.

    Raises:
        ValueError: a shape does not fit, or ``n < 1``.
    """
    if baseline_x.ndim != 2:
        raise ValueError(f"expected baseline_x[k, d], got shape {tuple(baseline_x.shape)}")
    d = baseline_x.shape[-1]
    if pending_x is not None and (pending_x.ndim != 2 or pending_x.shape[-1] != d):
        raise ValueError(f"expected pending_x[p, d] with d = {d}, got shape {tuple(pending_x.shape)}")
    models = [model for model in (surrogate, failure) if model is not None]
    for model in models:
        if model.x.shape[-1] != d:
            raise ValueError(f"expected models of d = {d} columns, got {model.x.shape[-1]}")
    if n < 1:
        raise ValueError(f"expected n >= 1, got {n}")

    sizes = dict(models[0].category_sizes) if models else {}
    # checked before the search, which takes a ValueError for a numerical one
    reference = None if surrogate is None else infer_reference_point(surrogate.f, surrogate.g, reference_point)

    def settle(x: Tensor) -> Tensor:
        return snap(x if round_ is None else round_(x), sizes)

    evaluated = snap(baseline_x.detach().double(), sizes)
    pending = evaluated[:0] if pending_x is None else snap(pending_x.detach().double(), sizes)
    n_known = max([len(evaluated)] + [len(model.x) for model in models])
    with reproducible(seed, baseline_x.device, n_known), _python_kernel():
        search = Search(settle, column_levels(settle, d, sizes, baseline_x.device), sizes, n_raw, n_restarts)
        score = None
        if surrogate is not None and reference is not None:
            score = _score(surrogate, failure, pending, reference, n_samples)
        around = evaluated if surrogate is None else _best(surrogate)
        for _ in range(n):
            chosen = search(score, around, torch.cat([evaluated, pending]))
            pending = torch.cat([pending, chosen])
            if score is not None:
                score = score.with_pending(pending)
    chosen = pending[len(pending) - n :]
    return (chosen if round_ is None else round_(chosen).clamp(0, 1)).to(baseline_x.dtype)


class _Score:
    """Log acquisition value of single points: ``[b, 1, d] -> [b]``."""

    def __init__(self, acquisition: Any, failure: FailureModel | None, numbers: int) -> None:
        self.acquisition, self.failure = acquisition, failure
        # how many points fit into one evaluation
        self.chunk = max(1, _MOST_NUMBERS // numbers)

    def __call__(self, x: Tensor) -> Tensor:
        value: Tensor = self.acquisition(x)
        return value if self.failure is None else value + self.failure.log_success(x).squeeze(-1)

    def many(self, x: Tensor) -> Tensor:
        """Values ``[k]`` of ``x[k, d]`` without gradients; what is not a number counts as minus infinity."""
        with torch.no_grad():
            value = torch.cat([self(part.unsqueeze(-2)) for part in x.split(self.chunk)])
        return value.nan_to_num(nan=-math.inf, posinf=-math.inf)

    def with_pending(self, pending: Tensor) -> _Score | None:
        try:
            self.acquisition.set_X_pending(pending)
        except numerical_errors() as error:
            _log.warning("suggest: the acquisition function took no further pending points (%s)", error)
            return None
        return self


def _score(
    surrogate: Surrogate,
    failure: FailureModel | None,
    pending: Tensor,
    reference_point: Tensor,
    n_samples: int | None,
) -> _Score | None:
    """The acquisition function that fits what is known; ``None`` where it cannot be computed."""
    from botorch.sampling import SobolQMCNormalSampler

    n_samples = n_samples or max(16, 256 >> surrogate.f.shape[-1])
    sampler = SobolQMCNormalSampler(torch.Size([n_samples]), seed=new_seed())
    try:
        return _improvement(surrogate, failure, pending if len(pending) else None, reference_point, sampler)
    except numerical_errors() as error:
        _log.warning("suggest: no acquisition function (%s: %s); filling space", type(error).__name__, error)
    return None


def _improvement(
    surrogate: Surrogate,
    failure: FailureModel | None,
    pending: Tensor | None,
    reference_point: Tensor,
    sampler: Any,
) -> _Score:
    """Built on standardised outputs, so that tolerances of BoTorch mean the same at every scale of the objectives."""
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement, qLogProbabilityOfFeasibility
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
    from botorch.acquisition.multi_objective.utils import get_default_partitioning_alpha
    from botorch.acquisition.objective import GenericMCObjective

    model, n_points = surrogate.model, len(surrogate.x)
    m, c = surrogate.f.shape[-1], surrogate.g.shape[-1]
    limits = (_limits(surrogate) - surrogate.mean[m:]) / surrogate.scale[m:]
    constraints = [_constraint(m + k, limit) for k, limit in enumerate(limits.tolist())]
    n_pending = 0 if pending is None else len(pending)
    n_samples = sampler.sample_shape.numel()
    if not bool((surrogate.g <= 0).all(dim=-1).any()):
        acquisition: Any = qLogProbabilityOfFeasibility(model, constraints, sampler, X_pending=pending)
        return _Score(acquisition, failure, (m + c) * (1 + n_pending) * (n_samples + n_points + n_pending))

    if m == 1:
        acquisition = qLogNoisyExpectedImprovement(
            model,
            surrogate.x,
            sampler,
            GenericMCObjective(_negated(0)),
            X_pending=pending,
            constraints=constraints or None,
        )
        n_cells, n_baseline = 1, n_points + n_pending
    else:
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model,
            -(reference_point - surrogate.mean[:m]) / surrogate.scale[:m],
            surrogate.x,
            sampler,
            GenericMCMultiOutputObjective(_negated(slice(m))),
            constraints=constraints or None,
            X_pending=pending,
            prune_baseline=True,
            alpha=get_default_partitioning_alpha(m),
        )
        n_cells, n_baseline = acquisition.cell_lower_bounds.shape[-2], len(acquisition.X_baseline)
    numbers = n_samples * n_cells * m + (m + c) * (n_baseline + 1) * (n_baseline + n_points + 1)
    return _Score(acquisition, failure, numbers)


def _limits(surrogate: Surrogate) -> Tensor:
    """What each constraint must stay below: 0, or half its least violation where its feasible values are all exactly 0.

    Such columns are clipped, ``max(0, violation)``; a model with its limit at 0 would call the feasible points feasible
    with probability one half. Any limit up to the least violation seen tells the data apart.
    """
    violation = torch.where(surrogate.g > 0, surrogate.g, math.inf).amin(dim=0)
    half = torch.where(violation < math.inf, violation / 2, surrogate.scale[surrogate.f.shape[-1] :])
    clipped = (surrogate.g >= 0).all(dim=0) & (surrogate.g == 0).any(dim=0)
    return torch.where(clipped, half, torch.zeros_like(half))


def _constraint(output: int, limit: float) -> Callable[[Tensor], Tensor]:
    return lambda samples: samples[..., output] - limit


def _negated(outputs: int | slice) -> Callable[..., Tensor]:
    """BoTorch maximises."""
    return lambda samples, X=None: -samples[..., outputs]


def _best(surrogate: Surrogate) -> Tensor:
    """The nondominated feasible points, or where there are none those with the least summed standardised violation."""
    from botorch.utils.multi_objective.pareto import is_non_dominated

    violation = (surrogate.g / surrogate.scale[surrogate.f.shape[-1] :]).clamp_min(0).sum(dim=-1)
    least = violation <= violation.min()
    x, f = surrogate.x[least], surrogate.f[least]
    return x[is_non_dominated(-f)]


@contextmanager
def _python_kernel() -> Iterator[None]:
    """Keeps BoTorch's optional C++ kernel of log EHVI out.

    It is compiled when first used (7 s by its own account, 34 s on two shared cores) and saves little where batches are
    one point (0 to 20 %, within the noise of that measurement); and whether a compiler is present would decide the bits
    of a suggestion. BoTorch 0.18 has no public switch; were these two names to change, this would do nothing.
    """
    from botorch.acquisition.multi_objective import logei

    saved = {name: getattr(logei, name) for name in ("_C", "_load_attempted") if hasattr(logei, name)}
    if saved:
        logei._C, logei._load_attempted = None, True
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(logei, name, value)
