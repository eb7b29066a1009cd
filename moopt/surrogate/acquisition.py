"""Where to evaluate next: the points that promise most, one after the other.

References:
    Daulton, Balandat, Bakshy. Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected Hypervolume
    Improvement. NeurIPS 2021 (sequential greedy batches, pending points).
    Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected Improvements to Expected Improvement for Bayesian
    Optimization. NeurIPS 2023 (logarithms).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.core.reference import reference_point as beyond
from moopt.kernels.boxes import boxes
from moopt.selection import nondominated_mask
from moopt.surrogate.acquisitions import Feasibility, Improvement, Scalarised, Score
from moopt.surrogate.model import FailureModel, Surrogate, snap
from moopt.surrogate.numerics import numerical_errors, reproducible
from moopt.surrogate.search import Search, column_levels

_log = logging.getLogger("moopt")

FEW = 4  # draws where all are nearly the same
MOST_SIDES = 8192  # of the boxes of all draws; from there on fewer draws
Goal = Literal["hypervolume", "scalarised"]


def infer_reference_point(f: Tensor, g: Tensor | None = None, reference_point: Tensor | None = None) -> Tensor:
    """A reference point one tenth of the front's range beyond its nadir (BoTorch's rule; Ishibuchi et al. 2011).

    The front is the nondominated set of the feasible points, or of all points where none is feasible. For what
    stands in for a range of zero see `moopt.core.reference`.

    Args:
        f: objectives ``[n, m]``, minimised; rows that are not finite are left out.
        g: constraints ``[n, c]``, ``g <= 0`` feasible.
        reference_point: ``[m]``; its entries are kept and only those that are NaN are inferred.

    Returns:
        ``[m]``, in the dtype of ``f``.

    Raises:
        ValueError: an entry must be inferred and no row of ``f`` is finite.
    """
    if f.ndim != 2:
        raise InputError(f"expected f[n, m], got shape {tuple(f.shape)}")
    if reference_point is not None:
        reference_point = torch.as_tensor(reference_point, dtype=f.dtype, device=f.device)
        if reference_point.shape != f.shape[1:]:
            raise InputError(
                f"expected reference_point[m] with m = {f.shape[1]}, got shape {tuple(reference_point.shape)}"
            )
        if not bool(reference_point.isnan().any()):
            return reference_point
    use = f.isfinite().all(dim=-1)
    if not bool(use.any()):
        raise InputError("expected at least one finite row of f to infer a reference point from, got none")
    feasible = use & (g <= 0).all(dim=-1) if g is not None else use
    front = f[feasible if bool(feasible.any()) else use]
    front = front[nondominated_mask(front)]
    inferred = beyond(front.amin(dim=0), front.amax(dim=0))
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
    goal: Goal = "hypervolume",
    round_: Callable[[Tensor], Tensor] | None = None,
    candidates: Tensor | None = None,
    repeats: bool = False,
    n_draws: int | None = None,
    n_raw: int = 256,
    n_restarts: int = 4,
) -> Tensor:
    """The next ``n`` points to evaluate, chosen one after the other, each as if those before it were pending.

    Log noisy expected (feasible) hypervolume improvement, or log expected improvement of ParEGO's scalarising function
    with weights drawn for each point, plus the log probability that the evaluation works; before anything feasible is
    known, the log probability of feasibility. No suggestion repeats an evaluated or pending point while another point
    exists (but see ``repeats``). Where the acquisition function or its optimiser breaks down numerically, the best of
    the scored points is taken, or the one farthest from all known points, and a warning says so.

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
        goal: "hypervolume" or "scalarised"; the boxes of the first grow as ``k^(m/2)``.
        round_: maps points ``[..., d]`` of the cube to the nearest valid ones; by default all points are valid. It is
            asked on a grid which columns hold few values: those are searched by steps, the others by gradients.
        candidates: points ``[c, d]`` of the cube that are scored too, such as offspring of what is known.
        repeats: an evaluated point may be suggested again, for answers are noisy.
        n_draws: draws of what is known, over which the acquisition function is the mean. By default 64, 32, 16, 8 for
            one to four objectives, and 4 for more or where values are exact and nothing is pending; fewer where
            fronts are large, for time and memory grow with the number of boxes.
        n_raw: quasi-random points from which the optimiser starts; with half as many near the best known ones.
        n_restarts: how many of them it improves.

    Returns:
        ``[n, d]`` valid points of the unit cube, in the dtype and on the device of ``baseline_x``.

    Raises:
        ValueError: a shape does not fit, an unknown goal, or ``n < 1``.
    """
    if baseline_x.ndim != 2:
        raise InputError(f"expected baseline_x[k, d], got shape {tuple(baseline_x.shape)}")
    d = baseline_x.shape[-1]
    for name, points in (("pending_x", pending_x), ("candidates", candidates)):
        if points is not None and (points.ndim != 2 or points.shape[-1] != d):
            raise InputError(f"expected {name}[k, d] with d = {d}, got shape {tuple(points.shape)}")
    models = [model for model in (surrogate, failure) if model is not None]
    for model in models:
        if model.x.shape[-1] != d:
            raise InputError(f"expected models of d = {d} columns, got {model.x.shape[-1]}")
    if n < 1:
        raise InputError(f"expected n >= 1, got {n}")
    if goal not in ("hypervolume", "scalarised"):
        raise InputError(f"expected goal hypervolume or scalarised, got {goal!r}")

    sizes = dict(models[0].category_sizes) if models else {}
    # checked before the search, which takes a ValueError for a numerical one
    reference = None if surrogate is None else infer_reference_point(surrogate.f, surrogate.g, reference_point)

    def settle(x: Tensor) -> Tensor:
        return snap(x if round_ is None else round_(x), sizes)

    evaluated = snap(baseline_x.detach().double(), sizes)
    pending = evaluated[:0] if pending_x is None else snap(pending_x.detach().double(), sizes)
    extra = evaluated[:0] if candidates is None else candidates.detach().double()
    n_known = max([len(evaluated)] + [len(model.x) for model in models])
    with reproducible(seed, baseline_x.device, n_known):
        search = Search(settle, column_levels(settle, d, sizes, baseline_x.device), sizes, extra, n_raw, n_restarts)
        score = None
        if surrogate is not None and reference is not None:
            score = _score(surrogate, failure, reference, goal, n_draws, n + len(pending) == 1)
        around = evaluated if surrogate is None else surrogate.x[surrogate.best]
        for k in range(n):
            score = _pending(score, pending[-1:] if k else pending)
            chosen = search(score, around, pending if repeats else torch.cat([evaluated, pending]))
            pending = torch.cat([pending, chosen])
    chosen = pending[len(pending) - n :]
    return (chosen if round_ is None else round_(chosen).clamp(0, 1)).to(baseline_x.dtype)


def _score(
    surrogate: Surrogate, failure: FailureModel | None, reference: Tensor, goal: Goal, n_draws: int | None, alone: bool
) -> Score | None:
    """The acquisition function that fits what is known, before pending points; ``None`` where it has no numbers."""
    m = surrogate.f.shape[-1]
    kind: type[Score] = Improvement if goal == "hypervolume" else Scalarised
    if not bool((surrogate.g <= 0).all(dim=-1).any()):
        kind = Feasibility
    if n_draws is None:
        n_draws = FEW if alone and surrogate.certain else max(4, 128 >> m)
        if kind is Improvement:
            lower, _ = boxes(surrogate.f[surrogate.best][None].cpu(), reference.cpu())
            n_draws = min(n_draws, max(1 if alone else 2, MOST_SIDES // lower.numel()))
    standard = (reference - surrogate.mean[:m]) / surrogate.scale[:m]
    try:
        return kind(surrogate, failure, n_draws, standard)
    except numerical_errors() as error:
        _log.warning("suggest: no acquisition function (%s: %s); filling space", type(error).__name__, error)
    return None


def _pending(score: Score | None, x: Tensor) -> Score | None:
    """The score once points [p, d] are under evaluation; ``None`` where it cannot take them."""
    try:
        return None if score is None else score.with_pending(x)
    except numerical_errors() as error:
        _log.warning("suggest: the acquisition function took no further pending points (%s)", error)
    return None
